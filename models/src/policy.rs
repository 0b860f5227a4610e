//! `policy.json`: what turns probabilities into bands, health, value and status.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Which input plays which part; no role, null column.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Roles {
    /// Monthly recurring revenue at `as_of`.
    pub mrr: Option<String>,
    /// The measure of usage depth that health is read from.
    pub usage_depth: Option<String>,
    /// The measure of satisfaction that health is read from.
    pub satisfaction: Option<String>,
    /// Days since the last use.
    pub usage_recency: Option<String>,
}

/// Probability from which a band starts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BandCutoffs {
    /// Medium from here.
    pub medium: f64,
    /// High from here.
    pub high: f64,
}

/// What each target's probability is worth and when a row is not scored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// Roles of the inputs.
    pub roles: Roles,
    /// Bands by target.
    pub bands: BTreeMap<String, BandCutoffs>,
    /// Usage depth is high from here.
    pub usage_depth_high: Option<f64>,
    /// Satisfaction is high from here.
    pub satisfaction_high: Option<f64>,
    /// MRR from which an account is of medium value.
    pub value_medium_mrr: Option<f64>,
    /// MRR from which an account is of high value.
    pub value_high_mrr: Option<f64>,
    /// A usage recency above this is `STALE_USAGE`: beyond what training saw.
    pub max_usage_recency_days: Option<f64>,
    /// Whether an account without any usage is `NO_HISTORY` (training saw too few such rows).
    pub requires_usage: bool,
    /// More than this share of the known numbers outside the training range is `OUTSIDE_TRAINING`.
    pub max_share_outside_training: f64,
    /// Mean relative MRR uplift of an account that expands, from the training rows.
    pub mean_expansion_uplift: Option<f64>,
}
