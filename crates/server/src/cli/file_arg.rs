//! Files as arguments; `-` is standard input.

use std::io::Read as _;

use anyhow::Context as _;

/// Maximum size of a file in bytes: the limit of the API for media, and a little more, so that the API reports the error.
const MAX_BYTES: u64 = 120 * 1024 * 1024;

/// Reads a file, or standard input.
///
/// # Errors
/// If the file cannot be read, or is too large.
pub(super) fn read(path: &str) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let reading =
        || if path == "-" { "reading standard input".to_owned() } else { format!("reading {path}") };
    let n_read = if path == "-" {
        std::io::stdin().lock().take(MAX_BYTES).read_to_end(&mut bytes)
    } else {
        let file = std::fs::File::open(path).with_context(reading)?;
        file.take(MAX_BYTES).read_to_end(&mut bytes)
    };
    let n_read = n_read.with_context(reading)?;
    anyhow::ensure!(u64::try_from(n_read).is_ok_and(|n| n < MAX_BYTES), "{path} is too large");
    Ok(bytes)
}
