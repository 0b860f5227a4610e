//! The file as columns, whatever its format.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use chrono::NaiveDate;

use super::error::MatrixError;
use super::{MatrixRoles, csv_file, parquet_file};

/// One column. NaN and `None` are empty cells.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Values {
    /// Numbers; flags are 0 and 1.
    Numbers(Vec<f32>),
    /// Texts, each kept once; in no order.
    Texts {
        /// Distinct texts.
        levels: Vec<String>,
        /// One per row.
        codes: Vec<Option<u32>>,
    },
    /// Days.
    Dates(Vec<Option<NaiveDate>>),
    /// Something that no signal is made of, in words.
    Other(String),
}

impl Values {
    /// What it holds, in words.
    pub(super) fn kind(&self) -> &str {
        match self {
            Self::Numbers(_) => "numbers",
            Self::Texts { .. } => "texts",
            Self::Dates(_) => "dates",
            Self::Other(kind) => kind,
        }
    }
}

/// Texts while they are read.
#[derive(Debug, Default)]
pub(super) struct TextBuilder {
    places: HashMap<String, u32>,
    levels: Vec<String>,
    codes: Vec<Option<u32>>,
}

impl TextBuilder {
    /// Adds a cell; a text of blanks alone is an empty cell, and so is [`NOT_KNOWN`] unless texts are taken as they are.
    pub(super) fn push(&mut self, text: Option<&str>, take: Take) {
        let is_there = |text: &&str| if take == Take::AsText { !text.is_empty() } else { !is_not_known(text) };
        let text = text.map(str::trim).filter(is_there);
        let code = text.map(|text| match self.places.get(text) {
            Some(code) => *code,
            None => {
                let code = self.levels.len() as u32;
                self.levels.push(text.to_owned());
                self.places.insert(text.to_owned(), code);
                code
            }
        });
        self.codes.push(code);
    }

    pub(super) fn finish(self) -> Values {
        Values::Texts { levels: self.levels, codes: self.codes }
    }
}

/// A text column may have so many levels, however few rows there are...
const MOST_LEVELS: usize = 50;

/// ... and as many as have this many rows each, on average; with more they look like ids.
const LEAST_ROWS_OF_LEVEL: usize = 20;

/// Texts that say that a value is not known, beside one of blanks alone. The same in CSV and Parquet, and in every column but
/// that of accounts, where they may be names.
const NOT_KNOWN: [&str; 6] = ["NA", "N/A", "NaN", "nan", "null", "None"];

/// Whether a text says that the value is not known.
pub(super) fn is_not_known(text: &str) -> bool {
    let text = text.trim();
    text.is_empty() || NOT_KNOWN.contains(&text)
}

/// A file, read.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) path: PathBuf,
    pub(super) rows: usize,
    /// Columns in the order of the file.
    columns: Vec<(String, Values)>,
    /// Names that have a role.
    with_role: Vec<String>,
    /// Columns that were left out.
    pub(super) notes: Vec<String>,
}

/// How a reader is to take a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Take {
    /// As what it is.
    AsItIs,
    /// As text, whatever it is.
    AsText,
}

impl Table {
    /// Reads the file and finds the columns that have a role.
    pub(super) fn read(path: &Path, roles: &MatrixRoles) -> Result<Self, MatrixError> {
        let wanted = [
            ("--target", Some(&roles.target)),
            ("--account", roles.account.as_ref()),
            ("--as-of", roles.as_of.as_ref()),
            ("--weight", roles.weight.as_ref()),
        ];
        let wanted: Vec<(&'static str, &String)> =
            wanted.into_iter().filter_map(|(option, name)| Some((option, name?))).collect();
        Self::with_roles(path, &wanted)
    }

    /// Reads the file; `wanted` are the options that name a column.
    pub(super) fn with_roles(path: &Path, wanted: &[(&'static str, &String)]) -> Result<Self, MatrixError> {
        if let Some((option, name)) = wanted.iter().enumerate().find_map(|(place, (option, name))| {
            wanted[..place].iter().any(|(_, other)| other == name).then_some((*option, *name))
        }) {
            let expected = "a column that no other option names".to_owned();
            let hint = "each column has one role".to_owned();
            let found = format!("`{name}` again");
            return Err(MatrixError::Option { path: path.to_owned(), option, expected, found, hint });
        }
        let take = |name: &str| {
            let as_text = |(option, wanted): &(&str, &String)| *wanted == name && *option != "--weight";
            if wanted.iter().any(as_text) { Take::AsText } else { Take::AsItIs }
        };
        let name = path.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
        let check = |names: &[String]| check_names(path, names, wanted);
        let columns = if name.ends_with(".parquet") {
            parquet_file::read(path, &take, &check)?
        } else if name.ends_with(".csv") || name.ends_with(".csv.gz") {
            csv_file::read(path, name.ends_with(".gz"), &take, &check)?
        } else {
            return Err(MatrixError::Option {
                path: path.to_owned(),
                option: "--matrix",
                expected: "a file called .parquet, .csv or .csv.gz".to_owned(),
                found: "another name".to_owned(),
                hint: "the name says how the file is read".to_owned(),
            });
        };
        let rows = columns.rows;
        if rows == 0 {
            return Err(MatrixError::File {
                path: path.to_owned(),
                expected: "rows".to_owned(),
                found: "none".to_owned(),
                hint: "a matrix has one row per account (and date)".to_owned(),
            });
        }
        let (named, unnamed): (Vec<_>, Vec<_>) =
            columns.columns.into_iter().partition(|(name, _)| !name.trim().is_empty());
        let notes = (!unnamed.is_empty()).then(|| format!("{} columns without a name are left out", unnamed.len()));
        Ok(Self {
            path: path.to_owned(),
            rows,
            columns: named,
            with_role: wanted.iter().map(|(_, name)| (*name).clone()).collect(),
            notes: notes.into_iter().collect(),
        })
    }

    /// A column by name.
    pub(super) fn column(&self, name: &str) -> Option<&Values> {
        self.columns.iter().find(|(other, _)| other == name).map(|(_, values)| values)
    }

    /// The columns that have no role.
    pub(super) fn inputs(&self) -> impl Iterator<Item = (&String, &Values)> {
        let has_role = |name: &String| self.with_role.contains(name);
        self.columns.iter().filter(move |(name, _)| !has_role(name)).map(|(name, values)| (name, values))
    }

    /// Leaves out texts that look like the ids of customers, where no column of accounts was given: as levels they would be
    /// learned by heart, and written into the bundle. Returns what to tell.
    pub(super) fn leave_out_ids(&mut self) -> Vec<String> {
        let most = MOST_LEVELS.max(self.rows / LEAST_ROWS_OF_LEVEL);
        let (rows, with_role) = (self.rows, &self.with_role);
        let looks_like_ids = |(name, values): &(String, Values)| {
            !with_role.contains(name) && matches!(values, Values::Texts { levels, .. } if levels.len() > most)
        };
        let (ids, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut self.columns).into_iter().partition(looks_like_ids);
        self.columns = kept;
        let told = |(name, values): (String, Values)| match values {
            Values::Texts { levels, .. } => format!(
                "column `{name}` has {} different texts in {rows} rows, which look like ids, and is left out: if they are those \
                 of accounts, give --account {name}",
                levels.len()
            ),
            other => format!("column `{name}` holds {} and is left out", other.kind()),
        };
        ids.into_iter().map(told).collect()
    }

    /// No row has a label.
    pub(super) fn no_labels(&self, roles: &MatrixRoles) -> MatrixError {
        MatrixError::File {
            path: self.path.clone(),
            expected: format!("rows with a known outcome `{}`", roles.target),
            found: "none".to_owned(),
            hint: "check that --target names the right column".to_owned(),
        }
    }
}

/// Columns as a reader found them.
pub(super) struct Columns {
    pub(super) rows: usize,
    pub(super) columns: Vec<(String, Values)>,
}

/// Every wanted column is there, no name occurs twice, and the names that the scorer keeps for itself have their role.
fn check_names(path: &Path, names: &[String], wanted: &[(&'static str, &String)]) -> Result<(), MatrixError> {
    for (option, name) in wanted {
        if !names.contains(name) {
            let nearest = names.iter().min_by_key(|other| strsim::damerau_levenshtein(other, name));
            return Err(MatrixError::Option {
                path: path.to_owned(),
                option,
                expected: "a column of the file".to_owned(),
                found: format!("`{name}`, which is none of its {}", names.len()),
                hint: nearest.map_or_else(String::new, |nearest| format!("did you mean `{nearest}`?")),
            });
        }
    }
    for (place, name) in names.iter().enumerate() {
        if !name.trim().is_empty() && names[..place].contains(name) {
            return Err(MatrixError::File {
                path: path.to_owned(),
                expected: "each column once".to_owned(),
                found: format!("`{name}` twice"),
                hint: "rename one of them".to_owned(),
            });
        }
    }
    for (kept, option) in [("account_id", "--account"), ("as_of", "--as-of")] {
        if names.iter().any(|name| name == kept) && !wanted.iter().any(|(_, name)| *name == kept) {
            return Err(MatrixError::Option {
                path: path.to_owned(),
                option,
                expected: format!("the column `{kept}` to be named, since the scorer knows it by that name"),
                found: "nothing".to_owned(),
                hint: format!("add {option} {kept}, or rename the column"),
            });
        }
    }
    Ok(())
}
