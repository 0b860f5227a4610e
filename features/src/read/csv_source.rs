//! CSV, record by record. A row with too few or too many cells, or with bytes that are not UTF-8, is set aside with its
//! number instead of ending the file; an open quote at the end, which would swallow rows unseen, is an error.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

use arrow_array::builder::LargeStringBuilder;
use flate2::read::MultiGzDecoder;

use crate::contract::TableContract;

use super::cells::{Texts, Typed};
use super::error::ReadError;
use super::rule::Rule;
use super::source::{BATCH_ROWS, RawBatch, RowNumbers};

/// Counts the quotes that pass.
struct QuoteCounter {
    inner: Box<dyn Read + Send>,
    quotes: u64,
}

impl Read for QuoteCounter {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.quotes += buffer[..count].iter().filter(|byte| **byte == b'"').count() as u64;
        Ok(count)
    }
}

/// An open CSV file.
pub(crate) struct CsvSource {
    file: PathBuf,
    reader: csv::Reader<QuoteCounter>,
    header: Vec<String>,
    null_values: Vec<String>,
    row: u32,
    record: csv::ByteRecord,
    /// Row, line and number of lines of the record read last.
    last: (u32, u64, u64),
}

impl CsvSource {
    pub(crate) fn open(file: &Path, table: &TableContract, gzip: bool) -> Result<Self, ReadError> {
        let opened = BufReader::with_capacity(1 << 18, File::open(file).map_err(|cause| ReadError::io(file, &cause))?);
        let inner: Box<dyn Read + Send> = if gzip { Box::new(MultiGzDecoder::new(opened)) } else { Box::new(opened) };
        let reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(table.delimiter)
            .buffer_capacity(1 << 18)
            .from_reader(QuoteCounter { inner, quotes: 0 });
        let mut source = Self {
            file: file.to_path_buf(),
            reader,
            header: Vec::new(),
            null_values: table.null_values.clone(),
            row: 0,
            record: csv::ByteRecord::new(),
            last: (0, 1, 1),
        };
        if !source.read_record()? {
            return Err(ReadError::undecodable(file, "there is no header row"));
        }
        source.header = source.header_names()?;
        Ok(source)
    }

    fn header_names(&self) -> Result<Vec<String>, ReadError> {
        let not_text = || ReadError::undecodable(&self.file, "the header is not UTF-8 text; save the file as UTF-8");
        let mut names = Vec::with_capacity(self.record.len());
        for cell in &self.record {
            names.push(std::str::from_utf8(cell).map_err(|_| not_text())?.to_owned());
        }
        if let Some(first) = names.first_mut()
            && let Some(rest) = first.strip_prefix('\u{feff}')
        {
            *first = rest.to_owned();
        }
        Ok(names)
    }

    pub(crate) fn header(&self) -> &[String] {
        &self.header
    }

    /// The next record into `self.record`; false at the end.
    fn read_record(&mut self) -> Result<bool, ReadError> {
        let found = self.reader.read_byte_record(&mut self.record).map_err(|cause| self.failure(cause))?;
        if found {
            let line = self.record.position().map_or(1, csv::Position::line);
            self.last = (self.row, line, self.reader.position().line().saturating_sub(line));
            return Ok(true);
        }
        let (row, line, lines) = self.last;
        if self.reader.get_ref().quotes % 2 == 1 && lines > 1 {
            return Err(ReadError::OpenQuote { file: self.file.clone(), row: u64::from(row), line, table: None });
        }
        Ok(false)
    }

    fn failure(&self, cause: csv::Error) -> ReadError {
        match cause.into_kind() {
            csv::ErrorKind::Io(cause) => match cause.kind() {
                ErrorKind::UnexpectedEof | ErrorKind::InvalidData | ErrorKind::InvalidInput => {
                    ReadError::undecodable(&self.file, cause)
                }
                _ => ReadError::io(&self.file, &cause),
            },
            other => ReadError::undecodable(&self.file, format!("{other:?}")),
        }
    }

    /// The next rows with the columns asked for; a column asked for that the header has twice is an error.
    pub(crate) fn next_batch(&mut self, projection: &[String]) -> Result<Option<RawBatch>, ReadError> {
        let places = self.places(projection)?;
        let mut builders: Vec<LargeStringBuilder> = projection.iter().map(|_| LargeStringBuilder::new()).collect();
        let mut numbers: Vec<u32> = Vec::new();
        let mut bad_rows = Vec::new();
        while numbers.len() + bad_rows.len() < BATCH_ROWS {
            self.row = self.row.checked_add(1).ok_or_else(|| {
                ReadError::undecodable(&self.file, "more than four thousand million rows in one file: split it")
            })?;
            if !self.read_record()? {
                break;
            }
            match self.broken(&places) {
                Some(rule) => bad_rows.push((self.row, rule)),
                None => {
                    for (builder, place) in builders.iter_mut().zip(&places) {
                        builder.append_option(self.cell(*place));
                    }
                    numbers.push(self.row);
                }
            }
        }
        if numbers.is_empty() && bad_rows.is_empty() {
            return Ok(None);
        }
        let rows = numbers.len();
        let columns = builders.into_iter().map(|mut texts| Typed::Text(Texts::Plain(texts.finish()))).collect();
        Ok(Some(RawBatch { columns, numbers: RowNumbers::Each(numbers), rows, bad_rows }))
    }

    fn places(&self, projection: &[String]) -> Result<Vec<usize>, ReadError> {
        let mut places = Vec::with_capacity(projection.len());
        let mut repeated = Vec::new();
        for name in projection {
            let mut found = self.header.iter().enumerate().filter(|(_, column)| *column == name);
            let place = found.next().map(|(place, _)| place);
            places.push(place.ok_or_else(|| ReadError::undecodable(&self.file, "the header changed while reading"))?);
            if found.next().is_some() {
                repeated.push(format!("`{name}`"));
            }
        }
        if repeated.is_empty() {
            Ok(places)
        } else {
            Err(ReadError::DuplicateHeader { file: self.file.clone(), columns: repeated, table: None })
        }
    }

    /// The rule that the record as a whole breaks.
    fn broken(&self, places: &[usize]) -> Option<Rule> {
        if self.record.len() != self.header.len() {
            return Some(Rule::FieldCount);
        }
        let is_text = |place: &usize| self.record.get(*place).is_some_and(|cell| std::str::from_utf8(cell).is_ok());
        if places.iter().all(is_text) { None } else { Some(Rule::Unparsable) }
    }

    /// A cell as text; empty cells and the declared null values are no value.
    fn cell(&self, place: usize) -> Option<&str> {
        let text = std::str::from_utf8(self.record.get(place)?).ok()?;
        (!text.is_empty() && !self.null_values.iter().any(|null| null == text)).then_some(text)
    }
}
