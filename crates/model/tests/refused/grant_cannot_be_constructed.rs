//! A `Grant` has private fields: only the policy makes one.
use obhut_format::act::ActKind;
use obhut_format::{DeviceKid, PersonId};
use obhut_model::Grant;
use obhut_model::action::Release;

fn main() {
    let _: Grant<Release> = Grant {
        act: [0; 32],
        kind: ActKind::OpenDocument,
        person: PersonId([0; 16]),
        device: DeviceKid([0; 32]),
        action: std::marker::PhantomData,
    };
}
