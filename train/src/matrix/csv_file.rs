//! CSV with a header. The file is read twice: a column whose cells are all numbers (or empty) is numeric, any other is
//! text; then the cells are taken as that. Empty cells are those of blanks alone, `NA`, `NaN`, `null` and `None`.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read};
use std::path::Path;

use csv::StringRecord;
use flate2::read::MultiGzDecoder;

use super::error::MatrixError;
use super::table::{Columns, Take, TextBuilder, Values};

const EMPTY: [&str; 7] = ["", "NA", "N/A", "NaN", "nan", "null", "None"];

/// Reads the file.
pub(super) fn read(
    path: &Path,
    gzip: bool,
    take: &dyn Fn(&str) -> Take,
    check: &dyn Fn(&[String]) -> Result<(), MatrixError>,
) -> Result<Columns, MatrixError> {
    let mut reader = open(path, gzip)?;
    let header = reader.headers().map_err(|cause| failed(path, 0, cause))?.clone();
    let names: Vec<String> = header.iter().map(|name| name.trim_start_matches('\u{feff}').to_owned()).collect();
    check_header(path, &names)?;
    check(&names)?;
    let mut numeric: Vec<bool> = names.iter().map(|name| take(name) == Take::AsItIs).collect();
    let mut known = vec![false; names.len()];
    let rows = for_each(path, &mut reader, |_, record| {
        for (place, cell) in record.iter().enumerate() {
            if let Some(cell) = content(cell) {
                known[place] = true;
                numeric[place] &= number(cell).is_some();
            }
        }
        Ok(())
    })?;
    let mut columns: Vec<Growing> = numeric.iter().map(|numeric| Growing::new(*numeric)).collect();
    let mut reader = open(path, gzip)?;
    for_each(path, &mut reader, |row, record| {
        for ((cell, column), name) in record.iter().zip(&mut columns).zip(&names) {
            column.push(content(cell)).map_err(|found| MatrixError::Row {
                path: path.to_owned(),
                column: name.clone(),
                row,
                expected: "a finite number".to_owned(),
                found: found.to_owned(),
                hint: "leave the cell empty where the value is not known".to_owned(),
            })?;
        }
        Ok(())
    })?;
    let finished = names.into_iter().zip(columns).map(|(name, column)| (name, column.finish()));
    Ok(Columns { rows, columns: finished.collect() })
}

/// A file with anything in it, parted by commas: what a wrong separator does to the names of columns would mislead.
fn check_header(path: &Path, names: &[String]) -> Result<(), MatrixError> {
    let wrong = |expected: &str, found: String, hint: String| {
        Err(MatrixError::File { path: path.to_owned(), expected: expected.to_owned(), found, hint })
    };
    match names {
        [] => wrong(
            "a header with the names of the columns, and rows",
            "an empty file".to_owned(),
            "the first line names the columns; check that the export has run to its end".to_owned(),
        ),
        [one] => match SEPARATORS.into_iter().find(|(separator, _)| one.contains(*separator)) {
            Some((_, name)) => wrong(
                "cells that are parted by commas",
                format!("one column, whose name holds {name}"),
                format!("the separator looks like {name}: save the file with commas"),
            ),
            None => Ok(()),
        },
        _ => Ok(()),
    }
}

/// What else parts cells.
const SEPARATORS: [(char, &str); 3] = [(';', "`;`"), ('\t', "a tab"), ('|', "`|`")];

type Reader = csv::Reader<Box<dyn Read>>;

fn open(path: &Path, gzip: bool) -> Result<Reader, MatrixError> {
    let file =
        File::open(path).map_err(|source| MatrixError::Io { path: path.to_owned(), action: "open it", source })?;
    let file = BufReader::with_capacity(1 << 18, file);
    let inner: Box<dyn Read> = if gzip { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
    Ok(csv::ReaderBuilder::new().from_reader(inner))
}

/// Gives every record to `work` with its number, from 1; returns how many there are.
fn for_each(
    path: &Path,
    reader: &mut Reader,
    mut work: impl FnMut(u64, &StringRecord) -> Result<(), MatrixError>,
) -> Result<usize, MatrixError> {
    let mut record = StringRecord::new();
    let mut row = 0;
    while reader.read_record(&mut record).map_err(|cause| failed(path, row + 1, cause))? {
        row += 1;
        work(row, &record)?;
    }
    Ok(row as usize)
}

fn failed(path: &Path, row: u64, cause: csv::Error) -> MatrixError {
    let (found, hint) = match cause.into_kind() {
        // What gzip says of its own stream; a disk says neither.
        csv::ErrorKind::Io(source) if source.kind() == ErrorKind::UnexpectedEof => (
            format!("the end of the compressed data after row {}", row.saturating_sub(1)),
            "the file was cut off: compress or copy it again",
        ),
        csv::ErrorKind::Io(source) if matches!(source.kind(), ErrorKind::InvalidInput | ErrorKind::InvalidData) => (
            format!("damaged compressed data, or none, after row {}", row.saturating_sub(1)),
            "compress the file again; a file that is not compressed is called .csv",
        ),
        csv::ErrorKind::Io(source) => {
            return MatrixError::Io { path: path.to_owned(), action: "read it", source };
        }
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => (
            format!("{len} cells in row {row} where the header has {expected_len}"),
            "a text with a comma stands in quotes",
        ),
        csv::ErrorKind::Utf8 { .. } => (format!("other bytes in row {row}"), "save the file as UTF-8"),
        _ => (format!("something else in row {row}"), "cells are parted by commas, rows by line ends"),
    };
    let expected = "a CSV file in UTF-8 whose rows are as long as its header".to_owned();
    MatrixError::File { path: path.to_owned(), expected, found, hint: hint.to_owned() }
}

fn content(cell: &str) -> Option<&str> {
    let cell = cell.trim();
    (!EMPTY.contains(&cell)).then_some(cell)
}

fn number(cell: &str) -> Option<f64> {
    cell.parse().ok()
}

enum Growing {
    Numbers(Vec<f32>),
    Texts(TextBuilder),
}

impl Growing {
    fn new(numeric: bool) -> Self {
        if numeric { Self::Numbers(Vec::new()) } else { Self::Texts(TextBuilder::default()) }
    }

    fn push(&mut self, cell: Option<&str>) -> Result<(), &'static str> {
        match self {
            Self::Texts(texts) => texts.push(cell),
            Self::Numbers(values) => {
                let value = cell.map_or(Some(f64::NAN), number).ok_or("a text that was a number before")? as f32;
                if value.is_infinite() {
                    return Err("one that is not, or is beyond the range of 32 bits");
                }
                values.push(value);
            }
        }
        Ok(())
    }

    fn finish(self) -> Values {
        match self {
            Self::Numbers(values) => Values::Numbers(values),
            Self::Texts(texts) => texts.finish(),
        }
    }
}
