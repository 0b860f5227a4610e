//! One batch: from columns of the file to rows of the scores. This is what a worker does; it knows no other batch.

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use bellwether_models::policy::{Band, ResolvedPolicy, StatusReason, status};
use bellwether_models::scores::{REASONS, ScoreBatchBuilder, ScoreRow, ScoresError, TargetScore};
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
        for row in 0..block.rows {
            let reason = self.policy.status_reason(self.bundle.reference(), block, row);
            let scores = self.target_scores(&heads, block, &design, row, reason)?;
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

    /// The columns of each target for one row; all null when the row is not to be scored.
    fn target_scores(
        &self,
        heads: &[HeadScores],
        block: &FeatureBlock,
        design: &DesignBlock,
        row: usize,
        reason: StatusReason,
    ) -> Result<Vec<TargetScore>, InferError> {
        if reason != StatusReason::Ok {
            return Ok(vec![TargetScore::default(); self.targets.len()]);
        }
        let score = |(index, (target, head)): (usize, (&&str, &HeadScores))| {
            let probability = head.probability[row];
            let band = self.policy.policy().band(target, probability);
            let reasons = self.reasons_of(index, band, block, design, row)?;
            let (low, high) = (Some(head.low[row]), Some(head.high[row]));
            Ok(TargetScore { probability: Some(probability), low, high, band, reasons })
        };
        self.targets.iter().zip(heads).enumerate().map(score).collect()
    }

    fn reasons_of(
        &self,
        target: usize,
        band: Option<Band>,
        block: &FeatureBlock,
        design: &DesignBlock,
        row: usize,
    ) -> Result<Vec<Reason>, InferError> {
        let wanted = match self.reasons {
            ReasonChoice::All => true,
            ReasonChoice::Top => band == Some(Band::High),
            ReasonChoice::None => false,
        };
        match self.explainers.get(target) {
            Some(Some(explainer)) if wanted => {
                let explanation = explainer.explain(design, row)?;
                Ok(top_reasons(&self.book, &explanation, block, row, REASONS))
            }
            _ => Ok(Vec::new()),
        }
    }
}

impl From<ScoresError> for InferError {
    fn from(error: ScoresError) -> Self {
        Self::Internal { reason: error.to_string() }
    }
}
