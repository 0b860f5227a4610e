//! The measures by name: what their intervals are keyed by.

use serde::{Deserialize, Serialize};

/// The measures of a [`crate::evaluate::MetricSet`] that have an interval, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Metric {
    /// Log loss in nats.
    #[serde(rename = "log_loss")]
    LogLoss,
    /// Its miscalibration.
    #[serde(rename = "log_loss_miscalibration")]
    LogLossMiscalibration,
    /// Its discrimination.
    #[serde(rename = "log_loss_discrimination")]
    LogLossDiscrimination,
    /// Its uncertainty.
    #[serde(rename = "log_loss_uncertainty")]
    LogLossUncertainty,
    /// Log loss of each refit's own training base rate.
    #[serde(rename = "null_log_loss")]
    NullLogLoss,
    /// Brier score.
    #[serde(rename = "brier")]
    Brier,
    /// Its miscalibration.
    #[serde(rename = "brier_miscalibration")]
    BrierMiscalibration,
    /// Its discrimination.
    #[serde(rename = "brier_discrimination")]
    BrierDiscrimination,
    /// Its uncertainty.
    #[serde(rename = "brier_uncertainty")]
    BrierUncertainty,
    /// Area under the ROC curve.
    #[serde(rename = "roc_auc")]
    RocAuc,
    /// Average precision.
    #[serde(rename = "average_precision")]
    AveragePrecision,
    /// Calibration slope.
    #[serde(rename = "calibration_slope")]
    CalibrationSlope,
    /// Calibration intercept.
    #[serde(rename = "calibration_intercept")]
    CalibrationIntercept,
    /// Observed over expected.
    #[serde(rename = "observed_over_expected")]
    ObservedOverExpected,
    /// Lift in the best 5 %.
    #[serde(rename = "lift_at_5_percent")]
    LiftAt5Percent,
    /// Lift in the best 10 %.
    #[serde(rename = "lift_at_10_percent")]
    LiftAt10Percent,
    /// Precision at the team's capacity.
    #[serde(rename = "precision_at_capacity")]
    PrecisionAtCapacity,
    /// Recall at the team's capacity.
    #[serde(rename = "recall_at_capacity")]
    RecallAtCapacity,
    /// MRR captured at the team's capacity.
    #[serde(rename = "mrr_captured")]
    MrrCaptured,
    /// Log loss, rows weighted by MRR.
    #[serde(rename = "mrr_weighted_log_loss")]
    MrrWeightedLogLoss,
    /// Area under the ROC curve, rows weighted by MRR.
    #[serde(rename = "mrr_weighted_roc_auc")]
    MrrWeightedRocAuc,
    /// Average precision, rows weighted by MRR.
    #[serde(rename = "mrr_weighted_average_precision")]
    MrrWeightedAveragePrecision,
    /// Observed over expected, rows weighted by MRR.
    #[serde(rename = "mrr_weighted_observed_over_expected")]
    MrrWeightedObservedOverExpected,
    /// Share of positive rows.
    #[serde(rename = "base_rate")]
    BaseRate,
}

impl Metric {
    /// All of them, in the order in which they are written.
    pub const ALL: [Self; 24] = [
        Self::LogLoss,
        Self::LogLossMiscalibration,
        Self::LogLossDiscrimination,
        Self::LogLossUncertainty,
        Self::NullLogLoss,
        Self::Brier,
        Self::BrierMiscalibration,
        Self::BrierDiscrimination,
        Self::BrierUncertainty,
        Self::RocAuc,
        Self::AveragePrecision,
        Self::CalibrationSlope,
        Self::CalibrationIntercept,
        Self::ObservedOverExpected,
        Self::LiftAt5Percent,
        Self::LiftAt10Percent,
        Self::PrecisionAtCapacity,
        Self::RecallAtCapacity,
        Self::MrrCaptured,
        Self::MrrWeightedLogLoss,
        Self::MrrWeightedRocAuc,
        Self::MrrWeightedAveragePrecision,
        Self::MrrWeightedObservedOverExpected,
        Self::BaseRate,
    ];

    /// Name, as in the exports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::LogLoss => "log_loss",
            Self::LogLossMiscalibration => "log_loss_miscalibration",
            Self::LogLossDiscrimination => "log_loss_discrimination",
            Self::LogLossUncertainty => "log_loss_uncertainty",
            Self::NullLogLoss => "null_log_loss",
            Self::Brier => "brier",
            Self::BrierMiscalibration => "brier_miscalibration",
            Self::BrierDiscrimination => "brier_discrimination",
            Self::BrierUncertainty => "brier_uncertainty",
            Self::RocAuc => "roc_auc",
            Self::AveragePrecision => "average_precision",
            Self::CalibrationSlope => "calibration_slope",
            Self::CalibrationIntercept => "calibration_intercept",
            Self::ObservedOverExpected => "observed_over_expected",
            Self::LiftAt5Percent => "lift_at_5_percent",
            Self::LiftAt10Percent => "lift_at_10_percent",
            Self::PrecisionAtCapacity => "precision_at_capacity",
            Self::RecallAtCapacity => "recall_at_capacity",
            Self::MrrCaptured => "mrr_captured",
            Self::MrrWeightedLogLoss => "mrr_weighted_log_loss",
            Self::MrrWeightedRocAuc => "mrr_weighted_roc_auc",
            Self::MrrWeightedAveragePrecision => "mrr_weighted_average_precision",
            Self::MrrWeightedObservedOverExpected => "mrr_weighted_observed_over_expected",
            Self::BaseRate => "base_rate",
        }
    }

    /// Which values it can take: what an interval must not leave.
    #[must_use]
    pub fn range(self) -> Range {
        match self {
            Self::RocAuc
            | Self::AveragePrecision
            | Self::PrecisionAtCapacity
            | Self::RecallAtCapacity
            | Self::MrrCaptured
            | Self::MrrWeightedRocAuc
            | Self::MrrWeightedAveragePrecision
            | Self::BaseRate => Range::Share,
            Self::CalibrationSlope | Self::CalibrationIntercept => Range::Real,
            Self::LogLossMiscalibration
            | Self::LogLossDiscrimination
            | Self::BrierMiscalibration
            | Self::BrierDiscrimination => Range::NotNegative,
            Self::LogLoss
            | Self::LogLossUncertainty
            | Self::NullLogLoss
            | Self::Brier
            | Self::BrierUncertainty
            | Self::ObservedOverExpected
            | Self::LiftAt5Percent
            | Self::LiftAt10Percent
            | Self::MrrWeightedLogLoss
            | Self::MrrWeightedObservedOverExpected => Range::Positive,
        }
    }

    /// Whether rows count by their MRR.
    #[must_use]
    pub fn by_mrr(self) -> bool {
        matches!(
            self,
            Self::MrrCaptured
                | Self::MrrWeightedLogLoss
                | Self::MrrWeightedRocAuc
                | Self::MrrWeightedAveragePrecision
                | Self::MrrWeightedObservedOverExpected
        )
    }
}

impl Metric {
    /// Whether the highest probabilities count most.
    #[must_use]
    pub fn is_of_the_top(self) -> bool {
        matches!(
            self,
            Self::AveragePrecision
                | Self::LiftAt5Percent
                | Self::LiftAt10Percent
                | Self::PrecisionAtCapacity
                | Self::RecallAtCapacity
                | Self::MrrCaptured
                | Self::MrrWeightedAveragePrecision
        )
    }
}

impl std::fmt::Display for Metric {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}

/// The values that a measure can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Range {
    /// Between 0 and 1.
    Share,
    /// Above 0.
    Positive,
    /// 0 or more, and often near it.
    NotNegative,
    /// Any number.
    Real,
}
