//! `obhut-gate enrol`.

use super::args::EnrolArgs;
use super::clock::{now_us, system_edge};
use super::{OperatorError, Settings};
use crate::stores::open_first;
use crate::vaults::make_code;

const DAY_US: u64 = 24 * 3_600 * 1_000_000;

/// Makes a one-time code for the founder of one vault of that server.
pub async fn enrol(args: EnrolArgs) -> Result<String, OperatorError> {
    let server = args.server.parse();
    let server = server.map_err(|_| OperatorError::Fingerprint(args.server.clone()))?;
    let places = Settings::load(&args.data)?.places(&args.data)?;
    let key = crate::keys::load_party_key(&places)?;
    let db = open_first(&places).await?;
    let until_us = now_us().saturating_add(u64::from(args.days) * DAY_US);
    let mut rng = system_edge()?.rng();
    let code = make_code(&db, key, server, until_us, &mut rng).await?;
    db.close().await;
    Ok(format!(
        "Enrolment code for one vault of the server {server},\nfor {} day(s):\n\n  {}\n\n\
         Hand it to the founder of the vault, not to the operator of its server and not by e-mail. It is shown\n\
         only now. The founder types it into `obhut found … --gate-code FILE`; it proves this gatekeeper to the\n\
         founder, and the founder's agency root to this gatekeeper.\n",
        args.days,
        code.to_text(),
    ))
}
