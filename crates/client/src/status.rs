//! What a profile knows about itself and its vault, without unlocking anything.

use obhut_log::replay::Appointment;

use crate::ClientError;
use crate::clock::now_us;
use crate::profile::Profile;
use crate::records::Records;
use crate::transport::Endpoint;

/// A profile at a glance; what the log says is as of the profile's last command.
pub struct Status {
    /// Name of the agency.
    pub agency: String,
    /// Assurance level of the pinned card.
    pub assurance: String,
    /// Records replayed so far.
    pub records: u64,
    /// Time of the last one, microseconds UTC; 0 before any.
    pub last_record_us: u64,
    /// Whether person and device still stand in the log.
    pub device_active: bool,
    /// Offices held now.
    pub appointments: Vec<Appointment>,
    /// Whether two registrars are in office; before that the vault is in founding.
    pub in_founding: bool,
    /// Whether the vault answers, and its clock minus this machine's in seconds.
    pub clock_offset_s: Result<i64, ClientError>,
}

/// Looks at a profile; asks the vault nothing but for its time.
pub async fn status(profile: &Profile) -> Result<Status, ClientError> {
    let record = profile.record()?;
    let card = profile.load_card()?;
    let records = Records::load(profile, &card)?;
    let directory = records.directory();
    let now = now_us();
    let person = directory.person(record.person);
    let appointments = person
        .into_iter()
        .flat_map(|person| person.appointments_at(now));
    let registrars = directory
        .persons()
        .filter(|person| person.holds(obhut_format::statement::Role::Registrar, None, now));
    let endpoint = Endpoint::new(&record.url, record.vault, &profile.trust()?)?;
    let about = endpoint.about().await;
    Ok(Status {
        agency: card.name.clone(),
        assurance: card.assurance.to_string(),
        records: directory.size(),
        last_record_us: directory.time_us(),
        device_active: directory
            .find_active_device(record.device, record.person)
            .is_some(),
        appointments: appointments.cloned().collect(),
        in_founding: registrars.take(2).count() < 2,
        clock_offset_s: about.map(|about| seconds_apart(about.server_time_us, now_us())),
    })
}

fn seconds_apart(server_us: u64, here_us: u64) -> i64 {
    let apart = i64::try_from(server_us.abs_diff(here_us) / 1_000_000).unwrap_or(i64::MAX);
    if server_us < here_us { -apart } else { apart }
}
