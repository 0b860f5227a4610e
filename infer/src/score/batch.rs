//! One batch: from columns of the file to rows of the scores. This is what a worker does; it knows no other batch.

use std::collections::BTreeMap;

use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch, StringArray};
use bellwether_models::policy::{Band, ResolvedPolicy, Status, StatusReason, status};
use bellwether_models::scores::{REASONS, ScoreColumns, ScoresError, TargetColumns};
use bellwether_models::{Bundle, DesignBlock, Explainer, FeatureBlock, HeadScores, Reason, SignalBook, top_reasons};

use super::ReasonChoice;
use super::overview::BatchOverview;
use super::tally::Tally;
use crate::engine::Engine;
use crate::error::InferError;
use crate::input::{Columns, Converter};

/// Everything that a worker needs; shared by all of them.
pub(super) struct BatchScorer<'a> {
    bundle: &'a Bundle,
    columns: &'a Columns,
    engine: &'a dyn Engine,
    reasons: ReasonChoice,
    targets: Vec<&'a str>,
    policy: ResolvedPolicy,
    /// None for a target without reasons.
    explainers: Vec<Option<Explainer>>,
    book: SignalBook,
    model: String,
}

/// Rows of the scores, with what was counted on the way.
pub(super) struct ScoredBatch {
    pub(super) rows: RecordBatch,
    pub(super) tally: Tally,
    pub(super) overview: BatchOverview,
}

impl<'a> BatchScorer<'a> {
    /// Gets ready: finds roles, lays out explainers.
    pub(super) fn new(
        bundle: &'a Bundle,
        columns: &'a Columns,
        engine: &'a dyn Engine,
        reasons: ReasonChoice,
    ) -> Result<Self, InferError> {
        let signature = bundle.signature();
        let explainers = match reasons {
            ReasonChoice::None => Vec::new(),
            ReasonChoice::All | ReasonChoice::Top => bundle.explainers()?,
        };
        Ok(Self {
            bundle,
            columns,
            engine,
            reasons,
            targets: bundle.heads().iter().map(|head| head.target.as_str()).collect(),
            policy: bundle.policy().resolve(signature)?,
            explainers,
            book: SignalBook::new(signature, bundle.signals()),
            model: bundle.identity(),
        })
    }

    /// Per target with reasons, the probability at its expected margin.
    pub(super) fn base_probabilities(&self) -> BTreeMap<String, f64> {
        let of_target = |(target, explainer): (&&str, &Option<Explainer>)| {
            Some(((*target).to_owned(), explainer.as_ref()?.base_probability()))
        };
        self.targets.iter().zip(&self.explainers).filter_map(of_target).collect()
    }

    /// Scores a batch of good rows.
    pub(super) fn score(&self, batch: &RecordBatch) -> Result<ScoredBatch, InferError> {
        let signature = self.bundle.signature();
        let converted = Converter { signature, columns: self.columns }.convert(batch)?;
        let block = &converted.block;
        let heads = self.engine.score(block)?;
        let mut status_reason = self.policy.status_reasons(self.bundle.reference(), block);
        mark_not_finite(&mut status_reason, &heads);
        let scored: Vec<bool> = status_reason.iter().map(|reason| *reason == StatusReason::Ok).collect();
        let targets = self.targets.len();
        let status: Vec<Status> =
            scored.iter().map(|scored| status(if *scored { targets } else { 0 }, targets)).collect();
        let probabilities: Vec<(&str, &[f64])> =
            self.targets.iter().copied().zip(heads.iter().map(|head| head.probability.as_slice())).collect();
        let account = self.policy.account_rows(block, &probabilities, &scored);
        let bands: Vec<Vec<Option<Band>>> =
            probabilities.iter().map(|(target, probabilities)| self.bands(target, probabilities)).collect();
        let reasons = self.reasons(block, &bands, &scored)?;

        let mut tally = Tally::new(self.bundle);
        tally.statuses(&status, &status_reason);
        tally.unusable_mrr = (0..block.rows).map(|row| u64::from(self.policy.mrr_is_unusable(block, row))).sum();
        tally.block(self.bundle, &converted, &heads);
        let mut overview = BatchOverview::new(account.iter().map(|account| account.health));
        let mut columns = Vec::with_capacity(targets);
        for (index, (name, scores)) in self.targets.iter().zip(&heads).enumerate() {
            overview.target(&scores.probability, &bands[index], &scored);
            let reasons = reasons.get(index).map(Vec::as_slice);
            columns.push(TargetColumns { name, scores, bands: &bands[index], reasons });
        }
        let columns = ScoreColumns {
            account_id: self.ids(batch)?,
            targets: columns,
            scored: &scored,
            account: &account,
            status: &status,
            status_reason: &status_reason,
            model: &self.model,
        };
        Ok(ScoredBatch { rows: columns.batch()?, tally, overview })
    }

    fn ids(&self, batch: &RecordBatch) -> Result<StringArray, InferError> {
        let ids = batch
            .column(self.columns.account)
            .as_string_view_opt()
            .ok_or_else(|| InferError::Internal { reason: "account_id changed its type".to_owned() })?;
        let mut texts = StringBuilder::with_capacity(ids.len(), 16 * ids.len());
        ids.iter().for_each(|id| texts.append_value(id.unwrap_or_default()));
        Ok(texts.finish())
    }

    fn bands(&self, target: &str, probabilities: &[f64]) -> Vec<Option<Band>> {
        let cutoffs = self.policy.policy().bands.get(target);
        probabilities.iter().map(|probability| cutoffs.map(|cutoffs| cutoffs.band(*probability))).collect()
    }

    /// Reasons by target and row; no target where nobody gets reasons.
    fn reasons(
        &self,
        block: &FeatureBlock,
        bands: &[Vec<Option<Band>>],
        scored: &[bool],
    ) -> Result<Vec<Vec<Vec<Reason>>>, InferError> {
        if self.explainers.is_empty() {
            return Ok(Vec::new());
        }
        let design = DesignBlock::new(self.bundle.signature(), block)?;
        let of_target = |(explainer, bands): (&Option<Explainer>, &Vec<Option<Band>>)| {
            // Where hit rates are not known there are no reasons.
            let Some(explainer) = explainer else { return Ok(vec![Vec::new(); block.rows]) };
            let wanted =
                |row: &usize| scored[*row] && (self.reasons == ReasonChoice::All || bands[*row] == Some(Band::High));
            let rows: Vec<usize> = (0..block.rows).filter(wanted).collect();
            let mut told = vec![Vec::new(); block.rows];
            explainer.explain_each(&design, &rows, |row, explanation| {
                told[row] = top_reasons(&self.book, &explanation, block, row, REASONS);
            })?;
            Ok(told)
        };
        self.explainers.iter().zip(bands).map(of_target).collect()
    }
}

impl From<ScoresError> for InferError {
    fn from(error: ScoresError) -> Self {
        Self::Internal { reason: error.to_string() }
    }
}

/// A row on which the model of any target overflows is not scored: a model of another tool may.
fn mark_not_finite(status_reason: &mut [StatusReason], heads: &[HeadScores]) {
    for head in heads {
        for (reason, probability) in status_reason.iter_mut().zip(&head.probability) {
            if *reason == StatusReason::Ok && !probability.is_finite() {
                *reason = StatusReason::NoFiniteScore;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_on_which_any_model_overflows_is_not_scored() {
        let head = |probability: [f64; 4]| HeadScores { probability: probability.to_vec(), ..HeadScores::default() };
        let heads = [head([0.1, f64::NAN, 0.2, f64::NAN]), head([0.3, 0.4, f64::INFINITY, 0.5])];
        let mut reasons = [StatusReason::Ok, StatusReason::Ok, StatusReason::Ok, StatusReason::StaleUsage];
        mark_not_finite(&mut reasons, &heads);
        let not_finite = StatusReason::NoFiniteScore;
        assert_eq!(reasons, [StatusReason::Ok, not_finite, not_finite, StatusReason::StaleUsage]);
    }
}
