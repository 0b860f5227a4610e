//! scores/v1: the columns that every reader of the scores relies on, defined once.
//!
//! The order is that of the contract: `account_id`; then kind by kind, for each target of the bundle, probability, low
//! and high, band, reasons, their texts, their effects; then the account's own columns; then status and model. Columns
//! may be added, never renamed. Nothing about the run or the clock is in a row.

use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::{Array, ArrayRef, Float64Array, RecordBatch, StringArray, new_null_array};
use arrow_buffer::{NullBuffer, ScalarBuffer};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use miette::Diagnostic;
use thiserror::Error;

use crate::HeadScores;
use crate::policy::{AccountColumns, Band, Status, StatusReason};
use crate::reasons::Reason;

/// Version of the scores' format, as in `scores/v1`.
pub const SCORES_VERSION: u32 = 1;

/// Reasons per target.
pub const REASONS: usize = 5;

/// A row that breaks the promise of the scores.
#[derive(Debug, Error, Diagnostic)]
pub enum ScoresError {
    /// Columns of different lengths.
    #[error("scores: expected {expected} rows in every column, found {found}")]
    #[diagnostic(code(bellwether::scores::lengths), help("this is a defect of the scorer; report it"))]
    Lengths {
        /// Rows that are scored or not.
        expected: usize,
        /// Rows of a column.
        found: usize,
    },
    /// A number that is not what it says.
    #[error("scores, row {row}, {column}: expected {expected}, found {found}")]
    #[diagnostic(code(bellwether::scores::value), help("this is a defect of the scorer or of the model; report it"))]
    Value {
        /// Row of the batch.
        row: usize,
        /// Column.
        column: String,
        /// The rule.
        expected: &'static str,
        /// What was there.
        found: f64,
    },
    /// Arrow refused the columns.
    #[error("scores: the columns cannot be put together")]
    #[diagnostic(code(bellwether::scores::arrow))]
    Arrow(#[from] ArrowError),
}

/// Schema of the scores of these targets.
#[must_use]
pub fn schema(targets: &[&str]) -> SchemaRef {
    let mut fields = vec![Field::new("account_id", DataType::Utf8, false)];
    let number = |name: String| Field::new(name, DataType::Float64, true);
    let text = |name: String| Field::new(name, DataType::Utf8, true);
    fields.extend(targets.iter().map(|target| number(format!("{target}_probability"))));
    for target in targets {
        fields.extend(["low", "high"].map(|end| number(format!("{target}_{end}"))));
    }
    fields.extend(targets.iter().map(|target| text(format!("{target}_band"))));
    for target in targets {
        fields.extend((1..=REASONS).map(|rank| text(format!("{target}_reason_{rank}"))));
    }
    for target in targets {
        fields.extend((1..=REASONS).map(|rank| text(format!("{target}_reason_{rank}_text"))));
    }
    for target in targets {
        fields.extend((1..=REASONS).map(|rank| number(format!("{target}_reason_{rank}_effect"))));
    }
    fields.extend(["health", "value_tier", "service_level"].map(|name| text(name.to_owned())));
    fields.extend(["mrr", "mrr_at_risk", "expected_expansion_mrr"].map(|name| number(name.to_owned())));
    fields.extend(["status", "status_reason", "model"].map(|name| Field::new(name, DataType::Utf8, false)));
    Arc::new(Schema::new(fields))
}

/// The columns of one target.
#[derive(Debug, Clone)]
pub struct TargetColumns<'a> {
    /// Name.
    pub name: &'a str,
    /// Probability, low and high of every row; they count where the row is scored.
    pub scores: &'a HeadScores,
    /// By the policy's cut-offs; counts where the row is scored.
    pub bands: &'a [Option<Band>],
    /// Reasons by row, strongest first, those after the fifth left out; `None` where nobody has any.
    pub reasons: Option<&'a [Vec<Reason>]>,
}

/// Rows of the scores, column by column; all columns are of one length.
#[derive(Debug, Clone)]
pub struct ScoreColumns<'a> {
    /// The user's own ids, byte for byte.
    pub account_id: StringArray,
    /// In the order of the schema.
    pub targets: Vec<TargetColumns<'a>>,
    /// Which rows have probabilities.
    pub scored: &'a [bool],
    /// Health, value and money.
    pub account: &'a [AccountColumns],
    /// Scored, partial, not scored.
    pub status: &'a [Status],
    /// Why not; `OK` when scored.
    pub status_reason: &'a [StatusReason],
    /// `name/version@digest` of the bundle.
    pub model: &'a str,
}

impl ScoreColumns<'_> {
    /// The rows as a batch of the scores.
    ///
    /// # Errors
    /// [`ScoresError::Lengths`] when a column has another number of rows; [`ScoresError::Value`] when a probability of a
    /// scored row is outside [0, 1] or not between its low and high, or a number is not finite; [`ScoresError::Arrow`]
    /// when a column would exceed what Arrow can hold (2 GiB of text).
    pub fn batch(&self) -> Result<RecordBatch, ScoresError> {
        self.check_lengths()?;
        self.targets.iter().try_for_each(|target| target.check(self.scored))?;
        let rows = self.scored.len();
        let scored = NullBuffer::from(self.scored);
        let number = |values: &[f64]| -> ArrayRef {
            Arc::new(Float64Array::new(ScalarBuffer::from(values.to_vec()), Some(scored.clone())))
        };
        let names: Vec<&str> = self.targets.iter().map(|target| target.name).collect();
        let mut columns: Vec<ArrayRef> = vec![Arc::new(self.account_id.clone())];
        columns.extend(self.targets.iter().map(|target| number(&target.scores.probability)));
        for target in &self.targets {
            columns.extend([number(&target.scores.low), number(&target.scores.high)]);
        }
        for target in &self.targets {
            let bands = target.bands.iter().zip(self.scored);
            columns.push(words(rows, bands.map(|(band, scored)| band.filter(|_| *scored).map(Band::text))));
        }
        self.push_reasons(&mut columns);
        columns.push(words(rows, self.account.iter().map(|row| Some(row.health?.text()))));
        columns.push(words(rows, self.account.iter().map(|row| Some(row.value_tier?.text()))));
        columns.push(words(rows, self.account.iter().map(|row| Some(row.service_level?.text()))));
        columns.push(self.money("mrr", |row| row.mrr)?);
        columns.push(self.money("mrr_at_risk", |row| row.mrr_at_risk)?);
        columns.push(self.money("expected_expansion_mrr", |row| row.expected_expansion_mrr)?);
        columns.push(words(rows, self.status.iter().map(|status| Some(status.text()))));
        columns.push(words(rows, self.status_reason.iter().map(|reason| Some(reason.text()))));
        columns.push(words(rows, std::iter::repeat_n(Some(self.model), rows)));
        Ok(RecordBatch::try_new(schema(&names), columns)?)
    }

    fn check_lengths(&self) -> Result<(), ScoresError> {
        let expected = self.scored.len();
        let own = [self.account_id.len(), self.account.len(), self.status.len(), self.status_reason.len()];
        let of_target = |target: &TargetColumns<'_>| {
            let scores = target.scores;
            let reasons = target.reasons.map_or(expected, <[_]>::len);
            [scores.probability.len(), scores.low.len(), scores.high.len(), target.bands.len(), reasons]
        };
        match own.into_iter().chain(self.targets.iter().flat_map(of_target)).find(|found| *found != expected) {
            Some(found) => Err(ScoresError::Lengths { expected, found }),
            None => Ok(()),
        }
    }

    /// Ids, texts and effects of the reasons: kind by kind, target by target, rank by rank.
    fn push_reasons(&self, columns: &mut Vec<ArrayRef>) {
        let rows = self.scored.len();
        let (no_text, no_number) = (new_null_array(&DataType::Utf8, rows), new_null_array(&DataType::Float64, rows));
        let ranks = || self.targets.iter().flat_map(|target| (0..REASONS).map(|rank| (target.reasons, rank)));
        let text = |of: fn(&Reason) -> &str| {
            let no_text = no_text.clone();
            ranks().map(move |(reasons, rank)| match reasons {
                Some(reasons) => Arc::new(reasons.iter().map(|row| row.get(rank).map(of)).collect::<StringArray>()),
                None => no_text.clone(),
            })
        };
        columns.extend(text(|reason| &reason.id));
        columns.extend(text(|reason| &reason.text));
        columns.extend(ranks().map(|(reasons, rank)| match reasons {
            Some(reasons) => {
                Arc::new(reasons.iter().map(|row| Some(row.get(rank)?.effect)).collect::<Float64Array>()) as ArrayRef
            }
            None => no_number.clone(),
        }));
    }

    fn money(&self, column: &str, of: fn(&AccountColumns) -> Option<f64>) -> Result<ArrayRef, ScoresError> {
        let amounts = self.account.iter().map(of);
        match amounts.clone().enumerate().find_map(|(row, amount)| Some((row, amount.filter(|one| !one.is_finite())?)))
        {
            Some((row, found)) => {
                Err(ScoresError::Value { row, column: column.to_owned(), expected: "a finite number", found })
            }
            None => Ok(Arc::new(amounts.collect::<Float64Array>())),
        }
    }
}

impl TargetColumns<'_> {
    /// Every scored row: `0 <= low <= probability <= high <= 1`, and effects that are numbers.
    fn check(&self, scored: &[bool]) -> Result<(), ScoresError> {
        let HeadScores { probability, low, high, .. } = self.scores;
        for (row, _) in scored.iter().enumerate().filter(|(_, scored)| **scored) {
            let fail = |kind: &str, expected, found| {
                Err(ScoresError::Value { row, column: format!("{}_{kind}", self.name), expected, found })
            };
            let at = probability[row];
            if !(0.0..=1.0).contains(&at) {
                return fail("probability", "a probability in [0, 1]", at);
            }
            if !(0.0..=at).contains(&low[row]) {
                return fail("low", "at least 0 and at most the probability", low[row]);
            }
            if !(at..=1.0).contains(&high[row]) {
                return fail("high", "at least the probability and at most 1", high[row]);
            }
        }
        for (row, reasons) in self.reasons.into_iter().flatten().enumerate() {
            if let Some(reason) = reasons.iter().find(|reason| !reason.effect.is_finite()) {
                let column = format!("{}_reason_effect", self.name);
                return Err(ScoresError::Value { row, column, expected: "a finite number", found: reason.effect });
            }
        }
        Ok(())
    }
}

/// A column of few words.
fn words<'a>(rows: usize, texts: impl Iterator<Item = Option<&'a str>>) -> ArrayRef {
    let mut builder = StringBuilder::with_capacity(rows, rows * 8);
    texts.for_each(|text| builder.append_option(text));
    Arc::new(builder.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::cast::AsArray;

    /// One target of two rows, the second one not scored.
    fn batch(low: f64, probability: f64, high: f64, effect: f64) -> Result<RecordBatch, ScoresError> {
        let column = |value: f64| vec![value, f64::NAN];
        let scores =
            HeadScores { margin: column(0.0), probability: column(probability), low: column(low), high: column(high) };
        let reason = Reason { id: "usage:-".to_owned(), text: "fell".to_owned(), effect, actionable: true };
        let reasons = [vec![reason], vec![]];
        let bands = [Some(Band::High); 2];
        let target = TargetColumns { name: "churn_90d", scores: &scores, bands: &bands, reasons: Some(&reasons) };
        let columns = ScoreColumns {
            account_id: StringArray::from(vec!["a-1", "a-2"]),
            targets: vec![target],
            scored: &[true, false],
            account: &[AccountColumns { mrr: Some(5.0), ..AccountColumns::default() }, AccountColumns::default()],
            status: &[Status::Scored, Status::NotScored],
            status_reason: &[StatusReason::Ok, StatusReason::StaleUsage],
            model: "acme/1@0123456789ab",
        };
        columns.batch()
    }

    #[test]
    fn the_columns_are_those_of_the_contract() {
        let schema = schema(&["churn_90d", "expansion_60d"]);
        assert_eq!(schema.fields().len(), 1 + 2 * (1 + 2 + 1 + 15) + 9);
        let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        assert_eq!(
            names[..8],
            [
                "account_id",
                "churn_90d_probability",
                "expansion_60d_probability",
                "churn_90d_low",
                "churn_90d_high",
                "expansion_60d_low",
                "expansion_60d_high",
                "churn_90d_band",
            ]
        );
        assert!(names.contains(&"churn_90d_reason_5_text") && names.contains(&"expansion_60d_reason_1_effect"));
        let required: Vec<&str> =
            schema.fields().iter().filter(|field| !field.is_nullable()).map(|field| field.name().as_str()).collect();
        assert_eq!(required, ["account_id", "status", "status_reason", "model"]);
    }

    #[test]
    fn columns_are_in_the_order_of_the_schema_and_null_where_nothing_is_scored() {
        let batch = batch(0.1, 0.2, 0.3, 0.1).expect("a batch");
        assert_eq!(batch.schema(), schema(&["churn_90d"]));
        let text = |name: &str| batch.column_by_name(name).expect("a column").as_string::<i32>().clone();
        let number = |name: &str| {
            batch.column_by_name(name).expect("a column").as_primitive::<arrow_array::types::Float64Type>().clone()
        };
        assert_eq!((text("account_id").value(1), text("churn_90d_band").value(0)), ("a-2", "high"));
        assert_eq!(text("churn_90d_reason_1_text").value(0), "fell");
        assert_eq!(number("churn_90d_reason_1_effect").value(0), 0.1);
        assert!(text("churn_90d_reason_2").is_null(0) && text("churn_90d_reason_1").is_null(1));
        assert_eq!((number("churn_90d_low").value(0), number("churn_90d_high").value(0)), (0.1, 0.3));
        assert_eq!((number("mrr").value(0), number("mrr_at_risk").null_count()), (5.0, 2));
        for name in ["churn_90d_probability", "churn_90d_low", "churn_90d_high"] {
            assert!(number(name).is_null(1), "{name}");
        }
        assert!(text("churn_90d_band").is_null(1) && text("health").is_null(0));
        assert_eq!((text("status").value(1), text("status_reason").value(1)), ("not_scored", "STALE_USAGE"));
        assert_eq!(text("model").value(1), "acme/1@0123456789ab");
    }

    #[test]
    fn impossible_numbers_are_refused() {
        let bad = [
            batch(0.1, f64::NAN, 0.3, 0.0),
            batch(0.1, 1.2, 1.3, 0.0),
            batch(0.3, 0.2, 0.4, 0.0),
            batch(0.1, 0.2, 0.1, 0.0),
            batch(0.1, 0.2, 0.3, f64::NAN),
        ];
        for result in bad {
            assert!(matches!(result, Err(ScoresError::Value { row: 0, .. })), "{result:?}");
        }
    }

    #[test]
    fn columns_of_other_lengths_are_refused() {
        let columns = ScoreColumns {
            account_id: StringArray::from(vec!["a-1", "a-2"]),
            targets: Vec::new(),
            scored: &[true],
            account: &[AccountColumns::default()],
            status: &[Status::Scored],
            status_reason: &[StatusReason::Ok],
            model: "",
        };
        assert!(matches!(columns.batch(), Err(ScoresError::Lengths { expected: 1, found: 2 })));
    }
}
