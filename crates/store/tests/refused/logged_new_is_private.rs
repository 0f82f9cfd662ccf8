//! Nor is there another way to one.
use obhut_model::action::Release;
use obhut_store::{Logged, VerifiedAct};

fn forge(act: VerifiedAct) -> Logged<Release> {
    Logged::new(act, todo!(), todo!())
}

fn main() {
    let _ = forge;
}
