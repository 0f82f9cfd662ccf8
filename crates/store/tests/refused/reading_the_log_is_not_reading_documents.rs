//! An entry of one action opens nothing of another.
use obhut_model::action::ReadLog;
use obhut_store::{Logged, Vault};

async fn read(vault: &Vault, logged: &Logged<ReadLog>) {
    let _ = vault.release(logged).await;
}

fn main() {
    let _ = read;
}
