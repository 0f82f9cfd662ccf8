//! A `VerifiedAct` stands for a checked signature.
use obhut_format::act::{Act, ActRequest};
use obhut_store::VerifiedAct;

fn forge(request: ActRequest, act: Act) -> VerifiedAct {
    VerifiedAct {
        request,
        act,
        hash: [0; 32],
    }
}

fn main() {
    let _ = forge;
}
