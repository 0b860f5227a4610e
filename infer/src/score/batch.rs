//! One batch: from columns of the file to rows of the scores. This is what a worker does; it knows no other batch.

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use bellwether_models::policy::{Band, ResolvedPolicy, StatusReason, status};
use bellwether_models::scores::{REASONS, ScoreBatchBuilder, ScoreRow, ScoresError, TargetScore};
use bellwether_models::{
    Bundle, DesignBlock, Explainer, FeatureBlock, HeadScores, ModelError, Reason, SignalBook, top_reasons,
};

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
    explainers: Vec<Explainer>,
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
            ReasonChoice::All | ReasonChoice::Top => {
                let explainers = bundle.heads().iter().map(|head| Explainer::new(signature, head));
                explainers.collect::<Result<_, ModelError>>()?
            }
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

    /// Scores a batch of good rows.
    pub(super) fn score(&self, batch: &RecordBatch) -> Result<ScoredBatch, InferError> {
        let signature = self.bundle.signature();
        let converted = Converter { signature, columns: self.columns }.convert(batch)?;
        let block = &converted.block;
        let design = DesignBlock::new(signature, block)?;
        let heads = self.engine.score(block, &design)?;
        let ids = batch
            .column(self.columns.account)
            .as_string_view_opt()
            .ok_or_else(|| InferError::Internal { reason: "account_id changed its type".to_owned() })?;
        let mut builder = ScoreBatchBuilder::new(&self.targets);
        let mut tally = Tally::new(self.bundle);
        let mut overview = BatchOverview::new(self.targets.len());
        let statuses: Vec<StatusReason> =
            (0..block.rows).map(|row| self.policy.status_reason(self.bundle.reference(), block, row)).collect();
        let mut told = self.reasons(&heads, block, &design, &statuses)?;
        for (row, reason) in statuses.iter().copied().enumerate() {
            let scores = self.target_scores(&heads, row, reason, &mut told);
            let probabilities: Vec<(&str, Option<f64>)> =
                self.targets.iter().copied().zip(scores.iter().map(|score| score.probability)).collect();
            let scored = scores.iter().filter(|score| score.probability.is_some()).count();
            let status = status(scored, scores.len());
            tally.row(status, reason);
            tally.unusable_mrr += u64::from(self.policy.mrr_is_unusable(block, row));
            let account = self.policy.account_columns(block, row, &probabilities);
            overview.row(&scores, account.health);
            builder.push(&ScoreRow {
                account_id: ids.value(row),
                targets: &scores,
                account,
                status,
                status_reason: reason,
                model: &self.model,
            })?;
        }
        tally.block(self.bundle, &converted, &heads);
        Ok(ScoredBatch { rows: builder.finish()?, tally, overview })
    }

    /// The columns of each target for one row; all null when the row is not to be scored. Takes the row's reasons.
    fn target_scores(
        &self,
        heads: &[HeadScores],
        row: usize,
        reason: StatusReason,
        told: &mut [Vec<Vec<Reason>>],
    ) -> Vec<TargetScore> {
        if reason != StatusReason::Ok {
            return vec![TargetScore::default(); self.targets.len()];
        }
        let score = |(index, (target, head)): (usize, (&&str, &HeadScores))| {
            let probability = head.probability[row];
            let band = self.policy.policy().band(target, probability);
            let reasons = told.get_mut(index).and_then(|rows| rows.get_mut(row)).map(std::mem::take);
            let (low, high) = (Some(head.low[row]), Some(head.high[row]));
            TargetScore { probability: Some(probability), low, high, band, reasons: reasons.unwrap_or_default() }
        };
        self.targets.iter().zip(heads).enumerate().map(score).collect()
    }

    /// The reasons of every row that is to have some, by target, then row.
    fn reasons(
        &self,
        heads: &[HeadScores],
        block: &FeatureBlock,
        design: &DesignBlock,
        statuses: &[StatusReason],
    ) -> Result<Vec<Vec<Vec<Reason>>>, InferError> {
        let mut told = vec![vec![Vec::new(); block.rows]; self.explainers.len()];
        for ((explainer, told), (target, head)) in
            self.explainers.iter().zip(&mut told).zip(self.targets.iter().zip(heads))
        {
            let wanted = |row: &usize| {
                statuses[*row] == StatusReason::Ok
                    && match self.reasons {
                        ReasonChoice::All => true,
                        ReasonChoice::Top => {
                            self.policy.policy().band(target, head.probability[*row]) == Some(Band::High)
                        }
                        ReasonChoice::None => false,
                    }
            };
            let rows: Vec<usize> = (0..block.rows).filter(wanted).collect();
            explainer.explain_each(design, &rows, |row, explanation| {
                told[row] = top_reasons(&self.book, &explanation, block, row, REASONS);
            })?;
        }
        Ok(told)
    }
}

impl From<ScoresError> for InferError {
    fn from(error: ScoresError) -> Self {
        Self::Internal { reason: error.to_string() }
    }
}
