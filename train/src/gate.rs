//! Is the challenger better than the champion?
//!
//! Both were judged out of time, each by its own backtest. What is compared, target by target:
//!
//! 1. Where both forecast the same rows (account and date) and enough of them, the log losses on these rows, with the
//!    95 % interval of their difference over accounts. The labels are those of the model whose labels are the newer ones.
//! 2. Otherwise, where both were judged on the very same rows (equal digests), the log losses of the two summaries.
//! 3. Otherwise the log loss relative to that of a forecast of the base rate on the same rows, since base rates differ.
//!
//! None of this is asked of a challenger that was not tested in time, or not on other accounts, where the champion was: it
//! does not pass.
//!
//! The challenger passes when the mean over the champion's targets is lower. One that has learned from newer labels and
//! is compared by rule 1 need not be lower: the same process, run again later, forecasts the old rows as it did before,
//! and running it again is what the backtest has judged. No challenger passes that is worse on one target by more than
//! [`MOST_LOSS_OF_ONE_TARGET`] or whose interval lies wholly above 0.

use serde::{Deserialize, Serialize};

use crate::forecasts::{Forecast, Forecasts};
use crate::metric::calibration::LOG_LOSS_CLIP;
use crate::summary::{BacktestSummary, TargetSummary};

/// No target may be worse by more than this share of the champion's value.
pub const MOST_LOSS_OF_ONE_TARGET: f64 = 0.01;
/// With fewer common rows of the rarer outcome than this, summaries are compared instead.
const LEAST_COMMON_OUTCOMES: usize = 25;
/// Half-width of a 95 % interval in standard errors.
const Z_95: f64 = 1.959_963_984_540_054;

/// Champion and challenger on one target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Target.
    pub target: String,
    /// `log loss on common rows`, `log loss` (the same rows) or `log loss relative to the base rate` (other rows).
    pub measure: String,
    /// Champion.
    pub champion: f64,
    /// Challenger; lower is better.
    pub challenger: f64,
    /// What is known of the difference, where common rows were compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paired: Option<Paired>,
}

/// The difference of two forecasts on the rows that both made.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Paired {
    /// Rows.
    pub rows: usize,
    /// Accounts.
    pub accounts: usize,
    /// Mean log loss of the challenger minus that of the champion.
    pub difference: f64,
    /// Lower end of its 95 % interval over accounts.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl std::fmt::Display for Comparison {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}: {} {:.5} against {:.5}", self.target, self.measure, self.challenger, self.champion)?;
        let Some(paired) = &self.paired else { return Ok(()) };
        let Paired { rows, accounts, difference, low, high } = paired;
        write!(
            formatter,
            " (difference {difference:+.5}, 95 % interval {low:+.5} to {high:+.5}, {rows} rows of {accounts} accounts)"
        )
    }
}

/// One side of the comparison.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Contender<'a> {
    /// Its backtest.
    pub(crate) summary: &'a BacktestSummary,
    /// Its forecasts, where they were kept.
    pub(crate) forecasts: Option<&'a Forecasts>,
}

/// The verdict.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Verdict {
    /// Per target.
    pub(crate) comparisons: Vec<Comparison>,
    /// Why the challenger does not pass.
    pub(crate) refusal: Option<String>,
}

/// What the challenger's figures were not put to and the champion's were: such figures are too good, and none that is
/// compared with them can tell.
fn tested_less(champion: &BacktestSummary, challenger: &BacktestSummary) -> Option<String> {
    if champion.is_dated() && !challenger.is_dated() {
        return Some(
            "it was not tested in time, as its rows have no observation dates, and the champion was".to_owned(),
        );
    }
    (champion.knows_accounts() && !challenger.knows_accounts()).then(|| {
        "it was not tested on other accounts, as its rows do not say whose they are, and the champion was".to_owned()
    })
}

/// Compares two models by their backtests.
pub(crate) fn compare(champion: Contender<'_>, challenger: Contender<'_>) -> Verdict {
    let mut comparisons = Vec::new();
    if let Some(reason) = tested_less(champion.summary, challenger.summary) {
        return Verdict { comparisons, refusal: Some(reason) };
    }
    for target in &champion.summary.targets {
        match compare_target(champion, challenger, target) {
            Ok(comparison) => comparisons.push(comparison),
            Err(reason) => return Verdict { comparisons, refusal: Some(reason) },
        }
    }
    let newer = challenger.summary.data_end > champion.summary.data_end;
    let refusal = refusal(&comparisons, newer && comparisons.iter().all(|one| one.paired.is_some()));
    Verdict { comparisons, refusal }
}

fn compare_target(
    champion: Contender<'_>,
    challenger: Contender<'_>,
    target: &TargetSummary,
) -> Result<Comparison, String> {
    let name = &target.definition.name;
    let other = challenger.summary.target(name).ok_or_else(|| format!("it does not forecast {name}"))?;
    let asked = |one: &TargetSummary| {
        let definition = &one.definition;
        (definition.event.clone(), definition.time, definition.horizon_days, definition.grace_days)
    };
    if asked(target) != asked(other) {
        return Err(format!("its {name} is defined otherwise, so that the two cannot be compared"));
    }
    if let (Some(old), Some(new)) = (champion.forecasts, challenger.forecasts) {
        let newer_is_old = champion.summary.data_end > challenger.summary.data_end;
        if let Some(comparison) = paired(name, old.target(name), new.target(name), newer_is_old) {
            return Ok(comparison);
        }
    }
    let (Some(old), Some(new)) = (target.best(), other.best()) else {
        return Err(format!("{name}: the measures of the selected learner are not on record"));
    };
    let (measure, champion, challenger) = if target.test_rows_digest == other.test_rows_digest {
        ("log loss", old.log_loss, new.log_loss)
    } else {
        let relative = (old.log_loss / old.null_log_loss, new.log_loss / new.null_log_loss);
        ("log loss relative to the base rate", relative.0, relative.1)
    };
    Ok(Comparison { target: name.clone(), measure: measure.to_owned(), champion, challenger, paired: None })
}

/// The common rows of one account, and what each forecast lost on them.
struct AccountLosses {
    account: u64,
    rows: f64,
    champion: f64,
    challenger: f64,
}

/// Both on the rows that both forecast; `None` with too few of either outcome. `champion`, `challenger`: by key.
fn paired(
    target: &str,
    champion: &[Forecast],
    challenger: &[Forecast],
    champion_has_the_labels: bool,
) -> Option<Comparison> {
    let (accounts, positives, negatives) = common_rows(champion, challenger, champion_has_the_labels);
    if positives.min(negatives) < LEAST_COMMON_OUTCOMES {
        return None;
    }
    let rows: f64 = accounts.iter().map(|one| one.rows).sum();
    let champion = accounts.iter().map(|one| one.champion).sum::<f64>() / rows;
    let challenger = accounts.iter().map(|one| one.challenger).sum::<f64>() / rows;
    // Account by account, so that equal forecasts differ by exactly 0.
    let difference = accounts.iter().map(|one| one.challenger - one.champion).sum::<f64>() / rows;
    let error = standard_error(&accounts, rows, difference);
    let (low, high) = (difference - Z_95 * error, difference + Z_95 * error);
    let paired = Paired { rows: positives + negatives, accounts: accounts.len(), difference, low, high };
    let measure = "log loss on common rows".to_owned();
    Some(Comparison { target: target.to_owned(), measure, champion, challenger, paired: Some(paired) })
}

/// Rows whose key no other has: of several with one key nothing says which is which.
fn told_apart(rows: &[Forecast]) -> impl Iterator<Item = &Forecast> {
    rows.chunk_by(|one, other| one.key() == other.key()).filter_map(|same| match same {
        [one] => Some(one),
        _ => None,
    })
}

/// Losses per account, and the numbers of positive and negative rows.
fn common_rows(
    champion: &[Forecast],
    challenger: &[Forecast],
    champion_has_the_labels: bool,
) -> (Vec<AccountLosses>, usize, usize) {
    let mut accounts: Vec<AccountLosses> = Vec::new();
    let (mut positives, mut negatives) = (0, 0);
    let mut rest = challenger;
    for old in told_apart(champion) {
        rest = &rest[rest.partition_point(|new| new.key() < old.key())..];
        let Some(new) = rest.first().filter(|new| new.key() == old.key()) else { continue };
        if rest.get(1).is_some_and(|next| next.key() == new.key()) {
            continue;
        }
        let label = if champion_has_the_labels { old.label } else { new.label };
        if label {
            positives += 1;
        } else {
            negatives += 1;
        }
        if accounts.last().is_none_or(|last| last.account != old.account) {
            accounts.push(AccountLosses { account: old.account, rows: 0.0, champion: 0.0, challenger: 0.0 });
        }
        if let Some(account) = accounts.last_mut() {
            account.rows += 1.0;
            account.champion += loss(label, old.probability);
            account.challenger += loss(label, new.probability);
        }
    }
    (accounts, positives, negatives)
}

/// Standard error of a ratio of sums over independent accounts, linearised: Cochran (1977), Sampling Techniques, 3rd ed.,
/// section 6.3.
fn standard_error(accounts: &[AccountLosses], rows: f64, difference: f64) -> f64 {
    let count = accounts.len() as f64;
    let residual = |one: &AccountLosses| one.challenger - one.champion - difference * one.rows;
    let squares: f64 = accounts.iter().map(|one| residual(one).powi(2)).sum();
    (squares * count / (count - 1.0)).sqrt() / rows
}

fn loss(label: bool, probability: f64) -> f64 {
    let clipped = probability.clamp(LOG_LOSS_CLIP, 1.0 - LOG_LOSS_CLIP);
    if label { -clipped.ln() } else { -(-clipped).ln_1p() }
}

fn refusal(comparisons: &[Comparison], may_be_equal: bool) -> Option<String> {
    let ratio = |one: &Comparison| one.challenger / one.champion;
    // Written so that NaN does not pass.
    let fine = |one: &&Comparison| {
        ratio(one) <= 1.0 + MOST_LOSS_OF_ONE_TARGET && one.paired.is_none_or(|paired| paired.low <= 0.0)
    };
    if let Some(worse) = comparisons.iter().find(|one| !fine(one)) {
        return Some(worse.to_string());
    }
    let mean = comparisons.iter().map(ratio).sum::<f64>() / comparisons.len() as f64;
    if mean < 1.0 || (may_be_equal && !mean.is_nan()) {
        return None;
    }
    Some(comparisons.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SplitMix64 (Steele et al. 2014).
    struct Stream(u64);

    impl Stream {
        fn uniform(&mut self) -> f64 {
            self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut mixed = self.0;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
        }
    }

    /// Accounts with one to five rows of one risk; the second forecast is off by a shift of the account.
    fn two_forecasts(accounts: u64, seed: u64) -> (Vec<Forecast>, Vec<Forecast>) {
        let mut random = Stream(seed);
        let (mut old, mut new) = (Vec::new(), Vec::new());
        for account in 0..accounts {
            let (risk, shift) = (0.1 + 0.5 * random.uniform(), 0.2 * random.uniform() - 0.08);
            for day in 0..1 + (random.uniform() * 5.0) as i32 {
                let label = random.uniform() < risk;
                old.push(Forecast { account, as_of_days: day, label, probability: risk });
                new.push(Forecast { account, as_of_days: day, label, probability: risk + shift });
            }
        }
        (old, new)
    }

    #[test]
    fn the_interval_is_that_of_resampled_accounts() {
        let (old, new) = two_forecasts(400, 5);
        let found = paired("churn", &old, &new, false).unwrap().paired.unwrap();
        // The slow twin draws accounts with replacement and reads percentiles.
        let by_account: Vec<(f64, f64)> = (0..400)
            .map(|account| {
                let rows = old.iter().zip(&new).filter(|(one, _)| one.account == account);
                let loss =
                    |one: &Forecast| if one.label { -one.probability.ln() } else { -(1.0 - one.probability).ln() };
                rows.fold((0.0, 0.0), |sum, (one, other)| (sum.0 + 1.0, sum.1 + loss(other) - loss(one)))
            })
            .collect();
        let mut random = Stream(9);
        let mut means: Vec<f64> = (0..20_000)
            .map(|_| {
                let drawn = (0..400).map(|_| by_account[(random.uniform() * 400.0) as usize]);
                let sum = drawn.fold((0.0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
                sum.1 / sum.0
            })
            .collect();
        means.sort_by(f64::total_cmp);
        let width = means[19_499] - means[499];
        assert!((found.low - means[499]).abs() < 0.05 * width, "{found:?} {} {}", means[499], means[19_499]);
        assert!((found.high - means[19_499]).abs() < 0.05 * width, "{found:?}");
        assert_eq!((found.rows, found.accounts), (old.len(), 400));
    }

    #[test]
    fn only_common_rows_count_and_the_newer_labels_hold() {
        let (old, mut new) = two_forecasts(200, 6);
        let whole = paired("churn", &old, &new, false).unwrap();
        // Rows of one side only change nothing.
        let mut more = old.clone();
        more.push(Forecast { account: 9_999, as_of_days: 1, label: true, probability: 0.001 });
        more.insert(0, Forecast { account: 0, as_of_days: -1, label: true, probability: 0.001 });
        assert_eq!(paired("churn", &more, &new, false).unwrap(), whole);
        // Labels of the newer side.
        for one in &mut new {
            one.label = !one.label;
        }
        assert_ne!(paired("churn", &old, &new, false).unwrap(), whole);
        assert_eq!(paired("churn", &old, &new, true).unwrap(), whole);
        // The very same forecast differs by nothing at all.
        let same = paired("churn", &old, &old, false).unwrap();
        let Paired { difference, low, high, .. } = same.paired.unwrap();
        assert_eq!((difference, low, high), (0.0, 0.0, 0.0));
        assert!(paired("churn", &old[..20], &new[..20], false).is_none(), "too few outcomes");
        // Of rows that one key names together, nothing says which is which.
        let mut doubled = old.clone();
        doubled.insert(3, doubled[3]);
        let without: Vec<Forecast> = old.iter().enumerate().filter(|(row, _)| *row != 3).map(|(_, one)| *one).collect();
        assert_eq!(paired("churn", &doubled, &new, true), paired("churn", &without, &new, true));
        assert_eq!(paired("churn", &new, &doubled, true), paired("churn", &new, &without, true));
    }

    fn comparison(champion: f64, challenger: f64, interval: Option<(f64, f64)>) -> Comparison {
        let difference = challenger - champion;
        let paired = interval.map(|(low, high)| Paired { rows: 100, accounts: 50, difference, low, high });
        Comparison { target: "churn".into(), measure: "log loss on common rows".into(), champion, challenger, paired }
    }

    #[test]
    fn equal_passes_only_with_newer_labels_and_proven_worse_never() {
        let passes = |comparisons: &[Comparison], newer: bool| refusal(comparisons, newer).is_none();
        let equal = [comparison(0.2, 0.2, Some((0.0, 0.0)))];
        assert!(!passes(&equal, false) && passes(&equal, true));
        let better = [comparison(0.2, 0.199, Some((-0.003, 0.001)))];
        assert!(passes(&better, false) && passes(&better, true));
        let a_little_worse = [comparison(0.2, 0.2001, Some((-0.001, 0.0012)))];
        assert!(!passes(&a_little_worse, false) && passes(&a_little_worse, true));
        let proven_worse = [comparison(0.2, 0.2001, Some((0.000_05, 0.000_15)))];
        assert!(!passes(&proven_worse, true));
        let far_worse = [comparison(0.2, 0.2021, Some((-0.001, 0.005)))];
        assert!(!passes(&far_worse, true));
        // Better on average, but not at the cost of one target.
        assert!(!passes(&[comparison(0.2, 0.15, None), comparison(0.2, 0.21, None)], false));
        assert!(passes(&[comparison(0.2, 0.15, None), comparison(0.2, 0.2015, None)], false));
        assert!(!passes(&[comparison(0.0, 0.0, None)], true), "not a number");
    }
}
