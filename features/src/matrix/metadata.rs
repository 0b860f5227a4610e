//! What a feature file says about itself, under the key `bellwether.features` of its Parquet metadata.
//!
//! Everything here follows from facts visible at `as_of`, so that a file can be rebuilt, byte for byte, at any later time.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::contract::TableName;
use crate::facts::{Facts, Grouped};
use crate::signal::SignalDefinition;
use crate::spine::Spine;
use crate::time::Instant;

/// Key of the metadata in the file.
pub const METADATA_KEY: &str = "bellwether.features";

/// Version of the metadata; a reader refuses a newer one.
pub const FILE_FORMAT: u32 = 1;

/// Counts of one date.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DateCounts {
    /// Date.
    #[serde(with = "as_text")]
    pub as_of: NaiveDate,
    /// Rows.
    pub rows: usize,
    /// Accounts given without a row.
    pub ineligible: usize,
}

/// The metadata of a feature file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeatureMetadata {
    /// [`FILE_FORMAT`].
    pub format: u32,
    /// Observation dates, ascending.
    #[serde(with = "as_texts")]
    pub as_of: Vec<NaiveDate>,
    /// Digest of the definition of each column.
    pub definitions: BTreeMap<String, String>,
    /// Rows, ineligible and quarantined accounts together: of one date the accounts given, of several dates the sum.
    pub accounts_given: usize,
    /// Accounts visible but not eligible; over several dates the sum.
    pub ineligible: usize,
    /// Accounts left out because their own row was quarantined; over several dates the sum.
    pub quarantined: usize,
    /// Optional tables that are not declared.
    pub missing_tables: Vec<String>,
    /// Hours from the latest visible fact of each table to the last date.
    pub table_ages_hours: BTreeMap<String, f64>,
    /// Counts by date.
    #[serde(default)]
    pub dates: Vec<DateCounts>,
}

impl FeatureMetadata {
    /// The metadata of a matrix of these `signals`, computed for `spine`.
    ///
    /// `quarantined`: accounts left out because their own row was quarantined, per date of the spine (missing entries are
    /// 0). `missing_tables`: see [`crate::catalog::Availability::missing_tables`].
    #[must_use]
    pub fn of(
        facts: &Facts,
        spine: &Spine,
        signals: &[SignalDefinition],
        quarantined: &[usize],
        missing_tables: Vec<String>,
    ) -> Self {
        let rows = |date: NaiveDate| {
            spine.as_of.partition_point(|as_of| *as_of <= date) - spine.as_of.partition_point(|as_of| *as_of < date)
        };
        let counts = |(date, ineligible): (&NaiveDate, &usize)| DateCounts {
            as_of: *date,
            rows: rows(*date),
            ineligible: *ineligible,
        };
        let dates: Vec<DateCounts> = spine.dates.iter().zip(&spine.ineligible).map(counts).collect();
        let ineligible: usize = spine.ineligible.iter().sum();
        let quarantined: usize = quarantined.iter().take(spine.dates.len()).sum();
        Self {
            format: FILE_FORMAT,
            as_of: spine.dates.clone(),
            definitions: signals.iter().map(|signal| (signal.name.clone(), signal.digest())).collect(),
            accounts_given: spine.len() + ineligible + quarantined,
            ineligible,
            quarantined,
            missing_tables,
            table_ages_hours: spine.dates.last().map_or_else(BTreeMap::new, |date| table_ages_hours(facts, *date)),
            dates,
        }
    }
}

impl FeatureMetadata {
    /// The metadata of these rows and those of another partition together, for the same dates and definitions.
    pub fn join(&mut self, other: &Self) {
        self.accounts_given += other.accounts_given;
        self.ineligible += other.ineligible;
        self.quarantined += other.quarantined;
        for (table, age) in &other.table_ages_hours {
            let known = self.table_ages_hours.entry(table.clone()).or_insert(*age);
            *known = known.min(*age);
        }
        for (one, more) in self.dates.iter_mut().zip(&other.dates) {
            one.rows += more.rows;
            one.ineligible += more.ineligible;
        }
    }
}

/// Hours from the event time of the latest visible fact of each table to `as_of` 00:00 UTC; a table without a visible
/// fact (or, for accounts, without a sign-up time) has no entry.
#[must_use]
pub fn table_ages_hours(facts: &Facts, as_of: NaiveDate) -> BTreeMap<String, f64> {
    let as_of = Instant::start_of(as_of);
    let visible = Visible { facts, as_of };
    let latest = [
        visible.latest(TableName::Accounts, facts.account_rows.as_ref(), |row| (row.signed_up_at, row.known_at)),
        visible.latest(TableName::Usage, facts.usage.as_ref(), |row| (Some(row.at), row.known_at)),
        visible.latest(TableName::Subscriptions, facts.subscriptions.as_ref(), |row| {
            (Some(row.effective_at), row.known_at)
        }),
        visible.latest(TableName::SubscriptionItems, facts.subscription_items.as_ref(), |row| {
            (Some(row.effective_at), row.known_at)
        }),
        visible.latest(TableName::Nps, facts.nps.as_ref(), |row| (Some(row.at), row.known_at)),
        visible.latest(TableName::Invoices, facts.invoices.as_ref(), |row| (Some(row.issued_at), row.known_at)),
        visible.latest(TableName::Tickets, facts.tickets.as_ref(), |row| (Some(row.opened_at), row.known_at)),
        visible.latest(TableName::Contacts, facts.contacts.as_ref(), |row| (Some(row.since), row.known_at)),
        visible.latest(TableName::Meetings, facts.meetings.as_ref(), |row| (Some(row.at), row.known_at)),
        visible.latest(TableName::Firmographics, facts.firmographics.as_ref(), |row| (Some(row.at), row.known_at)),
    ];
    let age = |at: Instant| hours(as_of.0.saturating_sub(at.0));
    latest.into_iter().flatten().map(|(table, at)| (table.as_str().to_owned(), age(at))).collect()
}

/// What counts at a date.
struct Visible<'a> {
    facts: &'a Facts,
    as_of: Instant,
}

impl Visible<'_> {
    /// The latest visible event time of a table.
    fn latest<T: Sync>(
        &self,
        name: TableName,
        table: Option<&Grouped<T>>,
        times: impl Fn(&T) -> (Option<Instant>, Instant) + Sync,
    ) -> Option<(TableName, Instant)> {
        let visible = |row: &T| {
            let (happened_at, known_at) = times(row);
            happened_at.filter(|at| *at < self.as_of && known_at < self.as_of)
        };
        let table = table?;
        let latest = if self.facts.entries.is_none() {
            table.rows.par_iter().filter_map(visible).max()
        } else {
            let rows = self.facts.counting(name, Some(table), self.as_of);
            rows.filter_map(visible).max()
        };
        latest.map(|at| (name, at))
    }
}

#[expect(clippy::cast_precision_loss, reason = "an age in hours needs no more than 53 bits")]
fn hours(micros: i64) -> f64 {
    micros as f64 / 3_600_000_000.0
}

/// A date as `YYYY-MM-DD`.
mod as_text {
    use chrono::NaiveDate;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::time::{format_date, parse_date};

    pub(super) fn serialize<S: Serializer>(date: &NaiveDate, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format_date(*date))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<NaiveDate, D::Error> {
        parse_date(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// Dates as `YYYY-MM-DD`.
mod as_texts {
    use chrono::NaiveDate;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::time::{format_date, parse_date};

    pub(super) fn serialize<S: Serializer>(dates: &[NaiveDate], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(dates.iter().copied().map(format_date))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<NaiveDate>, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        texts.iter().map(|text| parse_date(text).map_err(D::Error::custom)).collect()
    }
}
