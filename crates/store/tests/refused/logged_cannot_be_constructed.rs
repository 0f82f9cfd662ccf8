//! Only the store makes a `Logged`, after the entry is committed.
use obhut_model::action::Release;
use obhut_store::{Logged, VerifiedAct};

fn forge(act: VerifiedAct) -> Logged<Release> {
    Logged {
        act,
        entry: todo!(),
        queue: todo!(),
        receipt: todo!(),
        completed: true,
        repeated: true,
        action: std::marker::PhantomData,
    }
}

fn main() {
    let _ = forge;
}
