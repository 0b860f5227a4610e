//! One open file, read from several threads.
//!
//! A `File` that is cloned shares its position with the clone, so two threads that seek and read would get each other's
//! bytes. Here every read says where it begins.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};

/// Bytes that are read ahead where the length is not known: about a page header.
const READ_AHEAD: usize = 512;

/// A file without a position.
#[derive(Debug, Clone)]
pub(super) struct PositionedFile {
    file: Arc<File>,
    bytes: u64,
}

impl PositionedFile {
    /// A file of so many bytes.
    pub(super) fn new(file: File, bytes: u64) -> Self {
        Self { file: Arc::new(file), bytes }
    }

    /// Reads from a place on.
    pub(super) fn from(&self, at: u64) -> Position {
        Position { file: Arc::clone(&self.file), at }
    }
}

/// A place in a file, from which one reader reads on.
#[derive(Debug)]
pub(super) struct Position {
    file: Arc<File>,
    at: u64,
}

impl Read for Position {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Length for PositionedFile {
    fn len(&self) -> u64 {
        self.bytes
    }
}

impl ChunkReader for PositionedFile {
    type T = BufReader<Position>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(BufReader::with_capacity(READ_AHEAD, self.from(start)))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        // A length that a damaged file declares is not believed before the bytes are there.
        let mut bytes = Vec::with_capacity(length.min(usize::try_from(self.bytes).unwrap_or(usize::MAX)));
        let read = self.from(start).take(length as u64).read_to_end(&mut bytes)?;
        if read != length {
            return Err(ParquetError::EOF(format!("expected {length} bytes, found {read}")));
        }
        Ok(bytes.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_do_not_move_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, b"0123456789").unwrap();
        let file = PositionedFile::new(File::open(&path).unwrap(), 10);
        let (mut one, mut other) = (file.get_read(2).unwrap(), file.get_read(7).unwrap());
        let next = |reader: &mut BufReader<Position>| {
            let mut byte = [0];
            reader.read_exact(&mut byte).unwrap();
            byte[0]
        };
        assert_eq!([next(&mut one), next(&mut other), next(&mut one), next(&mut other)], *b"2738");
        assert_eq!(file.get_bytes(8, 2).unwrap().as_ref(), b"89");
        assert!(file.get_bytes(8, 3).is_err());
    }
}
