//! Value, money and goals of the outlook: what is computed from the facts, and what is said of it.

use std::collections::BTreeMap;

use bellwether_outlook::account::prospect::Outcomes;
use bellwether_outlook::goal::{GoalState, goals};
use bellwether_outlook::intervention::{PlaybookRow, playbooks};
use bellwether_outlook::money::Cents;
use bellwether_outlook::settings::MoneySettings;
use bellwether_outlook::tables::billing::Money;
use bellwether_outlook::tables::{self, Table};
use bellwether_outlook::timeline::Timeline;
use bellwether_outlook::value::groups::{ValueRow, value_rows};
use chrono::NaiveDate;

use crate::business::Business;

/// What customers are worth, what is billed, and what is to be reached.
#[derive(Debug)]
pub(crate) struct WorthOutlook {
    value: Vec<ValueRow>,
    money: Money,
    /// Whether any subscription says when it renews.
    knows_renewals: bool,
    /// `None` without a table of goals.
    goals: Option<Vec<GoalState>>,
    /// `None` without a table of interventions.
    playbooks: Option<Vec<PlaybookRow>>,
}

impl WorthOutlook {
    /// As known before `as_of`.
    pub(crate) fn of(
        business: &Business<'_>,
        timelines: &[Timeline],
        as_of: NaiveDate,
        settings: &MoneySettings,
    ) -> Self {
        let (contract, facts) = business.contract_and_facts();
        let workflows = contract.catalogue.workflows.iter();
        let last_steps: BTreeMap<String, String> =
            workflows.filter_map(|one| Some((one.name.clone(), one.steps.last()?.clone()))).collect();
        Self {
            value: value_rows(facts, timelines, as_of, &contract.catalogue.value_moments),
            money: Money::of(facts, timelines, as_of, settings),
            knows_renewals: facts
                .subscriptions
                .iter()
                .any(|table| table.rows.iter().any(|row| row.renews_at.is_some())),
            playbooks: facts.interventions.as_ref().map(|_| {
                let (horizon_days, grace_days) = business.leaving();
                playbooks(facts, timelines, as_of, horizon_days, grace_days)
            }),
            goals: facts.goals.as_ref().map(|_| goals(facts, timelines, as_of, &last_steps)),
        }
    }

    /// Its tables.
    pub(crate) fn tables(&self, business: &Business<'_>, as_of: NaiveDate) -> Vec<Table> {
        let (_, facts) = business.contract_and_facts();
        let goals = self.goals.iter().flat_map(|goals| tables::goal::tables(facts, goals));
        let playbooks = self.playbooks.iter().flat_map(|rows| tables::playbooks::tables(rows));
        let tables = tables::value::tables(&self.value).into_iter().chain(self.money.tables(facts, as_of));
        tables.chain(goals).chain(playbooks).collect()
    }

    /// A line of each, and of each playbook whose accounts were compared with some left alone.
    pub(crate) fn lines(&self, settings: &MoneySettings) -> Vec<String> {
        let told = [self.value_line(), self.money_line(settings), self.goal_line()];
        told.into_iter().flatten().chain(self.playbooks.iter().flatten().filter_map(playbook_line)).collect()
    }

    fn value_line(&self) -> Option<String> {
        let base = self.value.first()?;
        let life = base.lifetime?;
        let mut line = format!(
            "lifetime value {:.2} ({:.2} to {:.2}) over {:.1} months",
            life.value.value, life.value.low, life.value.high, life.months.value
        );
        if let Some(ratio) = base.worth.and_then(|worth| worth.ratio) {
            line += &format!(", {ratio:.1} times what it costs to win a customer");
        }
        if let Some(month) = base.payback_month {
            line += &format!(", paid back in month {month}");
        }
        Some(line)
    }

    fn money_line(&self, settings: &MoneySettings) -> Option<String> {
        let renewals = &self.money.renewals;
        let mrr: Cents = renewals.iter().map(|one| one.mrr).sum();
        let mut told = Vec::new();
        if self.knows_renewals {
            let days = settings.renewal_days;
            let mut line = format!("renewals within {days} days: {} (MRR {:.2})", renewals.len(), mrr.amount());
            if let Some((count, mrr)) = self.money.unattended() {
                line += &format!(", {count} of them unattended (MRR {:.2})", mrr.amount());
            }
            told.push(line);
        }
        if let Some((limit, beyond)) = settings.discount_limit.zip(self.money.discounts.as_ref()) {
            let money: Cents = beyond.iter().map(|one| one.beyond).sum();
            let percent = 100.0 * limit;
            told.push(format!("discounts beyond {percent} %: {}, {:.2} a month", beyond.len(), money.amount()));
        }
        (!told.is_empty()).then(|| told.join("; "))
    }

    fn goal_line(&self) -> Option<String> {
        let running = self.goals.as_ref()?.iter().filter(|state| !state.is_over);
        let told: Vec<bool> = running.clone().filter_map(GoalState::on_track).collect();
        let on_track = told.iter().filter(|on_track| **on_track).count();
        Some(format!("goals: {on_track} of {} on track, of {} running", told.len(), running.count()))
    }
}

/// What a playbook is worth against leaving accounts alone.
fn playbook_line(row: &PlaybookRow) -> Option<String> {
    let uplift = row.uplift()?;
    let of = |outcomes: Outcomes| format!("{} of {}", outcomes.stayed, outcomes.accounts);
    Some(format!(
        "playbook {}: {} treated accounts stayed, {} left alone: {:+.0} points ({:+.0} to {:+.0})",
        row.playbook,
        of(row.treated),
        of(row.holdout),
        100.0 * uplift.value,
        100.0 * uplift.low,
        100.0 * uplift.high
    ))
}
