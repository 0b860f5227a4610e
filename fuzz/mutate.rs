//! What the fuzz targets share: a corpus, and mutations of it that depend on nothing but a seed.

use std::fs;
use std::path::Path;
use std::time::Duration;

/// How long a target runs.
pub(crate) fn seconds() -> Duration {
    let asked = std::env::var("BELLWETHER_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(asked.unwrap_or(1))
}

/// The files of a corpus in the order of their names.
pub(crate) fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(name);
    let mut paths: Vec<_> =
        fs::read_dir(folder).expect("a corpus").map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).expect("a file")).collect()
}

/// SplitMix64 (Steele, Lea and Flood 2014).
pub(crate) struct Mutator(u64);

/// Numbers at which readers go wrong.
const ODD: [u64; 12] =
    [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 1 << 62, u64::MAX];

impl Mutator {
    /// The same stream for the same target and seed.
    pub(crate) fn new(target: u64) -> Self {
        let seed: u64 = std::env::var("BELLWETHER_FUZZ_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(0);
        Self(seed.wrapping_mul(1_000_003).wrapping_add(target))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    /// One to four changes: a bit, a byte, an odd number in any width, a piece moved, left out, doubled or from elsewhere.
    pub(crate) fn mutate(&mut self, bytes: &[u8], others: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for _ in 0..=self.below(4) {
            if bytes.is_empty() {
                bytes.push(self.next() as u8);
            }
            let at = self.below(bytes.len());
            match self.below(9) {
                0 => bytes[at] ^= 1 << self.below(8),
                1 => bytes[at] = self.next() as u8,
                2 => self.overwrite(&mut bytes, at),
                3 => self.replace_varint(&mut bytes, at),
                4 => bytes.truncate(at),
                5 => drop(bytes.drain(at..(at + 1 + self.below(16)).min(bytes.len()))),
                6 => {
                    let piece = bytes[at..(at + 1 + self.below(64)).min(bytes.len())].to_vec();
                    let to = self.below(bytes.len());
                    bytes.splice(to..to, piece);
                }
                7 => {
                    let other = &others[self.below(others.len())];
                    let from = self.below(other.len());
                    let piece = other[from..(from + 1 + self.below(256)).min(other.len())].to_vec();
                    let end = (at + piece.len()).min(bytes.len());
                    bytes.splice(at..end, piece);
                }
                _ => bytes[at] = bytes[at].wrapping_add(if self.below(2) == 0 { 1 } else { 255 }),
            }
        }
        bytes
    }

    /// An odd number in 1, 2, 4 or 8 bytes.
    fn overwrite(&mut self, bytes: &mut [u8], at: usize) {
        let number = ODD[self.below(ODD.len())].to_le_bytes();
        let width = 1 << self.below(4);
        for (byte, new) in bytes[at..].iter_mut().zip(&number[..width]) {
            *byte = *new;
        }
    }

    /// An odd number as protocol buffers and Parquet write it.
    fn replace_varint(&mut self, bytes: &mut Vec<u8>, at: usize) {
        let length = bytes[at..].iter().take(10).position(|byte| *byte < 0x80).map_or(1, |last| last + 1);
        let (mut number, mut varint) = (ODD[self.below(ODD.len())], Vec::new());
        while number >= 0x80 {
            varint.push(number as u8 | 0x80);
            number >>= 7;
        }
        varint.push(number as u8);
        bytes.splice(at..(at + length).min(bytes.len()), varint);
    }
}
