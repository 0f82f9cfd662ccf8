//! After its outcome was logged the permission is used up.
use obhut_format::entry::Outcome;
use obhut_model::action::Release;
use obhut_store::{Logged, Vault};

async fn read(vault: &Vault, logged: Logged<Release>) {
    logged.complete(Outcome::Done);
    let _ = vault.release(&logged).await;
}

fn main() {
    let _ = read;
}
