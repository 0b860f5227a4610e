//! Add-ons, contacts, meetings and sizes of the random worlds, as rows and as facts.
//!
//! Contacts are few, so that they come back, change roles and answer surveys; the invitations of a meeting share its time.

use bellwether_features::Facts;
use bellwether_features::facts::{ContactFact, FirmographicFact, ItemFact, MeetingFact, MeetingKind, Role};
use bellwether_features::time::Instant;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use crate::calendar::DAY;
use crate::world::{World, account, code, group, pick, time, times};

#[derive(Debug, Clone)]
pub(crate) struct ItemRow {
    pub(crate) account: usize,
    pub(crate) item: u32,
    pub(crate) at: i64,
    pub(crate) known: i64,
    pub(crate) mrr: f64,
}

#[derive(Debug, Clone)]
pub(crate) struct ContactRow {
    pub(crate) account: usize,
    pub(crate) contact: u32,
    pub(crate) role: &'static str,
    pub(crate) since: i64,
    pub(crate) known: i64,
    pub(crate) until: Option<i64>,
}

#[derive(Debug, Clone)]
pub(crate) struct MeetingRow {
    pub(crate) account: usize,
    pub(crate) at: i64,
    pub(crate) known: i64,
    pub(crate) kind: &'static str,
    pub(crate) contact: Option<u32>,
    pub(crate) attended: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct SizeRow {
    pub(crate) account: usize,
    pub(crate) at: i64,
    pub(crate) known: i64,
    pub(crate) employees: f64,
}

pub(crate) fn items() -> impl Strategy<Value = Vec<ItemRow>> {
    let row = (account(), 0..3_u32, times(), select(vec![0.0, 10.0, 20.0]));
    vec(row.prop_map(|(account, item, (at, known), mrr)| ItemRow { account, item, at, known, mrr }), 0..10)
}

pub(crate) fn contacts() -> impl Strategy<Value = Vec<ContactRow>> {
    let role = select(vec!["sponsor", "sponsor", "champion", "admin", "user"]);
    let row = (account(), 0..3_u32, role, times(), option::of(time()));
    let row = row.prop_map(|(account, contact, role, (since, known), until)| ContactRow {
        account,
        contact,
        role,
        since,
        known,
        until,
    });
    vec(row, 0..8)
}

pub(crate) fn meetings() -> impl Strategy<Value = Vec<MeetingRow>> {
    let kind = select(vec!["review", "review", "call", "email"]);
    let invited = vec((option::weighted(0.9, 0..3_u32), any::<bool>()), 1..3);
    let meeting = (account(), times(), kind, invited).prop_map(|(account, (at, known), kind, invited)| {
        let row = |(contact, attended)| MeetingRow { account, at, known, kind, contact, attended };
        invited.into_iter().map(row).collect::<Vec<_>>()
    });
    vec(meeting, 0..10).prop_map(|meetings| meetings.concat())
}

pub(crate) fn sizes() -> impl Strategy<Value = Vec<SizeRow>> {
    let row = (account(), times(), select(vec![0.0, 50.0, 60.0, 200.0]));
    vec(row.prop_map(|(account, (at, known), employees)| SizeRow { account, at, known, employees }), 0..6)
}

impl World {
    pub(crate) fn state_relations_again(&mut self, place: usize, delay: i64, changed: bool) {
        if let Some(mut row) = pick(&self.items, place) {
            row.known += delay;
            row.mrr = if changed { 10.0 - row.mrr.min(10.0) } else { row.mrr };
            self.items.push(row);
        }
        if let Some(mut row) = pick(&self.contacts, place) {
            row.known += delay;
            row.until = if changed { Some(row.since + delay) } else { row.until };
            self.contacts.push(row.clone());
            self.come_back(row, delay, changed);
        }
        if let Some(row) = pick(&self.meetings, place) {
            self.meetings.push(row);
        }
        if let Some(mut row) = pick(&self.sizes, place) {
            row.known += delay;
            row.employees += if changed { 1.0 } else { 0.0 };
            self.sizes.push(row);
        }
    }

    /// The contact leaves and comes back, or goes on in another role; a review is held before, with it, or just after.
    fn come_back(&mut self, row: ContactRow, delay: i64, changed: bool) {
        let back = row.until.unwrap_or(row.since + 20 * DAY) + if changed { delay } else { 0 };
        let role = if changed { "sponsor" } else { "user" };
        for at in [row.since, back - 1, back] {
            let (account, contact, known) = (row.account, Some(row.contact), at + delay);
            self.meetings.push(MeetingRow { account, at, known, kind: "review", contact, attended: true });
        }
        self.contacts.push(ContactRow { role, since: back, known: back.max(row.known), until: None, ..row });
    }

    /// An item that is given up on the day on which a row of the subscription takes effect.
    pub(crate) fn drop_an_item_with(&mut self, place: usize) {
        if let Some(row) = pick(&self.subscriptions, place) {
            let held = ItemRow { account: row.account, item: 2, at: row.at - 40 * DAY, known: row.at, mrr: 20.0 };
            self.items.push(held.clone());
            self.items.push(ItemRow { at: row.at - DAY / 4, known: row.known, mrr: 5.0, ..held });
        }
    }

    /// The same rows as facts, and no other.
    pub(crate) fn relations(&self) -> Facts {
        Facts {
            subscription_items: Some(group(&self.items, 0, item_fact, |row| (row.effective_at, row.known_at))),
            contacts: Some(group(&self.contacts, 0, contact_fact, |row| (row.since, row.known_at))),
            meetings: Some(group(&self.meetings, 0, meeting_fact, |row| (row.at, row.known_at))),
            firmographics: Some(group(&self.sizes, 0, size_fact, |row| (row.at, row.known_at))),
            ..Facts::default()
        }
    }
}

fn item_fact(row: &ItemRow, _: u32) -> (u32, ItemFact) {
    let fact = ItemFact { item: row.item, effective_at: Instant(row.at), known_at: Instant(row.known), mrr: row.mrr };
    (code(row.account), fact)
}

fn contact_fact(row: &ContactRow, _: u32) -> (u32, ContactFact) {
    let role = match row.role {
        "sponsor" => Role::Sponsor,
        "champion" => Role::Champion,
        "admin" => Role::Admin,
        _ => Role::User,
    };
    let fact = ContactFact {
        contact: row.contact,
        role,
        since: Instant(row.since),
        known_at: Instant(row.known),
        until: row.until.map(Instant),
    };
    (code(row.account), fact)
}

fn meeting_fact(row: &MeetingRow, _: u32) -> (u32, MeetingFact) {
    let kind = match row.kind {
        "review" => MeetingKind::Review,
        "call" => MeetingKind::Call,
        _ => MeetingKind::Email,
    };
    let fact = MeetingFact {
        at: Instant(row.at),
        known_at: Instant(row.known),
        kind,
        contact: row.contact,
        attended: row.attended,
    };
    (code(row.account), fact)
}

fn size_fact(row: &SizeRow, _: u32) -> (u32, FirmographicFact) {
    let fact = FirmographicFact { at: Instant(row.at), known_at: Instant(row.known), employees: row.employees };
    (code(row.account), fact)
}
