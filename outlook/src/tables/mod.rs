//! The outlook as Parquet: `outlook/v1`, one folder per `as_of`, one file per table.
//!
//! | file | one row is | columns |
//! |---|---|---|
//! | `movements.parquet` | a month, ascending | `month`, `is_complete`, then `mrr` and `accounts` of opening, new, reactivation, expansion, contraction, churn and closing (`opening_mrr`, `opening_accounts`, ...), `quick_ratio`, `net_churn`, and over the twelve months to its end `nrr_12m`, `grr_12m`, `logo_retention_12m` |
//! | `cohorts.parquet` | span (`month`, `quarter`), cohort and age | `span`, `cohort`, `age_months`, `accounts`, `kept_accounts`, `opening_mrr`, `mrr`, `logo_retention`, `_low`, `_high`, `nrr`, `_low`, `_high` |
//! | `segments.parquet` | a group of accounts that paid a year before | `by`, `group`, `accounts`, `kept_accounts`, `opening_mrr`, `mrr`, `nrr_12m`, `grr_12m`, `logo_retention_12m` as counted, and `logo_retention_drawn`, `nrr_drawn` with `_low` and `_high`: drawn towards the base; `mrr_per_account`, `_low`, `_high` (of the accounts that paid then, now), `nps_answers` (accounts with an answer: each has one voice), `nps`, `_low`, `_high` |
//! | `changes.parquet` | expansion or contraction by kind | `direction`, `kind`, `changes`, `accounts`, `mrr` |
//! | `value.parquet` | a group of accounts that ever paid: `base`, `segment`, `channel`, `cohort` (quarter of the first payment) | `by`, `group`, `accounts`, `paying_accounts`, `monthly_revenue` and `monthly_serve_cost` of a paying account over the last twelve months, `lifetime_months`, `lifetime_revenue` (before serving) and `lifetime_value` (after it) with `_low` and `_high` ([`crate::value::lifetime`]), `has_serve_cost`, `costed_accounts`, `acquisition_cost` (their mean), `value_over_cost`, `net_worth`, `payback_month`, `timed_accounts`, `reached_accounts`, `days_to_value_q25`, `_q50`, `_q75` ([`crate::value::moment`]) |
//! | `money.parquet` | a month, ascending | `month`, `is_complete`, `billed` = `billed_recurring` + `billed_one_time` + `billed_not_said` = `paid` + `unpaid`, `overdue`, `billed_accounts`, `contracted`, `billed_over_contracted_12m`, `mrr`, `paying_accounts`, `revenue_per_account`, `serve_cost`, `acquisition_cost` ([`crate::billing`]) |
//! | `discounts.parquet` | an account whose discount is beyond `[money] discount_limit`, the largest amount first; no such table without a limit | `account_id`, `owner`, `plan`, `mrr`, `list_price`, `discount`, `beyond_limit` a month |
//! | `renewals.parquet` | a renewal within `[money] renewals_within` (90 days), by day | `account_id`, `owner`, `renews_on`, `days_to_renewal`, `mrr`, `auto_renew`, `days_since_met`, `unattended` ([`crate::terms`]) |
//! | `goals.parquet` | a goal of an account (`by` = `account`) or an owner (`owner_goal`), then running goals of accounts added up by `owner` and `segment`; no such table without goals | `by`, `group`, `metric`, `use_case`, `from`, `until`, `is_over`, `goals`, `on_track`, `goals_on_track`, `goals_over_target`, `target`, `due`, `reached`, `leak`, `overage`, `over_limit_30d`, `forecast`, `_low`, `_high`, `forecast_goals`, `forecast_target` ([`crate::goal`]); what is of one goal is null in a sum, and the reverse |
//! | `playbooks.parquet` | a playbook of the table of interventions; no such table without one | `playbook`, `treated_accounts`, `treated_stayed`, `treated_share`, `_low`, `_high`, the same of `holdout`, `uplift`, `_low`, `_high`, `kept_of_leaving` (the `save_rate` of `[plays]`; null where the uplift may be chance), `open_accounts` ([`crate::intervention`]) |
//! | `judgements.parquet` | author and target of the table of overrides; no such table without one | `author`, `target`, `accounts`, `happened`, `stated_probability`, `model_probability`, `stated_brier`, `model_brier`, `brier_difference` (below 0 the author was better), `_low`, `_high`, `open_accounts`, `accounts_without_scores` ([`crate::judgement`]) |
//! | `price_volume_mix.parquet` | a month or trailing year, by what volume is counted in (`accounts`; `seats` where all are known) | `span`, `from`, `until` (both exclusive ends of what is before and after), `unit`, `opening_mrr`, `mrr`, `opening_units`, `units`, `price_mrr`, `volume_mrr`, `mix_mrr` (they add up to the change), `repriced_mrr` (of the price, that of accounts that stayed on their plan) |
//! | `billing.parquet` | a month and billing period | `month`, `billing_period` (`monthly`, `annual`, `(not known)`), `accounts`, `mrr`, `account_share`, `mrr_share` (null where nobody pays) |
//! | `plan_moves.parquet` | plan a year before and plan now | `from_plan`, `to_plan` (`(not paying)`, `(not known)`), `accounts`, `opening_mrr`, `mrr`, `mrr_change`, `accounts_paying_more`, `accounts_paying_less`, `share` of the accounts on the plan before, `_low`, `_high` (null for new ones) |
//! | `expansions.parquet` | all accounts, or a plan, size or quarter of the first payment | `by`, `group`, `accounts`, `expanded_accounts`, `expanded_share`, `_low`, `_high`, `rapid_accounts`, `gradual_accounts`, `year_old_accounts`, `expanded_first_year_share`, `_low`, `_high`, `days_to_first_p25`, `_median`, `_p75`, `first_size_median`, `expansions`, `first_mrr`, `rises_mrr`, `rises_over_first`, `_low`, `_high`, `contraction_run_1`, `_2`, `_3` (accounts with at least so many contractions since the last expansion) |
//! | `renewal_quality.parquet` | billing period and outcome of renewals of twelve months | `billing_period`, `outcome`, `is_value_lost`, `renewals`, `accounts`, `mrr_before`, `mrr_after`, `share` of the decided ones, `mrr_share` (null for undecided ones) |
//! | `landmarks.parquet` | a landmark and what followed | `landmark`, `sequel`, `within_days`, `accounts`, `unmatched_accounts`, `compared_account_months`, `share`, `matched_share`, `difference`, `_low`, `_high` |
//! | `curve_shapes.parquet` | all cohorts (`cohort` null), then each quarter | `cohort`, `accounts`, `months`, `kept`, `early_hazard`, `_low`, `_high`, `late_hazard`, `_low`, `_high`, `counted_shape`, `shape` (`onboarding`, `sustained`, `stable`) |
//! | `compared.parquet` | a channel, campaign or plan and a measure, at the sizes of the base | `by`, `group`, `measure`, `accounts`, `counted`, `covered`, `standardised`, `_low`, `_high`, `others`, `_low`, `_high`, `difference`, `_low`, `_high` |
//! | `archetypes.parquet` | a combination of attribute values, that which stands out most first | `rank`, `attribute_1`, `value_1` to `attribute_3`, `value_3` (null where it has fewer), `accounts`, `kept_accounts`, `opening_mrr`, `mrr`, `logo_retention_12m`, `nrr_12m`, `grr_12m`, `logo_retention_drawn`, `_low`, `_high`, `expanded_12m` (share that pays more), `expanded_drawn`, `_low`, `_high`, `nrr_drawn`, `_low`, `_high`, `mrr_per_account`, `_low`, `_high`, `nps_answers`, `nps`, `_low`, `_high`, `distance` |
//! | `accounts.parquet` | a scored account, by id | `owner`, `health`, `value_tier` (of `lifetime_value`, `_low`, `_high`: discounted revenue of five years), `is_at_risk`, `service_level`, its play from `[plays]`: `play`, `play_owner`, `play_due`, `play_success_metric`, `worth_of_intervening`; `mrr`, `mrr_at_risk`, `expected_expansion_mrr`, `churn_probability`, `churn_low`, `churn_high`, `expansion_probability`; of accounts at risk `use_pattern`, `prospect` and its evidence `past_accounts`, `past_stayed`, `past_stayed_share`, `_low`, `_high`; `monetisation` (`under`, `over`, else null), `uses_like_plan`, `review_overdue_days`, `status` |
//! | `alerts.parquet` | a trigger that turned between `since` and `as_of`, by account | `account_id`, `owner`, `mrr`, `watched` (`active_days`, `limit`, `churn`, `expansion`, `health`, `trend`, `sponsor`), `meaning` (`risk`, `recovery`, `expansion`, `expansion_past`), `from`, `to`, `value_before`, `value` (null where it is no number), `since` |
//! | `since.parquet` | a change between `since` and `as_of` | `change` (`entered`, `ended`, `left`, `moved`: at most 100 per target, `new_reason`), `account_id`, `target`, `probability_before`, `probability`, `mrr_before`, `mrr`, `reason`, `reason_text`, `reason_effect`, `since`; null where the change has none |
//! | `calls.parquet` | an account to call, by `rank` | `account_id`, `owner`, `about` (`churn`, `expansion`), `stake_mrr`, `mrr`, `mrr_at_risk`, `expected_expansion_mrr`, `service_level`, `prospect`, `play`, `play_due`, `worth_of_intervening`, `reason_1` to `reason_3` |
//! | `owners.parquet` | an owner, those without one first (null) | `owner`, `accounts`, `at_risk_accounts`, `mrr`, `mrr_at_risk`, `expected_expansion_mrr`, `overdue_reviews` (null without meetings or a declared interval), `calls` |
//! | `forecast.parquet` | `measure` (`mrr`, `nrr`, `grr`) and `horizon_days` (30, 60, 90), from [`crate::forecast`]; only where the date has scores | `opening_mrr`, the quantiles `q05`, `q10` (downside), `q25`, `q50` (base), `q75`, `q90` (upside), `q95`, `mean`, `summed_probabilities` (for comparison), `accounts`, `scored_accounts`, `past_windows`, `judged_scores`, `churn_shock`, `expansion_shock`, `churn_shift`, `expansion_shift` (on the logit) |
//!
//! Beside them `outlook.html` shows them to people ([`crate::page`]); it is no table.
//!
//! Money is in the project's currency, exact to the cent; shares are fractions; what cannot be known is null. The same facts
//! give the same bytes. Additive columns stay in v1; a rename, a new type or a new meaning is v2.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, RecordBatch, StringArray, UInt32Array, UInt64Array,
};
use arrow_schema::ArrowError;
use bellwether_features::time::days_from_epoch;
use bellwether_staging::Staging;
use chrono::NaiveDate;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

pub mod accounts;
pub mod base;
pub mod billing;
pub mod forecast;
pub mod goal;
pub mod judgements;
pub mod playbooks;
pub mod revenue;
pub mod value;

use crate::cohort::Share;
use crate::money::Cents;
use crate::page::PAGE;

/// The tables of an outlook; each is a file of this name with `.parquet` after it.
pub const TABLES: &[&str] = &[
    "movements",
    "cohorts",
    "segments",
    "changes",
    "value",
    "money",
    "discounts",
    "renewals",
    "goals",
    "playbooks",
    "judgements",
    "price_volume_mix",
    "billing",
    "plan_moves",
    "expansions",
    "renewal_quality",
    "landmarks",
    "curve_shapes",
    "compared",
    "archetypes",
    "accounts",
    "alerts",
    "since",
    "calls",
    "owners",
    "forecast",
];

/// The empty file that says that a folder is whole.
pub const SUCCESS: &str = "_SUCCESS";

/// A table: a name of [`TABLES`], and columns of one length.
#[derive(Debug, Clone)]
pub struct Table {
    /// Name.
    pub name: &'static str,
    /// Columns by name, in order.
    pub columns: Columns,
}

impl Table {
    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.columns.first().map_or(0, |(_, column)| column.len())
    }
}

/// Folder of the outlook of a date below `out`, the folder that was given as `--out`.
#[must_use]
pub fn partition(out: &Path, as_of: NaiveDate) -> PathBuf {
    out.join("outlook").join("v1").join(format!("as_of={as_of}"))
}

/// The table of accounts of a date below `out`; `None` where the outlook is not whole, or has none.
pub(crate) fn accounts_of(out: &Path, as_of: NaiveDate) -> Option<PathBuf> {
    let folder = partition(out, as_of);
    let path = folder.join("accounts.parquet");
    (folder.join(SUCCESS).is_file() && path.is_file()).then_some(path)
}

/// Why an outlook was not written.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum WriteError {
    /// The disk.
    #[error("{path}: cannot be written: {source}")]
    #[diagnostic(code(bellwether::outlook::io), help("{}", bellwether_staging::advice(source, "try again")))]
    Io {
        /// What was being written.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A folder that is no outlook stands in the way.
    #[error("{path}: expected a folder of an earlier outlook, or none, found `{found}` in it")]
    #[diagnostic(code(bellwether::outlook::in_the_way), help("give another --out, or move what is there"))]
    InTheWay {
        /// The folder.
        path: String,
        /// What is not an outlook's.
        found: String,
    },
}

/// Columns by name, in order.
pub type Columns = Vec<(&'static str, ArrayRef)>;

/// Writes tables into the folder, which appears whole or not at all; an earlier outlook there is replaced.
///
/// # Errors
/// [`WriteError`]; then nothing has changed.
pub fn write(tables: Vec<Table>, folder: &Path) -> Result<(), WriteError> {
    write_with_page(tables, None, folder)
}

/// As [`write()`], with the page beside the tables.
///
/// # Errors
/// [`WriteError`]; then nothing has changed.
pub fn write_with_page(tables: Vec<Table>, page: Option<&str>, folder: &Path) -> Result<(), WriteError> {
    let failed = |source: std::io::Error| WriteError::Io { path: folder.display().to_string(), source };
    check_place(folder)?;
    let staging = Staging::folder(folder).map_err(failed)?;
    for table in tables {
        let path = staging.path().join(format!("{}.parquet", table.name));
        write_table(&path, table.columns).map_err(failed)?;
    }
    if let Some(page) = page {
        write_text(&staging.path().join(PAGE), page).map_err(failed)?;
    }
    File::create(staging.path().join(SUCCESS)).and_then(|file| file.sync_all()).map_err(failed)?;
    staging.publish_over().map_err(failed)
}

fn write_text(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Whether an outlook may stand in this folder.
///
/// # Errors
/// [`WriteError::InTheWay`] for a folder with anything else in it.
pub fn check_place(folder: &Path) -> Result<(), WriteError> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(()) };
    let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let is_table = |name: &str| name.strip_suffix(".parquet").is_some_and(|table| TABLES.contains(&table));
    let is_ours = |name: &str| name == SUCCESS || name == PAGE || is_table(name);
    match names.into_iter().find(|name| !is_ours(name)) {
        Some(found) => Err(WriteError::InTheWay { path: folder.display().to_string(), found }),
        None => Ok(()),
    }
}

fn write_table(path: &Path, columns: Columns) -> std::io::Result<()> {
    let batch =
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true)));
    let batch = batch.map_err(|error: ArrowError| std::io::Error::other(error))?;
    let io = |error: ParquetError| match error {
        ParquetError::External(inner) => match inner.downcast::<std::io::Error>() {
            Ok(source) => *source,
            Err(inner) => std::io::Error::other(inner),
        },
        other => std::io::Error::other(other),
    };
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_created_by("bellwether".to_owned())
        .build();
    let file = File::create_new(path)?;
    let mut writer = ArrowWriter::try_new(file.try_clone()?, batch.schema(), Some(properties)).map_err(io)?;
    writer.write(&batch).map_err(io)?;
    writer.close().map_err(io)?;
    file.sync_all()
}

pub(crate) fn dates(values: impl Iterator<Item = NaiveDate>) -> ArrayRef {
    Arc::new(values.map(|date| Some(days_from_epoch(date))).collect::<Date32Array>())
}

pub(crate) fn numbers(values: impl Iterator<Item = Option<f64>>) -> ArrayRef {
    Arc::new(values.map(|value| value.filter(|value| value.is_finite())).collect::<Float64Array>())
}

pub(crate) fn counts(values: impl Iterator<Item = u64>) -> ArrayRef {
    Arc::new(values.map(Some).collect::<UInt64Array>())
}

pub(crate) fn texts<'a>(values: impl Iterator<Item = &'a str>) -> ArrayRef {
    Arc::new(values.map(Some).collect::<StringArray>())
}

pub(crate) fn shares(
    columns: &mut Columns,
    names: [&'static str; 3],
    values: impl Iterator<Item = Option<Share>> + Clone,
) {
    let ends: [fn(Share) -> f64; 3] = [|share| share.value, |share| share.low, |share| share.high];
    for (name, end) in names.into_iter().zip(ends) {
        columns.push((name, numbers(values.clone().map(|share| share.map(end)))));
    }
}

pub(crate) fn money(values: impl Iterator<Item = Cents>) -> ArrayRef {
    numbers(values.map(|value| Some(value.amount())))
}

/// Whole numbers.
pub(crate) fn small_counts(values: impl Iterator<Item = u32>) -> ArrayRef {
    Arc::new(values.map(Some).collect::<UInt32Array>())
}

/// Whole numbers that may not be known.
pub(crate) fn known_counts(values: impl Iterator<Item = Option<u64>>) -> ArrayRef {
    Arc::new(values.collect::<UInt64Array>())
}

/// Dates that may not be known.
pub(crate) fn known_dates(values: impl Iterator<Item = Option<NaiveDate>>) -> ArrayRef {
    Arc::new(values.map(|date| date.map(days_from_epoch)).collect::<Date32Array>())
}

/// Texts that may not be known.
pub(crate) fn known_texts<'a>(values: impl Iterator<Item = Option<&'a str>>) -> ArrayRef {
    Arc::new(values.collect::<StringArray>())
}

/// Yes or no, or not known.
pub(crate) fn flags(values: impl Iterator<Item = Option<bool>>) -> ArrayRef {
    Arc::new(values.collect::<BooleanArray>())
}
