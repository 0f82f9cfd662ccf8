//! Who asks: a person with a living device and the appointments they hold.

use obhut_format::statement::Role;
use obhut_format::{DeviceKid, Kid, PersonId, UnitId};

use crate::Refusal;

/// A role somebody was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appointment {
    /// The role.
    pub role: Role,
    /// The unit, for caseworkers.
    pub unit: Option<UnitId>,
    /// Until when, microseconds UTC; `None` = until it is ended.
    pub until_us: Option<u64>,
}

/// A caseworker of a unit for whom somebody stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deputyship {
    /// For whom.
    pub on_behalf_of: PersonId,
    /// In which unit.
    pub unit: UnitId,
    /// From when, microseconds UTC.
    pub from_us: u64,
    /// Until when, microseconds UTC: the deputy's end or that of the appointment, whichever comes first.
    pub until_us: u64,
}

/// What the replayed records say about a person and the device that spoke for them.
#[derive(Clone, Debug)]
pub struct CallerFacts {
    /// The person.
    pub person: PersonId,
    /// The device that authenticated.
    pub device: DeviceKid,
    /// Whose device it is, if it is known at all.
    pub device_owner: Option<PersonId>,
    /// Whether the device was revoked.
    pub device_revoked: bool,
    /// The person's current bundle; `None` when the person is unknown or has none.
    pub kid: Option<Kid>,
    /// Its epoch; 0 = from an invitation.
    pub kid_epoch: u64,
    /// Reads as a citizen.
    pub citizen: bool,
    /// Appointments that were given and not ended, run-out ones included.
    pub appointments: Vec<Appointment>,
    /// For whom the person stands in, past and future times included.
    pub deputyships: Vec<Deputyship>,
}

/// An authenticated person. Made from facts once a request and not kept longer.
#[derive(Clone, Debug)]
pub struct Caller {
    person: PersonId,
    device: DeviceKid,
    kid: Kid,
    citizen: bool,
    appointments: Vec<Appointment>,
    deputyships: Vec<Deputyship>,
    now_us: u64,
}

impl Caller {
    /// Refuses unknown and revoked devices, unknown persons and those who only hold an invitation.
    pub fn new(facts: CallerFacts, now_us: u64) -> Result<Self, Refusal> {
        if facts.device_owner != Some(facts.person) {
            return Err(Refusal::DeviceUnknown);
        }
        if facts.device_revoked {
            return Err(Refusal::DeviceRevoked);
        }
        let kid = facts.kid.ok_or(Refusal::PersonUnknown)?;
        if facts.kid_epoch == 0 {
            return Err(Refusal::InvitationOnly);
        }
        Ok(Self {
            person: facts.person,
            device: facts.device,
            kid,
            citizen: facts.citizen,
            appointments: facts.appointments,
            deputyships: facts.deputyships,
            now_us,
        })
    }

    /// The person.
    pub fn person(&self) -> PersonId {
        self.person
    }

    /// The device.
    pub fn device(&self) -> DeviceKid {
        self.device
    }

    /// The person's current bundle.
    pub fn kid(&self) -> Kid {
        self.kid
    }

    /// Whether the person was enrolled as a citizen.
    pub fn is_citizen(&self) -> bool {
        self.citizen
    }

    /// The appointments in force.
    pub fn appointments(&self) -> impl Iterator<Item = &Appointment> {
        self.appointments.iter().filter(|given| self.is_live(given))
    }

    /// Whether an appointment for the role, and the unit if one is given, is in force.
    pub fn holds(&self, role: Role, unit: Option<UnitId>) -> bool {
        self.require(role, unit).is_ok()
    }

    /// As [`holds`](Self::holds), and says what is wrong.
    pub fn require(&self, role: Role, unit: Option<UnitId>) -> Result<(), Refusal> {
        let fits =
            |given: &&Appointment| given.role == role && (unit.is_none() || given.unit == unit);
        let mut found = self.appointments.iter().filter(fits).peekable();
        if found.peek().is_none() {
            return Err(Refusal::NoAppointment);
        }
        if found.any(|given| self.is_live(given)) {
            Ok(())
        } else {
            Err(Refusal::AppointmentEnded)
        }
    }

    /// Whether the person stands in for this caseworker of the unit now, and if not, why.
    pub fn require_deputy(&self, on_behalf_of: PersonId, unit: UnitId) -> Result<(), Refusal> {
        let fits = |known: &&Deputyship| (known.on_behalf_of, known.unit) == (on_behalf_of, unit);
        let mut found = self.deputyships.iter().filter(fits).peekable();
        if found.peek().is_none() {
            return Err(Refusal::DeputyUnknown);
        }
        if found.any(|known| self.runs(known)) {
            Ok(())
        } else {
            Err(Refusal::DeputyEnded)
        }
    }

    /// Whether the person works in the unit now, as a caseworker or standing in for one.
    pub fn works_in(&self, unit: UnitId) -> bool {
        let mut deputyships = self.deputyships.iter();
        self.holds(Role::CaseWorker, Some(unit))
            || deputyships.any(|known| known.unit == unit && self.runs(known))
    }

    fn runs(&self, known: &Deputyship) -> bool {
        known.from_us <= self.now_us && self.now_us < known.until_us
    }

    fn is_live(&self, given: &Appointment) -> bool {
        given.until_us.is_none_or(|until_us| self.now_us < until_us)
    }
}
