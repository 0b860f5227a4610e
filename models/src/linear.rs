//! Linear margins: a weighted sum of filled, transformed, clipped and standardised columns.
//!
//! The same form carries the regularised logistic regression, the hand-weighted health score and the base rate (no terms).

/// What is done to a design column before it is clipped and standardised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transform {
    /// The value itself.
    Identity,
    /// `sign(x) ln(1 + |x|)`: tames counts and amounts with a heavy tail.
    SignedLog,
    /// 1 where the value is missing, else 0; the fill is not used.
    IsMissing,
}

/// One term: `weight * (clip(transform(fill(x)), lower, upper) - center) / scale`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LinearTerm {
    /// Design column (see [`crate::Signature::design_columns`]).
    pub column: usize,
    /// What is done to the value first.
    pub transform: Transform,
    /// Replaces a missing value, before the transform.
    pub fill: f64,
    /// Lower clip, after the transform.
    pub lower: f64,
    /// Upper clip, after the transform.
    pub upper: f64,
    /// Subtracted after clipping.
    pub center: f64,
    /// Divides after centring; above 0.
    pub scale: f64,
    /// Weight in the margin (log-odds or points).
    pub weight: f64,
    /// Mean of the standardised column over the training rows: the base that reasons are measured from.
    pub mean: f64,
}

/// A linear margin. All arithmetic is in 64-bit floats, in the order of the terms.
#[derive(Debug, Clone, PartialEq)]
pub struct LinearModel {
    /// Terms; several may read the same column.
    pub terms: Vec<LinearTerm>,
    /// Added once.
    pub intercept: f64,
}
