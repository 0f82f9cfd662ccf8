//! A `Grant` is used once.
use obhut_model::Grant;
use obhut_model::action::Release;

fn twice(grant: Grant<Release>) -> (Grant<Release>, Grant<Release>) {
    (grant.clone(), grant)
}

fn main() {
    let _ = twice;
}
