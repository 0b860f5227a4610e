//! What every learner does with its rows before it learns: check them, look at them as design columns, and cut them by
//! account or by time.
//!
//! A cut never separates rows of one account by chance: a subset for speed takes whole accounts, chosen by a hash of
//! (seed, account), so that neither the order of the rows nor the number of threads changes it.

use bellwether_features::signal::Direction;
use bellwether_models::InputKind;

use super::{LearnError, TrainingRows};

/// Refuses rows whose shapes disagree, weights that are not finite and above 0, and fewer than `least` rows of a class.
pub(crate) fn check_rows(learner: &'static str, rows: &TrainingRows<'_>, least: usize) -> Result<(), LearnError> {
    let count = rows.block.rows;
    let shape = |what: &'static str, expected: usize, found: usize| {
        if expected == found { Ok(()) } else { Err(LearnError::Shape { learner, what, expected, found }) }
    };
    shape("labels", count, rows.labels.len())?;
    shape("weights", count, rows.weights.len())?;
    shape("accounts", count, rows.accounts.len())?;
    shape("observation dates", count, rows.as_of_days.len())?;
    shape("signal definitions", rows.signature.inputs.len(), rows.signals.len())?;
    let is_number = |kind: &InputKind| *kind == InputKind::Numeric;
    let numbers = rows.signature.inputs.iter().filter(|input| is_number(&input.kind)).count();
    shape("numeric columns", numbers, rows.block.numeric.len())?;
    shape("category columns", rows.signature.inputs.len() - numbers, rows.block.categories.len())?;
    for column in &rows.block.numeric {
        shape("values of a numeric column", count, column.len())?;
    }
    for column in &rows.block.categories {
        shape("values of a category column", count, column.len())?;
    }
    if let Some(row) = rows.weights.iter().position(|weight| !weight.is_finite() || *weight <= 0.0) {
        return Err(LearnError::Weight { learner, row, found: rows.weights[row] });
    }
    let positives = rows.labels.iter().filter(|label| **label).count();
    let negatives = count - positives;
    if positives < least || negatives < least {
        return Err(LearnError::TooFew { learner, expected: least, positives, negatives });
    }
    Ok(())
}

/// Log-odds of the weighted share of positive rows; both classes must occur.
pub(crate) fn log_odds_of_base_rate(labels: &[bool], weights: &[f64]) -> f64 {
    let (mut positive, mut negative) = (0.0, 0.0);
    for (&label, &weight) in labels.iter().zip(weights) {
        if label {
            positive += weight;
        } else {
            negative += weight;
        }
    }
    (positive / negative).ln()
}

/// One design column as it lies in the block.
#[derive(Debug, Clone, Copy)]
pub(crate) enum DesignView<'a> {
    /// A numeric input; NaN is missing.
    Number(&'a [f32]),
    /// 1 where the code is `level`, else 0; never missing.
    Indicator {
        /// Codes of the category input.
        codes: &'a [u32],
        /// The level.
        level: u32,
    },
}

impl DesignView<'_> {
    /// The value of one row.
    pub(crate) fn value(&self, row: usize) -> f32 {
        match self {
            Self::Number(values) => values[row],
            Self::Indicator { codes, level } => f32::from(u8::from(codes[row] == *level)),
        }
    }
}

/// The design columns in the order of [`bellwether_models::Signature::design_columns`]; the rows must have been checked.
pub(crate) fn design_views<'a>(rows: &TrainingRows<'a>) -> Vec<DesignView<'a>> {
    let block = rows.block;
    let mut views: Vec<DesignView<'a>> = block.numeric.iter().map(|values| DesignView::Number(values)).collect();
    for (levels, codes) in category_levels(rows).into_iter().zip(&block.categories) {
        views.extend((0..=levels as u32).map(|level| DesignView::Indicator { codes, level }));
    }
    views
}

/// Number of known levels of each category input, in signature order.
pub(crate) fn category_levels(rows: &TrainingRows<'_>) -> Vec<usize> {
    let levels = rows.signature.inputs.iter().filter_map(|input| match &input.kind {
        InputKind::Category { levels } => Some(levels.len()),
        InputKind::Numeric => None,
    });
    levels.collect()
}

/// Index into `signature.inputs` of each numeric input.
pub(crate) fn numeric_inputs(rows: &TrainingRows<'_>) -> Vec<usize> {
    let inputs = rows.signature.inputs.iter().enumerate();
    inputs.filter(|(_, input)| input.kind == InputKind::Numeric).map(|(index, _)| index).collect()
}

/// Which kind of outcome a target is, read from the beginning of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TargetKind {
    /// `churn...`
    Churn,
    /// `expansion...`
    Expansion,
    /// Anything else, such as `contraction_90d`.
    Other,
}

impl TargetKind {
    /// Reads the name of a target.
    pub(crate) fn of(target: &str) -> Self {
        if target.starts_with("churn") {
            Self::Churn
        } else if target.starts_with("expansion") {
            Self::Expansion
        } else {
            Self::Other
        }
    }
}

/// In which direction each numeric input is expected to move the target; unknown for other targets.
pub(crate) fn expected_directions(rows: &TrainingRows<'_>) -> Vec<Direction> {
    let kind = TargetKind::of(rows.target);
    let direction = |input: usize| match kind {
        TargetKind::Churn => rows.signals[input].churn,
        TargetKind::Expansion => rows.signals[input].expansion,
        TargetKind::Other => Direction::Unknown,
    };
    numeric_inputs(rows).into_iter().map(direction).collect()
}

/// A number in `[0, 1)` that depends only on (seed, account): the SplitMix64 finaliser (Steele et al. 2014).
pub(crate) fn account_lot(seed: u64, account: u32) -> f64 {
    let mut state = seed.wrapping_add((u64::from(account) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((state ^ (state >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

/// All rows, or, where there are more than `most`, those of the accounts with the lowest lots, about `most` rows. Where that
/// leaves a class out (few accounts with very many rows), all rows after all.
pub(crate) fn rows_of_some_accounts(rows: &TrainingRows<'_>, most: usize, seed: u64) -> Vec<u32> {
    let all: Vec<u32> = (0..rows.block.rows as u32).collect();
    rows_of_some(rows, &all, most, seed)
}

/// As [`rows_of_some_accounts`], of the rows `among` (ascending).
pub(crate) fn rows_of_some(rows: &TrainingRows<'_>, among: &[u32], most: usize, seed: u64) -> Vec<u32> {
    if among.len() <= most {
        return among.to_vec();
    }
    let share = most as f64 / among.len() as f64;
    let lot = |row: &&u32| account_lot(seed, rows.accounts[**row as usize]) < share;
    let some: Vec<u32> = among.iter().filter(lot).copied().collect();
    let has = |class: bool| some.iter().any(|&row| rows.labels[row as usize] == class);
    if has(true) && has(false) { some } else { among.to_vec() }
}

/// Rows with repetitions, for a learner that takes no weights.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Drawn {
    /// Rows, ascending; a row may occur several times, or never.
    pub(crate) rows: Vec<u32>,
    /// How often a row of mean weight occurs: what a penalty against a sum over rows is to be multiplied by.
    pub(crate) copies: f64,
}

/// At most so many copies of a row of mean weight: enough that rounding a weight to a count loses little.
const MOST_COPIES: usize = 4;

/// Draws `among` (ascending) in proportion to the weights, up to about `most` rows: systematic sampling from one seeded start,
/// so that a row occurs its expected number of times, rounded down or up. Rows of equal weight are left as they are.
pub(crate) fn drawn_by_weight(rows: &TrainingRows<'_>, among: &[u32], most: usize, seed: u64) -> Drawn {
    let weight = |row: &u32| rows.weights[*row as usize];
    let total: f64 = among.iter().map(weight).sum();
    let mean = total / among.len().max(1) as f64;
    if among.iter().all(|row| (weight(row) - mean).abs() <= 1e-9 * mean) {
        return Drawn { rows: among.to_vec(), copies: 1.0 };
    }
    let copies = (most / among.len().max(1)).clamp(1, MOST_COPIES) as f64;
    let mut drawn = Vec::with_capacity(among.len() * copies as usize + 1);
    let mut reached = account_lot(seed, 0);
    for row in among {
        let before = reached.floor();
        reached += copies * weight(row) / mean;
        for _ in 0..(reached.floor() - before) as usize {
            drawn.push(*row);
        }
    }
    Drawn { rows: drawn, copies }
}

/// Rows to fit on and rows to judge on, both ascending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Slice {
    /// Rows to fit on.
    pub(crate) fit: Vec<u32>,
    /// Rows to judge on.
    pub(crate) judge: Vec<u32>,
}

/// Cuts `among` (ascending) for choosing a tuning value without looking at what the choice will be judged by.
///
/// The rows to judge on are those of the last observation dates, about `share` of all; rows to fit on end `gap_days`
/// before the first of them, because labels of neighbouring dates overlap. Where that leaves too few of a class on
/// either side (`least`), the gap is given up, and then time is: whole accounts are judged on. `None` where even that
/// leaves too few.
pub(crate) fn later_slice(
    rows: &TrainingRows<'_>,
    among: &[u32],
    share: f64,
    gap_days: i32,
    least: usize,
) -> Option<Slice> {
    let cut = Cutter { rows, among, share, least };
    [cut.by_time(gap_days, 0), cut.by_time(0, 0), cut.by_account(0)].into_iter().flatten().find(|one| cut.enough(one))
}

/// As [`later_slice`], but several: earlier ones too, until their rows to judge on hold `wanted` of the rarer class
/// together or there are `most`. Slices of one kind: all by time with the gap, or without, or all by account.
pub(crate) fn later_slices(
    rows: &TrainingRows<'_>,
    among: &[u32],
    share: f64,
    gap_days: i32,
    least: usize,
    (wanted, most): (usize, usize),
) -> Vec<Slice> {
    let cut = Cutter { rows, among, share, least };
    let gather = |slice: &dyn Fn(usize) -> Option<Slice>| {
        let (mut slices, mut judged) = (Vec::new(), 0);
        for place in 0..most {
            let Some(slice) = slice(place).filter(|slice| cut.enough(slice)) else { break };
            judged += cut.rarer(&slice.judge);
            slices.push(slice);
            if judged >= wanted {
                break;
            }
        }
        slices
    };
    let kinds: [&dyn Fn(usize) -> Option<Slice>; 3] =
        [&|place| cut.by_time(gap_days, place), &|place| cut.by_time(0, place), &|place| cut.by_account(place)];
    kinds.into_iter().map(gather).find(|slices| !slices.is_empty()).unwrap_or_default()
}

/// Cuts rows into those to fit on and those to judge on.
struct Cutter<'a> {
    rows: &'a TrainingRows<'a>,
    among: &'a [u32],
    share: f64,
    least: usize,
}

impl Cutter<'_> {
    /// The slice `place` slices before the last one.
    fn by_time(&self, gap: i32, place: usize) -> Option<Slice> {
        let date = |row: &u32| self.rows.as_of_days[*row as usize];
        let mut dates: Vec<i32> = self.among.iter().map(date).collect();
        dates.sort_unstable();
        let at = |from_end: f64| dates.get(((1.0 - from_end).max(0.0) * dates.len() as f64) as usize).copied();
        let first = at(self.share * (place + 1) as f64)?;
        let until = if place == 0 { i32::MAX } else { at(self.share * place as f64)? };
        if first >= until {
            return None;
        }
        let fit = self.among.iter().copied().filter(|row| date(row) < first - gap).collect();
        let judge = self.among.iter().copied().filter(|row| (first..until).contains(&date(row))).collect();
        Some(Slice { fit, judge })
    }

    /// The accounts whose lots lie in one part of the range.
    fn by_account(&self, place: usize) -> Option<Slice> {
        let (from, to) = (self.share * place as f64, self.share * (place + 1) as f64);
        if to > 1.0 + 1e-9 {
            return None;
        }
        let lot = |row: &&u32| account_lot(self.rows.seed ^ 0x51CE, self.rows.accounts[**row as usize]);
        let (judge, fit) = self.among.iter().partition(|row| (from..to).contains(&lot(row)));
        Some(Slice { fit, judge })
    }

    /// Rows of the rarer class.
    fn rarer(&self, part: &[u32]) -> usize {
        let positives = part.iter().filter(|row| self.rows.labels[**row as usize]).count();
        positives.min(part.len() - positives)
    }

    fn enough(&self, slice: &Slice) -> bool {
        self.rarer(&slice.fit) >= self.least && self.rarer(&slice.judge) >= self.least
    }
}
