//! Usage depth, continued: workflows brought to their end, the plan's limit day by day, and days unlike the account's own.
//!
//! Windows and histories as in [`super::usage`]. What is told of a workflow is told of each declared one, under its name.

use super::template::{Levels, Need, Template};
use super::usage::{usage, usage_limit};
use crate::engine::uses::{last, year_ago};
use crate::engine::view::View;
use crate::measure::{ratio, relative_change};
use crate::signal::Direction::{Down, Unknown, Up};
use crate::signal::Unit;

/// Days in which a workflow's runs are looked at.
const RUNS_DAYS: u32 = 90;

/// Weeks in which completions are looked for.
const RHYTHM_WEEKS: u32 = 13;

/// From sign-up on, days in which a new customer is expected to have completed a workflow.
const ONBOARDING_DAYS: i64 = 30;

/// Days of which the plan includes the usage limit.
const LIMIT_DAYS: u32 = 30;

/// Days before the last 28 that say what is usual, and how many of them must show use.
const USUAL_DAYS: u32 = 90;
const USUAL_LEAST: usize = 5;

pub(super) fn templates() -> Vec<Template> {
    [intensity(), quantities(), unusual(), workflows()].concat()
}

fn intensity() -> Vec<Template> {
    vec![
        usage("usage_events_per_active_day_{w}d", "usage.intensity")
            .over(&[28])
            .text("events per day with use in the last {w} days: {value}")
            .expect(Down, Up)
            .rule("uses / UTC days with a use, of the window; null without a use")
            .number(|view, w| ratio(view.uses.events(last(w)), view.uses.active_days(last(w)))),
        usage("usage_active_days_change_year_ago_{w}d", "usage.active_days.change_year_ago")
            .over(&[28])
            .unit(Unit::RelativeChange)
            .text("days with use in the last {w} days {value} against the same days a year ago")
            .expect(Down, Up)
            .rule("active days of the window / active days of the window 364 days earlier - 1")
            .number(|view, w| {
                view.reaches(364 + w)?;
                relative_change(view.uses.active_days(last(w)), view.uses.active_days(year_ago(w)))
            }),
        usage("usage_aimless_share_{w}d", "usage.aimless")
            .over(&[90])
            .unit(Unit::Share)
            .text("share of use outside value moments in the last {w} days: {value}")
            .expect(Up, Down)
            .needs(&[Need::ValueMoments])
            .rule("uses of features that are no declared value moment / uses of the window; null without a use")
            .number(|view, w| {
                let events = view.uses.events(last(w));
                ratio(events - view.uses.value_moments(last(w)), events)
            }),
    ]
}

fn quantities() -> Vec<Template> {
    vec![
        usage("usage_quantity_per_active_user_{w}d", "usage.quantity_per_user")
            .over(&[28])
            .text("quantity per active user in the last {w} days: {value}")
            .expect(Down, Up)
            .needs(&[Need::Users])
            .rule("quantity / distinct users of the window; null without a user")
            .number(|view, w| ratio(view.uses.quantity(last(w)), view.uses.users().distinct(w))),
        usage("usage_quantity_per_seat_{w}d", "usage.quantity_per_seat")
            .over(&[28])
            .text("quantity per seat in the last {w} days: {value}")
            .expect(Down, Up)
            .needs(&[Need::Subscriptions])
            .rule("quantity of the window / seats at as_of; null without seats")
            .number(|view, w| ratio(view.uses.quantity(last(w)), view.seats()?)),
        usage("usage_quantity_per_mrr_{w}d", "usage.quantity_per_mrr")
            .over(&[28])
            .text("quantity per unit of monthly revenue in the last {w} days: {value}")
            .expect(Down, Up)
            .needs(&[Need::Subscriptions])
            .rule("quantity of the window / mrr at as_of; null without an mrr above 0")
            .number(quantity_per_mrr),
        usage("usage_quantity_per_mrr_plan_percentile_{w}d", "usage.quantity_per_mrr.within_plan")
            .over(&[28])
            .unit(Unit::Share)
            .text("use for the money paid in the last {w} days: above that of {value} of the accounts on the same plan")
            .null_text("use for the money paid is not compared with other accounts on the same plan")
            .expect(Down, Up)
            .needs(&[Need::Subscriptions, Need::Plans])
            .rule(
                "mid-rank percentile of usage_quantity_per_mrr_28d, as its column holds it, among the rows of the same as_of \
                 with the same plan that have one: (lower ones + half of the equal ones, itself included) / all; null \
                 without one, without a plan, and among fewer than 10",
            )
            .percentile_within(Levels::Plans, |view| view.subscription()?.plan, quantity_per_mrr),
        usage("usage_quantity_change_year_ago_{w}d", "usage.quantity.change_year_ago")
            .over(&[28])
            .unit(Unit::RelativeChange)
            .text("quantity used in the last {w} days {value} against the same days a year ago")
            .expect(Down, Up)
            .rule("quantity of the window / quantity of the window 364 days earlier - 1")
            .number(|view, w| {
                view.reaches(364 + w)?;
                relative_change(view.uses.quantity(last(w)), view.uses.quantity(year_ago(w)))
            }),
        usage("usage_limit_days_{w}d", "usage.limit_days")
            .over(&[90])
            .text("days of the last {w} at or above the usage limit: {value}")
            .expect(Unknown, Up)
            .needs(&[Need::Subscriptions])
            .rule(
                "days of the window for which the quantity of that day and the 29 before it is at least the usage_limit at \
                 as_of; null without a limit above 0",
            )
            .number(|view, w| Some(view.uses.days_at_limit(w, LIMIT_DAYS, usage_limit(view)?))),
    ]
}

fn quantity_per_mrr(view: &View<'_>, days: u32) -> Option<f64> {
    ratio(view.uses.quantity(last(days)), view.positive_mrr()?)
}

fn unusual() -> Vec<Template> {
    vec![
        usage("usage_quiet_days_{w}d", "usage.quiet_days")
            .over(&[28])
            .text("unusually quiet days with use in the last {w} days: {value}")
            .expect(Up, Down)
            .rule(
                "days with use of the window with fewer uses than the 10th percentile (nearest rank) of the days with use of \
                 the 90 days before; null with fewer than 5 of those, or with less than 118 days of history",
            )
            .number(|view, w| Some(unusual_days(view, w)?.0)),
        usage("usage_busy_days_{w}d", "usage.busy_days")
            .over(&[28])
            .text("unusually busy days in the last {w} days: {value}")
            .expect(Down, Up)
            .rule(
                "days with use of the window with more uses than the 90th percentile (nearest rank) of the days with use of \
                 the 90 days before; null with fewer than 5 of those, or with less than 118 days of history",
            )
            .number(|view, w| Some(unusual_days(view, w)?.1)),
    ]
}

fn unusual_days(view: &View<'_>, days: u32) -> Option<(f64, f64)> {
    view.reaches(days + USUAL_DAYS)?;
    view.uses.unusual_days(days, days + 1..=days + USUAL_DAYS, USUAL_LEAST)
}

fn workflows() -> Vec<Template> {
    vec![
        usage("usage_workflow_{workflow}_completed_share_90d", "usage.workflow.{workflow}")
            .unit(Unit::Share)
            .text("share of the {workflow} runs begun in the last 90 days that were completed: {value}")
            .expect(Down, Up)
            .rule(
                "runs of the workflow begun in the last 90 days and completed / begun; a use of the first step begins a run, \
                 a use of a later step by anyone of the account takes the run begun last of those at the step before one step \
                 further, the last step completes it; null without one begun",
            )
            .per_workflow(|view, workflow| {
                let (begun, completed) = view.uses.runs_begun(workflow, RUNS_DAYS)?;
                ratio(completed, begun)
            }),
        usage("usage_workflow_{workflow}_weeks_share_13w", "usage.workflow.{workflow}")
            .unit(Unit::Share)
            .text("share of the last 13 weeks with a completed {workflow} run: {value}")
            .expect(Down, Up)
            .rule("weeks of the last 13 in which a run of the workflow was completed / 13; null with less history than that")
            .per_workflow(|view, workflow| {
                view.reaches(7 * RHYTHM_WEEKS)?;
                Some(view.uses.weeks_with_completion(workflow, RHYTHM_WEEKS)? / f64::from(RHYTHM_WEEKS))
            }),
        usage("usage_workflow_{workflow}_in_first_30_days", "usage.workflow.{workflow}.onboarding")
            .unit(Unit::Flag)
            .text("completed a {workflow} run within 30 days of sign-up: {value}")
            .expect(Down, Up)
            .fixed()
            .rule(
                "1 when a run of the workflow was completed on an earlier day than the 30th after sign-up; else 0, null before \
                 that day; null without sign-up, and when the first visible use of the whole table is of a later UTC day \
                 than the sign-up",
            )
            .per_workflow(in_first_days),
    ]
}

fn in_first_days(view: &View<'_>, workflow: usize) -> Option<f64> {
    let signed_up_on = view.row?.signed_up_at?.day();
    if view.usage_begins?.day() > signed_up_on {
        return None;
    }
    let over = signed_up_on + ONBOARDING_DAYS;
    if view.uses.first_completion_day(workflow).is_some_and(|day| day < over) {
        return Some(1.0);
    }
    (view.as_of.day() >= over).then_some(0.0)
}
