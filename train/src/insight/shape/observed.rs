//! Where the outcomes by themselves change most along a signal, whatever the model makes of it.
//!
//! A learner without steps has no threshold of its own, and its effect, with the other signals held, can go against what the
//! signal shows alone. So the outcomes are cut as the effects are. The best of all cuts lies far out by luck too: the 5 %
//! critical value of the largest Wald statistic over all cuts with 5 % on either side is 9.84 (Andrews 1993, Econometrica
//! 61(4), table 1), where that of one cut is 3.84. The interval over accounts is held to that.

use serde::{Deserialize, Serialize};

use super::{View, ascending, best_cut, rounded, two_values};
use crate::insight::resample::{Estimate, interval};

/// How many times the half width of its 95 % interval the difference at the best of all cuts must reach: `√(9.84 / 3.84)`.
const BEST_OF_ALL: f64 = 1.6;

/// Where the outcomes change most.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ObservedStep {
    /// Smallest value of the upper part, rounded to three digits.
    pub value: Estimate,
    /// The value in words.
    pub text: String,
    /// The ends of its interval in words.
    pub text_low: String,
    /// Upper end in words.
    pub text_high: String,
    /// Share of the rows below it that had the outcome.
    pub below: f64,
    /// Share of the rows from it on.
    pub above: f64,
    /// The former less the latter, with its interval over accounts.
    pub difference: Estimate,
    /// The two values in words, lower first, of a signal that has no others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<[String; 2]>,
}

/// The cut of the outcomes; `None` where it is not beyond chance, or of too few accounts to be told.
pub(super) fn step(view: &View<'_>, values: &[f64], word: &dyn Fn(f64) -> String) -> Option<ObservedStep> {
    let pair = two_values(values);
    let order = ascending(values);
    let sorted: Vec<f64> = order.iter().map(|row| values[*row]).collect();
    let outcomes: Vec<f64> = order.iter().map(|row| f64::from(u8::from(view.explained.labels[*row]))).collect();
    let cut = best_cut(&sorted, &outcomes, |_| 1.0)?;
    let (lower, upper) = order.split_at(cut.place);
    if view.is_too_few(lower, upper) {
        return None;
    }
    let difference = view.observed_difference(lower, upper)?;
    let reach = (difference.high - difference.low) / 2.0 * if pair.is_some() { 1.0 } else { BEST_OF_ALL };
    if !difference.excludes(0.0) || difference.value.abs() <= reach {
        return None;
    }
    let again = view.resamples.replicates(|weights| best_cut(&sorted, &outcomes, |place| weights[order[place]]));
    let (low, high) = interval(again.iter().flatten().map(|cut| sorted[cut.place]).collect())?;
    Some(ObservedStep {
        value: Estimate { value: rounded(sorted[cut.place]), low: rounded(low), high: rounded(high) },
        text: word(sorted[cut.place]),
        text_low: word(low),
        text_high: word(high),
        below: cut.below,
        above: cut.above,
        difference,
        values: pair.map(|pair| pair.map(word)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::insight::explain::Explained;
    use crate::insight::resample::Resamples;
    use crate::learner::LearnerKind;
    use crate::learner::rows::account_lot;

    /// One row per account; the effect of a learner without steps goes against the outcomes, and is not asked.
    fn found(rows: &[(f64, bool)]) -> Option<ObservedStep> {
        let count = rows.len() as u32;
        let explained = Explained {
            learner: LearnerKind::Logistic,
            rows: (0..count).collect(),
            accounts: (0..count).collect(),
            labels: rows.iter().map(|row| row.1).collect(),
            effects: Vec::new(),
            stability: None,
        };
        let resamples = Resamples::new(&explained.accounts, 7);
        let values: Vec<f64> = rows.iter().map(|row| row.0).collect();
        let effects: Vec<f64> = values.iter().map(|value| 0.01 * value).collect();
        step(&View { explained: &explained, effects: &effects, resamples: &resamples }, &values, &|value| {
            format!("{value:.0}")
        })
    }

    /// 400 accounts with values 0 to 19, whose outcomes come by lot.
    fn rows(seed: u64, rate: impl Fn(f64) -> f64) -> Vec<(f64, bool)> {
        let row = |row: u32| (f64::from(row % 20), account_lot(seed, row) < rate(f64::from(row % 20)));
        (0..400).map(row).collect()
    }

    #[test]
    fn the_value_at_which_outcomes_change_is_found() {
        let step = found(&rows(3, |value| if value < 10.0 { 0.35 } else { 0.05 })).expect("a step");
        assert_eq!((step.value.value, step.text.as_str()), (10.0, "10"));
        assert!(step.value.low <= 10.0 && step.value.high >= 10.0, "{step:?}");
        assert!((step.below - step.above - step.difference.value).abs() < 1e-12);
        assert!(step.below > 0.25 && step.above < 0.10 && step.values.is_none(), "{step:?}");
    }

    #[test]
    fn two_values_are_told_against_each_other() {
        let mut two = rows(3, |value| if value < 10.0 { 0.35 } else { 0.05 });
        two.iter_mut().for_each(|row| row.0 = f64::from(u8::from(row.0 >= 10.0)));
        assert_eq!(found(&two).and_then(|step| step.values), Some(["0".to_owned(), "1".to_owned()]));
    }

    #[test]
    fn the_best_of_all_cuts_is_held_to_more_than_one_cut() {
        let told = (0..100).filter(|seed| found(&rows(*seed, |_| 0.2)).is_some()).count();
        // 5 % of 100 with a standard deviation of 2.2; the limit of a single cut tells half of them.
        assert!(told <= 12, "{told} of 100 worlds without a step");
    }
}
