//! How many weeks ahead of the outcome a family of signals speaks, or one signal ([`super::signal_lead`]).
//!
//! The outcome of an account happened between two observation dates: it is in the label window of the later one and was
//! not in that of the earlier one. So much before it (4, 8, ... weeks), the account's score is compared, on that date,
//! with the scores of accounts that stayed without the outcome for at least as long: ROC AUC within dates. The scores are
//! out of time, those of [`super::family`]. The lead is the longest of the grid up to which the family is told apart from
//! chance at every step. Its interval comes from resampling accounts.
//!
//! This looks back from outcomes and describes; nothing is trained on it.

use std::collections::BTreeMap;

use bellwether_features::label::Labels;
use bellwether_features::signal::Family;
use serde::{Deserialize, Serialize};

use crate::dataset::Dataset;
use crate::insight::family::{FamilyScores, Ranked};
use crate::insight::resample::{Estimate, Resamples, interval, quantile};

/// Weeks before the outcome that are looked at.
pub const LEAD_WEEKS: [u32; 5] = [4, 8, 13, 26, 39];

/// A row stands for the lead whose date it is within so many days of.
const TOLERANCE_DAYS: i32 = 16;
/// With fewer outcomes at a lead, it is not judged.
const LEAST_CASES: usize = 20;
/// An AUC is told apart from chance when it is this many standard errors above 0.5.
const ERRORS: f64 = 1.96;

/// One lead.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LeadPoint {
    /// Weeks before the outcome.
    pub weeks: u32,
    /// Outcomes with a score then.
    pub outcomes: usize,
    /// Rows that they are compared with.
    pub others: usize,
    /// ROC AUC; `None` with too few outcomes.
    pub auc: Option<Estimate>,
}

/// One family.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FamilyLead {
    /// Family.
    pub family: Family,
    /// Its signals.
    pub signals: usize,
    /// Ascending.
    pub points: Vec<LeadPoint>,
    /// Weeks up to which it is told apart from chance at every step looked at, 0 where it is not even at the first;
    /// `None` where the first cannot be judged. The value of the figure is one of [`LEAD_WEEKS`].
    pub lead_weeks: Option<Estimate>,
}

/// Whether a lead ends where outcomes become too few to look further back, and not where the scores stop telling accounts
/// apart: it is then the least that the lead can be.
#[must_use]
pub fn ends_for_want_of_outcomes(points: &[LeadPoint], lead: &Estimate) -> bool {
    let next = points.iter().find(|point| f64::from(point.weeks) > lead.value);
    lead.value > 0.0 && next.is_some_and(|point| point.auc.is_none())
}

/// One account's judged rows, ascending by date.
#[derive(Debug, Clone, Copy)]
struct Seen {
    day: i32,
    happened: bool,
    /// Position in the scores.
    position: usize,
    /// Without the outcome until this day.
    free_until: i32,
}

/// The rows of one lead.
struct Compared {
    weeks: u32,
    ranked: Ranked,
    outcomes: usize,
    others: usize,
}

/// The lead of one family.
pub(super) fn lead(dataset: &Dataset, labels: &Labels, family: &FamilyScores, seed: u64) -> FamilyLead {
    let (points, lead_weeks) = judge(dataset, labels, &family.rows, &family.scores, seed);
    FamilyLead { family: family.family, signals: family.signals, points, lead_weeks }
}

/// Every lead of the scores of some rows, and the longest up to which they tell. A row whose score is NaN is not compared.
pub(super) fn judge(
    dataset: &Dataset,
    labels: &Labels,
    rows: &[u32],
    scores: &[f64],
    seed: u64,
) -> (Vec<LeadPoint>, Option<Estimate>) {
    let horizon = labels.target.horizon_days as i32;
    let accounts: Vec<u32> = rows.iter().map(|row| dataset.accounts()[*row as usize]).collect();
    let days: Vec<i32> = rows.iter().map(|row| dataset.as_of_days()[*row as usize]).collect();
    let happened: Vec<bool> = rows.iter().map(|row| labels.values[*row as usize] == Some(true)).collect();
    let histories = histories(&accounts, &days, &happened, horizon);
    let compared: Vec<Compared> = LEAD_WEEKS.iter().map(|weeks| at_lead(&histories, *weeks, horizon, scores)).collect();
    let resamples = Resamples::new(&accounts, seed);
    let drawn = resamples.replicates(|weights| {
        compared.iter().map(|lead| (lead.outcomes >= LEAST_CASES).then(|| lead.ranked.auc(weights)).flatten()).collect()
    });
    let points = points(&compared, accounts.len(), &drawn);
    let lead_weeks = lead_weeks(&points, &drawn);
    (points, lead_weeks)
}

fn points(compared: &[Compared], rows: usize, drawn: &[Vec<Option<f64>>]) -> Vec<LeadPoint> {
    let whole = vec![1.0; rows];
    let point = |(index, lead): (usize, &Compared)| {
        let auc = || {
            let value = lead.ranked.auc(&whole)?;
            let (low, high) = interval(drawn.iter().filter_map(|one| one[index]).collect())?;
            Some(Estimate { value, low, high })
        };
        LeadPoint {
            weeks: lead.weeks,
            outcomes: lead.outcomes,
            others: lead.others,
            auc: if lead.outcomes >= LEAST_CASES { auc() } else { None },
        }
    };
    compared.iter().enumerate().map(point).collect()
}

/// The longest lead up to which every step is told apart, and the same of each resample.
fn lead_weeks(points: &[LeadPoint], drawn: &[Vec<Option<f64>>]) -> Option<Estimate> {
    points.first()?.auc?;
    let errors: Vec<Option<f64>> = (0..points.len())
        .map(|index| {
            points[index].auc?;
            deviation(&drawn.iter().filter_map(|one| one[index]).collect::<Vec<_>>())
        })
        .collect();
    let reach = |auc: &dyn Fn(usize) -> Option<f64>| {
        let told =
            |index: &usize| auc(*index).zip(errors[*index]).is_some_and(|(auc, error)| auc - ERRORS * error > 0.5);
        let steps = (0..points.len()).take_while(told).count();
        steps.checked_sub(1).map_or(0.0, |last| f64::from(points[last].weeks))
    };
    let value = reach(&|index| points[index].auc.map(|auc| auc.value));
    let mut again: Vec<f64> = drawn.iter().map(|one| reach(&|index| one[index])).collect();
    again.sort_by(f64::total_cmp);
    Some(Estimate { value, low: quantile(&again, 0.025), high: quantile(&again, 0.975) })
}

fn deviation(values: &[f64]) -> Option<f64> {
    let count = values.len() as f64;
    if count < 2.0 {
        return None;
    }
    let mean = values.iter().sum::<f64>() / count;
    Some((values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0)).sqrt())
}

/// Rows by account, ascending, each with how long the account then stayed without the outcome.
fn histories(accounts: &[u32], days: &[i32], happened: &[bool], horizon: i32) -> Vec<Vec<Seen>> {
    let mut by_account: BTreeMap<u32, Vec<Seen>> = BTreeMap::new();
    for (position, account) in accounts.iter().enumerate() {
        let seen = Seen { day: days[position], happened: happened[position], position, free_until: days[position] };
        by_account.entry(*account).or_default().push(seen);
    }
    let mut histories: Vec<Vec<Seen>> = by_account.into_values().collect();
    for history in &mut histories {
        for index in (0..history.len()).rev() {
            if history[index].happened {
                continue;
            }
            let end = history[index].day + horizon;
            let next = history.get(index + 1).filter(|next| !next.happened && next.day <= end);
            history[index].free_until = next.map_or(end, |next| next.free_until.max(end));
        }
    }
    histories
}

/// Scores so many weeks before outcomes, and those of others on the same dates.
fn at_lead(histories: &[Vec<Seen>], weeks: u32, horizon: i32, scores: &[f64]) -> Compared {
    let lead_days = 7 * weeks as i32;
    let mut dates: BTreeMap<i32, (Vec<usize>, Vec<usize>)> = BTreeMap::new();
    for history in histories {
        for pair in history.windows(2).filter(|pair| !pair[0].happened && pair[1].happened) {
            // It came after the window of the first ended and before that of the second did.
            let outcome = (pair[0].day + pair[1].day) / 2 + horizon;
            let wanted = outcome - lead_days;
            let near = history.iter().filter(|seen| (seen.day - wanted).abs() <= TOLERANCE_DAYS);
            if let Some(seen) = near.min_by_key(|seen| ((seen.day - wanted).abs(), seen.day)) {
                dates.entry(seen.day).or_default().0.push(seen.position);
            }
        }
        for seen in history.iter().filter(|seen| seen.free_until >= seen.day + lead_days + TOLERANCE_DAYS) {
            dates.entry(seen.day).or_default().1.push(seen.position);
        }
    }
    // A row can come before one outcome and, at a shorter lead, be free of it: as a case it counts once, as a case.
    let mut happened = vec![false; scores.len()];
    let mut groups = Vec::new();
    let (mut outcomes, mut others) = (0, 0);
    for (mut with, mut without) in dates.into_values() {
        with.sort_unstable();
        with.dedup();
        without.retain(|position| with.binary_search(position).is_err() && !scores[*position].is_nan());
        with.retain(|position| !scores[*position].is_nan());
        if with.is_empty() || without.is_empty() {
            continue;
        }
        with.iter().for_each(|position| happened[*position] = true);
        outcomes += with.len();
        others += without.len();
        groups.push([with, without].concat());
    }
    Compared { weeks, ranked: Ranked::new(&groups, scores, &happened), outcomes, others }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learner::rows::account_lot;

    const HORIZON: i32 = 90;

    /// Accounts seen every 30 days; a third of them have the outcome on a day of their own, and their score rises from
    /// `speaks_days` before it on.
    fn world(speaks_days: i32) -> (Vec<u32>, Vec<i32>, Vec<bool>, Vec<f64>) {
        let mut rows = Vec::new();
        for account in 0..600_u32 {
            let outcome = (account.is_multiple_of(3)).then(|| 300 + (account_lot(1, account) * 700.0) as i32);
            for month in 0..34 {
                let day = 30 * month;
                if outcome.is_some_and(|outcome| day >= outcome) {
                    break;
                }
                let within = outcome.is_some_and(|outcome| outcome < day + HORIZON);
                let speaks = outcome.is_some_and(|outcome| day >= outcome - speaks_days);
                let noise = account_lot(2 + month as u64, account);
                rows.push((day, account, within, noise + f64::from(u8::from(speaks))));
            }
        }
        rows.sort_by_key(|row| (row.0, row.1));
        let column = |index: usize| rows[index];
        (
            (0..rows.len()).map(|row| column(row).1).collect(),
            (0..rows.len()).map(|row| column(row).0).collect(),
            (0..rows.len()).map(|row| column(row).2).collect(),
            (0..rows.len()).map(|row| column(row).3).collect(),
        )
    }

    fn leads(speaks_days: i32) -> (Vec<LeadPoint>, Estimate) {
        let (accounts, days, happened, scores) = world(speaks_days);
        let histories = histories(&accounts, &days, &happened, HORIZON);
        let compared: Vec<Compared> =
            LEAD_WEEKS.iter().map(|weeks| at_lead(&histories, *weeks, HORIZON, &scores)).collect();
        let drawn = Resamples::new(&accounts, 5)
            .replicates(|weights| compared.iter().map(|lead| lead.ranked.auc(weights)).collect());
        let points = points(&compared, accounts.len(), &drawn);
        let lead = lead_weeks(&points, &drawn).expect("judged");
        (points, lead)
    }

    #[test]
    fn a_signal_that_speaks_13_weeks_ahead_is_found_to() {
        // 13 weeks and the 31 days by which date and outcome may be off.
        let (points, lead) = leads(91 + 31);
        assert_eq!((lead.value, lead.low), (13.0, 13.0), "{points:?}");
        assert!(lead.high <= 26.0);
        assert!(points[0].outcomes > 150 && points[0].others > 1000, "{points:?}");
        assert!(points[..3].iter().all(|point| point.auc.is_some_and(|auc| auc.value > 0.9)), "{points:?}");
        assert!(points[3].auc.is_some_and(|auc| !auc.excludes(0.5)), "{points:?}");
    }

    #[test]
    fn a_signal_that_says_nothing_leads_by_nothing() {
        let (points, lead) = leads(-1000);
        assert_eq!(lead.value, 0.0, "{points:?}");
        let (_, long) = leads(400);
        assert_eq!((long.value, long.low, long.high), (39.0, 39.0, 39.0));
    }

    #[test]
    fn a_lead_that_outcomes_cut_short_is_a_lower_bound() {
        let whole = Estimate { value: 0.7, low: 0.6, high: 0.8 };
        let point = |weeks: u32, auc: Option<Estimate>| LeadPoint { weeks, outcomes: 30, others: 900, auc };
        let lead = |value: f64| Estimate { value, low: value, high: value };
        let points = [point(4, Some(whole)), point(8, Some(whole)), point(13, None)];
        assert!(ends_for_want_of_outcomes(&points, &lead(8.0)));
        // It stopped telling before outcomes were too few; it never told; the grid ended.
        assert!(!ends_for_want_of_outcomes(&points, &lead(4.0)));
        assert!(!ends_for_want_of_outcomes(&[point(4, None)], &lead(0.0)));
        assert!(!ends_for_want_of_outcomes(&points[..2], &lead(8.0)));
    }

    #[test]
    fn rows_without_a_score_are_not_compared() {
        let (accounts, days, happened, mut scores) = world(91 + 31);
        let histories = histories(&accounts, &days, &happened, HORIZON);
        let all = at_lead(&histories, 4, HORIZON, &scores);
        let unknown = |position: usize| accounts[position].is_multiple_of(2);
        (0..scores.len()).filter(|position| unknown(*position)).for_each(|position| scores[position] = f64::NAN);
        let some = at_lead(&histories, 4, HORIZON, &scores);
        let halved = |whole: usize, half: usize| (0.4..0.6).contains(&(half as f64 / whole as f64));
        assert!(halved(all.outcomes, some.outcomes) && halved(all.others, some.others));
        assert!(some.ranked.auc(&vec![1.0; scores.len()]).is_some_and(|auc| auc > 0.8));
    }

    #[test]
    fn others_stay_without_the_outcome_for_as_long() {
        let days = [0, 30, 60, 90, 120];
        let history = histories(&[1; 5], &days, &[false, false, false, true, true], HORIZON).remove(0);
        // The windows of the first three reach to day 150; the outcome is in that of day 90, not in that of day 60.
        assert_eq!(history.iter().map(|seen| seen.free_until).collect::<Vec<_>>(), [150, 150, 150, 90, 120]);
        // A gap longer than the window ends what is known.
        let gap = histories(&[1; 2], &[0, 200], &[false, false], HORIZON).remove(0);
        assert_eq!(gap[0].free_until, 90);
    }
}
