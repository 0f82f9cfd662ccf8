//! The act itself: who signed it, when, and for which key.

use obhut_format::act::{ACT_LABEL, ACT_LIFETIME_US, Act, MAX_OBJECTS, Released};
use obhut_format::context::sha256;
use obhut_format::release::ReleaseOrder;
use obhut_log::replay::Directory;
use obhut_suite::{DevicePublic, DeviceSignature, Label, XwingPublic};

use crate::Refusal;

const LABEL: Label = Label::new(ACT_LABEL);

/// How far a client's clock may run ahead of the gatekeeper's or the vault's, in microseconds.
pub(super) const CLOCK_SKEW_US: u64 = 120 * 1_000_000;

/// Checks all that an act says about itself; gives the key its shares are sealed to.
pub(super) fn verify_act(
    act: &Act,
    order: &ReleaseOrder,
    directory: &Directory,
    now_us: u64,
) -> Result<XwingPublic, Refusal> {
    if act.vault != order.vault {
        return Err(Refusal::VaultUnknown);
    }
    if act.kind.released() == Released::Nothing {
        return Err(Refusal::ActKind);
    }
    if !act.persons.is_empty() {
        return Err(Refusal::Persons);
    }
    if directory.card().map(|card| card.version) != Some(act.card_version) {
        return Err(Refusal::CardVersion);
    }
    let count = usize::try_from(act.object_count).unwrap_or(usize::MAX);
    if count == 0 || count > MAX_OBJECTS {
        return Err(Refusal::Objects);
    }
    verify_signer(act, order, directory)?;
    verify_time(act, now_us)?;
    verify_pinned(act, directory)?;
    if sha256(&[&order.epk.0]) != act.epk_hash {
        return Err(Refusal::Epk);
    }
    XwingPublic::parse(&order.epk.0).map_err(|_| Refusal::Epk)
}

/// F05: the device must be one that the gatekeeper's own replay names for this person now.
pub(super) fn verify_signer(
    act: &Act,
    order: &ReleaseOrder,
    directory: &Directory,
) -> Result<(), Refusal> {
    let device = directory
        .find_active_device(act.device, act.person)
        .ok_or(Refusal::ActDevice)?;
    let activated = directory
        .person(act.person)
        .is_some_and(obhut_log::replay::Person::is_activated);
    if !activated {
        return Err(Refusal::ActDevice);
    }
    let refused = |_| Refusal::ActSignature;
    let public = DevicePublic::parse(&device.public).map_err(refused)?;
    let signature = DeviceSignature::parse(&order.signed.signature).map_err(refused)?;
    public
        .verify(LABEL, &order.signed.act.0, &signature)
        .map_err(refused)
}

fn verify_time(act: &Act, now_us: u64) -> Result<(), Refusal> {
    if act.time_us > now_us.saturating_add(CLOCK_SKEW_US) {
        return Err(Refusal::ActFromFuture);
    }
    let lifetime = act.expires_us.checked_sub(act.time_us);
    if now_us > act.expires_us || lifetime.is_none_or(|us| us > ACT_LIFETIME_US) {
        return Err(Refusal::ActExpired);
    }
    Ok(())
}

/// The client's own newest records head shows when the gatekeeper is kept behind.
fn verify_pinned(act: &Act, directory: &Directory) -> Result<(), Refusal> {
    let Some(pinned) = &act.pinned else {
        return Ok(());
    };
    let records = directory
        .card()
        .map(obhut_format::card::VaultCard::records_origin);
    if Some(&pinned.origin) == records.as_ref() && pinned.size > directory.size() {
        return Err(Refusal::RecordsBehind);
    }
    Ok(())
}
