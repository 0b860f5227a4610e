//! The sections of `bellwether.toml` as they are written: one field per key, nothing resolved, nothing checked beyond
//! the type. An unknown key is an error here, so that a misspelled setting can never be silently ignored.
//!
//! The root document is composed by the command line from these types and those of the trainer; [`Sections`] is the part
//! of it that [`super::Contract::resolve`] reads.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::catalog::{Aggregate, Comparison};
use crate::label::OutcomeTime;
use crate::signal::{Direction, Family, Unit};

/// The sections that belong to the contract.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sections {
    /// `[project]`.
    pub project: ProjectOptions,
    /// `[tables.<name>]`.
    pub tables: BTreeMap<String, TableOptions>,
    /// `[eligibility]`.
    pub eligibility: EligibilityOptions,
    /// `[targets.<name>]`.
    pub targets: BTreeMap<String, TargetOptions>,
    /// `[catalogue]`.
    pub catalogue: CatalogueOptions,
    /// `[workflows.<name>]`.
    pub workflows: BTreeMap<String, WorkflowOptions>,
    /// `[tickets]`.
    pub tickets: TicketOptions,
    /// `[reviews]`.
    pub reviews: ReviewOptions,
    /// `[signals]`.
    pub signals: SignalOptions,
    /// `[glossary]`: a signal's or word's meaning in the user's own words.
    pub glossary: BTreeMap<String, String>,
}

/// `[project]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProjectOptions {
    /// Name of the business; lower-case letters, digits, `-` and `_`. Names the model in the registry. Default
    /// `bellwether`.
    pub name: String,
    /// Currency of every amount, e.g. `EUR`; nothing is converted. Default `USD`.
    pub currency: String,
    /// The database of tables that say `postgres` and no `postgres_url` of their own, e.g. `${DATABASE_URL}`; `${VAR}` is
    /// expanded. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postgres_url: Option<String>,
}

impl Default for ProjectOptions {
    fn default() -> Self {
        Self { name: "bellwether".to_owned(), currency: "USD".to_owned(), postgres_url: None }
    }
}

/// One path or several; each may hold globs and `${VAR}` or `${VAR:-default}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Paths {
    /// One path.
    One(String),
    /// Several paths; a file matched by more than one is read once.
    Many(Vec<String>),
}

/// What becomes of a row that breaks a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnViolation {
    /// Any such row that is visible at `as_of` stops the run.
    Error,
    /// The row is left out and counted; more than `error_if_pct` of them stop the run.
    #[default]
    Quarantine,
    /// The row is kept, the offending value where it can be; rows without a usable key or time are still left out.
    Warn,
}

/// `[tables.<name>]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableOptions {
    /// Parquet or CSV (also `.csv.gz`), relative to the project file. Required, unless `postgres` is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<Paths>,
    /// A table of a PostgreSQL database (`usage`, `app.usage`) or a query (`select ...`), instead of `path`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postgres: Option<String>,
    /// The database, e.g. `${DATABASE_URL}`; `${VAR}` is expanded. Default: that of `[project]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postgres_url: Option<String>,
    /// `canonical = "yours"`. A column that is not listed is found under its canonical name.
    #[serde(default)]
    pub columns: BTreeMap<String, String>,
    /// `canonical = "expression"` over your columns: `||`, `+ - * /`, comparisons, `and`, `or`, `not`, `is null`.
    #[serde(default)]
    pub derive: BTreeMap<String, String>,
    /// Only rows for which this expression is true belong to the table.
    #[serde(default, rename = "where", skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// Delay from event time to knowledge time, for a table without `known_at`, e.g. `2d`. Default `0d`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_after: Option<String>,
    /// `error`, `quarantine` or `warn`. Default `quarantine`.
    #[serde(default)]
    pub on_violation: OnViolation,
    /// Share of left-out rows, in percent of the visible rows, above which a run stops. Default 0.5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_if_pct: Option<f64>,
    /// How old the newest visible row may be at `as_of`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub freshness: Option<FreshnessOptions>,
    /// Zone of times without one, e.g. `Europe/Berlin`: texts, dates and Parquet timestamps that are not adjusted to UTC. Of
    /// two instants with the same local time the earlier counts; a local time that was skipped is unparsable. Texts in
    /// expressions without a zone are UTC. Default `UTC`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// Format of times that are not ISO 8601, e.g. `%m/%d/%Y` (strftime). Default: ISO 8601 only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_format: Option<String>,
    /// `column = [least, most]`, both inclusive, on top of the built-in ranges.
    #[serde(default)]
    pub range: BTreeMap<String, [f64; 2]>,
    /// `column = ["a", "b"]`: the only values a category may take.
    #[serde(default)]
    pub allowed: BTreeMap<String, Vec<String>>,
    /// How CSV files are written.
    #[serde(default)]
    pub csv: CsvOptions,
    /// Most rows this table may have before reading stops (exit 5). Default 100,000,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_rows: Option<u64>,
}

impl TableOptions {
    /// A table at `path` with every other key at its default.
    #[must_use]
    pub fn at(path: impl Into<String>) -> Self {
        Self {
            path: Some(Paths::One(path.into())),
            postgres: None,
            postgres_url: None,
            columns: BTreeMap::new(),
            derive: BTreeMap::new(),
            filter: None,
            known_after: None,
            on_violation: OnViolation::default(),
            error_if_pct: None,
            freshness: None,
            time_zone: None,
            time_format: None,
            range: BTreeMap::new(),
            allowed: BTreeMap::new(),
            csv: CsvOptions::default(),
            max_rows: None,
        }
    }
}

/// `freshness = { warn_after = "24h", error_after = "72h" }`, measured against `as_of`, never the wall clock.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FreshnessOptions {
    /// Age of the newest visible row above which a warning is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warn_after: Option<String>,
    /// Age above which the run stops.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_after: Option<String>,
}

/// `csv = { delimiter = ";", null_values = ["NA"] }`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CsvOptions {
    /// One ASCII character between cells. Default `,`.
    pub delimiter: char,
    /// Texts that mean "no value", besides the empty cell. Default none.
    pub null_values: Vec<String>,
}

impl Default for CsvOptions {
    fn default() -> Self {
        Self { delimiter: ',', null_values: Vec::new() }
    }
}

/// What makes an account active.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActiveByOption {
    /// MRR above 0 at `as_of`.
    Subscription,
    /// A use known within `within` before `as_of`.
    Usage,
}

/// `[eligibility]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EligibilityOptions {
    /// `subscription` or `usage`. Default: subscription where there is such a table, else usage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_by: Option<ActiveByOption>,
    /// For usage: how long ago the last use may be; without meaning for subscriptions. Default `90d`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within: Option<String>,
    /// Least time since sign-up. Default `14d`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_tenure: Option<String>,
}

/// What makes a target positive; see the glossary for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventOption {
    /// MRR reaches 0 and stays 0 for the grace period.
    SubscriptionEnd,
    /// No usage in the window.
    Inactivity,
    /// MRR rises by at least `ratio` and `min_absolute` at any moment of the window.
    MrrIncrease,
    /// More distinct users than in the window before.
    ActiveUsersIncrease,
    /// More quantity than in the window before.
    QuantityIncrease,
}

/// `[targets.<name>]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetOptions {
    /// The event. Required.
    pub event: EventOption,
    /// `event` or `known`: which time places the outcome in the window. Default `event`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<OutcomeTime>,
    /// Length of the label window in whole days. Default `90d` for the two churn events, `60d` for the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub horizon: Option<String>,
    /// How long MRR must stay 0 (`subscription_end` only). Default `14d`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace: Option<String>,
    /// How late facts may land; labels wait for it. Default `0d`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub landing_delay: Option<String>,
    /// Least ratio of the increase events, above 1. Default 1.05 for MRR, 1.5 for users and quantity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
    /// Least absolute increase. Default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_absolute: Option<f64>,
    /// Definition in words, for reports. Default: made from the settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// `[catalogue]`: what the product offers; names as in `usage.feature`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CatalogueOptions {
    /// Every feature.
    pub features: Vec<String>,
    /// Features that only advanced customers use.
    pub advanced: Vec<String>,
    /// Integrations with other products.
    pub integrations: Vec<String>,
    /// Features whose use is the value that the customer pays for.
    pub value_moments: Vec<String>,
}

/// `[workflows.<name>]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WorkflowOptions {
    /// Features in order; at least two.
    pub steps: Vec<String>,
}

/// `[tickets]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TicketOptions {
    /// `[tickets.kinds]`.
    pub kinds: TicketKindOptions,
    /// Severities that count as severe, compared without regard to case. Default critical, severe, urgent, high, p1, sev1.
    pub severe: Vec<String>,
}

impl Default for TicketOptions {
    fn default() -> Self {
        let severe = ["critical", "severe", "urgent", "high", "p1", "sev1"];
        Self { kinds: TicketKindOptions::default(), severe: severe.map(str::to_owned).to_vec() }
    }
}

/// `[reviews]`: business reviews with a customer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReviewOptions {
    /// How long after a review the next one is due, e.g. `90d`. Default: not declared, and no signal about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<String>,
}

/// `[signals]`: which of the catalogue's signals are computed. Names, or patterns in which `*` stands for any text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SignalOptions {
    /// Only these. Default: all that the tables allow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub include: Option<Vec<String>>,
    /// Not these, even if included. Default: none.
    pub exclude: Vec<String>,
    /// `[signals.declared.<name>]`: signals of your own.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub declared: BTreeMap<String, DeclaredOptions>,
}

/// `[signals.declared.<name>]`: a signal of your own; the name is that of its column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclaredOptions {
    /// The canonical table whose rows are read. Required.
    pub table: String,
    /// Only rows for which this expression over the table's canonical columns is true count. Default: all rows.
    #[serde(default, rename = "where", skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// What is computed from those rows. Required.
    pub aggregate: Aggregate,
    /// The canonical column that sum, mean, min, max, distinct and latest are taken of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Whole days looking back from `as_of`, e.g. `28d`. Default: all history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<String>,
    /// Makes it the relative change against an earlier window. Default: the value itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compare: Option<Comparison>,
    /// In words, with `{value}` once, e.g. "big exports in the last 28 days: {value}". Required.
    pub text: String,
    /// How the value is written. Default: what the aggregate gives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Unit>,
    /// Where a higher value is expected to move churn: `+`, `-` or `unknown`. Default `unknown`.
    #[serde(default)]
    pub churn: DirectionOption,
    /// Where a higher value is expected to move expansion. Default `unknown`.
    #[serde(default)]
    pub expansion: DirectionOption,
    /// Whether anyone can act on it. Default true.
    #[serde(default = "yes")]
    pub actionable: bool,
    /// The family that it is listed in. Default: that of its table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<Family>,
}

fn yes() -> bool {
    true
}

/// An expected direction as people write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum DirectionOption {
    /// A higher value goes with a higher probability.
    #[serde(rename = "+")]
    Up,
    /// A higher value goes with a lower probability.
    #[serde(rename = "-")]
    Down,
    /// No expectation.
    #[default]
    #[serde(rename = "unknown")]
    Unknown,
}

impl From<DirectionOption> for Direction {
    fn from(option: DirectionOption) -> Self {
        match option {
            DirectionOption::Up => Self::Up,
            DirectionOption::Down => Self::Down,
            DirectionOption::Unknown => Self::Unknown,
        }
    }
}

/// `[tickets.kinds]`: categories of `tickets.category`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TicketKindOptions {
    /// Categories that ask ("how do I").
    pub how_to: Vec<String>,
    /// Categories that complain ("why doesn't it").
    pub complaint: Vec<String>,
}
