//! Commercial, continued: how the last term was renewed, how the account came to pay what it pays, and what is paid ahead.
//!
//! A renewal is seen in the rows of the subscription. A row above 0 after the account had fallen to 0 is a late one. A row
//! that comes no later than the day on which the row before it was to renew, and names a later renewal, was renewed then
//! and there: changed or as it was. A renewal day that passes without either was automatic.

use super::Levels;
use super::commercial::{Step, commercial, days_to_renewal, is_contraction, is_expansion, steps};
use super::segment::code;
use super::template::Template;
use super::usage::days;
use crate::engine::uses::count;
use crate::engine::view::View;
use crate::facts::{BillingPeriod, SubscriptionFact};
use crate::measure::ratio;
use crate::signal::Direction::{Down, Unknown, Up};
use crate::signal::Unit;

/// The texts of `commercial_last_renewal`, sorted.
const RENEWALS: &[&str] = &["automatic", "late", "negotiated", "shrunk", "to monthly"];

/// The texts of `commercial_last_contraction`, sorted.
const CONTRACTIONS: &[&str] = &["add-on", "plan", "price", "seats"];

pub(super) fn templates() -> Vec<Template> {
    [growth(), kinds()].concat()
}

fn growth() -> Vec<Template> {
    vec![
        commercial("commercial_days_to_first_expansion", "commercial.first_expansion")
            .unit(Unit::Days)
            .text("first expansion {value} after sign-up")
            .expect(Unknown, Down)
            .fixed()
            .rule("days from sign-up to the first expansion on record, at least 0; null before it and without sign-up")
            .number(|view, _| {
                let signed_up_on = view.row?.signed_up_at?.day();
                let first = steps(view).find(is_expansion)?;
                Some(days((first.1.effective_at.day() - signed_up_on).max(0)))
            }),
        commercial("commercial_expanded_share", "commercial.expanded")
            .unit(Unit::Share)
            .text("expansions add up to {value} of the opening revenue")
            .expect(Down, Up)
            .rule("sum of the rises of mrr by expansions / first mrr above 0 on record; null without one")
            .number(|view, _| {
                let opening = view.subscriptions.iter().find(|row| row.mrr > 0.0)?.mrr;
                let rises: f64 = steps(view).filter(is_expansion).map(|step| step.1.mrr - step.0.mrr).sum();
                ratio(rises, opening)
            }),
        commercial("commercial_contractions_in_a_row", "commercial.contractions")
            .text("contractions since the last expansion: {value}")
            .expect(Up, Down)
            .rule("number of contractions after the last expansion (of all without one); null without a subscription")
            .number(|view, _| {
                view.subscription()?;
                Some(count(steps(view).rev().take_while(|step| !is_expansion(step)).filter(is_contraction)))
            }),
        commercial("commercial_prepaid_months", "commercial.prepaid")
            .text("months paid ahead: {value}")
            .expect(Down, Unknown)
            .rule("12 x days to renewal / 365 when billed annually, 0 when monthly; null when either is unknown")
            .number(|view, _| match view.subscription()?.billing_period? {
                BillingPeriod::Monthly => view.positive_mrr().map(|_| 0.0),
                BillingPeriod::Annual => days_to_renewal(view, 0).map(|days| 12.0 * days / 365.0),
            }),
    ]
}

fn kinds() -> Vec<Template> {
    vec![
        commercial("commercial_last_contraction", "commercial.contraction_kind")
            .text("last contraction by {value}")
            .rule(
                "of the last contraction: plan when the plans of both rows are known and differ; else seats when they fell; \
                 else add-on when the mrr of an item on record fell on the same UTC day; else price; null without one",
            )
            .category(Levels::Fixed(CONTRACTIONS), last_contraction),
        commercial("commercial_last_renewal", "commercial.renewal_kind")
            .text("last renewal: {value}")
            .rule(
                "the latest of: late, a row above 0 after one of 0 that followed one above 0; a row no later than the UTC day \
                 of the row before's renews_at that has a later renews_at (to monthly from annual, else shrunk with less \
                 mrr, else automatic with the same mrr, plan, seats, discount and period and without auto_renew false, \
                 else negotiated); automatic, a renews_at whose UTC day passed before the next row or as_of; both rows \
                 above 0; null without one",
            )
            .category(Levels::Fixed(RENEWALS), last_renewal),
    ]
}

fn last_contraction(view: &View<'_>) -> Option<u32> {
    let (before, after) = steps(view).rev().find(is_contraction)?;
    let differ = before.plan.zip(after.plan).is_some_and(|(before, after)| before != after);
    let fewer_seats = before.seats.zip(after.seats).is_some_and(|(before, after)| after < before);
    let word = if differ {
        "plan"
    } else if fewer_seats {
        "seats"
    } else if item_fell_on(view, after.effective_at.day()) {
        "add-on"
    } else {
        "price"
    };
    code(CONTRACTIONS, word)
}

/// Whether the MRR of an item fell on a UTC day.
fn item_fell_on(view: &View<'_>, day: i64) -> bool {
    let mut of_day = view.items.iter().enumerate().filter(|(_, row)| row.effective_at.day() == day);
    of_day.any(|(place, row)| {
        let before = view.items[..place].iter().rev().find(|other| other.item == row.item);
        before.is_some_and(|before| row.mrr < before.mrr)
    })
}

fn last_renewal(view: &View<'_>) -> Option<u32> {
    let mut last = None;
    let mut has_paid = false;
    for step in steps(view) {
        has_paid |= step.0.mrr > 0.0;
        last = renewal_at(step, has_paid).or(last);
    }
    let silent = view.subscription().filter(|row| row.mrr > 0.0).and_then(|row| row.renews_at);
    let word = silent.filter(|renewal| view.age(*renewal) > 0).map(|_| "automatic").or(last)?;
    code(RENEWALS, word)
}

/// The renewal that lies between two rows, if one does.
fn renewal_at((before, after): Step<'_>, has_paid: bool) -> Option<&'static str> {
    if after.mrr <= 0.0 {
        return None;
    }
    if before.mrr <= 0.0 {
        return has_paid.then_some("late");
    }
    let due = before.renews_at?;
    if after.effective_at.day() > due.day() {
        return Some("automatic");
    }
    after.renews_at.filter(|next| *next > due).map(|_| renewed(before, after))
}

fn renewed(before: &SubscriptionFact, after: &SubscriptionFact) -> &'static str {
    #[expect(clippy::float_cmp, reason = "as it was means to the last bit")]
    let as_it_was = before.mrr == after.mrr
        && before.plan == after.plan
        && before.seats == after.seats
        && before.discount == after.discount
        && before.billing_period == after.billing_period;
    if (before.billing_period, after.billing_period) == (Some(BillingPeriod::Annual), Some(BillingPeriod::Monthly)) {
        "to monthly"
    } else if after.mrr < before.mrr {
        "shrunk"
    } else if as_it_was && before.auto_renew != Some(false) {
        "automatic"
    } else {
        "negotiated"
    }
}
