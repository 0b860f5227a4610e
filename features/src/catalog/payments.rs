//! Payment lateness: how customers pay.
//!
//! An invoice is the version that holds; invoices of 0 or less (credit notes) are left out, they are owed by nobody. It is
//! paid or disputed only if that came to pass before `as_of`. Days late are UTC days from due to paid, at least 0. An
//! invoice is overdue when its due day lies before `as_of` and it is not paid; it is late when it is overdue or was paid
//! on a later day than it was due. All signals but those that say otherwise are null without a visible invoice.

use super::template::{Need, Template, signal};
use super::usage::days;
use crate::engine::uses::count;
use crate::engine::view::View;
use crate::facts::InvoiceFact;
use crate::measure::{mean, ratio};
use crate::signal::Direction::{Down, Up};
use crate::signal::{Family, Unit};

/// Days of the later half of a year's trend.
const TREND_HALF_DAYS: u32 = 182;

fn payments(name: &'static str, idea: &'static str) -> Template {
    signal(Family::Payments, "invoices", name, idea).expect(Up, Down)
}

pub(super) fn templates() -> Vec<Template> {
    [paid(), open()].concat()
}

fn paid() -> Vec<Template> {
    vec![
        payments("payments_days_late_mean_{w}d", "payments.days_late")
            .over(&[365])
            .unit(Unit::Days)
            .text("invoices paid in the last {w} days were {value} late on average")
            .null_text("no invoice paid in the last {w} days")
            .rule("mean days late of the invoices paid in the window; null without one")
            .number(|view, w| mean(&days_late(view, 1, w))),
        payments("payments_days_late_max_{w}d", "payments.days_late")
            .over(&[365])
            .unit(Unit::Days)
            .text("latest of the invoices paid in the last {w} days was {value} late")
            .null_text("no invoice paid in the last {w} days")
            .rule("most days late of the invoices paid in the window; null without one")
            .number(|view, w| days_late(view, 1, w).into_iter().reduce(f64::max)),
        payments("payments_days_late_last", "payments.days_late")
            .unit(Unit::Days)
            .text("invoice paid last was {value} late")
            .null_text("no paid invoice on record")
            .rule("days late of the invoice paid last (of several at once, the latest); null without a paid one")
            .number(|view, _| {
                let paid = invoices(view).filter_map(|invoice| Some((view.come(invoice.paid_at)?, invoice)));
                paid.map(|(paid_at, invoice)| (paid_at, late_by(invoice, paid_at.day()))).max().map(|(_, late)| days(late))
            }),
        payments("payments_late_share_{w}d", "payments.late_share")
            .over(&[365])
            .unit(Unit::Share)
            .text("share of invoices due in the last {w} days that were late: {value}")
            .null_text("no invoice due in the last {w} days")
            .rule("late invoices / invoices with a due day in the window; null without one")
            .number(|view, w| {
                let due = invoices(view).filter(|invoice| view.within(invoice.due_at, w));
                ratio(count(due.clone().filter(|invoice| is_late(view, invoice))), count(due))
            }),
        payments("payments_days_late_trend_{w}d", "payments.days_late.trend")
            .over(&[365])
            .unit(Unit::Difference)
            .text("change in mean days late, last half year against the half before: {value}")
            .null_text("no invoices paid in both halves of the last year to compare")
            .rule("mean days late of invoices paid in the last 182 days less that of the 183 days before; null without either")
            .number(|view, w| {
                let recent = mean(&days_late(view, 1, TREND_HALF_DAYS))?;
                Some(recent - mean(&days_late(view, TREND_HALF_DAYS + 1, w))?)
            }),
        payments("payments_first_time_late", "payments.first_time_late")
            .unit(Unit::Flag)
            .text("latest invoice due is late, for the first time: {value}")
            .null_text("no invoice due so far")
            .rule(
                "1 when an invoice of the latest due time before as_of is late and there were earlier ones, none late; null \
                 without an invoice due",
            )
            .number(first_time_late),
    ]
}

fn open() -> Vec<Template> {
    vec![
        payments("payments_overdue_amount", "payments.overdue")
            .unit(Unit::Money)
            .text("amount overdue: {value}")
            .null_text("no invoice on record")
            .rule("sum of the amounts of overdue invoices; 0 when none is overdue")
            .number(|view, _| overdue_amount(view)),
        payments("payments_overdue_months_of_mrr", "payments.overdue")
            .unit(Unit::Ratio)
            .text("amount overdue: {value} the monthly revenue")
            .null_text("amount overdue against monthly revenue: no invoice or no revenue on record")
            .needs(&[Need::Subscriptions])
            .rule("overdue amount / mrr at as_of; null without an mrr above 0")
            .number(|view, _| ratio(overdue_amount(view)?, view.positive_mrr()?)),
        payments("payments_overdue_days", "payments.overdue_days")
            .unit(Unit::Days)
            .text("longest that an open invoice is overdue: {value}")
            .null_text("no invoice on record")
            .rule("as_of minus the earliest due day of the overdue invoices; 0 when none is overdue")
            .number(|view, _| {
                invoices(view).next()?;
                Some(overdue(view).map(|invoice| view.age(invoice.due_at)).max().map_or(0.0, days))
            }),
        payments("payments_days_sales_outstanding_{w}d", "payments.days_sales_outstanding")
            .over(&[365])
            .unit(Unit::Days)
            .text("amount not paid yet, in days of the sales of the last {w} days: {value}")
            .null_text("no invoice issued in the last {w} days")
            .rule(
                "amounts not paid at as_of / amounts issued in the window x days of the window since the first invoice; \
                 null with nothing issued in it",
            )
            .number(days_sales_outstanding),
        payments("payments_disputed_share_{w}d", "payments.disputed")
            .over(&[365])
            .unit(Unit::Share)
            .text("share of invoices of the last {w} days that were disputed: {value}")
            .null_text("no invoice issued in the last {w} days")
            .rule("invoices issued in the window and disputed before as_of / issued in the window; null without one")
            .number(|view, w| {
                let issued = invoices(view).filter(|invoice| view.within(invoice.issued_at, w));
                let disputed = issued.clone().filter(|invoice| view.come(invoice.disputed_at).is_some());
                ratio(count(disputed), count(issued))
            }),
    ]
}

/// The invoices that are owed.
fn invoices<'v>(view: &'v View<'_>) -> impl Iterator<Item = &'v InvoiceFact> + Clone {
    view.invoices.iter().copied().filter(|invoice| invoice.amount > 0.0)
}

/// Days from due to `day`, at least 0.
fn late_by(invoice: &InvoiceFact, day: i64) -> i64 {
    (day - invoice.due_at.day()).max(0)
}

/// Days late of the invoices paid `first` to `last` days ago.
fn days_late(view: &View<'_>, first: u32, last: u32) -> Vec<f64> {
    let paid = invoices(view).filter_map(|invoice| Some((invoice, view.come(invoice.paid_at)?)));
    let in_time = paid.filter(|(_, at)| (i64::from(first)..=i64::from(last)).contains(&view.age(*at)));
    in_time.map(|(invoice, at)| days(late_by(invoice, at.day()))).collect()
}

fn overdue<'v>(view: &'v View<'_>) -> impl Iterator<Item = &'v InvoiceFact> {
    invoices(view).filter(|invoice| view.come(invoice.paid_at).is_none() && view.age(invoice.due_at) > 0)
}

fn is_late(view: &View<'_>, invoice: &InvoiceFact) -> bool {
    let settled = view.come(invoice.paid_at).map_or(view.as_of.day(), super::super::time::Instant::day);
    late_by(invoice, settled) > 0
}

fn overdue_amount(view: &View<'_>) -> Option<f64> {
    invoices(view).next()?;
    Some(overdue(view).map(|invoice| invoice.amount).sum())
}

fn days_sales_outstanding(view: &View<'_>, window: u32) -> Option<f64> {
    let first = invoices(view).map(|invoice| view.age(invoice.issued_at)).max()?;
    let issued: f64 =
        invoices(view).filter(|invoice| view.within(invoice.issued_at, window)).map(|invoice| invoice.amount).sum();
    let unpaid = invoices(view).filter(|invoice| view.come(invoice.paid_at).is_none());
    let open: f64 = unpaid.map(|invoice| invoice.amount).sum();
    ratio(open * days(first.min(i64::from(window))), issued)
}

fn first_time_late(view: &View<'_>, _: u32) -> Option<f64> {
    let due = || invoices(view).filter(|invoice| view.age(invoice.due_at) > 0);
    let latest = due().map(|invoice| invoice.due_at).max()?;
    let late_now = due().any(|invoice| invoice.due_at == latest && is_late(view, invoice));
    let mut earlier = due().filter(|invoice| invoice.due_at < latest).peekable();
    let first_time = earlier.peek().is_some() && !earlier.any(|invoice| is_late(view, invoice));
    Some(f64::from(late_now && first_time))
}
