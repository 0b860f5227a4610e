//! Rows as columns: the canonical names and types of each table.
//!
//! Instants are microseconds, UTC. Strings are plain strings: a reader needs nothing of ours.

use std::fmt::Write;
use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int32Array, StringArray, TimestampMicrosecondArray,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};

use crate::account::Profile;
use crate::calendar::{Second, midnight};
use crate::catalogue::{CAMPAIGNS, CHANNELS, FEATURES, INDUSTRIES, MODULES, OWNERS, PLANS, REGIONS};
use crate::firmographics::FirmographicRow;
use crate::goals::GoalRow;
use crate::invoices::InvoiceRow;
use crate::life::Version;
use crate::meetings::MeetingRow;
use crate::modules::ItemRow;
use crate::people::{ContactId, ContactRow};
use crate::spend::SpendRow;
use crate::truth::Truth;
use crate::usage::UsageRow;
use crate::voice::{NpsRow, TicketRow};
use crate::world::World;

/// A row of a table.
pub(crate) trait Row: Sized {
    /// Names and types of the columns.
    fn schema() -> Schema;
    /// The columns of some rows, in the order of the schema.
    fn columns(rows: &[Self]) -> Vec<ArrayRef>;
}

/// A row of the accounts table.
pub(crate) struct AccountRow {
    pub index: u32,
    pub signed_up_at: Second,
    pub segment: &'static str,
    pub industry: usize,
    pub region: usize,
    pub channel: usize,
    pub campaign: Option<&'static str>,
    pub owner: Option<&'static str>,
}

impl AccountRow {
    pub(crate) fn of(profile: &Profile, world: World) -> Self {
        // Neither has any bearing on what happens: the number of the account deals them out (Knuth's multiplicative hash).
        let lot = (profile.index.wrapping_mul(2_654_435_761) >> 8) as usize;
        Self {
            campaign: (lot % 5 < CAMPAIGNS.len()).then(|| CAMPAIGNS[lot % 5]),
            owner: (profile.segment > 0 || lot % 4 == 1).then(|| OWNERS[lot / 64 % OWNERS.len()]),
            index: profile.index,
            signed_up_at: profile.signed_up_at,
            segment: world.parameters().segments[profile.segment].name,
            industry: profile.industry,
            region: profile.region,
            channel: profile.channel,
        }
    }
}

/// A row of the subscriptions table.
pub(crate) struct SubscriptionRow {
    pub account: u32,
    pub version: Version,
}

fn instant() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

fn schema(fields: &[(&str, DataType, bool)]) -> Schema {
    Schema::new(fields.iter().map(|(name, kind, null)| Field::new(*name, kind.clone(), *null)).collect::<Vec<_>>())
}

/// A schema as arrow wants it.
pub(crate) fn shared_schema<T: Row>() -> SchemaRef {
    Arc::new(T::schema())
}

fn texts<T>(rows: &[T], write: impl Fn(&T, &mut StringBuilder) -> std::fmt::Result) -> ArrayRef {
    let mut builder = StringBuilder::with_capacity(rows.len(), rows.len() * 16);
    for row in rows {
        // Writing to memory cannot fail.
        let _ = write(row, &mut builder);
        builder.append_value("");
    }
    Arc::new(builder.finish())
}

fn names<'a, T>(rows: &'a [T], name: impl Fn(&'a T) -> &'a str) -> ArrayRef {
    let mut builder = StringBuilder::with_capacity(rows.len(), rows.len() * 12);
    for row in rows {
        builder.append_value(name(row));
    }
    Arc::new(builder.finish())
}

fn known_names<T>(rows: &[T], name: impl Fn(&T) -> Option<&'static str>) -> ArrayRef {
    Arc::new(rows.iter().map(name).collect::<StringArray>())
}

fn accounts<T>(rows: &[T], account: impl Fn(&T) -> u32) -> ArrayRef {
    texts(rows, |row, text| write!(text, "acct-{:07}", account(row) + 1))
}

fn instants<T>(rows: &[T], second: impl Fn(&T) -> Option<Second>) -> ArrayRef {
    let values = rows.iter().map(|row| second(row).map(|second| second * 1_000_000));
    Arc::new(values.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
}

fn numbers<T>(rows: &[T], number: impl Fn(&T) -> f64) -> ArrayRef {
    Arc::new(rows.iter().map(number).collect::<Vec<f64>>().into_iter().map(Some).collect::<Float64Array>())
}

fn known_numbers<T>(rows: &[T], number: impl Fn(&T) -> Option<f64>) -> ArrayRef {
    Arc::new(rows.iter().map(number).collect::<Float64Array>())
}

fn integers<T>(rows: &[T], number: impl Fn(&T) -> i32) -> ArrayRef {
    Arc::new(Int32Array::from_iter_values(rows.iter().map(number)))
}

impl Row for AccountRow {
    fn schema() -> Schema {
        schema(&[
            ("account_id", DataType::Utf8, false),
            ("signed_up_at", instant(), false),
            ("segment", DataType::Utf8, false),
            ("industry", DataType::Utf8, false),
            ("region", DataType::Utf8, false),
            ("channel", DataType::Utf8, false),
            ("campaign", DataType::Utf8, true),
            ("owner", DataType::Utf8, true),
        ])
    }

    fn columns(rows: &[Self]) -> Vec<ArrayRef> {
        vec![
            accounts(rows, |row| row.index),
            instants(rows, |row| Some(row.signed_up_at)),
            names(rows, |row| row.segment),
            names(rows, |row| INDUSTRIES[row.industry].0),
            names(rows, |row| REGIONS[row.region]),
            names(rows, |row| CHANNELS[row.channel].0),
            known_names(rows, |row| row.campaign),
            known_names(rows, |row| row.owner),
        ]
    }
}

impl Row for UsageRow {
    fn schema() -> Schema {
        schema(&[
            ("account_id", DataType::Utf8, false),
            ("user_id", DataType::Utf8, false),
            ("feature", DataType::Utf8, false),
            ("at", instant(), false),
            ("quantity", DataType::Float64, false),
            ("known_at", instant(), false),
        ])
    }

    fn columns(rows: &[Self]) -> Vec<ArrayRef> {
        vec![
            accounts(rows, |row| row.account),
            texts(rows, |row, text| write!(text, "u-{:07}-{}", row.account + 1, row.user)),
            names(rows, |row| FEATURES[usize::from(row.feature)].name),
            instants(rows, |row| Some(row.at)),
            numbers(rows, |row| row.quantity),
            instants(rows, |row| Some(row.known_at)),
        ]
    }
}

impl Row for SubscriptionRow {
    fn schema() -> Schema {
        schema(&[
            ("account_id", DataType::Utf8, false),
            ("effective_at", instant(), false),
            ("mrr", DataType::Float64, false),
            ("plan", DataType::Utf8, false),
            ("seats", DataType::Int32, false),
            ("billing_period", DataType::Utf8, false),
            ("renews_at", instant(), true),
            ("usage_limit", DataType::Float64, false),
            ("list_price", DataType::Float64, false),
            ("discount", DataType::Float64, false),
            ("known_at", instant(), false),
        ])
    }

    fn columns(rows: &[Self]) -> Vec<ArrayRef> {
        vec![
            accounts(rows, |row| row.account),
            instants(rows, |row| Some(row.version.effective_at)),
            numbers(rows, |row| row.version.mrr),
            names(rows, |row| PLANS[row.version.contract.plan].name),
            integers(rows, |row| row.version.contract.seats as i32),
            names(rows, |row| if row.version.contract.annual { "annual" } else { "monthly" }),
            instants(rows, |row| row.version.renews_on.map(midnight)),
            numbers(rows, |row| row.version.contract.usage_limit()),
            numbers(rows, |row| row.version.contract.list_price()),
            numbers(rows, |row| row.version.contract.discount),
            instants(rows, |row| Some(row.version.known_at)),
        ]
    }
}

impl Row for NpsRow {
    fn schema() -> Schema {
        schema(&[
            ("account_id", DataType::Utf8, false),
            ("respondent_id", DataType::Utf8, false),
            ("at", instant(), false),
            ("score", DataType::Int32, false),
            ("known_at", instant(), false),
        ])
    }

    fn columns(rows: &[Self]) -> Vec<ArrayRef> {
        vec![
            accounts(rows, |row| row.account),
            texts(rows, |row, text| write!(text, "r-{:07}-{}", row.account + 1, row.respondent)),
            instants(rows, |row| Some(row.at)),
            integers(rows, |row| i32::from(row.score)),
            instants(rows, |row| Some(row.known_at)),
        ]
    }
}

impl Row for InvoiceRow {
    fn schema() -> Schema {
        schema(&[
            ("invoice_id", DataType::Utf8, false),
            ("account_id", DataType::Utf8, false),
            ("issued_at", instant(), false),
            ("due_at", instant(), false),
            ("paid_at", instant(), true),
            ("amount", DataType::Float64, false),
            ("kind", DataType::Utf8, false),
            ("disputed_at", instant(), true),
            ("known_at", instant(), false),
        ])
    }

    fn columns(rows: &[Self]) -> Vec<ArrayRef> {
        vec![
            texts(rows, |row, text| write!(text, "inv-{:07}-{:03}", row.account + 1, row.number)),
            accounts(rows, |row| row.account),
            instants(rows, |row| Some(row.issued_at)),
            instants(rows, |row| Some(row.due_at)),
            instants(rows, |row| row.paid_at),
            numbers(rows, |row| row.amount),
            names(rows, |row| if row.one_time { "one_time" } else { "recurring" }),
            instants(rows, |row| row.disputed_at),
            instants(rows, |row| Some(row.known_at)),
        ]
    }
}

impl Row for TicketRow {
    fn schema() -> Schema {
        schema(&[
            ("ticket_id", DataType::Utf8, false),
            ("account_id", DataType::Utf8, false),
            ("opened_at", instant(), false),
            ("resolved_at", instant(), true),
            ("category", DataType::Utf8, false),
            ("severity", DataType::Utf8, false),
            ("known_at", instant(), false),
        ])
    }

    fn columns(rows: &[Self]) -> Vec<ArrayRef> {
        vec![
            texts(rows, |row, text| write!(text, "tick-{:07}-{:03}", row.account + 1, row.number)),
            accounts(rows, |row| row.account),
            instants(rows, |row| Some(row.opened_at)),
            instants(rows, |row| row.resolved_at),
            names(rows, |row| row.category),
            names(rows, |row| row.severity),
            instants(rows, |row| Some(row.known_at)),
        ]
    }
}

impl Row for ItemRow {
    fn schema() -> Schema {
        schema(&[
            ("account_id", DataType::Utf8, false),
            ("item", DataType::Utf8, false),
            ("effective_at", instant(), false),
            ("mrr", DataType::Float64, false),
            ("known_at", instant(), false),
        ])
    }

    fn columns(rows: &[Self]) -> Vec<ArrayRef> {
        vec![
            accounts(rows, |row| row.account),
            names(rows, |row| MODULES[row.module]),
            instants(rows, |row| Some(row.effective_at)),
            numbers(rows, |row| row.mrr),
            instants(rows, |row| Some(row.known_at)),
        ]
    }
}

/// Who is surveyed has one id in answers, contacts and meetings.
fn contacts<T>(rows: &[T], contact: impl Fn(&T) -> (u32, ContactId)) -> ArrayRef {
    texts(rows, |row, text| match contact(row) {
        (account, ContactId::Respondent(number)) => write!(text, "r-{:07}-{number}", account + 1),
        (account, ContactId::Other(number)) => write!(text, "c-{:07}-{number}", account + 1),
    })
}

impl Row for ContactRow {
    fn schema() -> Schema {
        schema(&[
            ("account_id", DataType::Utf8, false),
            ("contact_id", DataType::Utf8, false),
            ("role", DataType::Utf8, false),
            ("since", instant(), false),
            ("until", instant(), true),
            ("known_at", instant(), false),
        ])
    }

    fn columns(rows: &[Self]) -> Vec<ArrayRef> {
        vec![
            accounts(rows, |row| row.account),
            contacts(rows, |row| (row.account, row.contact)),
            names(rows, |row| row.role.name()),
            instants(rows, |row| Some(row.since)),
            instants(rows, |row| row.until),
            instants(rows, |row| Some(row.known_at)),
        ]
    }
}

impl Row for MeetingRow {
    fn schema() -> Schema {
        schema(&[
            ("account_id", DataType::Utf8, false),
            ("at", instant(), false),
            ("kind", DataType::Utf8, false),
            ("contact_id", DataType::Utf8, false),
            ("attended", DataType::Boolean, false),
            ("known_at", instant(), false),
        ])
    }

    fn columns(rows: &[Self]) -> Vec<ArrayRef> {
        vec![
            accounts(rows, |row| row.account),
            instants(rows, |row| Some(row.at)),
            names(rows, |row| row.kind.name()),
            contacts(rows, |row| (row.account, row.contact)),
            Arc::new(rows.iter().map(|row| Some(row.attended)).collect::<BooleanArray>()),
            instants(rows, |row| Some(row.known_at)),
        ]
    }
}

impl Row for FirmographicRow {
    fn schema() -> Schema {
        schema(&[
            ("account_id", DataType::Utf8, false),
            ("at", instant(), false),
            ("employees", DataType::Int32, false),
            ("known_at", instant(), false),
        ])
    }

    fn columns(rows: &[Self]) -> Vec<ArrayRef> {
        vec![
            accounts(rows, |row| row.account),
            instants(rows, |row| Some(row.at)),
            integers(rows, |row| row.employees),
            instants(rows, |row| Some(row.known_at)),
        ]
    }
}

impl Row for SpendRow {
    fn schema() -> Schema {
        schema(&[
            ("account_id", DataType::Utf8, false),
            ("at", instant(), false),
            ("acquisition_cost", DataType::Float64, true),
            ("serve_cost", DataType::Float64, true),
            ("known_at", instant(), false),
        ])
    }

    fn columns(rows: &[Self]) -> Vec<ArrayRef> {
        vec![
            accounts(rows, |row| row.account),
            instants(rows, |row| Some(row.at)),
            known_numbers(rows, |row| row.acquisition_cost),
            known_numbers(rows, |row| row.serve_cost),
            instants(rows, |row| Some(row.known_at)),
        ]
    }
}

impl Row for GoalRow {
    fn schema() -> Schema {
        schema(&[
            ("account_id", DataType::Utf8, false),
            ("metric", DataType::Utf8, false),
            ("use_case", DataType::Utf8, true),
            ("target", DataType::Float64, false),
            ("from", instant(), false),
            ("until", instant(), false),
            ("known_at", instant(), false),
        ])
    }

    fn columns(rows: &[Self]) -> Vec<ArrayRef> {
        vec![
            accounts(rows, |row| row.account),
            names(rows, |row| row.metric),
            Arc::new(rows.iter().map(|row| row.use_case).collect::<StringArray>()),
            numbers(rows, |row| row.target),
            instants(rows, |row| Some(row.from)),
            instants(rows, |row| Some(row.until)),
            instants(rows, |row| Some(row.known_at)),
        ]
    }
}

impl Row for Truth {
    fn schema() -> Schema {
        schema(&[
            ("account_id", DataType::Utf8, false),
            ("as_of", DataType::Date32, false),
            ("churn_90d", DataType::Float64, false),
            ("expansion_60d", DataType::Float64, false),
            ("value", DataType::Float64, false),
            ("value_smoothed", DataType::Float64, false),
            ("breadth", DataType::Float64, false),
            ("limit_pressure", DataType::Float64, false),
        ])
    }

    fn columns(rows: &[Self]) -> Vec<ArrayRef> {
        vec![
            accounts(rows, |row| row.account),
            Arc::new(Date32Array::from_iter_values(rows.iter().map(|row| row.as_of))),
            numbers(rows, |row| row.churn),
            numbers(rows, |row| row.expansion),
            numbers(rows, |row| row.hidden.value),
            numbers(rows, |row| row.hidden.smoothed),
            numbers(rows, |row| row.hidden.breadth),
            numbers(rows, |row| row.hidden.pressure.exp()),
        ]
    }
}
