//! The forecast of `bellwether outlook`.

use bellwether_features::label::TargetDefinition;
use bellwether_outlook::forecast::{
    BaseForecast, ForecastSettings, Measure, Probabilities, RevenueForecast, RevenueTargets, forecast, timely_dates,
};
use bellwether_outlook::scored;
use chrono::Days;

use crate::args::OutlookArguments;
use crate::business::Business;
use crate::failure::Failure;
use crate::output::{Output, grouped};

/// Past scores that are judged are at least so far apart.
const SPACING_DAYS: u32 = 28;
/// Past scores read at most: two years.
const MOST_PAST: usize = 24;
/// The shortest horizon: later scores have nothing settled to be judged by.
const SHORTEST_DAYS: u32 = 30;

/// The forecast from the scores of the date; `None`, with a line that says so, where it has none.
pub(super) fn forecast_of(
    business: &Business<'_>,
    arguments: &OutlookArguments,
    grace_days: u32,
    output: &Output,
) -> Result<Option<BaseForecast>, Failure> {
    let (out, as_of) = (&arguments.out, arguments.as_of);
    if !scored::dates(out).map_err(Failure::scores)?.contains(&as_of) {
        output.note(format_args!(
            "the forecast is left out: no scores of {as_of} (`bellwether score --as-of {as_of} --out {}` makes them)",
            out.display()
        ));
        return Ok(None);
    }
    let (contract, facts) = business.contract_and_facts();
    let settings =
        ForecastSettings { targets: RevenueTargets::of(&contract.targets), grace_days, ..ForecastSettings::default() };
    let read = |date| Probabilities::read(out, date, facts, &settings.targets).map_err(Failure::scores);
    let made = || {
        let last = as_of.checked_sub_days(Days::new(u64::from(SHORTEST_DAYS + grace_days))).unwrap_or(as_of);
        let label_days = contract.targets.iter().map(TargetDefinition::label_interval_days).max().unwrap_or(0);
        let past = timely_dates(out, last, label_days, SPACING_DAYS, MOST_PAST).map_err(Failure::scores)?;
        let past = past.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
        Ok::<_, Failure>(forecast(facts, &read(as_of)?, &past, &settings))
    };
    output.step("forecast", made, |made| match made {
        Some(made) => format!(
            "{} accounts that pay, {} scored; {} past windows, {} dates of past scores",
            grouped(made.accounts as u64),
            grouped(made.scored_accounts as u64),
            made.learned.first().map_or(0, |learned| learned.windows),
            made.learned.first().map_or(0, |learned| learned.judged_scores)
        ),
        None => "nobody pays".to_owned(),
    })
}

/// The longest horizon, in two lines.
pub(super) fn text(made: &BaseForecast) -> Vec<String> {
    let Some(days) = made.rows.iter().map(|row| row.horizon_days).max() else { return Vec::new() };
    let rows = Measure::ALL.map(|measure| made.row(measure, days));
    let [Some(mrr), Some(net), Some(gross)] = rows else { return Vec::new() };
    let percent = |row: &RevenueForecast| {
        let [low, base, high] = three(row).map(|share| 100.0 * share);
        format!("base {base:.1} %, between {low:.1} and {high:.1} %")
    };
    let [low, base, high] = three(mrr).map(|amount| grouped(amount.max(0.0).round() as u64));
    vec![
        format!("MRR in {days} days: base {base}, between {low} and {high} in eight of ten periods"),
        format!("NRR over {days} days: {}; GRR: {}", percent(net), percent(gross)),
    ]
}

/// Downside, base, upside.
fn three(row: &RevenueForecast) -> [f64; 3] {
    [row.downside(), row.base(), row.upside()]
}
