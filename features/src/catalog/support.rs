//! Support friction: where it hurts.
//!
//! A ticket is the version that holds; it is resolved only if that came to pass before `as_of`. Counts are never null.

use super::template::{Need, Template, signal};
use crate::engine::uses::count;
use crate::engine::view::View;
use crate::facts::TicketFact;
use crate::measure::{median, ratio};
use crate::signal::Direction::{Down, Unknown, Up};
use crate::signal::{Family, Unit};
use crate::time::{Instant, MICROS_PER_DAY};

fn support(name: &'static str, idea: &'static str) -> Template {
    signal(Family::Support, "tickets", name, idea)
}

pub(super) fn templates() -> Vec<Template> {
    [counts(), kinds()].concat()
}

fn counts() -> Vec<Template> {
    vec![
        support("support_tickets_{w}d", "support.tickets")
            .over(&[28, 90])
            .text("tickets opened in the last {w} days: {value}")
            .rule("number of tickets opened in the window")
            .number(|view, w| Some(count(opened(view, w)))),
        support("support_tickets_per_user_{w}d", "support.tickets_per_user")
            .over(&[28, 90])
            .text("tickets per active user in the last {w} days: {value}")
            .null_text("no known active user in the last {w} days")
            .expect(Up, Unknown)
            .needs(&[Need::Users])
            .rule("tickets opened in the window / distinct users of the window; null without a user")
            .number(|view, w| ratio(count(opened(view, w)), view.uses.users().distinct(w))),
        support("support_open_tickets", "support.open")
            .text("open tickets: {value}")
            .expect(Up, Unknown)
            .rule("number of tickets that are not resolved at as_of")
            .number(|view, _| {
                Some(count(view.tickets.iter().filter(|ticket| view.come(ticket.resolved_at).is_none())))
            }),
        support("support_resolve_days_median_{w}d", "support.resolve_days")
            .over(&[90])
            .unit(Unit::Days)
            .text("median time to resolve of the tickets resolved in the last {w} days: {value}")
            .null_text("no ticket resolved in the last {w} days")
            .expect(Up, Down)
            .rule("median of the elapsed days from opened to resolved, at least 0, of tickets resolved in the window")
            .number(|view, w| {
                let resolved = view.tickets.iter().filter_map(|ticket| Some((ticket, view.come(ticket.resolved_at)?)));
                let recent = resolved.filter(|(_, at)| view.within(*at, w));
                median(&recent.map(|(ticket, at)| elapsed_days(ticket.opened_at, at)).collect::<Vec<f64>>())
            }),
    ]
}

fn kinds() -> Vec<Template> {
    vec![
        support("support_repeat_category_share_{w}d", "support.repeats")
            .over(&[90])
            .unit(Unit::Share)
            .text("share of tickets in the last {w} days that repeat a category: {value}")
            .null_text("no ticket with a category in the last {w} days")
            .expect(Up, Down)
            .rule("1 - distinct categories / tickets with a category opened in the window; null without one")
            .number(|view, w| {
                let mut categories: Vec<u32> = opened(view, w).filter_map(|ticket| ticket.category).collect();
                let tickets = count(categories.iter());
                categories.sort_unstable();
                categories.dedup();
                ratio(tickets - count(categories.iter()), tickets)
            }),
        support("support_complaint_share_{w}d", "support.complaints")
            .over(&[90])
            .unit(Unit::Share)
            .text("share of complaints in the tickets of the last {w} days: {value}")
            .null_text("no ticket in the last {w} days to judge for complaints")
            .expect(Up, Down)
            .needs(&[Need::Complaints])
            .rule(
                "tickets of declared complaint categories / tickets of complaint or how-to categories (of all tickets when \
                 no how-to category is declared) opened in the window; null without one",
            )
            .number(complaint_share),
        support("support_severe_tickets_{w}d", "support.severe")
            .over(&[90])
            .text("severe tickets in the last {w} days: {value}")
            .expect(Up, Down)
            .rule("number of severe tickets opened in the window")
            .number(|view, w| Some(count(opened(view, w).filter(|ticket| ticket.severe)))),
    ]
}

/// Tickets opened in the last `days` days.
fn opened<'v>(view: &'v View<'_>, days: u32) -> impl Iterator<Item = &'v TicketFact> {
    view.tickets.iter().copied().filter(move |ticket| view.within(ticket.opened_at, days))
}

/// Time between two instants in days, at least 0.
#[expect(clippy::cast_precision_loss, reason = "microseconds of a century stay below 2^53")]
fn elapsed_days(from: Instant, to: Instant) -> f64 {
    to.0.saturating_sub(from.0).max(0) as f64 / MICROS_PER_DAY as f64
}

fn complaint_share(view: &View<'_>, window: u32) -> Option<f64> {
    let is = |flags: &[bool], ticket: &TicketFact| {
        ticket.category.is_some_and(|category| flags.get(category as usize).copied().unwrap_or(false))
    };
    let complains = |ticket: &&TicketFact| is(&view.declared.complaints, ticket);
    let asks = |ticket: &TicketFact| !view.declared.asks_how || is(&view.declared.how_to, ticket);
    let judged = opened(view, window).filter(|ticket| complains(ticket) || asks(ticket));
    ratio(count(opened(view, window).filter(complains)), count(judged))
}
