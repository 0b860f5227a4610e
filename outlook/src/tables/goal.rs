//! Goals as a table.

use bellwether_features::facts::{Facts, GoalMetric};

use super::{Columns, Table, counts, flags, known_counts, known_dates, known_texts, numbers, texts};
use crate::goal::{Forecast, GoalState, GoalSum, metric_name};
use crate::known;

/// One row: a goal of an account or an owner, or the goals of a group added up.
struct Row<'a> {
    by: &'static str,
    group: &'a str,
    metric: GoalMetric,
    single: Option<&'a GoalState>,
    sum: GoalSum,
}

/// The table of goals: of accounts, of owners (their own goals), then sums by owner and by segment.
#[must_use]
pub fn tables(facts: &Facts, states: &[GoalState]) -> Vec<Table> {
    let not_known = "(not known)";
    let owner = |state: &GoalState| known::name(&facts.owners, state.owner).unwrap_or(not_known);
    let mut rows: Vec<Row<'_>> = Vec::new();
    let own = |is_account: bool| states.iter().filter(move |state| state.goal.account.is_some() == is_account);
    rows.extend(own(true).map(|state| {
        let account = state.goal.account.map_or("", |account| facts.accounts[account as usize].as_str());
        Row { by: "account", group: account, metric: state.goal.metric, single: Some(state), sum: GoalSum::default() }
    }));
    rows.extend(own(false).map(|state| Row {
        by: "owner_goal",
        group: owner(state),
        metric: state.goal.metric,
        single: Some(state),
        sum: GoalSum::default(),
    }));
    let segment = |state: &GoalState| known::name(&facts.segments, state.segment).unwrap_or(not_known);
    for (by, sums) in [("owner", GoalSum::by(states, owner)), ("segment", GoalSum::by(states, segment))] {
        let row = |((group, metric), sum)| Row { by, group, metric, single: None, sum };
        rows.extend(sums.into_iter().map(row));
    }
    vec![Table { name: "goals", columns: columns(facts, &rows) }]
}

fn columns(facts: &Facts, rows: &[Row<'_>]) -> Columns {
    let rows = rows.iter();
    let single = || rows.clone().map(|row| row.single);
    let number = |of_one: fn(&GoalState) -> Option<f64>, of_sum: fn(&GoalSum) -> f64| {
        numbers(rows.clone().map(move |row| row.single.map_or_else(|| Some(of_sum(&row.sum)), of_one)))
    };
    let forecasts = || rows.clone().map(|row| (forecast(row), least(row)));
    let ends = || forecasts().map(|(forecast, least)| forecast.and_then(|forecast| forecast.interval(least)));
    let sum_count =
        |of: fn(&GoalSum) -> u64| known_counts(rows.clone().map(move |row| row.single.is_none().then(|| of(&row.sum))));
    vec![
        ("by", texts(rows.clone().map(|row| row.by))),
        ("group", texts(rows.clone().map(|row| row.group))),
        ("metric", texts(rows.clone().map(|row| metric_name(row.metric)))),
        ("use_case", known_texts(single().map(|one| known::name(&facts.use_cases, one?.goal.use_case)))),
        ("from", known_dates(single().map(|one| one?.goal.from.date()))),
        ("until", known_dates(single().map(|one| one?.goal.until.date()))),
        ("is_over", flags(single().map(|one| one.map(|one| one.is_over)))),
        ("goals", counts(rows.clone().map(|row| if row.single.is_some() { 1 } else { row.sum.goals }))),
        ("on_track", flags(single().map(|one| one?.on_track()))),
        ("goals_on_track", sum_count(|sum| sum.on_track)),
        ("goals_over_target", sum_count(|sum| sum.over)),
        ("target", number(|one| Some(one.goal.target), |sum| sum.target)),
        ("due", number(|one| Some(one.due), |sum| sum.due)),
        ("reached", number(|one| one.reached.map(|reached| reached.amount), |sum| sum.reached)),
        ("leak", number(GoalState::leak, |sum| sum.leak)),
        ("overage", number(GoalState::overage, |sum| sum.overage)),
        ("over_limit_30d", numbers(single().map(|one| one?.reached?.over_limit))),
        ("forecast", numbers(forecasts().map(|(forecast, _)| forecast.map(|forecast| forecast.value)))),
        ("forecast_low", numbers(ends().map(|ends| ends.map(|(low, _)| low)))),
        ("forecast_high", numbers(ends().map(|ends| ends.map(|(_, high)| high)))),
        ("forecast_goals", sum_count(|sum| sum.forecast_goals)),
        ("forecast_target", numbers(rows.clone().map(|row| row.single.is_none().then_some(row.sum.forecast_target)))),
    ]
}

fn forecast(row: &Row<'_>) -> Option<Forecast> {
    row.single.map_or_else(|| row.sum.forecast(), |one| one.reached?.forecast)
}

/// What was reached does not go away, unless what is used comes back, too.
fn least(row: &Row<'_>) -> f64 {
    let reached = row.single.and_then(|one| one.reached);
    let forecast = reached.and_then(|reached| Some(reached.forecast?.value));
    reached.zip(forecast).map_or(f64::NEG_INFINITY, |(reached, forecast)| reached.amount.min(forecast))
}
