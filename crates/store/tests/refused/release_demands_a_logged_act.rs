//! A grant is not enough to read: it must have been logged.
use obhut_model::Grant;
use obhut_model::action::Release;
use obhut_store::Vault;

async fn read(vault: &Vault, grant: &Grant<Release>) {
    let _ = vault.release(grant).await;
}

fn main() {
    let _ = read;
}
