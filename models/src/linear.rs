//! Linear margins: a weighted sum of filled, transformed, clipped and standardised columns.
//!
//! The same form carries the regularised logistic regression, the hand-weighted health score and the base rate (no
//! terms).
//!
//! Clip bounds are finite, so that an infinite input ends at a bound, and everything that could overflow is refused
//! when the model is checked, not when a row is scored.

use crate::ModelError;

/// Most terms of a linear model.
pub const MAX_TERMS: usize = 100_000;

/// Largest `|margin|`, far from where products overflow.
pub const MAX_MARGIN: f64 = 1e150;

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

impl Transform {
    /// Applies the transform; `fill` stands for a missing value.
    #[must_use]
    pub fn apply(self, value: f64, fill: f64) -> f64 {
        let known = if value.is_nan() { fill } else { value };
        match self {
            Self::Identity => known,
            Self::SignedLog => known.signum() * (1.0 + known.abs()).ln(),
            Self::IsMissing => f64::from(u8::from(value.is_nan())),
        }
    }
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

impl LinearTerm {
    /// The filled, transformed, clipped and standardised value of a design column.
    #[must_use]
    pub fn standardise(&self, value: f32) -> f64 {
        let transformed = self.transform.apply(f64::from(value), self.fill);
        (transformed.max(self.lower).min(self.upper) - self.center) / self.scale
    }

    /// Checks the numbers of the term; returns the largest `|weight * standardised value|` it can give.
    fn bound(&self, index: usize, width: usize) -> Result<f64, ModelError> {
        let fail = |expected, found: String| Err(margin_error(index, expected, found));
        if self.column >= width {
            return fail("a column of the design", self.column.to_string());
        }
        let numbers =
            [self.fill, self.lower, self.upper, self.center, self.scale, self.weight, self.mean, 1.0 / self.scale];
        if let Some(number) = numbers.iter().find(|number| !number.is_finite()) {
            return fail("finite numbers", number.to_string());
        }
        if self.lower > self.upper {
            return fail("lower at most upper", format!("{} above {}", self.lower, self.upper));
        }
        if self.scale <= 0.0 {
            return fail("a scale above 0", self.scale.to_string());
        }
        let reach = [self.lower, self.upper].map(|end| ((end - self.center) / self.scale).abs());
        let bound = self.weight.abs() * reach[0].max(reach[1]);
        if !reach.iter().all(|end| end.is_finite()) || !bound.is_finite() || !(self.weight * self.mean).is_finite() {
            return fail("a product that does not overflow", "an infinite one".to_owned());
        }
        Ok(bound)
    }
}

fn margin_error(index: usize, expected: &'static str, found: String) -> ModelError {
    ModelError::Margin { place: format!("linear term {index}"), expected, found }
}

/// A linear margin. All arithmetic is in 64-bit floats, in the order of the terms.
#[derive(Debug, Clone, PartialEq)]
pub struct LinearModel {
    /// Terms; several may read the same column.
    pub terms: Vec<LinearTerm>,
    /// Added once.
    pub intercept: f64,
}

impl LinearModel {
    /// The margin of one row of the design.
    #[must_use]
    pub fn margin(&self, row: &[f32]) -> f64 {
        let sum: f64 = self.terms.iter().map(|term| term.weight * term.standardise(row[term.column])).sum();
        sum + self.intercept
    }

    /// Checks columns, signs and that no row can overflow.
    ///
    /// # Errors
    /// [`ModelError::Margin`] with the first term that breaks a rule.
    pub fn validate(&self, width: usize) -> Result<(), ModelError> {
        if self.terms.len() > MAX_TERMS {
            return Err(margin_error(MAX_TERMS, "at most 100,000 terms", self.terms.len().to_string()));
        }
        let mut bound = self.intercept.abs();
        for (index, term) in self.terms.iter().enumerate() {
            bound += term.bound(index, width)?;
        }
        if bound.is_nan() || bound > MAX_MARGIN {
            return Err(margin_error(self.terms.len(), "a sum and intercept below 1e150", bound.to_string()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn term(transform: Transform) -> LinearTerm {
        LinearTerm {
            column: 0,
            transform,
            fill: 2.0,
            lower: -5.0,
            upper: 5.0,
            center: 1.0,
            scale: 2.0,
            weight: 3.0,
            mean: 0.0,
        }
    }

    #[test]
    fn terms_fill_transform_clip_and_standardise() {
        let cases = [
            (Transform::Identity, 4.0, 1.5),
            (Transform::Identity, f32::NAN, 0.5),
            (Transform::Identity, f32::INFINITY, 2.0),
            (Transform::Identity, f32::NEG_INFINITY, -3.0),
            (Transform::SignedLog, 0.0, -0.5),
            (Transform::SignedLog, f32::NEG_INFINITY, -3.0),
            (Transform::IsMissing, f32::NAN, 0.0),
            (Transform::IsMissing, 7.0, -0.5),
        ];
        for (transform, value, expected) in cases {
            assert_eq!(term(transform).standardise(value), expected, "{transform:?} of {value}");
        }
        let logarithm = (term(Transform::SignedLog).standardise(-3.0) - (-(4.0_f64.ln()) - 1.0) / 2.0).abs();
        assert!(logarithm < 1e-15);
    }

    #[test]
    fn a_margin_without_terms_is_the_intercept() {
        let base = LinearModel { terms: vec![], intercept: -2.5 };
        assert_eq!(base.margin(&[1.0, f32::NAN]), -2.5);
        assert!(base.validate(2).is_ok());
    }

    #[test]
    fn broken_terms_are_refused() {
        let good = term(Transform::Identity);
        let bad = [
            LinearTerm { column: 3, ..good },
            LinearTerm { fill: f64::NAN, ..good },
            LinearTerm { upper: f64::INFINITY, ..good },
            LinearTerm { lower: 6.0, ..good },
            LinearTerm { scale: 0.0, ..good },
            LinearTerm { scale: -1.0, ..good },
            LinearTerm { upper: f64::MAX, lower: -f64::MAX, scale: 1e-10, ..good },
        ];
        for terms in bad {
            assert!(LinearModel { terms: vec![terms], intercept: 0.0 }.validate(3).is_err(), "{terms:?}");
        }
        assert!(LinearModel { terms: vec![good], intercept: f64::INFINITY }.validate(3).is_err());
    }
}
