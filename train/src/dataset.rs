//! Features and labels on the same rows, and rows encoded for a model.
//!
//! A [`Dataset`] is checked when it is made: equal lengths, sorted and unique rows, one data end for all labels. After that
//! a row is one number everywhere. What a model learns about its inputs (which levels a category has) is learned from the
//! rows given to [`crate::encode::Encoder::learn`], inside each fold, and from no others.

use std::collections::BTreeSet;
use std::sync::Arc;

use bellwether_features::label::Labels;
use bellwether_features::matrix::{Column, FeatureMatrix};
use bellwether_features::signal::SignalDefinition;
use bellwether_features::time::days_from_epoch;
use chrono::{Days, NaiveDate};
use sha2::{Digest, Sha256};

use crate::witness::Witness;

/// A level seen in fewer accounts than this is "other": a bundle must not point at a single customer.
pub const LEAST_ACCOUNTS_PER_LEVEL: usize = 10;

/// Why rows do not make a dataset.
#[derive(Debug, Clone, PartialEq, thiserror::Error, miette::Diagnostic)]
pub enum DatasetError {
    /// Two things of different length.
    #[error("{what}: expected {expected} rows like the features, found {found}")]
    #[diagnostic(code(bellwether::dataset::length), help("features and labels must come from one spine"))]
    Length {
        /// What has the wrong length.
        what: String,
        /// Rows of the features.
        expected: usize,
        /// Rows found.
        found: usize,
    },
    /// Nothing to learn from.
    #[error("expected rows, signals and targets, found {rows} rows, {signals} signals and {targets} targets")]
    #[diagnostic(code(bellwether::dataset::empty), help("check eligibility and the dates asked for"))]
    Empty {
        /// Rows.
        rows: usize,
        /// Signals.
        signals: usize,
        /// Targets.
        targets: usize,
    },
    /// Rows not sorted, or one of them twice.
    #[error(
        "row {row}: expected rows sorted by (as_of, account_id) without repetition, found {as_of} again or earlier"
    )]
    #[diagnostic(code(bellwether::dataset::order), help("features and labels must come from one spine"))]
    Order {
        /// First row out of order.
        row: usize,
        /// Its date.
        as_of: NaiveDate,
    },
    /// A name that occurs twice.
    #[error("{kind} `{name}`: expected once, found twice")]
    #[diagnostic(code(bellwether::dataset::duplicate), help("names are unique within a project"))]
    Duplicate {
        /// Signal or target.
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// Labels that were made at different times.
    #[error("{target}: expected labels known before {expected}, found {found}")]
    #[diagnostic(code(bellwether::dataset::data_end), help("build the labels of all targets with one --known-as-of"))]
    DataEnd {
        /// Target.
        target: String,
        /// Of the first target.
        expected: NaiveDate,
        /// Of this one.
        found: NaiveDate,
    },
    /// A label that cannot be known yet.
    #[error(
        "{target}, row {row} of {as_of}: expected no label before its interval of {interval_days} days ends, found one at {data_end}"
    )]
    #[diagnostic(
        code(bellwether::dataset::immature),
        help("an immature label is absent, never 0: build labels with features' label module")
    )]
    Immature {
        /// Target.
        target: String,
        /// Row.
        row: usize,
        /// Its date.
        as_of: NaiveDate,
        /// Label interval.
        interval_days: u32,
        /// Data end.
        data_end: NaiveDate,
    },
    /// A code without a level.
    #[error("{signal}, row {row}: expected a code below {levels}, found {code}")]
    #[diagnostic(
        code(bellwether::dataset::code),
        help("this is a bug in the feature engine: please report the signal")
    )]
    Code {
        /// Signal.
        signal: String,
        /// Row.
        row: usize,
        /// Number of levels.
        levels: usize,
        /// Code found.
        code: u32,
    },
}

/// Features and the labels of every target on the same rows, by (as_of, account_id).
#[derive(Debug, Clone)]
pub struct Dataset {
    matrix: FeatureMatrix,
    labels: Vec<Labels>,
    accounts: Vec<u32>,
    as_of_days: Vec<i32>,
    data_end: NaiveDate,
    dated: bool,
    knows_accounts: bool,
    weights: Option<Vec<f64>>,
}

impl Dataset {
    /// Checks that features and labels belong together.
    ///
    /// # Errors
    /// [`DatasetError`] for unequal lengths, unsorted or repeated rows, a repeated name, labels of different data ends, a
    /// label whose interval has not ended, or no rows at all.
    pub fn new(matrix: FeatureMatrix, labels: Vec<Labels>) -> Result<Self, DatasetError> {
        Self::checked(matrix, labels, true)
    }

    /// Rows that nobody dated: all have one `as_of` that means nothing, an account may have several rows, and folds are
    /// made of accounts.
    ///
    /// # Errors
    /// As [`Self::new`], except that rows of one account may repeat.
    pub fn undated(matrix: FeatureMatrix, labels: Vec<Labels>) -> Result<Self, DatasetError> {
        Self::checked(matrix, labels, false)
    }

    /// The same rows with weights, which count in training and not in judging.
    ///
    /// # Errors
    /// [`DatasetError::Length`] when there is not one per row.
    pub fn with_weights(mut self, weights: Vec<f64>) -> Result<Self, DatasetError> {
        if weights.len() != self.rows() {
            let (expected, found) = (self.rows(), weights.len());
            return Err(DatasetError::Length { what: "weights".to_owned(), expected, found });
        }
        self.weights = Some(weights);
        Ok(self)
    }

    fn checked(matrix: FeatureMatrix, labels: Vec<Labels>, dated: bool) -> Result<Self, DatasetError> {
        let rows = matrix.account_ids.len();
        let Some(data_end) =
            labels.first().map(|one| one.known_before).filter(|_| rows > 0 && !matrix.columns.is_empty())
        else {
            return Err(DatasetError::Empty { rows, signals: matrix.columns.len(), targets: labels.len() });
        };
        check_matrix(&matrix, dated)?;
        for one in &labels {
            check_labels(one, &matrix.as_of, data_end)?;
        }
        let names = matrix.signals.iter().map(|signal| signal.name.as_str());
        check_unique("signal", names)?;
        check_unique("target", labels.iter().map(|one| one.target.name.as_str()))?;
        let accounts = account_codes(&matrix.account_ids);
        let as_of_days = matrix.as_of.iter().map(|date| days_from_epoch(*date)).collect();
        Ok(Self { matrix, labels, accounts, as_of_days, data_end, dated, knows_accounts: true, weights: None })
    }

    /// Whether the rows have observation dates that mean something. Where not, time cannot be tested.
    #[must_use]
    pub fn is_dated(&self) -> bool {
        self.dated
    }

    /// The same rows, of which nothing says whose they are: each has an id of its own.
    #[must_use]
    pub fn without_accounts(mut self) -> Self {
        self.knows_accounts = false;
        self
    }

    /// Whether the ids are those of accounts. Where not, rows of one customer cannot be told from those of two.
    #[must_use]
    pub fn knows_accounts(&self) -> bool {
        self.knows_accounts
    }

    /// What counts as one witness of an outcome.
    #[must_use]
    pub fn witness(&self) -> Witness {
        Witness::of(self.knows_accounts)
    }

    /// Weight of a row in training; 1 unless weights were given.
    #[must_use]
    pub fn weight(&self, row: usize) -> f64 {
        self.weights.as_ref().map_or(1.0, |weights| weights[row])
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.accounts.len()
    }

    /// The features.
    #[must_use]
    pub fn matrix(&self) -> &FeatureMatrix {
        &self.matrix
    }

    /// Labels of every target.
    #[must_use]
    pub fn labels(&self) -> &[Labels] {
        &self.labels
    }

    /// Account code of each row: equal for rows of one account, in the order of the ids.
    #[must_use]
    pub fn accounts(&self) -> &[u32] {
        &self.accounts
    }

    /// `as_of` of each row in days since the epoch.
    #[must_use]
    pub fn as_of_days(&self) -> &[i32] {
        &self.as_of_days
    }

    /// `as_of` of each row.
    #[must_use]
    pub fn as_of(&self) -> &[NaiveDate] {
        &self.matrix.as_of
    }

    /// Facts known strictly before this date made the labels.
    #[must_use]
    pub fn data_end(&self) -> NaiveDate {
        self.data_end
    }

    /// Definitions of the signals.
    #[must_use]
    pub fn signals(&self) -> &[SignalDefinition] {
        &self.matrix.signals
    }

    /// SHA-256 (hex) over rows, definitions, values and labels: the same data, the same digest.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut hasher = Sha256::new();
        for (id, day) in self.matrix.account_ids.iter().zip(&self.as_of_days) {
            hasher.update((id.len() as u64).to_le_bytes());
            hasher.update(id.as_bytes());
            hasher.update(day.to_le_bytes());
        }
        for (signal, column) in self.matrix.signals.iter().zip(&self.matrix.columns) {
            hasher.update(signal.digest());
            hash_column(&mut hasher, column);
        }
        for labels in &self.labels {
            hasher.update(format!("{:?}", labels.target));
            hasher.update(labels.known_before.to_string());
            let code = |label: &Option<bool>| label.map_or(2, u8::from);
            hasher.update(labels.values.iter().map(code).collect::<Vec<u8>>());
        }
        for weight in self.weights.iter().flatten() {
            hasher.update(weight.to_bits().to_le_bytes());
        }
        hex::encode(hasher.finalize())
    }

    /// Values of a numeric signal by name; `None` if there is no such number.
    #[must_use]
    pub fn numeric(&self, name: &str) -> Option<&[f32]> {
        let index = self.matrix.signals.iter().position(|signal| signal.name == name)?;
        match self.matrix.columns.get(index)? {
            Column::Numeric(values) => Some(values),
            Column::Category { .. } => None,
        }
    }
}

fn hash_column(hasher: &mut Sha256, column: &Column) {
    match column {
        Column::Numeric(values) => {
            // One NaN for all, whatever its bits.
            let bits = |value: &f32| if value.is_nan() { f32::NAN.to_bits() } else { value.to_bits() };
            let bytes: Vec<u8> = values.iter().flat_map(|value| bits(value).to_le_bytes()).collect();
            hasher.update(bytes);
        }
        Column::Category { levels, codes } => {
            for level in levels {
                hasher.update((level.len() as u64).to_le_bytes());
                hasher.update(level.as_bytes());
            }
            let bytes: Vec<u8> = codes.iter().flat_map(|code| code.unwrap_or(u32::MAX).to_le_bytes()).collect();
            hasher.update(bytes);
        }
    }
}

fn check_matrix(matrix: &FeatureMatrix, dated: bool) -> Result<(), DatasetError> {
    let rows = matrix.account_ids.len();
    let length = |what: String, found: usize| match found == rows {
        true => Ok(()),
        false => Err(DatasetError::Length { what, expected: rows, found }),
    };
    length("as_of".into(), matrix.as_of.len())?;
    if matrix.signals.len() != matrix.columns.len() {
        let (expected, found) = (matrix.signals.len(), matrix.columns.len());
        return Err(DatasetError::Length { what: "columns".into(), expected, found });
    }
    for (signal, column) in matrix.signals.iter().zip(&matrix.columns) {
        match column {
            Column::Numeric(values) => length(signal.name.clone(), values.len())?,
            Column::Category { levels, codes } => {
                length(signal.name.clone(), codes.len())?;
                let wrong = codes.iter().position(|code| code.is_some_and(|code| code as usize >= levels.len()));
                if let Some(row) = wrong {
                    let code = codes[row].unwrap_or_default();
                    return Err(DatasetError::Code { signal: signal.name.clone(), row, levels: levels.len(), code });
                }
            }
        }
    }
    let key = |row: usize| (matrix.as_of[row], matrix.account_ids[row].as_ref());
    let wrong = |row: &usize| key(row - 1) > key(*row) || (dated && key(row - 1) == key(*row));
    match (1..rows).find(wrong) {
        Some(row) => Err(DatasetError::Order { row, as_of: matrix.as_of[row] }),
        None => Ok(()),
    }
}

fn check_labels(labels: &Labels, as_of: &[NaiveDate], data_end: NaiveDate) -> Result<(), DatasetError> {
    let target = labels.target.name.clone();
    for (what, found) in [("labels", labels.values.len()), ("uplift", labels.uplift.len())] {
        if found != as_of.len() {
            return Err(DatasetError::Length { what: format!("{target} {what}"), expected: as_of.len(), found });
        }
    }
    if labels.known_before != data_end {
        return Err(DatasetError::DataEnd { target, expected: data_end, found: labels.known_before });
    }
    let interval_days = labels.target.label_interval_days();
    let immature = |row: &usize| labels.values[*row].is_some() && !matured(as_of[*row], interval_days, data_end);
    match (0..as_of.len()).find(immature) {
        Some(row) => Err(DatasetError::Immature { target, row, as_of: as_of[row], interval_days, data_end }),
        None => Ok(()),
    }
}

/// Whether the whole label interval of a row at `as_of` lies before `date`: `as_of + interval <= date`.
#[must_use]
pub fn matured(as_of: NaiveDate, interval_days: u32, date: NaiveDate) -> bool {
    as_of.checked_add_days(Days::new(u64::from(interval_days))).is_some_and(|end| end <= date)
}

fn check_unique<'a>(kind: &'static str, names: impl Iterator<Item = &'a str>) -> Result<(), DatasetError> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(DatasetError::Duplicate { kind, name: name.to_owned() });
        }
    }
    Ok(())
}

fn account_codes(ids: &[Arc<str>]) -> Vec<u32> {
    let mut sorted: Vec<&str> = ids.iter().map(AsRef::as_ref).collect();
    sorted.sort_unstable();
    sorted.dedup();
    let code = |id: &Arc<str>| sorted.binary_search(&id.as_ref()).unwrap_or_default();
    ids.iter().map(|id| u32::try_from(code(id)).unwrap_or(u32::MAX)).collect()
}
