//! `reference.json`: how the inputs and outputs of the training base were distributed, and how far tonight's are from
//! it.
//!
//! Only shares of at least a bin are kept, plus the ends of each range, which say what "outside training" means. No row
//! and no account can be told from them.

mod columns;

use serde::{Deserialize, Serialize};

pub use columns::RowOutside;

use crate::{FeatureBlock, ModelError, Signature};

/// Version of `reference.json`.
pub const REFERENCE_FORMAT: u32 = 1;

/// Most bins of a number or of a probability.
pub const MAX_BINS: usize = 10;

/// Least share that [`population_stability_index`] reckons with, so that an empty bin is a large step and not an
/// infinite one.
pub const LEAST_SHARE: f64 = 1e-4;

/// A population stability index that is this much above the usual one is a large shift, worth a warning.
///
/// 0.25 is the customary limit of a large shift (Siddiqi 2006, Credit Risk Scorecards; 0.1 is that of a small one). It
/// supposes a base that stands still. Ours has seasons: a night in January is far from a base of all months in every
/// signal that compares a month with the one before, each year again. So the limit counts from what single training dates
/// of the last year showed, [`Reference::with_usual_shifts`], which also takes in signals that move by themselves (tenure)
/// and, on a small base, chance.
pub const LARGE_SHIFT: f64 = 0.25;

/// A base of fewer rows shifts by chance: with 10 bins and 1,000 rows the index is about 0.01 by chance alone, with 100
/// rows about 0.1.
pub const LEAST_ROWS_FOR_DRIFT: u64 = 1_000;

/// Distribution of one numeric input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NumericReference {
    /// Input.
    pub name: String,
    /// Inner edges, ascending: bin `i` holds values above `edges[i-1]` and at most `edges[i]`.
    pub edges: Vec<f64>,
    /// Share of all rows in each bin; one more than edges. With `missing_share` they add up to 1.
    pub shares: Vec<f64>,
    /// Share of rows without a value.
    pub missing_share: f64,
    /// Least finite value; null when there is none.
    pub least: Option<f64>,
    /// Greatest finite value; null when there is none.
    pub greatest: Option<f64>,
    /// See [`Reference::with_usual_shifts`]; 0 where nothing is known.
    #[serde(default)]
    pub usual_shift: f64,
}

/// Distribution of one category input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CategoryReference {
    /// Input.
    pub name: String,
    /// Share of all rows with each level, in the order of the signature, then "other".
    pub shares: Vec<f64>,
    /// Share of rows without a value.
    pub missing_share: f64,
    /// See [`Reference::with_usual_shifts`]; 0 where nothing is known.
    #[serde(default)]
    pub usual_shift: f64,
}

/// Distribution of one target's probability.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputReference {
    /// Target.
    pub target: String,
    /// Inner edges, ascending, as in [`NumericReference::edges`].
    pub edges: Vec<f64>,
    /// Share of rows in each bin; they add up to 1.
    pub shares: Vec<f64>,
    /// See [`Reference::with_usual_shifts`]; 0 where nothing is known.
    #[serde(default)]
    pub usual_shift: f64,
}

/// The training base, binned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// [`REFERENCE_FORMAT`].
    pub format: u32,
    /// Rows that the shares are of.
    pub rows: u64,
    /// Numeric inputs in signature order.
    pub numeric: Vec<NumericReference>,
    /// Category inputs in signature order.
    pub categories: Vec<CategoryReference>,
    /// Outputs in the order of the bundle's targets.
    pub outputs: Vec<OutputReference>,
}

impl Reference {
    /// Bins a block of training rows and the probabilities of each target on it (by name, in the order of the bundle).
    ///
    /// # Errors
    /// [`ModelError::Block`] when the block does not fit the signature; [`ModelError::Policy`] when it has no rows.
    pub fn from_block(
        signature: &Signature,
        block: &FeatureBlock,
        probabilities: &[(&str, &[f64])],
    ) -> Result<Self, ModelError> {
        block.check(signature)?;
        if block.rows == 0 {
            return Err(policy_error("reference", "at least one row", 0));
        }
        let numbers = signature.numeric_inputs().zip(&block.numeric);
        let numeric = numbers.map(|((_, input), column)| NumericReference::of(&input.name, column)).collect();
        let texts = signature.category_inputs().zip(&block.categories);
        let categories = texts
            .map(|((_, input, levels), codes)| {
                let (shares, missing_share) = category_shares(levels.len(), codes);
                CategoryReference { name: input.name.clone(), shares, missing_share, usual_shift: 0.0 }
            })
            .collect();
        let outputs = probabilities
            .iter()
            .map(|(target, values)| {
                let edges = quantile_edges(values);
                let shares = bin_shares(&edges, values.iter().copied()).0;
                OutputReference { target: (*target).to_owned(), edges, shares, usual_shift: 0.0 }
            })
            .collect();
        Ok(Self { format: REFERENCE_FORMAT, rows: block.rows as u64, numeric, categories, outputs })
    }

    /// Notes for every input and output the largest population stability index that a single one of `dates` had against the
    /// whole base: what a season, a growing base or a small one does by itself. `dates`: the rows of one training date
    /// each, and the probabilities of the targets on them, in the order of the bundle.
    ///
    /// The trainer gives the dates of the last year of training, so that every season is among them.
    ///
    /// # Errors
    /// [`ModelError::Policy`] when a date has another number of inputs or targets.
    pub fn with_usual_shifts(mut self, dates: &[(FeatureBlock, Vec<Vec<f64>>)]) -> Result<Self, ModelError> {
        for (block, probabilities) in dates {
            let found = [block.numeric.len(), block.categories.len(), probabilities.len()];
            let expected = [self.numeric.len(), self.categories.len(), self.outputs.len()];
            if found != expected {
                return Err(policy_error("reference.json", format!("{expected:?} columns"), format!("{found:?}")));
            }
            for (reference, column) in self.numeric.iter_mut().zip(&block.numeric) {
                let (shares, missing) = reference.shares_of(column);
                let shift = shift((&reference.shares, reference.missing_share), (&shares, missing))?;
                reference.usual_shift = reference.usual_shift.max(shift);
            }
            for (reference, codes) in self.categories.iter_mut().zip(&block.categories) {
                let (shares, missing) = reference.shares_of(codes);
                let shift = shift((&reference.shares, reference.missing_share), (&shares, missing))?;
                reference.usual_shift = reference.usual_shift.max(shift);
            }
            for (reference, values) in self.outputs.iter_mut().zip(probabilities) {
                let shift = shift((&reference.shares, 0.0), (&reference.shares_of(values), 0.0))?;
                reference.usual_shift = reference.usual_shift.max(shift);
            }
        }
        Ok(self)
    }

    /// Checks that the reference is of this signature and that its numbers make sense.
    ///
    /// # Errors
    /// [`ModelError::Policy`] with the input that does not fit.
    pub fn validate(&self, signature: &Signature) -> Result<(), ModelError> {
        if self.format != REFERENCE_FORMAT {
            return Err(policy_error("reference.json, format", REFERENCE_FORMAT, self.format));
        }
        let expected: Vec<&str> = signature.numeric_inputs().map(|(_, input)| input.name.as_str()).collect();
        let found: Vec<&str> = self.numeric.iter().map(|column| column.name.as_str()).collect();
        if expected != found {
            return Err(policy_error("reference.json, numeric", expected.join(", "), found.join(", ")));
        }
        let expected: Vec<(&str, usize)> =
            signature.category_inputs().map(|(_, input, levels)| (input.name.as_str(), levels.len() + 1)).collect();
        let found: Vec<(&str, usize)> =
            self.categories.iter().map(|column| (column.name.as_str(), column.shares.len())).collect();
        if expected != found {
            return Err(policy_error("reference.json, categories", format!("{expected:?}"), format!("{found:?}")));
        }
        let numeric = self.numeric.iter().map(|column| (&column.name, column.usual_shift));
        let categories = self.categories.iter().map(|column| (&column.name, column.usual_shift));
        let outputs = self.outputs.iter().map(|output| (&output.target, output.usual_shift));
        for (name, usual_shift) in numeric.chain(categories).chain(outputs) {
            if !(usual_shift.is_finite() && usual_shift >= 0.0) {
                return Err(policy_error(
                    &format!("reference.json, {name}"),
                    "a usual_shift of at least 0",
                    usual_shift,
                ));
            }
        }
        for column in &self.numeric {
            let ends = [column.least, column.greatest].into_iter().flatten();
            check_bins(&column.name, &column.edges, &column.shares)?;
            check_shares(&column.name, ends.chain(column.edges.iter().copied()), &[column.missing_share])?;
        }
        for column in &self.categories {
            check_shares(&column.name, std::iter::empty(), &column.shares)?;
            check_shares(&column.name, std::iter::empty(), &[column.missing_share])?;
        }
        self.outputs.iter().try_for_each(|output| check_bins(&output.target, &output.edges, &output.shares))
    }

    /// How far the most remote of a row's known numbers lies outside the range of training: its distance from the nearer
    /// end, over the greatest of the range's width, the size of its ends and 1. 0 inside; 1 is as far again as training
    /// reached at all. Inputs that training never knew are left out: a model learned nothing of them.
    #[must_use]
    pub fn ranges_outside(&self, block: &FeatureBlock, row: usize) -> f64 {
        let of_column = |(reference, column): (&NumericReference, &Vec<f32>)| {
            let value = f64::from(*column.get(row).filter(|value| !value.is_nan())?);
            let (least, greatest) = (reference.least?, reference.greatest?);
            Some(distance(value, least, greatest))
        };
        self.numeric.iter().zip(&block.numeric).filter_map(of_column).fold(0.0, f64::max)
    }

    /// Share of a row's known numbers that lie outside the range of training; 0 when nothing is known. Inputs that training
    /// never knew are left out, as there.
    #[must_use]
    pub fn share_outside(&self, block: &FeatureBlock, row: usize) -> f64 {
        let (mut known, mut outside) = (0_u32, 0_u32);
        for (reference, column) in self.numeric.iter().zip(&block.numeric) {
            let Some(value) = column.get(row).filter(|value| !value.is_nan()) else { continue };
            let (Some(least), Some(greatest)) = (reference.least, reference.greatest) else { continue };
            known += 1;
            outside += u32::from(!(least..=greatest).contains(&f64::from(*value)));
        }
        if known == 0 { 0.0 } else { f64::from(outside) / f64::from(known) }
    }
}

/// In the unit of [`Reference::ranges_outside`]; 0 inside, and for a missing value.
fn distance(value: f64, least: f64, greatest: f64) -> f64 {
    let distance = (least - value).max(value - greatest).max(0.0);
    distance / (greatest - least).max(least.abs()).max(greatest.abs()).max(1.0)
}

fn check_bins(name: &str, edges: &[f64], shares: &[f64]) -> Result<(), ModelError> {
    let place = format!("reference.json, {name}");
    if shares.len() != edges.len() + 1 || shares.len() > MAX_BINS {
        return Err(policy_error(&place, "one share more than edges, at most 10", shares.len()));
    }
    if !edges.is_sorted_by(|left, right| left < right) {
        return Err(policy_error(&place, "ascending edges", format!("{edges:?}")));
    }
    check_shares(name, edges.iter().copied(), shares)
}

fn check_shares(name: &str, mut numbers: impl Iterator<Item = f64>, shares: &[f64]) -> Result<(), ModelError> {
    let place = format!("reference.json, {name}");
    if let Some(number) = numbers.find(|number| !number.is_finite()) {
        return Err(policy_error(&place, "finite numbers", number));
    }
    match shares.iter().find(|share| !(0.0..=1.0).contains(*share)) {
        Some(share) => Err(policy_error(&place, "shares in [0, 1]", share)),
        None => Ok(()),
    }
}

fn policy_error(place: &str, expected: impl ToString, found: impl ToString) -> ModelError {
    ModelError::Policy { place: place.to_owned(), expected: expected.to_string(), found: found.to_string() }
}

impl NumericReference {
    fn of(name: &str, column: &[f32]) -> Self {
        let finite: Vec<f64> = column.iter().filter(|value| value.is_finite()).map(|value| f64::from(*value)).collect();
        let edges = quantile_edges(&finite);
        let (shares, missing_share) = bin_shares(&edges, column.iter().map(|value| f64::from(*value)));
        let least = finite.iter().copied().reduce(f64::min);
        let greatest = finite.iter().copied().reduce(f64::max);
        Self { name: name.to_owned(), edges, shares, missing_share, least, greatest, usual_shift: 0.0 }
    }

    /// Shares of a column in these bins, and the share that is missing.
    #[must_use]
    pub fn shares_of(&self, column: &[f32]) -> (Vec<f64>, f64) {
        bin_shares(&self.edges, column.iter().map(|value| f64::from(*value)))
    }
}

impl CategoryReference {
    /// Shares of a column of codes by level and "other", and the share that is missing.
    #[must_use]
    pub fn shares_of(&self, codes: &[u32]) -> (Vec<f64>, f64) {
        category_shares(self.shares.len().saturating_sub(1), codes)
    }
}

impl OutputReference {
    /// Shares of probabilities in these bins.
    #[must_use]
    pub fn shares_of(&self, probabilities: &[f64]) -> Vec<f64> {
        bin_shares(&self.edges, probabilities.iter().copied()).0
    }
}

/// Inner edges at the tenths of the sorted values, each once, without the greatest value (nothing would lie above it).
fn quantile_edges(values: &[f64]) -> Vec<f64> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let Some(greatest) = sorted.last().copied() else { return Vec::new() };
    // The value that at least k/10 of the rows do not exceed.
    let mut edges: Vec<f64> = (1..MAX_BINS)
        .filter_map(|bin| sorted.get((sorted.len() * bin).div_ceil(MAX_BINS).max(1) - 1).copied())
        .collect();
    edges.dedup();
    edges.retain(|edge| *edge < greatest);
    edges
}

/// Share of the values in each bin, and the share that is NaN.
fn bin_shares(edges: &[f64], values: impl Iterator<Item = f64>) -> (Vec<f64>, f64) {
    let mut counts = vec![0_u64; edges.len() + 1];
    let (mut missing, mut rows) = (0_u64, 0_u64);
    for value in values {
        rows += 1;
        if value.is_nan() {
            missing += 1;
        } else {
            counts[edges.partition_point(|edge| *edge < value)] += 1;
        }
    }
    let share = |count: u64| if rows == 0 { 0.0 } else { count as f64 / rows as f64 };
    (counts.into_iter().map(share).collect(), share(missing))
}

fn category_counts(levels: usize, codes: &[u32]) -> Vec<u64> {
    let mut counts = vec![0_u64; levels + 2];
    for code in codes {
        counts[(*code as usize).min(levels + 1)] += 1;
    }
    counts
}

fn category_shares(levels: usize, codes: &[u32]) -> (Vec<f64>, f64) {
    let counts = category_counts(levels, codes);
    let share = |count: &u64| if codes.is_empty() { 0.0 } else { *count as f64 / codes.len() as f64 };
    (counts[..=levels].iter().map(share).collect(), share(&counts[levels + 1]))
}

/// Population stability index: `sum (a - e) ln(a / e)` over bins, unitless, at least 0; shares below [`LEAST_SHARE`]
/// count as that much. By custom, above 0.1 is a shift and above 0.25 a large one (Siddiqi 2006, Credit Risk
/// Scorecards).
///
/// # Errors
/// [`ModelError::Policy`] when the two have different numbers of bins.
pub fn population_stability_index(expected: &[f64], actual: &[f64]) -> Result<f64, ModelError> {
    same_bins(expected, actual)?;
    let terms = expected.iter().zip(actual).map(|(expected, actual)| {
        let (expected, actual) = (expected.max(LEAST_SHARE), actual.max(LEAST_SHARE));
        (actual - expected) * (actual / expected).ln()
    });
    Ok(terms.sum())
}

/// Jensen-Shannon divergence in bits, from 0 (equal) to 1 (disjoint): the mean of the divergences of both from their
/// middle (Lin 1991, IEEE Trans. Inf. Theory 37(1)).
///
/// # Errors
/// [`ModelError::Policy`] when the two have different numbers of bins.
pub fn jensen_shannon_divergence(left: &[f64], right: &[f64]) -> Result<f64, ModelError> {
    same_bins(left, right)?;
    let from_middle = |share: f64, middle: f64| if share > 0.0 { share * (share / middle).log2() } else { 0.0 };
    let terms = left.iter().zip(right).map(|(left, right)| {
        let middle = (left + right) / 2.0;
        (from_middle(*left, middle) + from_middle(*right, middle)) / 2.0
    });
    Ok(terms.sum::<f64>().max(0.0))
}

/// The index over the bins and "missing".
fn shift(expected: (&[f64], f64), actual: (&[f64], f64)) -> Result<f64, ModelError> {
    let with_missing = |(shares, missing): (&[f64], f64)| shares.iter().copied().chain([missing]).collect::<Vec<f64>>();
    population_stability_index(&with_missing(expected), &with_missing(actual))
}

/// Whether an index is a large shift beyond the usual one of that input (see [`LARGE_SHIFT`]).
#[must_use]
pub fn is_large_shift(index: f64, usual_shift: f64) -> bool {
    index - usual_shift > LARGE_SHIFT
}

fn same_bins(left: &[f64], right: &[f64]) -> Result<(), ModelError> {
    if left.len() == right.len() {
        return Ok(());
    }
    Err(policy_error("drift", format!("{} bins", left.len()), right.len()))
}

/// Median of each input over the rows where it is known, in signature order; `None` for a category and where nothing is
/// known. For an even number of values, the lower of the middle two, so that it is a value that occurs.
///
/// # Errors
/// [`ModelError::Block`] when the block does not fit the signature.
pub fn typical_values(signature: &Signature, block: &FeatureBlock) -> Result<Vec<Option<f64>>, ModelError> {
    block.check(signature)?;
    let mut typical = vec![None; signature.inputs.len()];
    for ((index, _), column) in signature.numeric_inputs().zip(&block.numeric) {
        let mut known: Vec<f32> = column.iter().copied().filter(|value| value.is_finite()).collect();
        known.sort_by(f32::total_cmp);
        typical[index] = known.get(known.len().saturating_sub(1) / 2).map(|value| f64::from(*value));
    }
    Ok(typical)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{category, numeric, random_block, random_signature};

    fn block(values: Vec<f32>) -> (Signature, FeatureBlock) {
        let signature = Signature { inputs: vec![category("plan", &["a"]), numeric("x")] };
        let codes = (0..values.len() as u32).map(|row| row % 3).collect();
        let block = FeatureBlock::new(&signature, values.len(), vec![values], vec![codes]).expect("fits");
        (signature, block)
    }

    #[test]
    fn bins_are_tenths_and_shares_add_up() {
        let (signature, block) = block((1..=100_u16).map(f32::from).collect());
        let probabilities: Vec<f64> = (0..100).map(|row| f64::from(row) / 100.0).collect();
        let reference = Reference::from_block(&signature, &block, &[("churn_90d", &probabilities)]).expect("bins");
        let x = &reference.numeric[0];
        assert_eq!(x.edges, [10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0]);
        assert!(x.shares.iter().all(|share| (share - 0.1).abs() < 1e-12));
        assert_eq!((x.least, x.greatest, x.missing_share), (Some(1.0), Some(100.0), 0.0));
        assert_eq!(reference.categories[0].shares, [0.34, 0.33]);
        assert_eq!(reference.categories[0].missing_share, 0.33);
        assert_eq!(reference.outputs[0].shares.len(), 10);
        assert!(reference.validate(&signature).is_ok());
        assert!(reference.validate(&random_signature(4)).is_err());
    }

    #[test]
    fn ties_missing_and_constant_columns_make_fewer_bins() {
        let (signature, block) = block(vec![0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, f32::NAN, f32::INFINITY]);
        let reference = Reference::from_block(&signature, &block, &[]).expect("bins");
        let x = &reference.numeric[0];
        assert_eq!((x.edges.as_slice(), x.shares.as_slice()), ([0.0].as_slice(), [0.7, 0.2].as_slice()));
        assert_eq!((x.missing_share, x.greatest), (0.1, Some(1.0)));
        let (_, block) = self::block(vec![f32::NAN, f32::NAN]);
        let x = Reference::from_block(&signature, &block, &[]).expect("bins").numeric.remove(0);
        assert_eq!((x.edges.len(), x.missing_share, x.least), (0, 1.0, None));
    }

    #[test]
    fn known_answers_of_both_measures() {
        let equal = [0.5, 0.5];
        assert_eq!(population_stability_index(&equal, &equal).expect("same bins"), 0.0);
        // (0.6 - 0.5) ln 1.2 + (0.4 - 0.5) ln 0.8
        let shifted = population_stability_index(&equal, &[0.6, 0.4]).expect("same bins");
        assert!((shifted - 0.040_546_510_810_816_44).abs() < 1e-15);
        assert!(population_stability_index(&[1.0, 0.0], &[0.0, 1.0]).expect("same bins").is_finite());
        assert_eq!(jensen_shannon_divergence(&[1.0, 0.0], &[0.0, 1.0]).expect("same bins"), 1.0);
        assert_eq!(jensen_shannon_divergence(&equal, &equal).expect("same bins"), 0.0);
        assert!(jensen_shannon_divergence(&equal, &[1.0]).is_err());
    }

    #[test]
    fn what_training_dates_show_by_themselves_is_no_drift() {
        let (signature, base) = block((1..=1000_u16).map(f32::from).collect());
        let probabilities: Vec<f64> = (0..1000).map(|row| f64::from(row) / 1000.0).collect();
        let reference = Reference::from_block(&signature, &base, &[("churn_90d", &probabilities)]).expect("bins");
        assert_eq!(reference.numeric[0].usual_shift, 0.0);
        let index = |column: &[f32]| {
            let (shares, missing) = reference.numeric[0].shares_of(column);
            shift((&reference.numeric[0].shares, reference.numeric[0].missing_share), (&shares, missing)).expect("bins")
        };
        let january: Vec<f32> = (1..=1000_u16).filter(|value| *value > 400).map(f32::from).collect();
        let broken = vec![1.0; 600];
        let date = |column: &[f32]| {
            let codes = (0..column.len() as u32).map(|row| row % 3).collect();
            let block = FeatureBlock::new(&signature, column.len(), vec![column.to_vec()], vec![codes]).expect("fits");
            (block, vec![vec![0.5; column.len()]])
        };
        assert!(is_large_shift(index(&january), 0.0), "against a base of all months");
        let learned = reference.clone().with_usual_shifts(&[date(&january)]).expect("fits");
        assert_eq!(learned.numeric[0].usual_shift, index(&january));
        assert!(!is_large_shift(index(&january), learned.numeric[0].usual_shift));
        assert!(is_large_shift(index(&broken), learned.numeric[0].usual_shift), "{}", index(&broken));
        assert!(learned.categories[0].usual_shift < 0.01 && learned.outputs[0].usual_shift > 1.0);
        assert!(learned.validate(&signature).is_ok());
        assert!(reference.with_usual_shifts(&[(date(&january).0, Vec::new())]).is_err());
    }

    #[test]
    fn the_most_remote_number_tells_how_far_a_row_is() {
        let signature = Signature { inputs: vec![numeric("money"), numeric("share"), numeric("never")] };
        let columns = |values: [[f32; 2]; 3]| values.map(|column| column.to_vec()).to_vec();
        let block = |values| FeatureBlock::new(&signature, 2, columns(values), vec![]).expect("fits");
        let training = block([[100.0, 300.0], [0.0, 0.5], [f32::NAN; 2]]);
        let reference = Reference::from_block(&signature, &training, &[]).expect("bins");
        // Money reaches 300, so 3,300 is ten times that beyond; a share of 1 is half of 1 beyond 0.5.
        let rows = block([[3_300.0, 200.0], [0.2, 1.0], [7.0, f32::NAN]]);
        assert_eq!((reference.ranges_outside(&rows, 0), reference.ranges_outside(&rows, 1)), (10.0, 0.5));
        let rows = block([[-200.0, f32::NAN], [0.2, f32::NAN], [1e9, 1.0]]);
        assert_eq!((reference.ranges_outside(&rows, 0), reference.ranges_outside(&rows, 1)), (1.0, 0.0));
        assert_eq!((reference.share_outside(&rows, 0), reference.share_outside(&rows, 1)), (0.5, 0.0));
    }

    #[test]
    fn rows_of_training_are_inside_and_far_rows_outside() {
        let (signature, block) = block(vec![1.0, 2.0, 3.0]);
        let reference = Reference::from_block(&signature, &block, &[]).expect("bins");
        assert!((0..3).all(|row| reference.share_outside(&block, row) == 0.0));
        let far = FeatureBlock { rows: 2, numeric: vec![vec![9.0, f32::NAN]], categories: vec![vec![0, 0]] };
        assert_eq!((reference.share_outside(&far, 0), reference.share_outside(&far, 1)), (1.0, 0.0));
    }

    #[test]
    fn typical_is_the_lower_median_of_what_is_known() {
        let (signature, block) = block(vec![4.0, 1.0, f32::NAN, 3.0, 2.0]);
        assert_eq!(typical_values(&signature, &block).expect("fits"), [None, Some(2.0)]);
        let signature = random_signature(6);
        let block = random_block(&signature, 50, 6);
        assert_eq!(typical_values(&signature, &block).expect("fits").len(), signature.inputs.len());
    }
}
