//! Every signal by the words of its rule, row by row, with no code of the engine.

use std::collections::BTreeMap;

use crate::calendar::{DAY, plus_months};
use crate::seen::Seen;
use crate::world::{InvoiceRow, PLANS, SEGMENTS, TicketRow};
use crate::{bought, depth, sponsors, usage, world};

/// Expected values by signal.
#[derive(Debug, Default)]
pub(crate) struct Values {
    pub(crate) numbers: BTreeMap<String, Option<f64>>,
    pub(crate) texts: BTreeMap<String, Option<String>>,
}

impl Values {
    pub(crate) fn set(&mut self, name: impl Into<String>, value: Option<f64>) {
        self.numbers.insert(name.into(), value);
    }

    pub(crate) fn set_text(&mut self, name: &str, value: Option<&str>) {
        self.texts.insert(name.to_owned(), value.map(str::to_owned));
    }
}

/// Null when there is nothing, or not more than 0, to divide by.
pub(crate) fn divide(value: f64, by: Option<f64>) -> Option<f64> {
    match by {
        Some(by) if by > 0.0 => Some(value / by),
        _ => None,
    }
}

pub(crate) fn change(now: f64, then: f64) -> Option<f64> {
    divide(now - then, Some(then))
}

fn average(values: &[f64]) -> Option<f64> {
    divide(values.iter().sum(), Some(values.len() as f64))
}

pub(crate) fn flag(value: bool) -> f64 {
    if value { 1.0 } else { 0.0 }
}

/// All signals of one account at one date.
pub(crate) fn expected(seen: &Seen<'_>) -> Values {
    let mut out = Values::default();
    usage::counts(seen, &mut out);
    usage::changes(seen, &mut out);
    usage::trends(seen, &mut out);
    usage::limit(seen, &mut out);
    usage::adoption(seen, &mut out);
    nps(seen, &mut out);
    paid(seen, &mut out);
    open(seen, &mut out);
    terms(seen, &mut out);
    steps(seen, &mut out);
    tickets(seen, &mut out);
    depth::depth(seen, &mut out);
    bought::bought(seen, &mut out);
    sponsors::sponsors(seen, &mut out);
    let plan = seen.subscription().and_then(|row| row.plan);
    out.set_text("plan", plan.map(|plan| PLANS[plan]));
    out.set_text("segment", seen.row.and_then(|row| row.segment).map(|segment| SEGMENTS[segment]));
    out
}

fn nps(seen: &Seen<'_>, out: &mut Values) {
    let latest = seen.nps.last();
    let before = seen.nps.len().checked_sub(2).map(|place| seen.nps[place]);
    out.set("nps_latest_score", latest.map(|row| row.score));
    out.set("nps_days_since_answer", latest.map(|row| seen.days_ago(row.at) as f64));
    out.set("nps_change", latest.zip(before).map(|(latest, before)| latest.score - before.score));
    out.set("nps_never_answered", Some(flag(latest.is_none())));
    let year: Vec<_> = seen.nps.iter().filter(|row| seen.recent(row.at, 365)).collect();
    let scores: Vec<f64> = year.iter().map(|row| row.score).collect();
    out.set("nps_mean_365d", average(&scores));
    let points: Vec<f64> = scores.iter().map(|score| flag(*score > 8.5) - flag(*score < 6.5)).collect();
    out.set("nps_net_365d", average(&points).map(|share| share * 100.0));
    let answered = (0..3).filter(|person| year.iter().any(|row| row.respondent == *person)).count();
    out.set("nps_respondents_365d", Some(answered as f64));
    let promoted = seen.nps.iter().rev().skip(1).any(|row| row.score > 8.5 && seen.recent(row.at, 365));
    out.set("nps_detractor_after_promoter", latest.map(|row| flag(row.score < 6.5 && promoted)));
}

/// When it was paid, if that is known at the date.
fn paid_at(seen: &Seen<'_>, row: &InvoiceRow) -> Option<i64> {
    row.paid.filter(|at| *at < seen.now)
}

fn owed<'w>(seen: &Seen<'w>) -> Vec<&'w InvoiceRow> {
    seen.invoices.iter().copied().filter(|row| row.amount > 0.0).collect()
}

fn days_late(due: i64, paid: i64) -> f64 {
    (paid.div_euclid(DAY) - due.div_euclid(DAY)).max(0) as f64
}

/// Late: paid on a later day than due, or not paid and due on an earlier day than the date.
fn late(seen: &Seen<'_>, row: &InvoiceRow) -> bool {
    match paid_at(seen, row) {
        Some(paid) => days_late(row.due, paid) > 0.0,
        None => row.due < seen.now,
    }
}

fn paid(seen: &Seen<'_>, out: &mut Values) {
    let owed = owed(seen);
    let lateness = |newer: i64, older: i64| -> Vec<f64> {
        let mut found = Vec::new();
        for row in &owed {
            if let Some(at) = paid_at(seen, row).filter(|at| seen.between(*at, newer, older)) {
                found.push(days_late(row.due, at));
            }
        }
        found
    };
    let year = lateness(0, 365);
    out.set("payments_days_late_mean_365d", average(&year));
    out.set("payments_days_late_max_365d", year.iter().copied().reduce(f64::max));
    let trend = average(&lateness(0, 182)).zip(average(&lateness(182, 365))).map(|(new, old)| new - old);
    out.set("payments_days_late_trend_365d", trend);
    let last_paid = owed.iter().filter_map(|row| paid_at(seen, row)).max();
    let last = owed.iter().filter(|row| last_paid.is_some() && paid_at(seen, row) == last_paid);
    let last = last.map(|row| days_late(row.due, last_paid.unwrap())).reduce(f64::max);
    out.set("payments_days_late_last", last);
    let due: Vec<_> = owed.iter().filter(|row| seen.recent(row.due, 365)).collect();
    let late_ones = due.iter().filter(|row| late(seen, row)).count();
    out.set("payments_late_share_365d", divide(late_ones as f64, Some(due.len() as f64)));
    let latest_due = owed.iter().map(|row| row.due).filter(|due| *due < seen.now).max();
    let first_time = latest_due.map(|latest| {
        let now = owed.iter().any(|row| row.due == latest && late(seen, row));
        let earlier: Vec<_> = owed.iter().filter(|row| row.due < latest).collect();
        flag(now && !earlier.is_empty() && earlier.iter().all(|row| !late(seen, row)))
    });
    out.set("payments_first_time_late", first_time);
}

fn open(seen: &Seen<'_>, out: &mut Values) {
    let owed = owed(seen);
    let mrr = seen.subscription().map(|row| row.mrr);
    let unpaid: Vec<_> = owed.iter().filter(|row| paid_at(seen, row).is_none()).collect();
    let overdue: Vec<_> = unpaid.iter().filter(|row| row.due < seen.now).collect();
    let amount = (!owed.is_empty()).then(|| overdue.iter().map(|row| row.amount).sum::<f64>());
    out.set("payments_overdue_amount", amount);
    out.set("payments_overdue_months_of_mrr", amount.and_then(|amount| divide(amount, mrr)));
    let oldest = overdue.iter().map(|row| seen.days_ago(row.due)).max().unwrap_or(0);
    out.set("payments_overdue_days", (!owed.is_empty()).then_some(oldest as f64));
    let issued: Vec<_> = owed.iter().filter(|row| seen.recent(row.at, 365)).collect();
    let first = owed.iter().map(|row| seen.days_ago(row.at)).max().unwrap_or(0).min(365) as f64;
    let outstanding: f64 = unpaid.iter().map(|row| row.amount).sum();
    let sales: f64 = issued.iter().map(|row| row.amount).sum();
    out.set("payments_days_sales_outstanding_365d", divide(outstanding, Some(sales)).map(|share| share * first));
    let disputed = issued.iter().filter(|row| row.disputed.is_some_and(|at| at < seen.now)).count();
    out.set("payments_disputed_share_365d", divide(disputed as f64, Some(issued.len() as f64)));
}

fn terms(seen: &Seen<'_>, out: &mut Values) {
    let row = seen.subscription();
    out.set("mrr", row.map(|row| row.mrr));
    out.set("tenure_days", seen.start().map(|start| seen.days_ago(start) as f64));
    out.set("commercial_billed_annually", row.and_then(|row| row.annual).map(flag));
    out.set("commercial_seats", row.and_then(|row| row.seats));
    let listed = row.and_then(|row| divide(row.mrr, row.list_price));
    let off_list = listed.map(|share| if share > 1.0 { 0.0 } else { 1.0 - share });
    out.set("commercial_discount", row.and_then(|row| row.discount).or(off_list));
    let renewal = || {
        let row = row.filter(|row| row.mrr > 0.0)?;
        let stated = row.renews?.div_euclid(DAY);
        let mut day = stated;
        let mut periods = 0;
        while day < seen.day {
            periods += if row.annual? { 12 } else { 1 };
            day = plus_months(stated, periods);
        }
        Some((day - seen.day) as f64)
    };
    out.set("commercial_days_to_renewal", renewal());
    for w in [90, 365] {
        let then = seen.subscription_then(w).map(|row| row.mrr);
        let value = row.zip(then).and_then(|(row, then)| change(row.mrr, then));
        out.set(format!("commercial_mrr_change_{w}d"), value);
    }
    let seats = row.and_then(|row| row.seats).zip(seen.subscription_then(90).and_then(|row| row.seats));
    out.set("commercial_seats_change_90d", seats.and_then(|(now, then)| change(now, then)));
}

fn steps(seen: &Seen<'_>, out: &mut Values) {
    let (mut ups, mut downs) = (Vec::new(), Vec::new());
    let mut previous: Option<f64> = None;
    for row in &seen.subscriptions {
        if let Some(before) = previous.filter(|before| *before > 0.0 && row.mrr > 0.0) {
            if row.mrr > before {
                ups.push(row.at);
            } else if row.mrr < before {
                downs.push(row.at);
            }
        }
        previous = Some(row.mrr);
    }
    let there = !seen.subscriptions.is_empty();
    let in_year = |times: &[i64]| times.iter().filter(|at| seen.recent(**at, 365)).count() as f64;
    out.set("commercial_expansions_365d", there.then(|| in_year(&ups)));
    out.set("commercial_contractions_365d", there.then(|| in_year(&downs)));
    out.set("commercial_days_since_expansion", ups.last().map(|at| seen.days_ago(*at) as f64));
    out.set("commercial_days_since_contraction", downs.last().map(|at| seen.days_ago(*at) as f64));
    let first_up = ups.iter().find(|at| seen.recent(**at, 365));
    let followed = first_up.is_some_and(|up| downs.iter().any(|down| down > up));
    out.set("commercial_contracted_after_expansion", there.then(|| flag(followed)));
}

fn tickets(seen: &Seen<'_>, out: &mut Values) {
    let opened =
        |w: i64| -> Vec<&TicketRow> { seen.tickets.iter().copied().filter(|row| seen.recent(row.at, w)).collect() };
    for w in [28, 90] {
        out.set(format!("support_tickets_{w}d"), Some(opened(w).len() as f64));
    }
    for w in [28, 90] {
        let users = (0..world::USERS.len())
            .filter(|user| seen.usage.iter().any(|row| row.user == Some(*user) && seen.recent(row.at, w)))
            .count();
        out.set(format!("support_tickets_per_user_{w}d"), divide(opened(w).len() as f64, Some(users as f64)));
    }
    let quarter = opened(90);
    let resolved = |row: &TicketRow| row.resolved.filter(|at| *at < seen.now);
    out.set("support_open_tickets", Some(seen.tickets.iter().filter(|row| resolved(row).is_none()).count() as f64));
    let mut took: Vec<i64> = Vec::new();
    for row in &seen.tickets {
        if let Some(at) = resolved(row).filter(|at| seen.recent(*at, 90)) {
            took.push((at - row.at).max(0));
        }
    }
    took.sort_unstable();
    let pair = took.len().checked_sub(1).map(|last| (took[last / 2], took[last.div_ceil(2)]));
    out.set("support_resolve_days_median_90d", pair.map(|(low, high)| (low + high) as f64 / 2.0 / DAY as f64));
    out.set("support_severe_tickets_90d", Some(quarter.iter().filter(|row| row.severe).count() as f64));
    let mut repeats = 0;
    let with_category: Vec<usize> = quarter.iter().filter_map(|row| row.category).collect();
    for (place, category) in with_category.iter().enumerate() {
        repeats += i32::from(with_category[..place].contains(category));
    }
    out.set("support_repeat_category_share_90d", divide(f64::from(repeats), Some(with_category.len() as f64)));
    // Category 3 is declared a complaint, category 1 a how-to.
    let complaints = with_category.iter().filter(|category| **category == 3).count() as f64;
    let how_to = with_category.iter().filter(|category| **category == 1).count() as f64;
    out.set("support_complaint_share_90d", divide(complaints, Some(complaints + how_to)));
}
