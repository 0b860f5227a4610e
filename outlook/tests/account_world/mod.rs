//! A small business and its scores, made by hand.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use arrow_schema::DataType;
use bellwether_features::facts::{AccountFact, Facts, Grouped, SubscriptionFact, UsageFact};
use bellwether_features::label::{Event, OutcomeTime, TargetDefinition};
use bellwether_features::time::Instant;
use bellwether_models::scores::schema;
use bellwether_outlook::account::{AccountInputs, AccountOutlook, AccountSettings};
use bellwether_outlook::scored::{ScoredBase, partition};
use chrono::NaiveDate;
use parquet::arrow::ArrowWriter;

pub(crate) fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

pub(crate) fn moment(text: &str) -> Instant {
    Instant::start_of(date(text))
}

/// That a subscription ends within 90 days and does not come back within 14.
pub(crate) fn leaving() -> TargetDefinition {
    TargetDefinition {
        name: "churn_90d".to_owned(),
        event: Event::SubscriptionEnd,
        time: OutcomeTime::Event,
        horizon_days: 90,
        grace_days: 14,
        landing_delay_days: 0,
        text: String::new(),
    }
}

/// A row of scores.
#[derive(Debug, Clone)]
pub(crate) struct Score {
    pub(crate) id: &'static str,
    pub(crate) churn: Option<f64>,
    pub(crate) expansion: Option<f64>,
    pub(crate) health: &'static str,
    pub(crate) mrr: Option<f64>,
    pub(crate) at_risk: Option<f64>,
    pub(crate) to_gain: Option<f64>,
    pub(crate) reasons: [&'static str; 2],
}

impl Score {
    pub(crate) fn new(id: &'static str, churn: f64) -> Self {
        Self {
            id,
            churn: Some(churn),
            expansion: Some(0.1),
            health: "champion",
            mrr: Some(100.0),
            at_risk: Some(churn * 100.0),
            to_gain: Some(1.0),
            reasons: ["usage.events:-", "nps.latest:-"],
        }
    }

    fn number(&self, name: &str) -> Option<f64> {
        let target = |name: &str, probability: Option<f64>| match name {
            "probability" => probability,
            "low" => probability.map(|one| one / 2.0),
            "high" => probability.map(|one| (1.5 * one).min(1.0)),
            _ => name.ends_with("_effect").then_some(0.05).filter(|_| probability.is_some()),
        };
        match name {
            "mrr" => self.mrr,
            "mrr_at_risk" => self.at_risk,
            "expected_expansion_mrr" => self.to_gain,
            _ => match name.strip_prefix("churn_90d_") {
                Some(rest) => target(rest, self.churn),
                None => target(name.strip_prefix("expansion_60d_").unwrap(), self.expansion),
            },
        }
    }

    fn text(&self, name: &str) -> Option<String> {
        let found = match name {
            "account_id" => self.id,
            "health" => self.health,
            "value_tier" | "service_level" => return None,
            "status" => "scored",
            "status_reason" => "OK",
            "model" => "test/1",
            "churn_90d_band" => match self.churn? {
                p if p >= 0.3 => "high",
                p if p >= 0.2 => "medium",
                _ => "low",
            },
            "churn_90d_reason_1" => self.reasons[0],
            "churn_90d_reason_2" => self.reasons[1],
            "churn_90d_reason_1_text" => return Some(format!("text of {}", self.reasons[0])),
            "churn_90d_reason_2_text" => return Some(format!("text of {}", self.reasons[1])),
            _ => return None,
        };
        Some(found.to_owned())
    }
}

/// Writes the scores of a date; `rows` by id.
pub(crate) fn write_scores(out: &Path, as_of: NaiveDate, rows: &[Score]) {
    let schema = schema(&["churn_90d", "expansion_60d"]);
    let column = |name: &str, kind: &DataType| -> ArrayRef {
        match kind {
            DataType::Float64 => Arc::new(rows.iter().map(|row| row.number(name)).collect::<Float64Array>()),
            _ => Arc::new(rows.iter().map(|row| row.text(name)).collect::<StringArray>()),
        }
    };
    let columns = schema.fields().iter().map(|field| column(field.name(), field.data_type())).collect();
    let batch = RecordBatch::try_new(schema.clone(), columns).unwrap();
    let folder = partition(out, as_of);
    std::fs::create_dir_all(&folder).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(folder.join("part-0.parquet")).unwrap(), schema, None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    File::create(folder.join("_SUCCESS")).unwrap();
}

pub(crate) fn subscription(at: &str, mrr: f64) -> SubscriptionFact {
    SubscriptionFact {
        effective_at: moment(at),
        known_at: moment(at),
        mrr,
        plan: None,
        seats: None,
        billing_period: None,
        renews_at: None,
        usage_limit: None,
        discount: None,
        list_price: None,
        auto_renew: None,
    }
}

/// A use, so many days after a date, with a quantity.
pub(crate) fn usage(from: &str, days: i64, quantity: f64) -> UsageFact {
    let at = Instant(moment(from).plus_days(days).0 + 3_600_000_000);
    UsageFact { at, known_at: at, user: None, feature: 0, quantity }
}

pub(crate) fn account_row(signed_up: &str, owner: Option<u32>) -> AccountFact {
    AccountFact {
        known_at: Instant::MIN,
        signed_up_at: Some(moment(signed_up)),
        segment: None,
        industry: None,
        region: None,
        channel: None,
        campaign: None,
        owner,
    }
}

/// Accounts of these ids, signed up long before.
pub(crate) fn business(ids: &[&str]) -> Facts {
    let rows = (0..).zip(ids).map(|(account, _)| (account, account_row("2020-01-01", None))).collect();
    let paid = (0..).zip(ids).map(|(account, _)| (account, subscription("2020-01-01", 100.0))).collect();
    Facts {
        accounts: ids.iter().map(|id| (*id).to_owned()).collect(),
        account_rows: Some(Grouped::new(ids.len(), rows, |row: &AccountFact| row.known_at)),
        subscriptions: Some(Grouped::new(ids.len(), paid, |row: &SubscriptionFact| (row.effective_at, row.known_at))),
        ..Facts::default()
    }
}

pub(crate) fn with_usage(mut facts: Facts, rows: Vec<(u32, UsageFact)>) -> Facts {
    facts.usage = Some(Grouped::new(facts.accounts.len(), rows, |row: &UsageFact| (row.at, row.known_at)));
    facts
}

/// The outlook of a date, handed to `look`.
pub(crate) fn outlook_of<R>(
    facts: &Facts,
    out: &Path,
    as_of: &str,
    settings: &AccountSettings,
    look: impl FnOnce(&AccountOutlook<'_>) -> R,
) -> R {
    let base = ScoredBase::read(out, date(as_of), 0).unwrap();
    look(&AccountOutlook::of(&AccountInputs { facts, base: &base, out, settings }).unwrap())
}
