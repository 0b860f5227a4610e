//! Rows into files that are no larger than a tool takes.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use serde::Serialize;

use super::rows::{Cell, ExportColumn};
use super::tool::{Form, Tool};
use super::{csv, json};

/// A file of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileEntry {
    /// Its name.
    pub name: String,
    /// Accounts in it.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
}

/// What the files of an export have in common.
pub(super) struct Layout<'a> {
    pub(super) tool: Tool,
    pub(super) columns: &'a [ExportColumn],
    /// Of the id, then of each column.
    pub(super) fields: &'a [String],
}

type Row<'a> = (&'a str, &'a [Cell]);

/// Writes rows as the tool takes them; no rows, no file.
pub(super) fn write<'a>(
    folder: &Path,
    stem: &str,
    layout: &Layout<'_>,
    rows: impl Iterator<Item = Row<'a>>,
) -> io::Result<Vec<FileEntry>> {
    match layout.tool.form() {
        Form::Csv(form) => {
            let header = csv::header(&form, layout.fields);
            let mut parts = Parts::new(folder, stem, "csv", header, form.most_rows, form.most_bytes);
            let mut line = Vec::new();
            for (id, cells) in rows {
                line.clear();
                csv::line(&form, id, cells.iter(), &mut line);
                parts.push(&line, 1)?;
            }
            parts.finish()
        }
        Form::HubSpot { batch } => {
            let fields = json::fields_of(layout.columns, layout.fields);
            let item = |id: &str, cells: &[Cell], into: &mut Vec<u8>| {
                json::hubspot(id, &layout.fields[0], fields, cells, into);
            };
            let wrap = Wrap { before: b"{\"inputs\":[", after: b"]}\n", most_items: batch, most_bytes: usize::MAX };
            write_batches(Parts::new(folder, stem, "jsonl", Vec::new(), u64::MAX, u64::MAX), &wrap, rows, item)
        }
        Form::Planhat { batch, bytes } => {
            let fields = json::fields_of(layout.columns, layout.fields);
            let item = |id: &str, cells: &[Cell], into: &mut Vec<u8>| {
                json::planhat(id, &layout.fields[0], fields, cells, into);
            };
            let wrap = Wrap { before: b"[", after: b"]\n", most_items: batch, most_bytes: bytes };
            write_batches(Parts::new(folder, stem, "jsonl", Vec::new(), u64::MAX, u64::MAX), &wrap, rows, item)
        }
    }
}

/// Writes the accounts that left: our fields cleared where the tool documents how, else their ids.
pub(super) fn write_removed<'a>(
    folder: &Path,
    stem: &str,
    layout: &Layout<'_>,
    rows: impl Iterator<Item = Row<'a>>,
) -> io::Result<Vec<FileEntry>> {
    match layout.tool.form() {
        Form::Csv(form) if !form.clears => {
            let ids = Layout { columns: &[], fields: &layout.fields[..1], ..*layout };
            write(folder, stem, &ids, rows.map(|(id, _)| (id, [].as_slice())))
        }
        _ => write(folder, stem, layout, rows),
    }
}

/// A small file, on disk.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// What a line of JSON is made of.
struct Wrap {
    before: &'static [u8],
    after: &'static [u8],
    most_items: usize,
    most_bytes: usize,
}

fn write_batches<'a>(
    mut parts: Parts<'_>,
    wrap: &Wrap,
    rows: impl Iterator<Item = Row<'a>>,
    encode: impl Fn(&str, &[Cell], &mut Vec<u8>),
) -> io::Result<Vec<FileEntry>> {
    let (mut line, mut items, mut item) = (wrap.before.to_vec(), 0, Vec::new());
    for (id, cells) in rows {
        item.clear();
        encode(id, cells, &mut item);
        if items > 0 && (items == wrap.most_items || line.len() + item.len() > wrap.most_bytes) {
            line.extend_from_slice(wrap.after);
            parts.push(&line, items as u64)?;
            (line, items) = (wrap.before.to_vec(), 0);
        }
        if items > 0 {
            line.push(b',');
        }
        line.extend_from_slice(&item);
        items += 1;
    }
    if items > 0 {
        line.extend_from_slice(wrap.after);
        parts.push(&line, items as u64)?;
    }
    parts.finish()
}

/// Files of one stem, numbered from 0; a new one begins where the last would grow too large.
struct Parts<'a> {
    folder: &'a Path,
    stem: &'a str,
    extension: &'static str,
    header: Vec<u8>,
    most_rows: u64,
    most_bytes: u64,
    open: Option<BufWriter<File>>,
    done: Vec<FileEntry>,
}

impl<'a> Parts<'a> {
    fn new(
        folder: &'a Path,
        stem: &'a str,
        extension: &'static str,
        header: Vec<u8>,
        most_rows: u64,
        most_bytes: u64,
    ) -> Self {
        Self { folder, stem, extension, header, most_rows, most_bytes, open: None, done: Vec::new() }
    }

    fn push(&mut self, line: &[u8], rows: u64) -> io::Result<()> {
        let is_full =
            |file: &FileEntry| file.rows + rows > self.most_rows || file.bytes + line.len() as u64 > self.most_bytes;
        if self.done.last().is_none_or(is_full) {
            self.close()?;
            self.begin()?;
        }
        let (Some(open), Some(entry)) = (&mut self.open, self.done.last_mut()) else { return Ok(()) };
        open.write_all(line)?;
        entry.rows += rows;
        entry.bytes += line.len() as u64;
        Ok(())
    }

    fn begin(&mut self) -> io::Result<()> {
        let name = format!("{}-{:05}.{}", self.stem, self.done.len(), self.extension);
        let mut open = BufWriter::new(File::create_new(self.folder.join(&name))?);
        open.write_all(&self.header)?;
        self.open = Some(open);
        self.done.push(FileEntry { name, rows: 0, bytes: self.header.len() as u64 });
        Ok(())
    }

    fn close(&mut self) -> io::Result<()> {
        match self.open.take() {
            Some(open) => open.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all(),
            None => Ok(()),
        }
    }

    fn finish(mut self) -> io::Result<Vec<FileEntry>> {
        self.close()?;
        Ok(self.done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_would_grow_too_large_ends_before() {
        let folder = tempfile::tempdir().unwrap();
        let mut parts = Parts::new(folder.path(), "accounts", "csv", b"h\n".to_vec(), 3, 10);
        for line in ["a\n", "b\n", "c\n", "d\n", "eeee\n", "ffff\n", "ggggggggggggg\n"] {
            parts.push(line.as_bytes(), 1).unwrap();
        }
        let files = parts.finish().unwrap();
        let told: Vec<(u64, u64)> = files.iter().map(|file| (file.rows, file.bytes)).collect();
        // Three rows; then 2 + 2 + 5 bytes; then 2 + 5; and a row that is too large for any file has one of its own.
        assert_eq!(told, [(3, 8), (2, 9), (1, 7), (1, 16)]);
        for file in files {
            assert_eq!(std::fs::metadata(folder.path().join(&file.name)).unwrap().len(), file.bytes);
        }
    }
}
