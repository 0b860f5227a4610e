//! Rows as a model takes them, under a signature learned from training rows alone.

use std::collections::BTreeSet;
use std::sync::Arc;

use bellwether_features::label::Labels;
use bellwether_features::matrix::Column;
use bellwether_features::signal::{SignalDefinition, Unit};
use bellwether_models::{FeatureBlock, Input, InputKind, Signature};

use crate::dataset::{Dataset, LEAST_ACCOUNTS_PER_LEVEL};
use crate::learner::TrainingRows;
use crate::settings::RowWeights;
use crate::uniqueness::{average_uniqueness, normalised};

/// A signature, and how the dataset's own codes translate into it.
#[derive(Debug, Clone)]
pub struct Encoder {
    signature: Signature,
    /// Per signal: for a category, the new code of each of the dataset's codes.
    codes: Vec<Option<Vec<u32>>>,
    /// The rows that it was learned from, ascending.
    rows: Arc<[u32]>,
}

impl Encoder {
    /// Learns the levels of each category from `rows`: those seen in at least [`LEAST_ACCOUNTS_PER_LEVEL`] accounts.
    #[must_use]
    pub fn learn(dataset: &Dataset, rows: &[u32]) -> Self {
        let mut inputs = Vec::with_capacity(dataset.signals().len());
        let mut all_codes = Vec::with_capacity(dataset.signals().len());
        for (signal, column) in dataset.signals().iter().zip(&dataset.matrix().columns) {
            let (kind, codes) = match column {
                Column::Numeric(_) => (InputKind::Numeric, None),
                Column::Category { levels, codes } => {
                    let (kept, map) = keep_levels(levels, codes, dataset.accounts(), rows);
                    (InputKind::Category { levels: kept }, Some(map))
                }
            };
            inputs.push(input(signal, kind));
            all_codes.push(codes);
        }
        let mut rows = rows.to_vec();
        rows.sort_unstable();
        Self { signature: Signature { inputs }, codes: all_codes, rows: rows.into() }
    }

    /// The rows that it was learned from, ascending.
    #[must_use]
    pub fn rows(&self) -> &[u32] {
        &self.rows
    }

    /// The signature.
    #[must_use]
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// The rows as a block. A level that the signature does not hold is "other", a null is missing.
    #[must_use]
    pub fn block(&self, dataset: &Dataset, rows: &[u32]) -> FeatureBlock {
        let mut block = FeatureBlock { rows: rows.len(), ..FeatureBlock::default() };
        for ((column, map), input) in dataset.matrix().columns.iter().zip(&self.codes).zip(&self.signature.inputs) {
            match (column, map, &input.kind) {
                (Column::Category { codes, .. }, Some(map), InputKind::Category { levels }) => {
                    let missing = levels.len() as u32 + 1;
                    let code = |row: &u32| codes[*row as usize].map_or(missing, |code| map[code as usize]);
                    block.categories.push(rows.iter().map(code).collect());
                }
                (Column::Numeric(values), ..) => {
                    block.numeric.push(rows.iter().map(|row| values[*row as usize]).collect());
                }
                // A category column always has a map and a category input: `learn` made them together.
                (Column::Category { .. }, ..) => {}
            }
        }
        block
    }
}

fn keep_levels(levels: &[String], codes: &[Option<u32>], accounts: &[u32], rows: &[u32]) -> (Vec<String>, Vec<u32>) {
    let mut seen = vec![BTreeSet::new(); levels.len()];
    for row in rows {
        if let Some(code) = codes[*row as usize] {
            let accounts_of_level = &mut seen[code as usize];
            if accounts_of_level.len() < LEAST_ACCOUNTS_PER_LEVEL {
                accounts_of_level.insert(accounts[*row as usize]);
            }
        }
    }
    let enough = |code: &usize| seen[*code].len() >= LEAST_ACCOUNTS_PER_LEVEL && !levels[*code].is_empty();
    let kept_codes: Vec<usize> = (0..levels.len()).filter(enough).collect();
    // An empty text is missing, for us as for the scorer; any other level that is not kept is "other".
    let other = |level: &String| kept_codes.len() as u32 + u32::from(level.is_empty());
    let mut map: Vec<u32> = levels.iter().map(other).collect();
    for (new, old) in kept_codes.iter().enumerate() {
        map[*old] = new as u32;
    }
    (kept_codes.iter().map(|code| levels[*code].clone()).collect(), map)
}

fn input(signal: &SignalDefinition, kind: InputKind) -> Input {
    Input {
        name: signal.name.clone(),
        kind,
        unit: unit_name(signal.unit).to_owned(),
        nullable: true,
        definition: signal.digest(),
    }
}

/// The unit as the glossary writes it.
#[must_use]
pub fn unit_name(unit: Unit) -> &'static str {
    match unit {
        Unit::Count => "count",
        Unit::Days => "days",
        Unit::DaysAhead => "days ahead",
        Unit::Share => "share",
        Unit::RelativeChange => "relative change",
        Unit::Difference => "difference",
        Unit::SignedShare => "difference of shares",
        Unit::Money => "money",
        Unit::Score => "score",
        Unit::Ratio => "ratio",
        Unit::Flag => "flag",
        Unit::Category => "category",
    }
}

/// How many accounts there are to learn an outcome from: rows of one account are one witness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountsByOutcome {
    /// Accounts with the outcome at some date.
    pub positive: usize,
    /// Accounts without it at some date.
    pub negative: usize,
}

impl AccountsByOutcome {
    /// Counts over labelled rows of a dataset; rows without a label count for nothing.
    #[must_use]
    pub fn of(dataset: &Dataset, labels: &Labels, rows: &[u32]) -> Self {
        let known = rows.iter().map(|row| *row as usize);
        Self::count(known.filter_map(|row| Some((dataset.accounts()[row], labels.values[row]?))))
    }

    fn count(rows: impl Iterator<Item = (u32, bool)>) -> Self {
        let (mut positive, mut negative) = (BTreeSet::new(), BTreeSet::new());
        for (account, outcome) in rows {
            if outcome {
                positive.insert(account)
            } else {
                negative.insert(account)
            };
        }
        Self { positive: positive.len(), negative: negative.len() }
    }

    /// Accounts of the rarer outcome.
    #[must_use]
    pub fn rarer(self) -> usize {
        self.positive.min(self.negative)
    }
}

/// Rows ready for a learner: values, outcomes, and whose they are. Rows keep the order in which they were asked for.
#[derive(Debug, Clone)]
pub struct EncodedRows {
    /// Values.
    pub block: FeatureBlock,
    /// Outcomes.
    pub labels: Vec<bool>,
    /// Row weights, of mean 1.
    pub weights: Vec<f64>,
    /// Account of each row.
    pub accounts: Vec<u32>,
    /// Observation date of each row, in days since the epoch.
    pub as_of_days: Vec<i32>,
}

impl EncodedRows {
    /// Encodes labelled rows. The rows come from a [`crate::fold::Fold`], which has checked that each has a label.
    #[must_use]
    pub fn new(dataset: &Dataset, labels: &Labels, encoder: &Encoder, rows: &[u32]) -> Self {
        Self {
            block: encoder.block(dataset, rows),
            labels: rows.iter().map(|row| labels.values[*row as usize] == Some(true)).collect(),
            weights: rows.iter().map(|row| dataset.weight(*row as usize)).collect(),
            accounts: rows.iter().map(|row| dataset.accounts()[*row as usize]).collect(),
            as_of_days: rows.iter().map(|row| dataset.as_of_days()[*row as usize]).collect(),
        }
    }

    /// Weighs the rows as the settings say. `horizon_days`: length of the label window.
    #[must_use]
    pub fn with_weights(mut self, row_weights: RowWeights, horizon_days: u32) -> Self {
        if row_weights == RowWeights::Uniqueness {
            let uniqueness = average_uniqueness(&self.accounts, &self.as_of_days, horizon_days);
            self.weights = normalised(uniqueness.iter().zip(&self.weights).map(|(one, own)| one * own).collect());
        }
        self
    }

    /// As a learner takes them.
    #[must_use]
    pub fn training_rows<'a>(
        &'a self,
        encoder: &'a Encoder,
        signals: &'a [SignalDefinition],
        target: &'a str,
        seed: u64,
    ) -> TrainingRows<'a> {
        TrainingRows {
            signature: encoder.signature(),
            signals,
            block: &self.block,
            labels: &self.labels,
            weights: &self.weights,
            accounts: &self.accounts,
            as_of_days: &self.as_of_days,
            seed,
            target,
        }
    }

    /// Number of positive rows.
    #[must_use]
    pub fn positives(&self) -> usize {
        self.labels.iter().filter(|label| **label).count()
    }

    /// Accounts by what happened to them.
    #[must_use]
    pub fn accounts_by_outcome(&self) -> AccountsByOutcome {
        AccountsByOutcome::count(self.accounts.iter().copied().zip(self.labels.iter().copied()))
    }
}
