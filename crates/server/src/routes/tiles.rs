//! `GET /tiles/…`: the logs as static files (C2SP tlog-tiles). Public: leaves show no names, purposes or content.

use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;

use crate::app::App;
use crate::http::{Kind, Problem};

/// Reads a tile or a checkpoint.
#[utoipa::path(get, path = "/tiles/{path}", params(("path" = String, Path)), responses((status = 200, content_type = "application/octet-stream")))]
pub(super) async fn read_tile(
    State(app): State<App>,
    Path(path): Path<String>,
) -> Result<impl IntoResponse, Problem> {
    if !is_plain(&path) {
        return Err(Kind::NotFound.into());
    }
    let mut tenants = app.tenants().into_iter();
    let own = tenants.find(|tenant| path.starts_with(&format!("{}/", tenant.row.origin)));
    if let Some(tenant) = own {
        // A follower takes the tiles over that were published meanwhile.
        tenant.vault.refresh().await?;
    }
    let tiles = app.tiles().clone();
    let reading = tokio::task::spawn_blocking(move || tiles.find(&path));
    match reading.await.ok().flatten() {
        Some(bytes) => Ok(([(CONTENT_TYPE, "application/octet-stream")], bytes)),
        None => Err(Kind::NotFound.into()),
    }
}

/// Only names that tiles have: no empty part, no leading dot, nothing a file system reads otherwise.
fn is_plain(path: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-:".contains(&byte);
    path.split('/')
        .all(|part| !part.is_empty() && !part.starts_with('.') && part.bytes().all(fits))
}

#[cfg(test)]
mod tests {
    use super::is_plain;

    #[test]
    fn refuses_paths_that_leave_the_folder() {
        assert!(is_plain("localhost/vault_a/records/tile/0/x001/000.p/12"));
        assert!(is_plain("localhost:8750/vault_a/records/checkpoint"));
        for bad in [
            "../keys",
            "a/../b",
            "/etc/passwd",
            "a//b",
            "",
            ".hidden",
            "a\\b",
            "a/%2e%2e",
        ] {
            assert!(!is_plain(bad), "{bad}");
        }
    }
}
