//! What the account answered, was billed, bought and asked, and whom one knows there.

use std::collections::BTreeMap;

use bellwether_features::facts::{BillingPeriod, MeetingKind, Role};
use bellwether_features::time::Instant;

use super::profile::name;
use super::{AccountInput, days_between};
use crate::money::Cents;
use crate::timeline::Timeline;

/// An NPS answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// When.
    pub at: Instant,
    /// Which of the account's respondents, from 1, by their first answer.
    pub respondent: usize,
    /// What they are to the account, where they are among its contacts.
    pub role: Option<Role>,
    /// 0 to 10.
    pub score: f64,
}

impl Answer {
    /// `promoter` from 9 on, `passive` from 7 on, else `detractor` (Reichheld 2003).
    #[must_use]
    pub fn class(&self) -> &'static str {
        match self.score {
            score if score >= 9.0 => "promoter",
            score if score >= 7.0 => "passive",
            _ => "detractor",
        }
    }
}

/// An invoice as known at the date.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Invoice {
    /// When it was issued.
    pub issued_at: Instant,
    /// When it was due.
    pub due_at: Instant,
    /// When it was paid; `None`: not yet.
    pub paid_at: Option<Instant>,
    /// Amount.
    pub amount: f64,
    /// Whether it was disputed.
    pub is_disputed: bool,
    /// Whole days from the due date to the payment, or to the date of the page where it is not paid; below 0: before it.
    pub days_late: i64,
}

impl Invoice {
    /// Not paid, and due.
    #[must_use]
    pub fn is_overdue(&self) -> bool {
        self.paid_at.is_none() && self.days_late > 0
    }
}

/// What was in force from a time on.
#[derive(Debug, Clone, PartialEq)]
pub struct ContractTerm {
    /// From when.
    pub from: Instant,
    /// Monthly recurring revenue; zero: nothing is paid.
    pub mrr: Cents,
    /// Plan.
    pub plan: Option<String>,
    /// Seats.
    pub seats: Option<f64>,
    /// How often it is billed.
    pub billing_period: Option<BillingPeriod>,
}

/// What the account bought.
#[derive(Debug, Clone, PartialEq)]
pub struct Contract {
    /// Ascending; late renewals are bridged as everywhere in the outlook.
    pub terms: Vec<ContractTerm>,
    /// Next renewal as stated last.
    pub renews_at: Option<Instant>,
    /// Whether it renews by itself.
    pub auto_renew: Option<bool>,
    /// Discount on the list price, as a share.
    pub discount: Option<f64>,
    /// Use included per 30 days.
    pub usage_limit: Option<f64>,
}

impl Contract {
    pub(super) fn of(input: &AccountInput<'_>) -> Option<Self> {
        input.facts.subscriptions.as_ref()?;
        let moment = input.moment();
        let timeline = Timeline::of(input.facts, input.account, moment, input.grace_days);
        let terms = timeline.stretches().iter().map(|stretch| ContractTerm {
            from: stretch.from,
            mrr: stretch.mrr,
            plan: name(&input.facts.plans, stretch.plan),
            seats: stretch.seats,
            billing_period: stretch.billing_period,
        });
        let now = input.facts.visible_subscriptions(input.account, moment).last().copied();
        Some(Self {
            terms: terms.collect(),
            renews_at: now.and_then(|row| row.renews_at),
            auto_renew: now.and_then(|row| row.auto_renew),
            discount: now.and_then(|row| row.discount),
            usage_limit: now.and_then(|row| row.usage_limit),
        })
    }
}

/// A ticket as known at the date.
#[derive(Debug, Clone, PartialEq)]
pub struct Ticket {
    /// When it was opened.
    pub opened_at: Instant,
    /// When it was resolved; `None`: still open.
    pub resolved_at: Option<Instant>,
    /// Category.
    pub category: Option<String>,
    /// Whether it is severe.
    pub is_severe: bool,
    /// Whole days to its resolution, or for which it is open.
    pub days: i64,
}

/// A contact as known at the date.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Contact {
    /// What they are to the account.
    pub role: Role,
    /// Since when.
    pub since: Instant,
    /// When they left; `None`: still there.
    pub until: Option<Instant>,
    /// When they last came to a meeting.
    pub last_seen: Option<Instant>,
    /// Their last NPS answer.
    pub last_score: Option<f64>,
}

/// A meeting.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Meeting {
    /// When.
    pub at: Instant,
    /// Kind.
    pub kind: MeetingKind,
    /// How many were invited.
    pub invited: usize,
    /// How many came.
    pub came: usize,
    /// Whether a sponsor came.
    pub with_sponsor: bool,
}

/// Latest first.
pub(super) fn answers(input: &AccountInput<'_>) -> Option<Vec<Answer>> {
    input.facts.nps.as_ref()?;
    let moment = input.moment();
    let roles: BTreeMap<u32, Role> =
        input.facts.visible_contacts(input.account, moment).iter().map(|one| (one.contact, one.role)).collect();
    let mut respondents: Vec<u32> = Vec::new();
    let mut answers: Vec<Answer> = Vec::new();
    for one in input.facts.visible_answers(input.account, moment) {
        let known = respondents.iter().position(|respondent| *respondent == one.respondent);
        let respondent = known.unwrap_or_else(|| {
            respondents.push(one.respondent);
            respondents.len() - 1
        });
        let role = roles.get(&one.respondent).copied();
        answers.push(Answer { at: one.at, respondent: respondent + 1, role, score: one.score });
    }
    answers.reverse();
    Some(answers)
}

/// Latest first.
pub(super) fn invoices(input: &AccountInput<'_>) -> Option<Vec<Invoice>> {
    input.facts.invoices.as_ref()?;
    let moment = input.moment();
    let invoice = |one: &bellwether_features::facts::InvoiceFact| Invoice {
        issued_at: one.issued_at,
        due_at: one.due_at,
        paid_at: one.paid_at,
        amount: one.amount,
        is_disputed: one.disputed_at.is_some(),
        days_late: days_between(one.due_at, one.paid_at.unwrap_or(moment)),
    };
    Some(input.facts.visible_invoices(input.account, moment).iter().rev().map(invoice).collect())
}

/// Latest first.
pub(super) fn tickets(input: &AccountInput<'_>) -> Option<Vec<Ticket>> {
    input.facts.tickets.as_ref()?;
    let moment = input.moment();
    let ticket = |one: &bellwether_features::facts::TicketFact| Ticket {
        opened_at: one.opened_at,
        resolved_at: one.resolved_at,
        category: name(&input.facts.ticket_categories, one.category),
        is_severe: one.severe,
        days: days_between(one.opened_at, one.resolved_at.unwrap_or(moment)),
    };
    Some(input.facts.visible_tickets(input.account, moment).iter().rev().map(ticket).collect())
}

/// Those who are there by role, then those who left, latest first.
pub(super) fn contacts(input: &AccountInput<'_>) -> Option<Vec<Contact>> {
    input.facts.contacts.as_ref()?;
    let moment = input.moment();
    let came: BTreeMap<u32, Instant> = input
        .facts
        .visible_meetings(input.account, moment)
        .filter(|one| one.attended && one.kind != MeetingKind::Email)
        .filter_map(|one| Some((one.contact?, one.at)))
        .collect();
    let scores: BTreeMap<u32, f64> =
        input.facts.visible_answers(input.account, moment).iter().map(|one| (one.respondent, one.score)).collect();
    let contact = |one: &bellwether_features::facts::ContactFact| Contact {
        role: one.role,
        since: one.since,
        until: one.until,
        last_seen: came.get(&one.contact).copied(),
        last_score: scores.get(&one.contact).copied(),
    };
    let mut contacts: Vec<Contact> = input.facts.visible_contacts(input.account, moment).iter().map(contact).collect();
    contacts.sort_by_key(|one| (one.until.is_some(), one.until.map(std::cmp::Reverse), one.role, one.since));
    Some(contacts)
}

/// Latest first; invitations of one instant are one meeting.
pub(super) fn meetings(input: &AccountInput<'_>) -> Option<Vec<Meeting>> {
    input.facts.meetings.as_ref()?;
    let moment = input.moment();
    let contacts = input.facts.visible_contacts(input.account, moment);
    let is_sponsor =
        |contact: Option<u32>| contacts.iter().any(|one| Some(one.contact) == contact && one.role == Role::Sponsor);
    let mut meetings: Vec<Meeting> = Vec::new();
    for one in input.facts.visible_meetings(input.account, moment) {
        let came = usize::from(one.attended);
        let with_sponsor = one.attended && is_sponsor(one.contact);
        match meetings.last_mut() {
            Some(last) if last.at == one.at => {
                last.invited += 1;
                last.came += came;
                last.with_sponsor |= with_sponsor;
            }
            _ => meetings.push(Meeting { at: one.at, kind: one.kind, invited: 1, came, with_sponsor }),
        }
    }
    meetings.reverse();
    Some(meetings)
}
