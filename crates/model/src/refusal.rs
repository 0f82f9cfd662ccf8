//! Why an act was refused: a closed set with stable names, kept in the access entry.

macro_rules! refusals {
    ($($(#[$meta:meta])* $variant:ident = $name:literal, $text:literal;)*) => {
        /// Why an act is refused. The name stands in the access entry and in problem documents.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
        pub enum Refusal {
            $($(#[$meta])* #[error($text)] $variant),*
        }

        impl Refusal {
            /// Every refusal.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The stable name.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }
        }
    };
}

refusals! {
    /// The appointment has ended or run out.
    AppointmentEnded = "appointment-ended", "the appointment has ended";
    /// The case is closed.
    CaseClosed = "case-closed", "the case is closed";
    /// The case is not closed.
    CaseOpen = "case-open", "the case is open";
    /// A record that this kind of act does not make.
    ChangeNotOfThisAct = "change-not-of-this-act", "the act does not cover this record";
    /// The time of the deputy has not come, is over, or the one stood in for left the unit.
    DeputyEnded = "deputy-ended", "the deputy's time has not come or is over";
    /// Acting for somebody else needs a deputy statement, and there is none.
    DeputyUnknown = "deputy-unknown", "there is no deputy statement";
    /// The device has been revoked.
    DeviceRevoked = "device-revoked", "the device has been revoked";
    /// The device is not one of this person's.
    DeviceUnknown = "device-unknown", "the device is not known for this person";
    /// The person still has the invitation's keys only.
    InvitationOnly = "invitation-only", "the invitation has not been used yet";
    /// The act belongs to another action than the one asked for.
    KindNotOfThisAction = "kind-not-of-this-action", "the act is of another kind";
    /// No appointment for the role and unit of the act.
    NoAppointment = "no-appointment", "there is no appointment for this role";
    /// No grant that is still good covers the object.
    NoLiveGrant = "no-live-grant", "no grant covers the object";
    /// The role may not do this.
    NotForThisRole = "not-for-this-role", "the role may not do this";
    /// The person's log or identity is somebody else's.
    NotYourself = "not-yourself", "it is about somebody else";
    /// The case belongs to another unit than the act's.
    NotYourUnit = "not-your-unit", "the case belongs to another unit";
    /// No such case, document, person or unit.
    ObjectUnknown = "object-unknown", "there is no such object";
    /// The act names no object, or objects of a kind it cannot be about.
    ObjectsUnfit = "objects-unfit", "the objects do not fit the act";
    /// Only the owner reads an `own` case.
    OwnersOnly = "owners-only", "only the owner reads this case";
    /// The person id is not known.
    PersonUnknown = "person-unknown", "the person is not known";
    /// The records log refuses the record.
    RecordRefused = "record-refused", "the record is not valid";
}

impl Refusal {
    /// Whether telling the caller would show that something exists; then the answer is "not found".
    pub fn hides_existence(self) -> bool {
        matches!(
            self,
            Self::NoLiveGrant | Self::NotYourUnit | Self::ObjectUnknown | Self::OwnersOnly
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_in_order() {
        let names: Vec<&str> = Refusal::ALL.iter().map(|r| r.as_str()).collect();
        let mut unique = names.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), names.len());
    }
}
