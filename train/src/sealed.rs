//! A file that is read only if it is what was written: a JSON header, bytes, and the SHA-256 of both.
//!
//! Layout: the line [`MAGIC`], the length of the header (8 bytes, little-endian), header, body, digest (32 bytes).

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

/// What every such file begins with; the number is the version of the layout.
const MAGIC: &[u8] = b"bellwether-sealed-1\n";
const LENGTH_BYTES: usize = 8;
const DIGEST_BYTES: usize = 32;

/// Header and body under one digest.
///
/// # Errors
/// Those of `serde_json`.
pub(crate) fn seal<H: Serialize>(header: &H, body: &[u8]) -> Result<Vec<u8>, serde_json::Error> {
    let header = serde_json::to_vec(header)?;
    let mut bytes = Vec::with_capacity(MAGIC.len() + LENGTH_BYTES + header.len() + body.len() + DIGEST_BYTES);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&(header.len() as u64).to_le_bytes());
    bytes.extend_from_slice(&header);
    bytes.extend_from_slice(body);
    let digest = Sha256::digest(&bytes);
    bytes.extend_from_slice(&digest);
    Ok(bytes)
}

/// Reads back what [`seal`] wrote.
///
/// # Errors
/// In words, what the bytes are instead.
pub(crate) fn open<H: DeserializeOwned>(bytes: &[u8]) -> Result<(H, &[u8]), String> {
    let (content, digest) = bytes.split_last_chunk::<DIGEST_BYTES>().ok_or("too short")?;
    if Sha256::digest(content).as_slice() != digest {
        return Err("other bytes than were written".to_owned());
    }
    let rest = content.strip_prefix(MAGIC).ok_or("another format")?;
    let (length, rest) = rest.split_first_chunk::<LENGTH_BYTES>().ok_or("no header")?;
    let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| "no header")?;
    let (header, body) = rest.split_at_checked(length).ok_or("no header")?;
    let header = serde_json::from_slice(header).map_err(|cause| format!("another header: {cause}"))?;
    Ok((header, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_byte_anywhere_is_found() {
        let sealed = seal(&("header", 7), &[1, 2, 3]).unwrap();
        let (header, body) = open::<(String, u32)>(&sealed).unwrap();
        assert_eq!((header.0.as_str(), header.1, body), ("header", 7, &[1, 2, 3][..]));
        for position in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[position] ^= 0x10;
            assert!(open::<(String, u32)>(&changed).is_err(), "byte {position}");
            assert!(open::<(String, u32)>(&sealed[..position]).is_err(), "cut at {position}");
        }
        assert!(open::<Vec<u32>>(&sealed).unwrap_err().contains("another header"));
    }
}
