//! The tiles of a layer, packed: whether there are as many as it claims.

use std::io::{self, Read};

use base64::{Engine, engine::general_purpose::STANDARD};
use flate2::bufread::{GzDecoder, ZlibDecoder};

/// Each tile takes four bytes once unpacked.
const TILE_BYTES: u64 = 4;

/// Checks that a text holds so many tiles, without unpacking more of them.
///
/// # Errors
/// What is wrong with it.
pub(super) fn check(
    text: &str,
    encoding: Option<&str>,
    compression: Option<&str>,
    tiles: u64,
) -> Result<(), String> {
    let wanted = tiles * TILE_BYTES;
    let bytes = match (encoding, compression) {
        (Some("csv"), None) => text.split(',').count() as u64 * TILE_BYTES,
        (Some("base64"), None) => unbased(text)?.len() as u64,
        (Some("base64"), Some("zlib")) => unpacked(ZlibDecoder::new(&unbased(text)?[..]), wanted)?,
        (Some("base64"), Some("gzip")) => unpacked(GzDecoder::new(&unbased(text)?[..]), wanted)?,
        _ => return Err("save it with the map's tile layer format set to CSV".to_owned()),
    };
    if bytes == wanted {
        Ok(())
    } else {
        Err(format!("its data is not {tiles} tiles, as it claims; save it with Tiled anew"))
    }
}

fn unbased(text: &str) -> Result<Vec<u8>, String> {
    STANDARD.decode(text.trim()).map_err(|error| format!("its data is no base64: {error}"))
}

/// How many bytes come out, counted up to one more than wanted: a small text can unpack to
/// anything.
fn unpacked(packed: impl Read, wanted: u64) -> Result<u64, String> {
    io::copy(&mut packed.take(wanted + 1), &mut io::sink())
        .map_err(|error| format!("its data cannot be unpacked: {error}"))
}
