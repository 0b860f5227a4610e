//! Renewals, growth, add-ons and sizes by their words.

use crate::calendar::DAY;
use crate::relations::ItemRow;
use crate::seen::Seen;
use crate::signals::{Values, change, divide};
use crate::world::SubscriptionRow;

pub(crate) fn bought(seen: &Seen<'_>, out: &mut Values) {
    growth(seen, out);
    items(seen, out);
    out.set_text("commercial_last_contraction", last_contraction(seen));
    out.set_text("commercial_last_renewal", last_renewal(seen));
    out.set("commercial_employees", seen.sizes.last().map(|row| row.employees));
    let then = seen.sizes.iter().filter(|row| row.at < seen.now - 365 * DAY).max_by_key(|row| row.at);
    let sizes = seen.sizes.last().zip(then);
    out.set("commercial_employees_change_365d", sizes.and_then(|(now, then)| change(now.employees, then.employees)));
    let cohort = seen.start().map(|start| match seen.days_ago(start) {
        days if days < 90 => "under 90 days",
        days if days < 365 => "under 1 year",
        days if days < 3 * 365 => "under 3 years",
        _ => "3 years or more",
    });
    out.set_text("tenure_cohort", cohort);
}

fn growth(seen: &Seen<'_>, out: &mut Values) {
    let rows = &seen.subscriptions;
    let (mut risen, mut in_a_row, mut first_rise) = (0.0, 0, None);
    for place in 1..rows.len() {
        let (old, new) = (rows[place - 1].mrr, rows[place].mrr);
        if old > 0.0 && new > old {
            risen += new - old;
            in_a_row = 0;
            first_rise = first_rise.or(Some(rows[place].at));
        } else if new > 0.0 && new < old {
            in_a_row += 1;
        }
    }
    let opening = rows.iter().map(|row| row.mrr).find(|mrr| *mrr > 0.0);
    out.set("commercial_expanded_share", divide(risen, opening));
    out.set("commercial_contractions_in_a_row", (!rows.is_empty()).then_some(f64::from(in_a_row)));
    let signed_up = seen.row.and_then(|row| row.signed_up);
    let waited = first_rise.zip(signed_up).map(|(rise, start)| seen.days_ago(start) - seen.days_ago(rise));
    out.set("commercial_days_to_first_expansion", waited.map(|days| days.max(0) as f64));
    let to_renewal = out.numbers["commercial_days_to_renewal"];
    let prepaid = match seen.subscription().and_then(|row| row.annual) {
        Some(true) => to_renewal.map(|days| days * 12.0 / 365.0),
        Some(false) if seen.subscription().is_some_and(|row| row.mrr > 0.0) => Some(0.0),
        _ => None,
    };
    out.set("commercial_prepaid_months", prepaid);
}

fn last_contraction(seen: &Seen<'_>) -> Option<&'static str> {
    let rows = &seen.subscriptions;
    let place =
        (1..rows.len()).filter(|place| rows[*place].mrr > 0.0 && rows[*place].mrr < rows[place - 1].mrr).max()?;
    let (old, new) = (rows[place - 1], rows[place]);
    if old.plan.is_some() && new.plan.is_some() && old.plan != new.plan {
        return Some("plan");
    }
    if let (Some(old), Some(new)) = (old.seats, new.seats)
        && new < old
    {
        return Some("seats");
    }
    let same_day = |row: &&&ItemRow| row.at.div_euclid(DAY) == new.at.div_euclid(DAY);
    for row in seen.items.iter().filter(same_day) {
        let earlier = seen.items.iter().filter(|other| other.item == row.item && other.at < row.at);
        if earlier.max_by_key(|other| other.at).is_some_and(|other| other.mrr > row.mrr) {
            return Some("add-on");
        }
    }
    Some("price")
}

fn last_renewal(seen: &Seen<'_>) -> Option<&'static str> {
    let rows = &seen.subscriptions;
    let mut found = None;
    for place in 1..=rows.len() {
        let old = rows[place - 1];
        let due = old.renews.map(|at| at.div_euclid(DAY));
        let Some(new) = rows.get(place) else {
            if old.mrr > 0.0 && due.is_some_and(|due| due < seen.day) {
                found = Some("automatic");
            }
            break;
        };
        if new.mrr == 0.0 {
            continue;
        }
        if old.mrr == 0.0 {
            if rows[..place].iter().any(|row| row.mrr > 0.0) {
                found = Some("late");
            }
        } else if due.is_some_and(|due| due < new.at.div_euclid(DAY)) {
            found = Some("automatic");
        } else if due.is_some() && new.renews > old.renews {
            found = Some(kind(old, new));
        }
    }
    found
}

fn kind(old: &SubscriptionRow, new: &SubscriptionRow) -> &'static str {
    let terms = |row: &SubscriptionRow| (row.plan, row.seats, row.discount, row.annual);
    if old.annual == Some(true) && new.annual == Some(false) {
        "to monthly"
    } else if new.mrr < old.mrr {
        "shrunk"
    } else if new.mrr > old.mrr || terms(old) != terms(new) || old.auto_renew == Some(false) {
        "negotiated"
    } else {
        "automatic"
    }
}

/// MRR of each item just before the day so many days ago.
fn held(seen: &Seen<'_>, days: i64) -> Vec<f64> {
    let of = |item: u32| {
        let rows = seen.items.iter().filter(|row| row.item == item && row.at < seen.now - days * DAY);
        rows.max_by_key(|row| row.at).map(|row| row.mrr).filter(|mrr| *mrr > 0.0)
    };
    (0..3).filter_map(of).collect()
}

fn items(seen: &Seen<'_>, out: &mut Values) {
    let (now, then) = (held(seen, 0), held(seen, 90));
    out.set("commercial_add_ons", Some(now.len() as f64));
    out.set("commercial_add_ons_change_90d", Some(now.len() as f64 - then.len() as f64));
    let mrr = seen.subscription().map(|row| row.mrr);
    out.set("commercial_add_on_mrr_share", divide(now.iter().sum(), mrr));
}
