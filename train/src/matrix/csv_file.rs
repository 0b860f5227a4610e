//! CSV with a header. The file is read twice: a column whose cells are all numbers (or empty) is numeric, any other is
//! text; then the cells are taken as that. A column of numbers but for a few cells is neither: nobody wants a number of the
//! business cut into texts because of one `#DIV/0!`.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read};
use std::path::Path;

use csv::StringRecord;
use flate2::read::MultiGzDecoder;

use super::error::MatrixError;
use super::table::{Columns, Take, TextBuilder, Values, is_not_known};

/// From this share of numbers on, a column with other cells is a mistake and no column of texts.
const MEANT_AS_NUMBERS: f64 = 0.9;

/// Fewer cells say nothing of what a column is meant as.
const LEAST_CELLS: usize = 20;

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
    let mut seen: Vec<Seen> = vec![Seen::default(); names.len()];
    let rows = for_each(path, &mut reader, |row, record| {
        for (cell, seen) in record.iter().zip(&mut seen) {
            seen.add(row, cell);
        }
        Ok(())
    })?;
    let takes: Vec<Take> = names.iter().map(|name| take(name)).collect();
    for ((name, seen), _) in names.iter().zip(&seen).zip(&takes).filter(|(_, take)| **take == Take::AsItIs) {
        seen.check(path, name)?;
    }
    let growing = |(take, seen): (&Take, &Seen)| Growing::new(*take, seen);
    let mut columns: Vec<Growing> = takes.iter().zip(&seen).map(growing).collect();
    let mut reader = open(path, gzip)?;
    for_each(path, &mut reader, |row, record| {
        for ((cell, column), name) in record.iter().zip(&mut columns).zip(&names) {
            column.push(cell).map_err(|found| MatrixError::Row {
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

fn number(cell: &str) -> Option<f64> {
    cell.trim().parse().ok()
}

/// A number with a comma in it: before the decimals (3,5), or between thousands (1,234.50).
fn has_comma(cell: &str) -> bool {
    let cell = cell.trim().trim_start_matches(['-', '+']);
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let Some((before, after)) = cell.split_once(',') else { return false };
    if before.split('.').all(digits) && digits(after) {
        return true;
    }
    let (whole, decimals) = cell.split_once('.').unwrap_or((cell, "0"));
    let is_group =
        |(place, group): (usize, &str)| digits(group) && (group.len() == 3 || (place == 0 && group.len() < 3));
    whole.split(',').enumerate().all(is_group) && digits(decimals)
}

/// A whole number as a float, as an id looks after a table with missing ids went through pandas.
fn is_whole_float(cell: &str) -> bool {
    let digits = cell.trim().strip_suffix(".0").map(|whole| whole.trim_start_matches('-'));
    digits.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// What stands where a number is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Other {
    Comma,
    SpreadsheetError,
    Text,
}

impl Other {
    fn of(cell: &str) -> Self {
        match cell.trim() {
            cell if has_comma(cell) => Self::Comma,
            cell if cell.starts_with('#') => Self::SpreadsheetError,
            _ => Self::Text,
        }
    }

    /// What was found, in words, and the next step.
    fn found(self) -> (&'static str, &'static str) {
        let hint =
            "leave the cell empty where the value is not known; a code that is no number gets a letter in every row";
        match self {
            Self::Comma => (
                "a comma before the decimals or between thousands",
                "write decimals behind a point: 3.5 and not 3,5, and nothing between thousands",
            ),
            Self::SpreadsheetError => ("a text that begins with `#`, as errors of a spreadsheet do", hint),
            Self::Text => ("a text", hint),
        }
    }
}

/// What the cells of a column are.
#[derive(Debug, Clone, Default)]
struct Seen {
    known: usize,
    numbers: usize,
    whole_floats: usize,
    with_comma: usize,
    /// The first row whose cell is known and no number, and what it is.
    first_other: Option<(u64, Other)>,
}

impl Seen {
    fn add(&mut self, row: u64, cell: &str) {
        if is_not_known(cell) {
            return;
        }
        self.known += 1;
        if number(cell).is_some() {
            self.numbers += 1;
            self.whole_floats += usize::from(is_whole_float(cell));
            return;
        }
        let other = Other::of(cell);
        self.with_comma += usize::from(other == Other::Comma);
        self.first_other = self.first_other.or(Some((row, other)));
    }

    /// Whether all are numbers, and there are any.
    fn is_numeric(&self) -> bool {
        self.numbers == self.known
    }

    /// Numbers but for a few cells are a mistake that only the user can mend.
    fn check(&self, path: &Path, name: &str) -> Result<(), MatrixError> {
        let Some((row, other)) = self.first_other else { return Ok(()) };
        let like_numbers = (self.numbers + self.with_comma) as f64 >= MEANT_AS_NUMBERS * self.known as f64;
        if self.known < LEAST_CELLS || !like_numbers {
            return Ok(());
        }
        let (found, hint) = other.found();
        Err(MatrixError::Row {
            path: path.to_owned(),
            column: name.to_owned(),
            row,
            expected: format!(
                "a number, as in {} of the {} cells of the column that are filled",
                self.numbers, self.known
            ),
            found: found.to_owned(),
            hint: format!("{hint} (row {row} is line {} of the file where no cell spans lines)", row + 1),
        })
    }
}

enum Growing {
    Numbers(Vec<f32>),
    Texts(TextBuilder, Take),
    /// Texts that are numbers and all end in `.0`: 17.0 is the id 17, as in a Parquet file of the same table.
    WholeFloats(TextBuilder),
}

impl Growing {
    fn new(take: Take, seen: &Seen) -> Self {
        if take == Take::AsItIs && seen.is_numeric() {
            Self::Numbers(Vec::new())
        } else if take == Take::AsText && seen.known > 0 && seen.whole_floats == seen.known {
            Self::WholeFloats(TextBuilder::default())
        } else {
            Self::Texts(TextBuilder::default(), take)
        }
    }

    fn push(&mut self, cell: &str) -> Result<(), &'static str> {
        match self {
            Self::Texts(texts, take) => texts.push(Some(cell), *take),
            Self::WholeFloats(texts) => {
                let cell = cell.trim();
                texts.push(Some(cell.strip_suffix(".0").unwrap_or(cell)), Take::AsText);
            }
            Self::Numbers(values) => {
                let known = Some(cell).filter(|cell| !is_not_known(cell));
                let value = known.map_or(Some(f64::NAN), number).ok_or("a text that was a number before")? as f32;
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
            Self::Texts(texts, _) | Self::WholeFloats(texts) => texts.finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_with_commas_are_told_from_texts() {
        for cell in ["3,5", "-1234,56", "1.234,5", "1,234", "12,345,678.90", " 0,1 "] {
            assert!(has_comma(cell), "{cell}");
        }
        for cell in ["3.5", "a,b", "1,2,3", ",5", "5,", "1,", "12,34,567", "", "x"] {
            assert!(!has_comma(cell), "{cell}");
        }
    }

    #[test]
    fn ids_that_were_floats() {
        for (cell, is) in
            [("17.0", true), ("-3.0", true), ("17", false), ("1.5", false), (".0", false), ("v1.0", false)]
        {
            assert_eq!(is_whole_float(cell), is, "{cell}");
        }
    }
}
