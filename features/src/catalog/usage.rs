//! Usage depth: how hard the product is worked.
//!
//! A use of the last `w` days is a visible use of one of the last `w` UTC days before `as_of`. Counts are numbers of rows
//! and never null: before an account's first use they are 0. What compares two windows is null while the account's history
//! (from sign-up or first visible use, whichever is earlier) does not reach the start of the earlier window, and when the
//! earlier window measures 0 or less.

use super::Levels;
use super::segment::code;
use super::template::{Need, Template, signal};
use crate::engine::uses::{Ages, before, last, year_ago};
use crate::engine::view::View;
use crate::measure::{acceleration, median, ratio, relative_change, slope};
use crate::signal::Direction::{Down, Unknown, Up};
use crate::signal::{Family, Unit};

const STANDARD: &[u32] = &[7, 28, 90, 365];

/// Weeks of a trend.
const TREND_WEEKS: u32 = 13;

/// A trend of less than 2 % of the weekly mean per week is flat; the slack of 1e-12 makes "exactly 2 %" a trend whatever
/// the order of the arithmetic.
const FLAT_BELOW: f64 = 0.02 - 1e-12;

/// The texts of `usage_direction`, sorted.
pub(super) const DIRECTIONS: &[&str] = &["falling", "flat", "reversing", "rising"];

pub(super) fn usage(name: &'static str, idea: &'static str) -> Template {
    signal(Family::Usage, "usage", name, idea)
}

pub(super) fn templates() -> Vec<Template> {
    [counts(), rhythm(), changes(), trends(), limit(), value_moments()].concat()
}

fn counts() -> Vec<Template> {
    vec![
        usage("usage_events_{w}d", "usage.events")
            .over(STANDARD)
            .text("events in the last {w} days: {value}")
            .expect(Down, Up)
            .rule("number of uses in the window")
            .number(|view, w| Some(view.uses.events(last(w)))),
        usage("usage_quantity_{w}d", "usage.quantity")
            .over(STANDARD)
            .text("quantity used in the last {w} days: {value}")
            .expect(Down, Up)
            .rule("sum of quantities in the window; 0 without a use")
            .number(|view, w| Some(view.uses.quantity(last(w)))),
        usage("usage_active_days_{w}d", "usage.active_days")
            .over(STANDARD)
            .text("days with use in the last {w} days: {value}")
            .expect(Down, Up)
            .rule("number of UTC days of the window with a use")
            .number(|view, w| Some(view.uses.active_days(last(w)))),
        usage("usage_events_per_active_user_{w}d", "usage.events_per_user")
            .over(&[28])
            .text("events per active user in the last {w} days: {value}")
            .null_text("no known active user in the last {w} days")
            .expect(Down, Up)
            .needs(&[Need::Users])
            .rule("uses / distinct users of the window; null without a user")
            .number(|view, w| ratio(view.uses.events(last(w)), view.uses.users().distinct(w))),
        usage("usage_events_per_seat_{w}d", "usage.events_per_seat")
            .over(&[28])
            .text("events per seat in the last {w} days: {value}")
            .null_text("events per seat in the last {w} days: no seats on record")
            .expect(Down, Up)
            .needs(&[Need::Subscriptions])
            .rule("uses of the window / seats at as_of; null without seats")
            .number(|view, w| ratio(view.uses.events(last(w)), view.seats()?)),
    ]
}

fn rhythm() -> Vec<Template> {
    vec![
        usage("usage_days_since_last", "usage.recency")
            .unit(Unit::Days)
            .text("last use {value} ago")
            .null_text("no use on record")
            .expect(Up, Down)
            .rule("as_of minus the UTC day of the last visible use; null without one")
            .number(|view, _| Some(days(view.uses.last_age()?))),
        usage("usage_longest_gap_days_{w}d", "usage.gap")
            .over(&[90])
            .unit(Unit::Days)
            .text("longest silence in the last {w} days: {value}")
            .null_text("longest silence in the last {w} days: no history yet")
            .expect(Up, Down)
            .rule("longest run of days without a use among those of the window since the history began; null without history")
            .number(|view, w| Some(view.uses.longest_gap(last(seen(view, w)?)))),
        usage("usage_active_day_share_{w}d", "usage.active_days")
            .over(&[90])
            .unit(Unit::Share)
            .text("share of days with use in the last {w} days: {value}")
            .null_text("share of days with use in the last {w} days: no history yet")
            .expect(Down, Up)
            .rule("active days / days of the window since the history began; null without history")
            .number(|view, w| ratio(view.uses.active_days(last(w)), f64::from(seen(view, w)?))),
        usage("usage_active_months_12m", "usage.active_months")
            .text("months with use in the last 12: {value}")
            .expect(Down, Up)
            .rule("number of the last 12 blocks of 30 days with a use")
            .number(|view, _| {
                let active = |month: &u32| view.uses.events(30 * month + 1..=30 * month + 30) > 0.0;
                Some(crate::engine::uses::count((0..12).filter(active)))
            }),
    ]
}

fn changes() -> Vec<Template> {
    vec![
        usage("usage_events_change_{w}d", "usage.events.change")
            .over(&[7, 28, 90])
            .unit(Unit::RelativeChange)
            .text("events in the last {w} days {value} against the {w} days before")
            .null_text("events in the last {w} days: nothing to compare with (none before, or a short history)")
            .expect(Down, Up)
            .rule("uses of the window / uses of the window before - 1")
            .number(|view, w| change(view, w, last(w), before(w), |ages| view.uses.events(ages))),
        usage("usage_quantity_change_{w}d", "usage.quantity.change")
            .over(&[28])
            .unit(Unit::RelativeChange)
            .text("quantity used in the last {w} days {value} against the {w} days before")
            .null_text("quantity used in the last {w} days: nothing to compare with (none before, or a short history)")
            .expect(Down, Up)
            .rule("quantity of the window / quantity of the window before - 1")
            .number(|view, w| change(view, w, last(w), before(w), |ages| view.uses.quantity(ages))),
        usage("usage_active_days_change_{w}d", "usage.active_days.change")
            .over(&[28])
            .unit(Unit::RelativeChange)
            .text("days with use in the last {w} days {value} against the {w} days before")
            .null_text("days with use in the last {w} days: nothing to compare with (none before, or a short history)")
            .expect(Down, Up)
            .rule("active days of the window / active days of the window before - 1")
            .number(|view, w| change(view, w, last(w), before(w), |ages| view.uses.active_days(ages))),
        usage("usage_events_change_year_ago_{w}d", "usage.events.change_year_ago")
            .over(&[28])
            .unit(Unit::RelativeChange)
            .text("events in the last {w} days {value} against the same days a year ago")
            .null_text("events in the last {w} days: no comparison with a year ago (none then, or a short history)")
            .expect(Down, Up)
            .rule("uses of the window / uses of the window 364 days earlier - 1")
            .number(|view, w| {
                view.reaches(364 + w)?;
                relative_change(view.uses.events(last(w)), view.uses.events(year_ago(w)))
            }),
        usage("usage_daily_mean_change_30d", "usage.events.change")
            .unit(Unit::RelativeChange)
            .text("daily events of the last 30 days {value} against the 90 days before")
            .null_text("daily events of the last 30 days: nothing to compare with (none before, or a short history)")
            .expect(Down, Up)
            .rule("mean uses per day of the last 30 days / of the 90 days before those - 1")
            .number(|view, _| {
                view.reaches(120)?;
                relative_change(view.uses.events(last(30)) / 30.0, view.uses.events(31..=120) / 90.0)
            }),
        usage("usage_spike_7d", "usage.spike")
            .unit(Unit::Ratio)
            .text("events of the last 7 days: {value} those of the usual week")
            .null_text("events of the last 7 days: no usual week to compare with")
            .expect(Unknown, Up)
            .rule("uses of the last 7 days / median week of the 8 weeks before")
            .number(|view, _| {
                view.reaches(63)?;
                let weeks = view.uses.weekly_events(9);
                ratio(weeks[0], median(&weeks[1..])?)
            }),
    ]
}

fn trends() -> Vec<Template> {
    vec![
        usage("usage_slope_13w", "usage.trend")
            .unit(Unit::SignedShare)
            .text("slope of weekly events over the last 13 weeks: {value} of their mean per week")
            .null_text("slope of weekly events: no use in the last 13 weeks, or a shorter history")
            .expect(Down, Up)
            .rule("least-squares slope of the last 13 weekly counts / their mean; null without a use in them")
            .number(|view, _| {
                let trend = Trend::of(view)?;
                ratio(slope(&trend.weeks)?, trend.mean)
            }),
        usage("usage_acceleration_13w", "usage.acceleration")
            .unit(Unit::SignedShare)
            .text("slope of weekly events, last 6 weeks less the 7 before: {value} of their mean per week")
            .null_text("turn in the slope of weekly events: no use in the last 13 weeks, or a shorter history")
            .expect(Down, Up)
            .rule("slope of the last 6 weekly counts less that of the 7 before, / the mean of all 13")
            .number(|view, _| {
                let trend = Trend::of(view)?;
                ratio(acceleration(&trend.weeks)?, trend.mean)
            }),
        usage("usage_direction", "usage.direction")
            .text("weekly use over the last 13 weeks is {value}")
            .null_text("direction of weekly use: no use in the last 13 weeks, or a shorter history")
            .rule(
                "slopes / the mean of 13 weeks; reversing: that of the last 6 and that of the 7 before differ in sign, both \
                 at least 2 %; else rising or falling by the slope of all 13 if at least 2 %, else flat; null with slope",
            )
            .category(Levels::Fixed(DIRECTIONS), direction),
        usage("usage_plateau_weeks_13w", "usage.plateau")
            .text("weeks of the last 13 within 5 % of the median week: {value}")
            .null_text("use in less than 7 of the last 13 weeks, or a shorter history: no median week")
            .rule("weeks w of the last 13 with 20 |w - m| <= m, m their median; null when m is 0")
            .number(|view, _| {
                let weeks = Trend::of(view)?.weeks;
                let middle = median(&weeks).filter(|middle| *middle > 0.0)?;
                let flat = |week: &&f64| 20.0 * (**week - middle).abs() <= middle;
                Some(crate::engine::uses::count(weeks.iter().filter(flat)))
            }),
    ]
}

fn limit() -> Vec<Template> {
    vec![
        usage("usage_limit_share_{w}d", "usage.limit")
            .over(&[28])
            .unit(Unit::Share)
            .text("use of the last {w} days as a share of what the plan includes: {value}")
            .null_text("no usage limit on record")
            .expect(Down, Up)
            .needs(&[Need::Subscriptions])
            .rule("quantity of the window x 30 / its days / usage_limit at as_of; null without a limit above 0")
            .number(|view, w| ratio(view.uses.quantity(last(w)) * 30.0 / f64::from(w), usage_limit(view)?)),
        usage("usage_days_to_limit", "usage.limit")
            .unit(Unit::DaysAhead)
            .text("usage limit, if use grows on as in the last 13 weeks: {value}")
            .null_text("not seen to move towards a usage limit (no limit, no growth, or a short history)")
            .expect(Unknown, Down)
            .needs(&[Need::Subscriptions])
            .rule(
                "7 x (limit per week - mean weekly quantity of the last 4 weeks) / slope of the last 13 weekly quantities; \
                 limit per week = usage_limit x 7 / 30; 0 when reached; null without limit, with a slope of 0 or less, \
                 or with less than 13 weeks of history",
            )
            .number(days_to_limit),
    ]
}

fn value_moments() -> Vec<Template> {
    vec![
        usage("usage_value_moment_events_{w}d", "usage.value_moments")
            .over(&[28])
            .text("uses of value moments in the last {w} days: {value}")
            .expect(Down, Up)
            .needs(&[Need::ValueMoments])
            .rule("number of uses of declared value moments in the window")
            .number(|view, w| Some(view.uses.value_moments(last(w)))),
        usage("usage_value_moment_change_{w}d", "usage.value_moments.change")
            .over(&[28])
            .unit(Unit::RelativeChange)
            .text("uses of value moments in the last {w} days {value} against the {w} days before")
            .null_text(
                "uses of value moments in the last {w} days: nothing to compare with (none before, or a short history)",
            )
            .expect(Down, Up)
            .needs(&[Need::ValueMoments])
            .rule("value moments of the window / of the window before - 1")
            .number(|view, w| change(view, w, last(w), before(w), |ages| view.uses.value_moments(ages))),
        usage("usage_value_moment_share_{w}d", "usage.value_moments")
            .over(&[28])
            .unit(Unit::Share)
            .text("share of value moments in the use of the last {w} days: {value}")
            .null_text("no use in the last {w} days")
            .expect(Down, Up)
            .needs(&[Need::ValueMoments])
            .rule("value moments / uses of the window; null without a use")
            .number(|view, w| ratio(view.uses.value_moments(last(w)), view.uses.events(last(w)))),
    ]
}

/// A window against an earlier one of the same length, once the history reaches that far.
pub(super) fn change(view: &View<'_>, days: u32, now: Ages, then: Ages, measure: impl Fn(Ages) -> f64) -> Option<f64> {
    view.reaches(2 * days)?;
    relative_change(measure(now), measure(then))
}

/// Days of the last `days` since the history began.
fn seen(view: &View<'_>, days: u32) -> Option<u32> {
    u32::try_from(view.usage_history_days()?).ok().filter(|history| *history > 0).map(|history| history.min(days))
}

/// An age as a value.
#[expect(clippy::cast_precision_loss, reason = "ages stay far below 2^53")]
pub(super) fn days(age: i64) -> f64 {
    age as f64
}

/// The last 13 weekly counts, earliest first, with a mean above 0.
struct Trend {
    weeks: Vec<f64>,
    mean: f64,
}

impl Trend {
    fn of(view: &View<'_>) -> Option<Self> {
        view.reaches(7 * TREND_WEEKS)?;
        let mut weeks = view.uses.weekly_events(TREND_WEEKS);
        weeks.reverse();
        let mean = weeks.iter().sum::<f64>() / f64::from(TREND_WEEKS);
        (mean > 0.0).then_some(Self { weeks, mean })
    }
}

fn direction(view: &View<'_>) -> Option<u32> {
    let trend = Trend::of(view)?;
    let relative = |weeks: &[f64]| Some(slope(weeks)? / trend.mean);
    let (earlier, recent) = trend.weeks.split_at(7);
    let (earlier, recent, whole) = (relative(earlier)?, relative(recent)?, relative(&trend.weeks)?);
    let word = if earlier * recent < 0.0 && earlier.abs() >= FLAT_BELOW && recent.abs() >= FLAT_BELOW {
        "reversing"
    } else if whole >= FLAT_BELOW {
        "rising"
    } else if whole <= -FLAT_BELOW {
        "falling"
    } else {
        "flat"
    };
    code(DIRECTIONS, word)
}

pub(super) fn usage_limit(view: &View<'_>) -> Option<f64> {
    view.subscription()?.usage_limit.filter(|limit| *limit > 0.0)
}

fn days_to_limit(view: &View<'_>, _: u32) -> Option<f64> {
    view.reaches(7 * TREND_WEEKS)?;
    let weekly_limit = usage_limit(view)? * 7.0 / 30.0;
    let mut weeks = view.uses.weekly_quantity(TREND_WEEKS);
    let room = weekly_limit - weeks[..4].iter().sum::<f64>() / 4.0;
    if room <= 0.0 {
        return Some(0.0);
    }
    weeks.reverse();
    let per_week = slope(&weeks).filter(|slope| *slope > 0.0)?;
    Some(7.0 * room / per_week)
}
