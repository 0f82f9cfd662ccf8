//! Input that holds secrets: files and standard input, never arguments.

use std::io::Read;
use std::path::Path;

use obhut_client::ClientError;

use crate::stop::Stop;

/// A file, or standard input for `-`.
pub(crate) fn read_input(file: &Path) -> Result<Vec<u8>, Stop> {
    if file.as_os_str() == "-" {
        let mut bytes = Vec::new();
        let mut stdin = std::io::stdin().lock().take(1 << 20);
        stdin.read_to_end(&mut bytes).map_err(Stop::Terminal)?;
        return Ok(bytes);
    }
    std::fs::read(file).map_err(|source| {
        Stop::Client(ClientError::Io {
            what: "cannot read",
            path: file.to_owned(),
            source,
        })
    })
}
