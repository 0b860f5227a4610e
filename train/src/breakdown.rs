//! The judged rows by model age and by who they are.
//!
//! A backtest's summary goes into the bundle, which must not point at a single customer: a level of fewer than
//! [`LEAST_ACCOUNTS_PER_LEVEL`] accounts is "other" here as it is for a model.

use std::collections::{BTreeMap, BTreeSet};

use bellwether_features::matrix::Column;
use chrono::{Datelike, NaiveDate};

use crate::backtest::TargetRun;
use crate::cadence::Cadence;
use crate::dataset::{Dataset, LEAST_ACCOUNTS_PER_LEVEL};
use crate::summary::GroupedBy;

/// Beyond so many levels, those of the fewest accounts are "other".
const MOST_LEVELS: usize = 12;
const OTHER: &str = "other";
const UNKNOWN: &str = "unknown";
/// From short to long, as the catalogue names them.
const TENURES: [&str; 4] = ["under 90 days", "under 1 year", "under 3 years", "3 years or more"];

/// Positions in [`TargetRun::rows`] by whole months from refit to observation, ascending.
pub(crate) fn by_age(dataset: &Dataset, run: &TargetRun) -> BTreeMap<u32, Vec<usize>> {
    let mut ages: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (position, (row, refit)) in run.rows.iter().zip(&run.refit).enumerate() {
        ages.entry(whole_months(*refit, dataset.as_of()[*row as usize])).or_default().push(position);
    }
    ages
}

/// Steps of a month from one date to the other, by the calendar that dates are observed on: a month on from a month's end is
/// the end of the next. Either way round: a month on from 28 February is 31 March, a month back from 28 March is 28 February.
fn whole_months(from: NaiveDate, to: NaiveDate) -> u32 {
    let month = |date: NaiveDate| date.year() * 12 + date.month0() as i32;
    let months = month(to) - month(from);
    let is_reached = Cadence::Month.step(from, months).is_some_and(|date| date <= to)
        || Cadence::Month.step(to, -months).is_some_and(|date| date >= from);
    u32::try_from(months - i32::from(!is_reached)).unwrap_or(0)
}

/// Positions in [`TargetRun::rows`] of one group.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct GroupRows {
    pub(crate) by: GroupedBy,
    pub(crate) group: String,
    pub(crate) accounts: usize,
    pub(crate) positions: Vec<usize>,
}

/// Every group of the run, as far as the dataset has the columns.
pub(crate) fn by_group(dataset: &Dataset, run: &TargetRun) -> Vec<GroupRows> {
    let mut all = Vec::new();
    for by in GroupedBy::ALL {
        let levels = match by {
            GroupedBy::Size => sizes(dataset, run),
            _ => categories(dataset, run, by.name()),
        };
        if let Some(levels) = levels {
            all.extend(groups(dataset, run, by, &levels));
        }
    }
    all
}

/// Names in the order in which they are shown, and the place of each judged row in them; `None` is not known.
struct Levels {
    names: Vec<String>,
    of_row: Vec<Option<usize>>,
}

fn categories(dataset: &Dataset, run: &TargetRun, signal: &str) -> Option<Levels> {
    let index = dataset.signals().iter().position(|one| one.name == signal)?;
    let Column::Category { levels, codes } = &dataset.matrix().columns[index] else { return None };
    let rank = |level: &str| TENURES.iter().position(|tenure| *tenure == level).unwrap_or(TENURES.len());
    let mut order: Vec<usize> = (0..levels.len()).collect();
    order.sort_by(|&a, &b| rank(&levels[a]).cmp(&rank(&levels[b])).then(levels[a].cmp(&levels[b])));
    let mut place = vec![0; levels.len()];
    for (shown, code) in order.iter().enumerate() {
        place[*code] = shown;
    }
    let known = |row: &u32| codes[*row as usize].map(|code| code as usize).filter(|code| !levels[*code].is_empty());
    Some(Levels {
        names: order.iter().map(|code| levels[*code].clone()).collect(),
        of_row: run.rows.iter().map(|row| known(row).map(|code| place[code])).collect(),
    })
}

/// Thirds of the MRR, fixed on the rows before the first test date.
fn sizes(dataset: &Dataset, run: &TargetRun) -> Option<Levels> {
    let mrr = dataset.numeric("mrr")?;
    let first_test = dataset.as_of_days()[*run.rows.first()? as usize];
    let before = mrr.iter().zip(dataset.as_of_days()).filter(|(amount, day)| **day < first_test && amount.is_finite());
    let mut amounts: Vec<f32> = before.map(|(amount, _)| *amount).collect();
    if amounts.is_empty() {
        return None;
    }
    amounts.sort_by(f32::total_cmp);
    let mut cuts: Vec<f32> = [1, 2].iter().map(|third| amounts[(amounts.len() * third / 3).max(1) - 1]).collect();
    cuts.dedup();
    let mut names = vec![format!("MRR up to {}", cuts[0])];
    names.extend(cuts.windows(2).map(|pair| format!("MRR above {} up to {}", pair[0], pair[1])));
    names.push(format!("MRR above {}", cuts[cuts.len() - 1]));
    let band = |amount: f32| cuts.iter().take_while(|cut| amount > **cut).count();
    let known = |row: &u32| Some(mrr[*row as usize]).filter(|amount| amount.is_finite());
    Some(Levels { names, of_row: run.rows.iter().map(|row| known(row).map(band)).collect() })
}

fn groups(dataset: &Dataset, run: &TargetRun, by: GroupedBy, levels: &Levels) -> Vec<GroupRows> {
    let account = |position: usize| dataset.accounts()[run.rows[position] as usize];
    // One more, for rows whose level is not known.
    let mut accounts = vec![BTreeSet::new(); levels.names.len() + 1];
    let unknown = levels.names.len();
    for (position, level) in levels.of_row.iter().enumerate() {
        accounts[level.unwrap_or(unknown)].insert(account(position));
    }
    let mut largest: Vec<usize> = (0..unknown).collect();
    largest.sort_by(|&a, &b| accounts[b].len().cmp(&accounts[a].len()).then(a.cmp(&b)));
    let shown: BTreeSet<usize> = largest.into_iter().take(MOST_LEVELS).chain([unknown]).collect();
    let is_shown = |level: usize| shown.contains(&level) && accounts[level].len() >= LEAST_ACCOUNTS_PER_LEVEL;

    // In the order of the names, then other, then unknown; a level that is itself called so joins it.
    let key = |level: usize| match levels.names.get(level).map(String::as_str) {
        None if is_shown(level) => (unknown + 1, UNKNOWN),
        Some(UNKNOWN) if is_shown(unknown) => (unknown + 1, UNKNOWN),
        Some(name) if is_shown(level) && name != OTHER => (level, name),
        _ => (unknown, OTHER),
    };
    let mut found: BTreeMap<(usize, &str), Vec<usize>> = BTreeMap::new();
    for (position, level) in levels.of_row.iter().enumerate() {
        found.entry(key(level.unwrap_or(unknown))).or_default().push(position);
    }
    let group = |((_, name), positions): ((usize, &str), Vec<usize>)| GroupRows {
        by,
        group: name.to_owned(),
        accounts: positions.iter().map(|position| account(*position)).collect::<BTreeSet<_>>().len(),
        positions,
    };
    found.into_iter().map(group).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_whole_when_its_day_is_reached() {
        let date = |text: &str| text.parse::<NaiveDate>().unwrap();
        for (from, to, months) in [
            ("2024-01-01", "2024-01-31", 0),
            ("2024-01-01", "2024-02-01", 1),
            ("2024-01-15", "2024-03-14", 1),
            ("2023-11-30", "2024-02-29", 3),
            ("2025-01-31", "2025-02-28", 1),
            ("2025-07-31", "2025-09-30", 2),
            ("2025-04-30", "2025-06-30", 2),
            ("2025-04-30", "2025-06-29", 1),
            ("2025-02-28", "2025-03-28", 1),
            ("2025-02-28", "2025-03-27", 0),
            ("2023-10-01", "2024-10-01", 12),
        ] {
            assert_eq!(whole_months(date(from), date(to)), months, "{from} {to}");
        }
    }
}
