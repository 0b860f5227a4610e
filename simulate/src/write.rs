//! Parquet files, written in bounded memory and published at the end.
//!
//! Everything goes to a staging folder inside the output folder first. [`Staging::publish`] removes the files of an
//! earlier simulation (only files of our names) and moves the new ones in; an interrupted run leaves the earlier
//! result as it was, dropping the staging removes what it had written, and what a killed run left the next one removes.
//!
//! Beside each file stands its SHA-256 (`<file>.sha256`, as `sha256sum` writes it), taken while it is written: the
//! parquet crate writes no page checksums, and without either a flipped bit would be read as another value.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_schema::{DataType, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;
use sha2::{Digest, Sha256};

use bellwether_staging::digest;

use crate::SimulateError;
use crate::tables::{Row, shared_schema};

/// Rows turned into columns at a time.
const SLICE_ROWS: usize = 32_768;
/// A small table closes a row group once it holds this many rows.
const GROUP_ROWS: usize = 131_072;

/// zstd at level 1; instants as deltas; no arrow schema in the metadata, so that any reader sees plain types.
fn options(schema: &SchemaRef) -> ArrowWriterOptions {
    let level = ZstdLevel::try_new(1).unwrap_or_default();
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(level))
        .set_created_by("bellwether-simulate".to_owned())
        .set_max_row_group_row_count(None);
    for field in schema.fields() {
        if matches!(field.data_type(), DataType::Timestamp(..)) {
            let column = || ColumnPath::from(field.name().as_str());
            properties = properties
                .set_column_dictionary_enabled(column(), false)
                .set_column_encoding(column(), Encoding::DELTA_BINARY_PACKED);
        }
    }
    ArrowWriterOptions::new().with_properties(properties.build()).with_skip_arrow_metadata(true)
}

/// A file that knows its digest.
struct Hashed {
    file: File,
    digest: Sha256,
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.digest.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// One Parquet file being written.
pub(crate) struct TableWriter<T> {
    path: PathBuf,
    schema: SchemaRef,
    writer: ArrowWriter<Hashed>,
    waiting: Vec<T>,
    rows: u64,
}

impl<T: Row> TableWriter<T> {
    /// Opens a file.
    pub(crate) fn create(path: PathBuf) -> Result<Self, SimulateError> {
        let schema = shared_schema::<T>();
        let file = File::create(&path).map_err(SimulateError::file("create", &path))?;
        let writer =
            ArrowWriter::try_new_with_options(Hashed { file, digest: Sha256::new() }, schema.clone(), options(&schema))
                .map_err(SimulateError::parquet(&path))?;
        Ok(Self { path, schema, writer, waiting: Vec::new(), rows: 0 })
    }

    /// Takes rows; writes a row group when enough are waiting. Row groups depend on the rows alone.
    pub(crate) fn push(&mut self, rows: Vec<T>) -> Result<(), SimulateError> {
        self.waiting.extend(rows);
        if self.waiting.len() >= GROUP_ROWS { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), SimulateError> {
        for slice in self.waiting.chunks(SLICE_ROWS) {
            RecordBatch::try_new(self.schema.clone(), T::columns(slice))
                .map_err(parquet::errors::ParquetError::from)
                .and_then(|batch| self.writer.write(&batch))
                .map_err(SimulateError::parquet(&self.path))?;
        }
        self.rows += self.waiting.len() as u64;
        self.waiting.clear();
        self.writer.flush().map_err(SimulateError::parquet(&self.path))
    }

    /// Writes what waits, closes the file and writes its digest; the number of rows in it.
    pub(crate) fn finish(mut self) -> Result<u64, SimulateError> {
        if !self.waiting.is_empty() {
            self.flush()?;
        }
        let hashed = self.writer.into_inner().map_err(SimulateError::parquet(&self.path))?;
        let digest_path = digest::beside(&self.path);
        fs::write(&digest_path, digest::line(&hex::encode(hashed.digest.finalize()), &self.path))
            .map_err(SimulateError::file("write", &digest_path))?;
        Ok(self.rows)
    }
}

/// The tables with one file each.
pub(crate) const TABLES: [&str; 11] = [
    "accounts",
    "subscriptions",
    "subscription_items",
    "nps",
    "invoices",
    "tickets",
    "contacts",
    "meetings",
    "firmographics",
    "spend",
    "goals",
];

/// The truth, relative to the output folder.
const TRUTH: &str = "truth/probabilities.parquet";

/// A file and its digest.
fn with_digest(name: &str) -> [String; 2] {
    [name.to_owned(), digest::beside(Path::new(name)).to_string_lossy().into_owned()]
}

/// The folder that a simulation writes to before it is published.
pub(crate) struct Staging {
    out: PathBuf,
    folder: bellwether_staging::Staging,
}

impl Staging {
    /// Makes an empty staging folder in `out`, beside `data` and `truth`.
    pub(crate) fn create(out: &Path) -> Result<Self, SimulateError> {
        let folder = bellwether_staging::Staging::folder(&out.join("data"));
        let staging =
            Self { out: out.to_path_buf(), folder: folder.map_err(SimulateError::file("begin to write in", out))? };
        for name in ["data/usage", "truth"] {
            let path = staging.folder.path().join(name);
            fs::create_dir_all(&path).map_err(SimulateError::file("create", &path))?;
        }
        Ok(staging)
    }

    /// Where a table is staged.
    pub(crate) fn table(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("data/{name}.parquet"))
    }

    /// Where a part of the usage is staged.
    pub(crate) fn usage_part(&self, part: u32) -> PathBuf {
        self.folder.path().join(format!("data/usage/part-{part:05}.parquet"))
    }

    /// Where the truth is staged.
    pub(crate) fn truth(&self) -> PathBuf {
        self.folder.path().join(TRUTH)
    }

    /// Replaces the files of an earlier simulation in `out` by the staged ones.
    pub(crate) fn publish(self) -> Result<(), SimulateError> {
        for old in self.published()? {
            fs::remove_file(&old).map_err(SimulateError::file("remove", &old))?;
        }
        let mut moves: Vec<String> =
            TABLES.iter().flat_map(|name| with_digest(&format!("data/{name}.parquet"))).collect();
        let parts = file_names(&self.folder.path().join("data/usage"))?;
        moves.extend(parts.into_iter().map(|name| format!("data/usage/{name}")));
        if self.truth().exists() {
            moves.extend(with_digest(TRUTH));
        }
        for relative in moves {
            let target = self.out.join(&relative);
            if let Some(parent) = target.parent() {
                fs::create_dir_all(parent).map_err(SimulateError::file("create", parent))?;
            }
            fs::rename(self.folder.path().join(&relative), &target)
                .map_err(SimulateError::file("move into place", &target))?;
        }
        Ok(())
    }

    /// Files of our names that an earlier simulation left in `out`.
    fn published(&self) -> Result<Vec<PathBuf>, SimulateError> {
        let tables = TABLES.iter().map(|name| format!("data/{name}.parquet")).chain([TRUTH.to_owned()]);
        let mut paths: Vec<PathBuf> =
            tables.flat_map(|name| with_digest(&name)).map(|name| self.out.join(name)).collect();
        let usage = self.out.join("data/usage");
        if usage.exists() {
            let is_part = |name: &String| {
                name.starts_with("part-") && name.strip_suffix(".sha256").unwrap_or(name).ends_with(".parquet")
            };
            paths.extend(file_names(&usage)?.into_iter().filter(is_part).map(|name| usage.join(name)));
        }
        paths.retain(|path| path.exists());
        Ok(paths)
    }
}

/// Names of the entries of a folder, sorted.
fn file_names(folder: &Path) -> Result<Vec<String>, SimulateError> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(SimulateError::file("read", folder))? {
        let entry = entry.map_err(SimulateError::file("read", folder))?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names.sort_unstable();
    Ok(names)
}
