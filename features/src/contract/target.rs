//! `[targets.<name>]` resolved into [`TargetDefinition`]s: defaults filled in, keys that mean nothing for the event
//! refused, and the tables that the event needs looked for.

use crate::label::{Event, OutcomeTime, TargetDefinition};

use super::canonical::TableName;
use super::duration::parse_days;
use super::error::{ContractError, Problem};
use super::options::{EventOption, TargetOptions};

/// Resolves one target.
pub(super) fn resolve(
    name: &str,
    options: &TargetOptions,
    has_table: impl Fn(TableName) -> bool,
) -> Result<TargetDefinition, ContractError> {
    check_name(name)?;
    let key = |part: &'static str| ["targets", name, part];
    let needed = needed_table(options.event);
    if !has_table(needed) {
        let what = format!("the table `{needed}`, which this event needs,");
        let hint = Some(format!("declare [tables.{needed}] or choose another event"));
        return Err(ContractError::new(Problem::Missing { what, hint }, &key("event")));
    }
    let is_end = options.event == EventOption::SubscriptionEnd;
    if options.grace.is_some() && !is_end {
        return Err(conflict("`grace` belongs to the event subscription_end", &key("grace")));
    }
    let days = |part: &'static str, given: &Option<String>, default: u32, least: u32| match given {
        Some(text) => parse_days(text, least, &key(part)),
        None => Ok(default),
    };
    let default_horizon = if matches!(options.event, EventOption::Inactivity) || is_end { 90 } else { 60 };
    let mut target = TargetDefinition {
        name: name.to_owned(),
        event: event(name, options)?,
        time: options.time.unwrap_or(OutcomeTime::Event),
        horizon_days: days("horizon", &options.horizon, default_horizon, 1)?,
        grace_days: days("grace", &options.grace, if is_end { 14 } else { 0 }, 0)?,
        landing_delay_days: days("landing_delay", &options.landing_delay, 0, 0)?,
        text: String::new(),
    };
    target.text = options.text.clone().unwrap_or_else(|| in_words(&target));
    Ok(target)
}

/// Names become column names (`churn_90d_probability`), so they are plain.
fn check_name(name: &str) -> Result<(), ContractError> {
    let plain = name.starts_with(|first: char| first.is_ascii_lowercase())
        && name
            .chars()
            .all(|character| character.is_ascii_lowercase() || character.is_ascii_digit() || character == '_');
    if plain {
        return Ok(());
    }
    let problem = Problem::InvalidValue {
        expected: "a name of lower-case letters, digits and `_`".to_owned(),
        found: format!("{name:?}"),
        hint: Some("it becomes part of column names, e.g. `churn_90d_probability`".to_owned()),
    };
    Err(ContractError::new(problem, &["targets", name]))
}

fn needed_table(event: EventOption) -> TableName {
    match event {
        EventOption::SubscriptionEnd | EventOption::MrrIncrease => TableName::Subscriptions,
        EventOption::Inactivity | EventOption::ActiveUsersIncrease | EventOption::QuantityIncrease => TableName::Usage,
    }
}

fn conflict(reason: &str, key: &[&str]) -> ContractError {
    let hint = Some("remove this key".to_owned());
    ContractError::new(Problem::Conflict { reason: reason.to_owned(), hint }, key)
}

fn event(name: &str, options: &TargetOptions) -> Result<Event, ContractError> {
    let increase = |default_ratio: f64| -> Result<(f64, f64), ContractError> {
        let ratio = options.ratio.unwrap_or(default_ratio);
        let min_absolute = options.min_absolute.unwrap_or(0.0);
        check_number("ratio", name, ratio, ratio > 1.0, "a finite number above 1")?;
        check_number("min_absolute", name, min_absolute, min_absolute >= 0.0, "a finite number, 0 or more")?;
        Ok((ratio, min_absolute))
    };
    let plain = |event: Event| match (options.ratio, options.min_absolute) {
        (Some(_), _) => Err(conflict("`ratio` belongs to the increase events", &["targets", name, "ratio"])),
        (_, Some(_)) => {
            Err(conflict("`min_absolute` belongs to the increase events", &["targets", name, "min_absolute"]))
        }
        _ => Ok(event),
    };
    match options.event {
        EventOption::SubscriptionEnd => plain(Event::SubscriptionEnd),
        EventOption::Inactivity => plain(Event::Inactivity),
        EventOption::MrrIncrease => {
            increase(1.05).map(|(ratio, min_absolute)| Event::MrrIncrease { ratio, min_absolute })
        }
        EventOption::ActiveUsersIncrease => {
            increase(1.5).map(|(ratio, min_absolute)| Event::ActiveUsersIncrease { ratio, min_absolute })
        }
        EventOption::QuantityIncrease => {
            increase(1.5).map(|(ratio, min_absolute)| Event::QuantityIncrease { ratio, min_absolute })
        }
    }
}

fn check_number(part: &str, name: &str, value: f64, good: bool, expected: &str) -> Result<(), ContractError> {
    if good && value.is_finite() {
        return Ok(());
    }
    let problem = Problem::InvalidValue { expected: expected.to_owned(), found: value.to_string(), hint: None };
    Err(ContractError::new(problem, &["targets", name, part]))
}

fn in_words(target: &TargetDefinition) -> String {
    let horizon = target.horizon_days;
    let at_least = |ratio: f64, min_absolute: f64| {
        let percent = (ratio - 1.0) * 100.0;
        if min_absolute > 0.0 {
            format!("at least {percent:.0} % and at least {min_absolute}")
        } else {
            format!("at least {percent:.0} %")
        }
    };
    match target.event {
        Event::SubscriptionEnd if target.grace_days > 0 => {
            format!("MRR reaches 0 within {horizon} days and stays 0 for {} days", target.grace_days)
        }
        Event::SubscriptionEnd => format!("MRR reaches 0 within {horizon} days"),
        Event::Inactivity => format!("No use within {horizon} days"),
        Event::Given => "A column of the matrix says so".to_owned(),
        Event::MrrIncrease { ratio, min_absolute } => {
            format!("MRR rises by {} within {horizon} days", at_least(ratio, min_absolute))
        }
        Event::ActiveUsersIncrease { ratio, min_absolute } => format!(
            "Active users of the next {horizon} days exceed those of the last {horizon} by {}",
            at_least(ratio, min_absolute)
        ),
        Event::QuantityIncrease { ratio, min_absolute } => format!(
            "Quantity of the next {horizon} days exceeds that of the last {horizon} by {}",
            at_least(ratio, min_absolute)
        ),
    }
}
