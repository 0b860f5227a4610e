//! Commercial: what was bought, and when.
//!
//! A subscription row holds from its effective time until the next. "Then" is the row that held just before the day so
//! many days ago, as known at `as_of`. An expansion is a step of MRR up from above 0, a contraction a step down that stays
//! above 0; steps count by the effective time of the later row.

use chrono::Months;

use super::template::{Template, signal};
use super::usage::days;
use crate::engine::uses::count;
use crate::engine::view::View;
use crate::facts::{BillingPeriod, SubscriptionFact};
use crate::measure::{ratio, relative_change};
use crate::signal::Direction::{Down, Unknown, Up};
use crate::signal::{Family, Unit};
use crate::time::{Instant, days_from_epoch};

pub(super) fn commercial(name: &'static str, idea: &'static str) -> Template {
    signal(Family::Commercial, "subscriptions", name, idea)
}

pub(super) fn templates() -> Vec<Template> {
    [terms(), changes()].concat()
}

fn terms() -> Vec<Template> {
    vec![
        commercial("mrr", "commercial.mrr")
            .unit(Unit::Money)
            .text("monthly recurring revenue: {value}")
            .null_text("monthly recurring revenue: not known")
            .fixed()
            .rule("mrr of the subscription at as_of; null without one")
            .number(|view, _| Some(view.subscription()?.mrr)),
        signal(Family::Commercial, "accounts", "tenure_days", "commercial.tenure")
            .unit(Unit::Days)
            .text("customer for {value}")
            .null_text("customer since: not known")
            .expect(Down, Unknown)
            .fixed()
            .rule("as_of minus the UTC day of sign-up, or of the first visible use or subscription where it is unknown")
            .number(|view, _| Some(days(view.start_age?))),
        commercial("commercial_days_to_renewal", "commercial.renewal")
            .unit(Unit::Days)
            .text("renewal in {value}")
            .null_text("no renewal ahead on record")
            .expect(Down, Unknown)
            .fixed()
            .rule(
                "days from as_of to renews_at, moved on by whole billing periods (calendar months or years) while it lies \
                 before as_of; null without mrr above 0, without renews_at, or past without a billing period",
            )
            .number(days_to_renewal),
        commercial("commercial_billed_annually", "commercial.billing")
            .unit(Unit::Flag)
            .text("billed annually: {value}")
            .null_text("billing period: not known")
            .expect(Down, Unknown)
            .rule("1 when the billing period at as_of is annual, 0 when monthly; null when unknown")
            .number(|view, _| Some(f64::from(view.subscription()?.billing_period? == BillingPeriod::Annual))),
        commercial("commercial_seats", "commercial.seats")
            .text("seats: {value}")
            .fixed()
            .rule("seats at as_of; null when unknown")
            .number(|view, _| view.subscription()?.seats),
        commercial("commercial_discount", "commercial.discount")
            .unit(Unit::Share)
            .text("discount: {value}")
            .expect(Up, Unknown)
            .rule("discount at as_of as a share of the list price, else 1 - mrr / list price, at least 0; null when unknown")
            .number(discount),
    ]
}

fn changes() -> Vec<Template> {
    vec![
        commercial("commercial_mrr_change_{w}d", "commercial.mrr.change")
            .over(&[90, 365])
            .unit(Unit::RelativeChange)
            .text("monthly recurring revenue {value} against {w} days ago")
            .null_text("no monthly recurring revenue {w} days ago to compare with")
            .expect(Down, Unknown)
            .rule("mrr at as_of / mrr then - 1; null without an mrr above 0 then")
            .number(|view, w| relative_change(view.subscription()?.mrr, view.subscription_before(w)?.mrr)),
        commercial("commercial_seats_change_{w}d", "commercial.seats.change")
            .over(&[90])
            .unit(Unit::RelativeChange)
            .text("seats {value} against {w} days ago")
            .null_text("seats now and {w} days ago: not both known")
            .expect(Down, Unknown)
            .rule("seats at as_of / seats then - 1; null without seats above 0 then")
            .number(|view, w| relative_change(view.subscription()?.seats?, view.subscription_before(w)?.seats?)),
        commercial("commercial_expansions_{w}d", "commercial.expansions")
            .over(&[365])
            .text("expansions in the last {w} days: {value}")
            .null_text("expansions: no subscription on record")
            .expect(Down, Up)
            .rule("number of expansions in the window; null without a subscription")
            .number(|view, w| steps_within(view, w, is_expansion)),
        commercial("commercial_contractions_{w}d", "commercial.contractions")
            .over(&[365])
            .text("contractions in the last {w} days: {value}")
            .null_text("contractions: no subscription on record")
            .expect(Up, Unknown)
            .rule("number of contractions in the window; null without a subscription")
            .number(|view, w| steps_within(view, w, is_contraction)),
        commercial("commercial_days_since_expansion", "commercial.expansions")
            .unit(Unit::Days)
            .text("last expansion {value} ago")
            .null_text("no expansion on record")
            .expect(Up, Down)
            .rule("as_of minus the UTC day of the last expansion; null without one")
            .number(|view, _| last_step(view, is_expansion)),
        commercial("commercial_days_since_contraction", "commercial.contractions")
            .unit(Unit::Days)
            .text("last contraction {value} ago")
            .null_text("no contraction on record")
            .expect(Down, Unknown)
            .rule("as_of minus the UTC day of the last contraction; null without one")
            .number(|view, _| last_step(view, is_contraction)),
        commercial("commercial_contracted_after_expansion", "commercial.contractions")
            .unit(Unit::Flag)
            .text("contracted after an expansion, both in the last 365 days: {value}")
            .null_text("contracted after an expansion: no subscription on record")
            .expect(Up, Down)
            .rule("1 when, within the last 365 days, an expansion was followed by a contraction; null without a subscription")
            .number(contracted_after_expansion),
    ]
}

/// Two rows of the timeline, one after the other.
pub(super) type Step<'a> = (&'a SubscriptionFact, &'a SubscriptionFact);

pub(super) fn steps<'v>(view: &'v View<'_>) -> impl DoubleEndedIterator<Item = Step<'v>> {
    view.subscriptions.windows(2).map(|pair| (pair[0], pair[1]))
}

pub(super) fn is_expansion(step: &Step<'_>) -> bool {
    step.0.mrr > 0.0 && step.1.mrr > step.0.mrr
}

pub(super) fn is_contraction(step: &Step<'_>) -> bool {
    step.1.mrr > 0.0 && step.1.mrr < step.0.mrr
}

fn steps_within(view: &View<'_>, window: u32, is: fn(&Step<'_>) -> bool) -> Option<f64> {
    view.subscription()?;
    Some(count(steps(view).filter(|step| is(step) && view.within(step.1.effective_at, window))))
}

fn last_step(view: &View<'_>, is: fn(&Step<'_>) -> bool) -> Option<f64> {
    steps(view).rev().find(is).map(|step| days(view.age(step.1.effective_at)))
}

fn contracted_after_expansion(view: &View<'_>, _: u32) -> Option<f64> {
    view.subscription()?;
    let mut recent = steps(view).filter(|step| view.within(step.1.effective_at, 365));
    Some(f64::from(recent.any(|step| is_expansion(&step)) && recent.any(|step| is_contraction(&step))))
}

fn discount(view: &View<'_>, _: u32) -> Option<f64> {
    let subscription = view.subscription()?;
    let against_list = || Some((1.0 - ratio(subscription.mrr, subscription.list_price?)?).max(0.0));
    subscription.discount.or_else(against_list)
}

pub(super) fn days_to_renewal(view: &View<'_>, _: u32) -> Option<f64> {
    view.positive_mrr()?;
    let subscription = view.subscription()?;
    let stated = subscription.renews_at?;
    if stated.day() >= view.as_of.day() {
        return Some(days(-view.age(stated)));
    }
    let period_months = match subscription.billing_period? {
        BillingPeriod::Monthly => 1,
        BillingPeriod::Annual => 12,
    };
    next_renewal_day(stated, period_months, view.as_of.day()).map(|day| days(day - view.as_of.day()))
}

/// The first day on or after `from_day` that is whole periods after `stated`, counted from it (so that a renewal on the 31st
/// stays there in the months that have one).
fn next_renewal_day(stated: Instant, period_months: u32, from_day: i64) -> Option<i64> {
    let stated_on = stated.date()?;
    // No period is longer than 31 days a month, so this many have passed for certain.
    let passed = u32::try_from((from_day - stated.day()) / (31 * i64::from(period_months))).ok()?;
    let renewals = (passed..).map_while(|periods| stated_on.checked_add_months(Months::new(periods * period_months)));
    renewals.map(|date| i64::from(days_from_epoch(date))).find(|day| *day >= from_day)
}
