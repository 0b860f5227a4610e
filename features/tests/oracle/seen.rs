//! What can be seen of one account at one date, found by looking at every row.

use crate::calendar::DAY;
use crate::relations::{ContactRow, ItemRow, MeetingRow, SizeRow};
use crate::world::{AccountRow, InvoiceRow, NpsRow, SubscriptionRow, TicketRow, UsageRow, World};

pub(crate) struct Seen<'w> {
    /// The date as a day number, and its midnight.
    pub(crate) day: i64,
    pub(crate) now: i64,
    pub(crate) row: Option<&'w AccountRow>,
    pub(crate) usage: Vec<&'w UsageRow>,
    /// The earliest use of anybody.
    pub(crate) anybodys_first_use: Option<i64>,
    pub(crate) subscriptions: Vec<&'w SubscriptionRow>,
    pub(crate) nps: Vec<&'w NpsRow>,
    pub(crate) invoices: Vec<&'w InvoiceRow>,
    pub(crate) tickets: Vec<&'w TicketRow>,
    pub(crate) items: Vec<&'w ItemRow>,
    pub(crate) contacts: Vec<&'w ContactRow>,
    /// What was said of each contact from each of its times of coming on.
    pub(crate) terms: Vec<&'w ContactRow>,
    pub(crate) meetings: Vec<&'w MeetingRow>,
    pub(crate) sizes: Vec<&'w SizeRow>,
}

/// The rows that happened before `happened` and were known before `known`, by event time, knowledge time, place in the
/// table; of rows with one key only that which was known last (among equals: the last of that order).
pub(crate) fn holding<R, K: PartialEq>(
    rows: &[R],
    times: fn(&R) -> (i64, i64),
    key: fn(&R) -> K,
    happened: i64,
    known: i64,
) -> Vec<&R> {
    let mut visible: Vec<(i64, i64, usize, &R)> = Vec::new();
    for (place, row) in rows.iter().enumerate() {
        let (at, known_at) = times(row);
        if at < happened && known_at < known {
            visible.push((at, known_at, place, row));
        }
    }
    visible.sort_by_key(|(at, known_at, place, _)| (*at, *known_at, *place));
    let beaten = |index: usize| {
        let (at, known_at, place, row) = visible[index];
        visible.iter().any(|(other_at, other_known, other_place, other)| {
            key(other) == key(row) && (*other_known, *other_at, *other_place) > (known_at, at, place)
        })
    };
    (0..visible.len()).filter(|index| !beaten(*index)).map(|index| visible[index].3).collect()
}

pub(crate) fn timeline(rows: &[SubscriptionRow], account: usize, happened: i64, known: i64) -> Vec<&SubscriptionRow> {
    let all = holding(rows, |row| (row.at, row.known), |row| (row.account, row.at), happened, known);
    all.into_iter().filter(|row| row.account == account).collect()
}

impl<'w> Seen<'w> {
    pub(crate) fn of(world: &'w World, account: usize, day: i64) -> Self {
        let now = day * DAY;
        let mut row: Option<&AccountRow> = None;
        for candidate in world.accounts.iter().filter(|row| row.account == account) {
            let signed_up = candidate.signed_up.is_none_or(|at| at < now);
            if signed_up && candidate.known < now && row.is_none_or(|best| candidate.known >= best.known) {
                row = Some(candidate);
            }
        }
        let usage = holding(&world.usage, |row| (row.at, row.known), std::ptr::from_ref, now, now);
        let nps = holding(&world.nps, |row| (row.at, row.known), |row| (row.account, row.respondent, row.at), now, now);
        let invoices = holding(&world.invoices, |row| (row.at, row.known), |row| row.invoice, now, now);
        let tickets = holding(&world.tickets, |row| (row.at, row.known), |row| row.ticket, now, now);
        let items = holding(&world.items, |row| (row.at, row.known), |row| (row.account, row.item, row.at), now, now);
        let people = holding(&world.contacts, |row| (row.since, row.known), |row| (row.account, row.contact), now, now);
        let terms = holding(
            &world.contacts,
            |row| (row.since, row.known),
            |row| (row.account, row.contact, row.since),
            now,
            now,
        );
        let meetings = holding(&world.meetings, |row| (row.at, row.known), std::ptr::from_ref, now, now);
        let sizes = holding(&world.sizes, |row| (row.at, row.known), |row| (row.account, row.at), now, now);
        Self {
            day,
            now,
            row,
            anybodys_first_use: usage.iter().map(|row| row.at).min(),
            usage: usage.into_iter().filter(|row| row.account == account).collect(),
            subscriptions: timeline(&world.subscriptions, account, now, now),
            nps: nps.into_iter().filter(|row| row.account == account).collect(),
            invoices: invoices.into_iter().filter(|row| row.account == account).collect(),
            tickets: tickets.into_iter().filter(|row| row.account == account).collect(),
            items: items.into_iter().filter(|row| row.account == account).collect(),
            contacts: people.into_iter().filter(|row| row.account == account).collect(),
            terms: terms.into_iter().filter(|row| row.account == account).collect(),
            meetings: meetings.into_iter().filter(|row| row.account == account).collect(),
            sizes: sizes.into_iter().filter(|row| row.account == account).collect(),
        }
    }

    /// Whether `at` lies in `[as_of - older days, as_of - newer days)`.
    pub(crate) fn between(&self, at: i64, newer: i64, older: i64) -> bool {
        at >= self.now - older * DAY && at < self.now - newer * DAY
    }

    /// Whether `at` lies in `[as_of - days, as_of)`.
    pub(crate) fn recent(&self, at: i64, days: i64) -> bool {
        self.between(at, 0, days)
    }

    /// UTC days from `at` to the date.
    pub(crate) fn days_ago(&self, at: i64) -> i64 {
        self.day - at.div_euclid(DAY)
    }

    pub(crate) fn first_use(&self) -> Option<i64> {
        self.usage.iter().map(|row| row.at).min()
    }

    /// Sign-up, else the first visible use or subscription.
    pub(crate) fn start(&self) -> Option<i64> {
        let signed_up = self.row.and_then(|row| row.signed_up);
        let first_subscription = self.subscriptions.iter().map(|row| row.at).min();
        match (signed_up, self.first_use(), first_subscription) {
            (Some(at), _, _) => Some(at),
            (None, Some(one), Some(two)) => Some(one.min(two)),
            (None, one, two) => one.or(two),
        }
    }

    /// Days of usage history: from sign-up or first use, whichever is earlier.
    pub(crate) fn history(&self) -> Option<i64> {
        let starts = [self.start(), self.first_use()];
        starts.into_iter().flatten().map(|at| self.days_ago(at)).max()
    }

    pub(crate) fn is_known(&self) -> bool {
        self.row.is_some() || !self.usage.is_empty() || !self.subscriptions.is_empty()
    }

    pub(crate) fn subscription(&self) -> Option<&'w SubscriptionRow> {
        self.subscriptions.last().copied()
    }

    /// The subscription in force just before the day `days` ago.
    pub(crate) fn subscription_then(&self, days: i64) -> Option<&'w SubscriptionRow> {
        self.subscriptions.iter().rfind(|row| row.at < self.now - days * DAY).copied()
    }
}
