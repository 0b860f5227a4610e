//! Sponsorship: who there stands behind the product, and whether they are still seen.
//!
//! Who is there is said by a contact's version that holds: with an `until` before `as_of` they have left. What was so in the
//! past (who left, who was a sponsor at a meeting) is said by its stays: of the visible rows with one `since`, that known
//! last. So who left and came back, with a later `since`, left once and is there. A meeting's
//! rows are its invitations: one each for whoever was to come, attended or not. Invitations of one instant are one meeting.
//! A letter (`email`) is no meeting. A review is a meeting of kind `qbr` or `review`, and held when anybody came.

use std::collections::BTreeSet;

use super::template::{Need, Template, signal};
use super::usage::days;
use crate::engine::uses::count;
use crate::engine::view::View;
use crate::facts::{ContactFact, MeetingFact, MeetingKind, Role};
use crate::measure::ratio;
use crate::signal::Direction::{Down, Unknown, Up};
use crate::signal::{Family, Unit};
use crate::time::Instant;

fn contact(name: &'static str, idea: &'static str) -> Template {
    signal(Family::Sponsorship, "contacts", name, idea)
}

fn meeting(name: &'static str, idea: &'static str) -> Template {
    signal(Family::Sponsorship, "meetings", name, idea)
}

pub(super) fn templates() -> Vec<Template> {
    [contacts(), seen(), meetings(), reviews()].concat()
}

fn contacts() -> Vec<Template> {
    vec![
        contact("sponsorship_sponsor_present", "sponsorship.sponsor")
            .unit(Unit::Flag)
            .text("a sponsor is there: {value}")
            .expect(Down, Up)
            .rule("1 when a contact in the role of sponsor is there, else 0; null without any visible contact")
            .number(|view, _| is_there(view, Role::Sponsor)),
        contact("sponsorship_champion_present", "sponsorship.champion")
            .unit(Unit::Flag)
            .text("a champion is there: {value}")
            .expect(Down, Up)
            .rule("1 when a contact in the role of champion is there, else 0; null without any visible contact")
            .number(|view, _| is_there(view, Role::Champion)),
        contact("sponsorship_roles_covered", "sponsorship.roles")
            .text("roles covered by contacts: {value} of 4")
            .expect(Down, Up)
            .rule("distinct roles of the contacts who are there; null without any visible contact")
            .number(|view, _| {
                view.contacts.first()?;
                let there = view.contacts.iter().filter(|contact| view.come(contact.until).is_none());
                Some(count(there.map(|contact| contact.role).collect::<BTreeSet<Role>>().iter()))
            }),
        contact("sponsorship_contacts_lost_{w}d", "sponsorship.lost")
            .over(&[90])
            .text("contacts lost in the last {w} days: {value}")
            .expect(Up, Down)
            .rule(
                "number of contacts who left in the window: by a row with an until of the window (of rows with one since \
                 that known last) and without a row of theirs of a later since up to that until; who came back afterwards \
                 left all the same",
            )
            .number(|view, w| Some(count(lost(view, w).map(|stay| stay.contact).collect::<BTreeSet<u32>>().iter()))),
        contact("sponsorship_champion_left_{w}d", "sponsorship.lost")
            .over(&[90])
            .unit(Unit::Flag)
            .text("a champion left in the last {w} days: {value}")
            .expect(Up, Down)
            .rule(
                "1 when a contact who was a champion then left in the window, as sponsorship_contacts_lost counts it, else 0; \
                 null without any visible contact",
            )
            .number(|view, w| {
                view.contacts.first()?;
                Some(f64::from(lost(view, w).any(|stay| stay.role == Role::Champion)))
            }),
    ]
}

fn seen() -> Vec<Template> {
    vec![
        meeting("sponsorship_days_since_sponsor_seen", "sponsorship.sponsor_seen")
            .unit(Unit::Days)
            .text("sponsor last seen at a meeting {value} ago")
            .expect(Up, Down)
            .needs(&[Need::Contacts])
            .rule("as_of minus the UTC day of the last meeting attended by a sponsor who is there; null without one")
            .number(|view, _| days_since_seen(view, Role::Sponsor)),
        meeting("sponsorship_days_since_champion_seen", "sponsorship.champion_seen")
            .unit(Unit::Days)
            .text("champion last seen at a meeting {value} ago")
            .expect(Up, Down)
            .needs(&[Need::Contacts])
            .rule("as_of minus the UTC day of the last meeting attended by a champion who is there; null without one")
            .number(|view, _| days_since_seen(view, Role::Champion)),
    ]
}

fn meetings() -> Vec<Template> {
    vec![
        meeting("sponsorship_attendance_rate_{w}d", "sponsorship.attendance")
            .over(&[90, 365])
            .unit(Unit::Share)
            .text("share of invitations of the last {w} days that were followed: {value}")
            .expect(Down, Up)
            .rule("invitations to meetings attended / invitations to meetings, of the window; null without one")
            .number(|view, w| {
                let invited = met(view).filter(|row| view.within(row.at, w));
                ratio(count(invited.clone().filter(|row| row.attended)), count(invited))
            }),
        meeting("sponsorship_attendees_change_{w}d", "sponsorship.attendees.change")
            .over(&[90])
            .unit(Unit::Difference)
            .text("people met in the last {w} days {value} against the {w} days before")
            .expect(Down, Up)
            .rule(
                "distinct contacts who attended a meeting of the window less those of the window before; null with a tenure \
                 shorter than both",
            )
            .number(|view, w| {
                view.start_age.filter(|age| *age >= i64::from(2 * w))?;
                let people = |first: u32, last: u32| {
                    let ages = i64::from(first)..=i64::from(last);
                    let attended = met(view).filter(|row| row.attended && ages.contains(&view.age(row.at)));
                    count(attended.filter_map(|row| row.contact).collect::<BTreeSet<u32>>().iter())
                };
                Some(people(1, w) - people(w + 1, 2 * w))
            }),
    ]
}

fn reviews() -> Vec<Template> {
    vec![
        meeting("sponsorship_reviews_without_sponsor_{w}d", "sponsorship.delegation")
            .over(&[365])
            .text("reviews of the last {w} days held without the sponsor: {value}")
            .expect(Up, Down)
            .needs(&[Need::Contacts])
            .rule(
                "reviews held in the window that no contact attended who was a sponsor then (by the contact's row with the \
                 last since not after it, of those with one since that known last: role sponsor, until not before it or at \
                 it); null when no visible contact is or was a sponsor",
            )
            .number(reviews_without_sponsor),
        meeting("sponsorship_review_overdue_days", "sponsorship.review_overdue")
            .unit(Unit::Days)
            .text("next review {value} past the agreed interval")
            .expect(Up, Down)
            .needs(&[Need::ReviewInterval])
            .rule(
                "as_of minus the UTC day of the last review held, or of the account's start without one, less the declared \
                 interval, at least 0; null without either",
            )
            .number(|view, _| {
                let interval = view.declared.review_interval_days?;
                let since = held_reviews(view).map(|row| view.age(row.at)).min().or(view.start_age)?;
                Some(days((since - i64::from(interval)).max(0)))
            }),
        meeting("sponsorship_reviews_{w}d", "sponsorship.reviews")
            .over(&[365])
            .text("reviews held in the last {w} days: {value}")
            .expect(Down, Unknown)
            .rule("number of reviews held in the window")
            .number(|view, w| {
                let times = held_reviews(view).filter(|row| view.within(row.at, w)).map(|row| row.at);
                Some(count(times.collect::<BTreeSet<Instant>>().iter()))
            }),
    ]
}

fn is_there(view: &View<'_>, role: Role) -> Option<f64> {
    view.contacts.first()?;
    Some(f64::from(view.active_contacts(role).next().is_some()))
}

/// Stays that ended in the last `days` days, and by then had not given way to a later one of the same contact.
fn lost<'v>(view: &'v View<'_>, days: u32) -> impl Iterator<Item = &'v ContactFact> {
    let gave_way = |stay: &ContactFact, at: Instant| {
        let mut others = view.stays.iter().filter(|other| other.contact == stay.contact);
        others.any(|other| other.since > stay.since && other.since <= at)
    };
    let left = move |stay: &&ContactFact| {
        let ended = view.come(stay.until).filter(|at| view.within(*at, days));
        ended.is_some_and(|at| !gave_way(stay, at))
    };
    view.stays.iter().copied().filter(left)
}

/// Invitations to meetings.
fn met<'v>(view: &'v View<'_>) -> impl DoubleEndedIterator<Item = &'v MeetingFact> + Clone {
    view.meetings.iter().copied().filter(|row| row.kind != MeetingKind::Email)
}

/// Invitations to reviews that somebody followed.
fn held_reviews<'v>(view: &'v View<'_>) -> impl Iterator<Item = &'v MeetingFact> {
    view.meetings.iter().copied().filter(|row| row.kind == MeetingKind::Review && row.attended)
}

fn days_since_seen(view: &View<'_>, role: Role) -> Option<f64> {
    let is_one = |person: u32| view.active_contacts(role).any(|contact| contact.contact == person);
    let last = met(view).rev().find(|row| row.attended && row.contact.is_some_and(is_one))?;
    Some(days(view.age(last.at)))
}

fn reviews_without_sponsor(view: &View<'_>, window: u32) -> Option<f64> {
    view.stays.iter().find(|stay| stay.role == Role::Sponsor)?;
    let was_sponsor = |person: u32, at: Instant| {
        let then = view.stays.iter().rfind(|stay| stay.contact == person && stay.since <= at);
        then.is_some_and(|stay| stay.role == Role::Sponsor && stay.until.is_none_or(|until| until > at))
    };
    let (mut held, mut with) = (BTreeSet::new(), BTreeSet::new());
    for row in held_reviews(view).filter(|row| view.within(row.at, window)) {
        held.insert(row.at);
        if row.contact.is_some_and(|person| was_sponsor(person, row.at)) {
            with.insert(row.at);
        }
    }
    Some(count(held.difference(&with)))
}
