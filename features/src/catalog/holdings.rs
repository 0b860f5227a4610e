//! Commercial, continued: the add-ons that an account holds, and how large the customer is.
//!
//! A row of an item holds until the next of the same item; an item is held when its MRR is above 0. "Then" is what held
//! just before the day so many days ago, as known at `as_of`.

use super::template::{Need, Template, signal};
use crate::engine::uses::count;
use crate::engine::view::View;
use crate::facts::ItemFact;
use crate::measure::{ratio, relative_change};
use crate::signal::Direction::{Down, Unknown, Up};
use crate::signal::{Family, Unit};
use crate::time::Instant;

pub(super) fn templates() -> Vec<Template> {
    [items(), size()].concat()
}

fn item(name: &'static str, idea: &'static str) -> Template {
    signal(Family::Commercial, "subscription_items", name, idea)
}

fn items() -> Vec<Template> {
    vec![
        item("commercial_add_ons", "commercial.add_ons")
            .text("add-ons held: {value}")
            .expect(Down, Up)
            .rule("number of items held at as_of")
            .number(|view, _| Some(count(held(view, view.as_of).into_iter()))),
        item("commercial_add_ons_change_{w}d", "commercial.add_ons.change")
            .over(&[90])
            .unit(Unit::Difference)
            .text("add-ons held {value} against {w} days ago")
            .expect(Down, Up)
            .rule("items held at as_of less items held then")
            .number(|view, w| {
                let then = view.as_of.plus_days(-i64::from(w));
                Some(count(held(view, view.as_of).into_iter()) - count(held(view, then).into_iter()))
            }),
        item("commercial_add_on_mrr_share", "commercial.add_ons")
            .unit(Unit::Share)
            .text("add-ons are {value} of the monthly revenue")
            .expect(Down, Unknown)
            .needs(&[Need::Subscriptions])
            .rule("sum of mrr of the items held / mrr at as_of; null without an mrr above 0")
            .number(|view, _| {
                let mrr: f64 = held(view, view.as_of).iter().map(|item| item.mrr).sum();
                ratio(mrr, view.positive_mrr()?)
            }),
    ]
}

fn size() -> Vec<Template> {
    let firm = |name, idea| signal(Family::Commercial, "firmographics", name, idea);
    vec![
        firm("commercial_employees", "commercial.employees")
            .text("employees: {value}")
            .fixed()
            .rule("employees of the latest row at as_of; null without one")
            .number(|view, _| Some(view.firmographics.last()?.employees)),
        firm("commercial_employees_change_{w}d", "commercial.employees.change")
            .over(&[365])
            .unit(Unit::RelativeChange)
            .text("employees {value} against {w} days ago")
            .expect(Down, Up)
            .fixed()
            .rule("employees at as_of / employees then - 1; null without employees above 0 then")
            .number(|view, w| {
                let then = view.as_of.plus_days(-i64::from(w));
                let before = view.firmographics.partition_point(|row| row.at < then).checked_sub(1)?;
                relative_change(view.firmographics.last()?.employees, view.firmographics[before].employees)
            }),
    ]
}

/// The items held just before `moment`, each by the latest of its rows.
fn held<'v>(view: &'v View<'_>, moment: Instant) -> Vec<&'v ItemFact> {
    let rows = &view.items[..view.items.partition_point(|row| row.effective_at < moment)];
    let is_latest = |place: usize| rows[place + 1..].iter().all(|later| later.item != rows[place].item);
    (0..rows.len()).filter(|place| rows[*place].mrr > 0.0 && is_latest(*place)).map(|place| rows[place]).collect()
}
