//! Contacts, meetings and who of the contacts answers, by their words.

use std::collections::BTreeSet;

use crate::relations::{ContactRow, MeetingRow};
use crate::seen::Seen;
use crate::signals::{Values, divide, flag};
use crate::world::REVIEW_INTERVAL;

/// When a contact left, if that has come to pass.
fn left(seen: &Seen<'_>, row: &ContactRow) -> Option<i64> {
    row.until.filter(|at| *at < seen.now)
}

/// Contacts of a role who are there.
fn there(seen: &Seen<'_>, role: &str) -> BTreeSet<u32> {
    let of_role = seen.contacts.iter().filter(|row| row.role == role && left(seen, row).is_none());
    of_role.map(|row| row.contact).collect()
}

pub(crate) fn sponsors(seen: &Seen<'_>, out: &mut Values) {
    let any = !seen.contacts.is_empty();
    out.set("sponsorship_sponsor_present", any.then(|| flag(!there(seen, "sponsor").is_empty())));
    out.set("sponsorship_champion_present", any.then(|| flag(!there(seen, "champion").is_empty())));
    let roles = ["sponsor", "champion", "admin", "user"].iter().filter(|role| !there(seen, role).is_empty()).count();
    out.set("sponsorship_roles_covered", any.then_some(roles as f64));
    let lost: Vec<&ContactRow> = seen.terms.iter().copied().filter(|row| is_lost(seen, row)).collect();
    let people: BTreeSet<u32> = lost.iter().map(|row| row.contact).collect();
    out.set("sponsorship_contacts_lost_90d", Some(people.len() as f64));
    out.set("sponsorship_champion_left_90d", any.then(|| flag(lost.iter().any(|row| row.role == "champion"))));
    answers(seen, out);
    meetings(seen, out);
    reviews(seen, out);
}

/// Whether this row says that its contact left in the last 90 days, and was still the last word on them at that time.
fn is_lost(seen: &Seen<'_>, row: &ContactRow) -> bool {
    let Some(at) = left(seen, row).filter(|at| seen.recent(*at, 90)) else { return false };
    seen.terms.iter().all(|other| other.contact != row.contact || other.since <= row.since || other.since > at)
}

/// The role that a contact had at a time, if they were there: the row that began last says so.
fn role_at<'w>(seen: &Seen<'w>, contact: u32, at: i64) -> Option<&'w str> {
    let begun = seen.terms.iter().filter(|row| row.contact == contact && row.since <= at);
    let row = begun.max_by_key(|row| row.since)?;
    if row.until.is_some_and(|until| until <= at) { None } else { Some(row.role) }
}

fn answers(seen: &Seen<'_>, out: &mut Values) {
    let people: BTreeSet<u32> =
        seen.nps.iter().filter(|row| seen.recent(row.at, 365)).map(|row| row.respondent).collect();
    let seats = seen.subscription().and_then(|row| row.seats);
    out.set("nps_seats_answered_365d", divide(people.len() as f64, seats));
    let sponsors = there(seen, "sponsor");
    let mut score = None;
    for row in seen.nps.iter().filter(|row| sponsors.contains(&row.respondent)) {
        score = Some(row.score);
    }
    out.set("nps_sponsor_score", score);
}

fn meetings(seen: &Seen<'_>, out: &mut Values) {
    let invited: Vec<&MeetingRow> = seen.meetings.iter().copied().filter(|row| row.kind != "email").collect();
    for w in [90, 365] {
        let all = invited.iter().filter(|row| seen.recent(row.at, w)).count();
        let came = invited.iter().filter(|row| seen.recent(row.at, w) && row.attended).count();
        out.set(format!("sponsorship_attendance_rate_{w}d"), divide(came as f64, Some(all as f64)));
    }
    let people = |newer: i64, older: i64| {
        let came = invited.iter().filter(|row| row.attended && seen.between(row.at, newer, older));
        came.filter_map(|row| row.contact).collect::<BTreeSet<u32>>().len() as f64
    };
    let old_enough = seen.start().is_some_and(|start| seen.days_ago(start) >= 180);
    out.set("sponsorship_attendees_change_90d", old_enough.then(|| people(0, 90) - people(90, 180)));
    for role in ["sponsor", "champion"] {
        let who = there(seen, role);
        let met = invited.iter().filter(|row| row.attended && row.contact.is_some_and(|person| who.contains(&person)));
        let days = met.map(|row| seen.days_ago(row.at)).min();
        out.set(format!("sponsorship_days_since_{role}_seen"), days.map(|days| days as f64));
    }
}

fn reviews(seen: &Seen<'_>, out: &mut Values) {
    let held: BTreeSet<i64> =
        seen.meetings.iter().filter(|row| row.kind == "review" && row.attended).map(|row| row.at).collect();
    let year: Vec<i64> = held.iter().copied().filter(|at| seen.recent(*at, 365)).collect();
    out.set("sponsorship_reviews_365d", Some(year.len() as f64));
    let since = held.last().map(|at| seen.days_ago(*at)).or(seen.start().map(|start| seen.days_ago(start)));
    let overdue = since.map(|days| (days - i64::from(REVIEW_INTERVAL)).max(0) as f64);
    out.set("sponsorship_review_overdue_days", overdue);
    let had_sponsor = seen.terms.iter().any(|row| row.role == "sponsor");
    let delegated = year.iter().filter(|at| {
        let came = seen.meetings.iter().filter(|row| row.at == **at && row.kind == "review" && row.attended);
        let mut people = came.filter_map(|row| row.contact);
        !people.any(|person| role_at(seen, person, **at) == Some("sponsor"))
    });
    out.set("sponsorship_reviews_without_sponsor_365d", had_sponsor.then_some(delegated.count() as f64));
}
