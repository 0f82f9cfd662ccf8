//! One entry, one `Logged`.
use obhut_model::action::Release;
use obhut_store::Logged;

fn twice(logged: &Logged<Release>) -> Logged<Release> {
    logged.clone()
}

fn main() {
    let _ = twice;
}
