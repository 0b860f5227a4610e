//! Money, discounts and renewals as tables.

use bellwether_features::facts::Facts;
use chrono::NaiveDate;

use super::{Columns, Table, counts, dates, flags, known_counts, known_texts, numbers, texts};
use crate::billing::{Billing, MoneyMonth};
use crate::known;
use crate::money::Cents;
use crate::settings::MoneySettings;
use crate::terms::{BeyondLimit, Renewal, discounts, renewals};
use crate::timeline::Timeline;

/// Money by month, and what the terms of the contracts call for.
#[derive(Debug, Clone, PartialEq)]
pub struct Money {
    /// By month.
    pub billing: Billing,
    /// Discounts beyond the limit; `None` where none is declared.
    pub discounts: Option<Vec<BeyondLimit>>,
    /// Renewals coming up.
    pub renewals: Vec<Renewal>,
}

impl Money {
    /// As known before `as_of`.
    #[must_use]
    pub fn of(facts: &Facts, timelines: &[Timeline], as_of: NaiveDate, settings: &MoneySettings) -> Self {
        Self {
            billing: crate::billing::billing(facts, timelines, as_of),
            discounts: settings.discount_limit.map(|limit| discounts(facts, as_of, limit)),
            renewals: renewals(facts, as_of, settings.renewal_days),
        }
    }

    /// Renewals that nobody attends to: how many, and their MRR; `None` where that cannot be told.
    #[must_use]
    pub fn unattended(&self) -> Option<(usize, Cents)> {
        let told = self.renewals.iter().filter_map(|one| Some((one.unattended?, one.mrr)));
        let nobody = told.clone().filter(|(nobody, _)| *nobody);
        (told.count() > 0).then(|| (nobody.clone().count(), nobody.map(|(_, mrr)| mrr).sum()))
    }

    /// The tables of money; without a declared limit there is none of discounts.
    #[must_use]
    pub fn tables(&self, facts: &Facts, as_of: NaiveDate) -> Vec<Table> {
        let mut tables = vec![
            Table { name: "money", columns: money(&self.billing) },
            Table { name: "renewals", columns: renewal_columns(facts, &self.renewals) },
        ];
        if let Some(beyond) = &self.discounts {
            tables.push(Table { name: "discounts", columns: discount_columns(facts, as_of, beyond) });
        }
        tables
    }
}

fn money(billing: &Billing) -> Columns {
    let rows = billing.months.iter();
    let amount = |is_known: bool, of: fn(&MoneyMonth) -> Cents| {
        numbers(rows.clone().map(move |row| is_known.then(|| of(row).amount())))
    };
    let (invoices, kinds, spend) = (billing.has_invoices, billing.has_kinds, billing.has_spend);
    let places = 0..billing.months.len();
    vec![
        ("month", dates(rows.clone().map(|row| row.month))),
        ("is_complete", flags(rows.clone().map(|row| Some(row.is_complete)))),
        ("billed", amount(invoices, MoneyMonth::billed)),
        ("billed_recurring", amount(invoices && kinds, |row| row.recurring)),
        ("billed_one_time", amount(invoices && kinds, |row| row.one_time)),
        ("billed_not_said", amount(invoices, |row| row.not_said)),
        ("paid", amount(invoices, |row| row.paid)),
        ("unpaid", amount(invoices, |row| row.unpaid)),
        ("overdue", amount(invoices, |row| row.overdue)),
        ("billed_accounts", known_counts(rows.clone().map(|row| invoices.then_some(row.billed_accounts)))),
        ("contracted", amount(true, |row| row.contracted)),
        ("billed_over_contracted_12m", numbers(places.map(|place| billing.billed_over_contracted(place)))),
        ("mrr", amount(true, |row| row.mrr)),
        ("paying_accounts", counts(rows.clone().map(|row| row.paying_accounts))),
        ("revenue_per_account", numbers(rows.clone().map(MoneyMonth::revenue_per_account))),
        ("serve_cost", amount(spend, |row| row.serve_cost)),
        ("acquisition_cost", amount(spend, |row| row.acquisition_cost)),
    ]
}

fn discount_columns(facts: &Facts, as_of: NaiveDate, rows: &[BeyondLimit]) -> Columns {
    let end = bellwether_features::time::Instant::start_of(as_of);
    let rows = rows.iter();
    let owner = |account: usize| known::account(facts, account, end).and_then(|row| row.owner);
    let plan = |account: usize| known::subscription(facts, account, end).and_then(|row| row.plan);
    let money = |of: fn(&BeyondLimit) -> Cents| numbers(rows.clone().map(move |row| Some(of(row).amount())));
    vec![
        ("account_id", texts(rows.clone().map(|row| facts.accounts[row.account].as_str()))),
        ("owner", known_texts(rows.clone().map(|row| known::name(&facts.owners, owner(row.account))))),
        ("plan", known_texts(rows.clone().map(|row| known::name(&facts.plans, plan(row.account))))),
        ("mrr", money(|row| row.mrr)),
        ("list_price", money(|row| row.list_price)),
        ("discount", numbers(rows.clone().map(|row| Some(row.discount)))),
        ("beyond_limit", money(|row| row.beyond)),
    ]
}

fn renewal_columns(facts: &Facts, rows: &[Renewal]) -> Columns {
    let rows = rows.iter();
    vec![
        ("account_id", texts(rows.clone().map(|row| facts.accounts[row.account].as_str()))),
        ("owner", known_texts(rows.clone().map(|row| known::name(&facts.owners, row.owner)))),
        ("renews_on", dates(rows.clone().map(|row| row.renews_on))),
        ("days_to_renewal", counts(rows.clone().map(|row| row.days.unsigned_abs()))),
        ("mrr", numbers(rows.clone().map(|row| Some(row.mrr.amount())))),
        ("auto_renew", flags(rows.clone().map(|row| row.auto_renew))),
        ("days_since_met", known_counts(rows.clone().map(|row| row.days_since_met.map(i64::unsigned_abs)))),
        ("unattended", flags(rows.map(|row| row.unattended))),
    ]
}
