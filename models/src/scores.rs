//! scores/v1: the columns that every reader of the scores relies on, defined once.
//!
//! The order is that of the contract: `account_id`; then kind by kind, for each target of the bundle, probability, low
//! and high, band, reasons, their texts, their effects; then the account's own columns; then status and model. Columns
//! may be added, never renamed. Nothing about the run or the clock is in a row.

use std::sync::Arc;

use arrow_array::builder::{Float64Builder, StringBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use miette::Diagnostic;
use thiserror::Error;

use crate::policy::{AccountColumns, Band, Status, StatusReason};
use crate::reasons::Reason;

/// Version of the scores' format, as in `scores/v1`.
pub const SCORES_VERSION: u32 = 1;

/// Reasons per target.
pub const REASONS: usize = 5;

/// A row that breaks the promise of the scores.
#[derive(Debug, Error, Diagnostic)]
pub enum ScoresError {
    /// A row with fewer or more targets than the schema.
    #[error("scores, row {row}: expected {expected} targets, found {found}")]
    #[diagnostic(code(bellwether::scores::targets), help("give one entry per target of the bundle, in its order"))]
    Targets {
        /// Row of the batch.
        row: usize,
        /// Targets of the schema.
        expected: usize,
        /// Targets of the row.
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

/// One target's columns of one row. The default is "not scored": all null.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TargetScore {
    /// Calibrated, in [0, 1].
    pub probability: Option<f64>,
    /// At most the probability.
    pub low: Option<f64>,
    /// At least the probability.
    pub high: Option<f64>,
    /// By the policy's cut-offs.
    pub band: Option<Band>,
    /// Strongest first; those after the fifth are left out.
    pub reasons: Vec<Reason>,
}

/// One row.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoreRow<'a> {
    /// The user's own id, byte for byte.
    pub account_id: &'a str,
    /// One entry per target of the schema, in its order.
    pub targets: &'a [TargetScore],
    /// Health, value and money.
    pub account: AccountColumns,
    /// Scored, partial, not scored.
    pub status: Status,
    /// Why not; `OK` when scored.
    pub status_reason: StatusReason,
    /// `name/version@digest` of the bundle.
    pub model: &'a str,
}

/// Builders of one target.
#[derive(Debug, Default)]
struct TargetBuilder {
    probability: Float64Builder,
    low: Float64Builder,
    high: Float64Builder,
    band: StringBuilder,
    reasons: [StringBuilder; REASONS],
    texts: [StringBuilder; REASONS],
    effects: [Float64Builder; REASONS],
}

/// Puts rows together into one batch of the scores.
#[derive(Debug)]
pub struct ScoreBatchBuilder {
    schema: SchemaRef,
    names: Vec<String>,
    rows: usize,
    account_id: StringBuilder,
    targets: Vec<TargetBuilder>,
    /// Health, value tier, service level.
    levels: [StringBuilder; 3],
    /// MRR, MRR at risk, expected expansion.
    money: [Float64Builder; 3],
    /// Status, its reason, model.
    closing: [StringBuilder; 3],
}

impl ScoreBatchBuilder {
    /// A builder for these targets.
    #[must_use]
    pub fn new(targets: &[&str]) -> Self {
        Self {
            schema: schema(targets),
            names: targets.iter().map(|target| (*target).to_owned()).collect(),
            rows: 0,
            account_id: StringBuilder::new(),
            targets: targets.iter().map(|_| TargetBuilder::default()).collect(),
            levels: Default::default(),
            money: Default::default(),
            closing: Default::default(),
        }
    }

    /// Rows that were pushed.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Adds a row.
    ///
    /// # Errors
    /// [`ScoresError::Targets`] when the number of targets differs; [`ScoresError::Value`] when a probability is
    /// outside [0, 1] or not between its low and high, or a number is not finite. The row is then not added.
    pub fn push(&mut self, row: &ScoreRow<'_>) -> Result<(), ScoresError> {
        self.check(row)?;
        self.account_id.append_value(row.account_id);
        for (builder, score) in self.targets.iter_mut().zip(row.targets) {
            builder.push(score);
        }
        let account = &row.account;
        let levels = [
            account.health.map(super::level::Health::text),
            account.value_tier.map(super::level::ValueTier::text),
            account.service_level.map(super::level::ServiceLevel::text),
        ];
        for (builder, level) in self.levels.iter_mut().zip(levels) {
            builder.append_option(level);
        }
        let money = [account.mrr, account.mrr_at_risk, account.expected_expansion_mrr];
        for (builder, amount) in self.money.iter_mut().zip(money) {
            builder.append_option(amount);
        }
        for (builder, text) in self.closing.iter_mut().zip([row.status.text(), row.status_reason.text(), row.model]) {
            builder.append_value(text);
        }
        self.rows += 1;
        Ok(())
    }

    fn check(&self, row: &ScoreRow<'_>) -> Result<(), ScoresError> {
        if row.targets.len() != self.names.len() {
            let (expected, found) = (self.names.len(), row.targets.len());
            return Err(ScoresError::Targets { row: self.rows, expected, found });
        }
        let fail =
            |column: String, expected, found| Err(ScoresError::Value { row: self.rows, column, expected, found });
        for (name, score) in self.names.iter().zip(row.targets) {
            let column = |kind: &str| format!("{name}_{kind}");
            if let Some(found) = score.probability.filter(|value| !(0.0..=1.0).contains(value)) {
                return fail(column("probability"), "a probability in [0, 1]", found);
            }
            let probability = score.probability.unwrap_or(f64::NAN);
            if let Some(found) = score.low.filter(|low| !(0.0..=probability).contains(low)) {
                return fail(column("low"), "at least 0 and at most the probability", found);
            }
            if let Some(found) = score.high.filter(|high| !(probability..=1.0).contains(high)) {
                return fail(column("high"), "at least the probability and at most 1", found);
            }
            if let Some(reason) = score.reasons.iter().find(|reason| !reason.effect.is_finite()) {
                return fail(column("reason_effect"), "a finite number", reason.effect);
            }
        }
        let account = &row.account;
        let money = [account.mrr, account.mrr_at_risk, account.expected_expansion_mrr];
        match money.into_iter().flatten().find(|amount| !amount.is_finite()) {
            Some(found) => fail("mrr".to_owned(), "a finite number", found),
            None => Ok(()),
        }
    }

    /// The batch; the builder is empty afterwards and can be used again.
    ///
    /// # Errors
    /// [`ScoresError::Arrow`] when a column would exceed what Arrow can hold (2 GiB of text).
    pub fn finish(&mut self) -> Result<RecordBatch, ScoresError> {
        let mut columns: Vec<ArrayRef> = vec![Arc::new(self.account_id.finish())];
        let targets = &mut self.targets;
        columns.extend(targets.iter_mut().map(|target| Arc::new(target.probability.finish()) as ArrayRef));
        for target in targets.iter_mut() {
            columns.push(Arc::new(target.low.finish()));
            columns.push(Arc::new(target.high.finish()));
        }
        columns.extend(targets.iter_mut().map(|target| Arc::new(target.band.finish()) as ArrayRef));
        for target in targets.iter_mut() {
            columns.extend(target.reasons.iter_mut().map(|builder| Arc::new(builder.finish()) as ArrayRef));
        }
        for target in targets.iter_mut() {
            columns.extend(target.texts.iter_mut().map(|builder| Arc::new(builder.finish()) as ArrayRef));
        }
        for target in targets.iter_mut() {
            columns.extend(target.effects.iter_mut().map(|builder| Arc::new(builder.finish()) as ArrayRef));
        }
        columns.extend(self.levels.iter_mut().map(|builder| Arc::new(builder.finish()) as ArrayRef));
        columns.extend(self.money.iter_mut().map(|builder| Arc::new(builder.finish()) as ArrayRef));
        columns.extend(self.closing.iter_mut().map(|builder| Arc::new(builder.finish()) as ArrayRef));
        self.rows = 0;
        Ok(RecordBatch::try_new(self.schema.clone(), columns)?)
    }
}

impl TargetBuilder {
    fn push(&mut self, score: &TargetScore) {
        self.probability.append_option(score.probability);
        self.low.append_option(score.low);
        self.high.append_option(score.high);
        self.band.append_option(score.band.map(Band::text));
        for rank in 0..REASONS {
            let reason = score.reasons.get(rank);
            self.reasons[rank].append_option(reason.map(|reason| reason.id.as_str()));
            self.texts[rank].append_option(reason.map(|reason| reason.text.as_str()));
            self.effects[rank].append_option(reason.map(|reason| reason.effect));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::Array;
    use arrow_array::cast::AsArray;

    fn row<'a>(targets: &'a [TargetScore]) -> ScoreRow<'a> {
        ScoreRow {
            account_id: "a-1",
            targets,
            account: AccountColumns::default(),
            status: Status::Scored,
            status_reason: StatusReason::Ok,
            model: "acme/1@0123456789ab",
        }
    }

    fn score(low: f64, probability: f64, high: f64) -> TargetScore {
        let reason = Reason { id: "usage:-".to_owned(), text: "fell".to_owned(), effect: 0.1, actionable: true };
        TargetScore {
            probability: Some(probability),
            low: Some(low),
            high: Some(high),
            band: Some(Band::High),
            reasons: vec![reason],
        }
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
    fn rows_become_columns_in_the_order_of_the_schema() {
        let mut builder = ScoreBatchBuilder::new(&["churn_90d"]);
        builder.push(&row(&[score(0.1, 0.2, 0.3)])).expect("a good row");
        builder.push(&row(&[TargetScore::default()])).expect("a row that is not scored");
        assert_eq!(builder.rows(), 2);
        let batch = builder.finish().expect("a batch");
        assert_eq!(batch.schema(), schema(&["churn_90d"]));
        let text = |name: &str| batch.column_by_name(name).expect("a column").as_string::<i32>().clone();
        assert_eq!(text("churn_90d_band").value(0), "high");
        assert_eq!(text("churn_90d_reason_1_text").value(0), "fell");
        assert!(text("churn_90d_reason_2").is_null(0) && text("churn_90d_reason_1").is_null(1));
        assert_eq!(text("status_reason").value(1), "OK");
        assert_eq!(builder.finish().expect("empty").num_rows(), 0);
    }

    #[test]
    fn impossible_numbers_are_refused() {
        let mut builder = ScoreBatchBuilder::new(&["churn_90d"]);
        for bad in [score(0.1, f64::NAN, 0.3), score(0.1, 1.2, 1.3), score(0.3, 0.2, 0.4), score(0.1, 0.2, 0.1)] {
            assert!(matches!(builder.push(&row(&[bad])), Err(ScoresError::Value { .. })));
        }
        assert!(matches!(builder.push(&row(&[])), Err(ScoresError::Targets { expected: 1, found: 0, .. })));
        assert_eq!(builder.rows(), 0);
    }
}
