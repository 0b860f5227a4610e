//! The arguments of `bellwether export`, and where else results may go.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use bellwether_infer::arguments::date;
use bellwether_outlook::export::Tool;
use bellwether_postgres::Address;
use chrono::NaiveDate;
use clap::Args;

/// `bellwether export`.
#[derive(Debug, Args)]
pub(crate) struct ExportArguments {
    /// Where to: salesforce, hubspot, gainsight, churnzero, planhat, vitally or csv (files below --out), or
    /// postgres://USER@HOST/DATABASE. A password is better given in PGPASSWORD or a passfile than in the address.
    #[arg(long, value_name = "TOOL|ADDRESS")]
    pub(crate) to: Destination,
    /// The date of the scores.
    #[arg(long, value_name = "DATE", value_parser = date)]
    pub(crate) as_of: NaiveDate,
    /// The folder that was given to `score` and `outlook`; files go to `exports/v1/TOOL/as_of=DATE` in it.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// The date to compare with: its accounts that are not scored any more are listed for removal. Default: the scored date
    /// before
    #[arg(long, value_name = "DATE", value_parser = date)]
    pub(crate) previous: Option<NaiveDate>,
    /// Only rows that differ from those of the date compared with.
    #[arg(long)]
    pub(crate) changed_only: bool,
    /// A TOML file with a line for each column whose field has another name in your tool: `churn_90d_band =
    /// "Churn_Risk__c"`; `mrr = false` leaves a column out.
    #[arg(long, value_name = "FILE")]
    pub(crate) mapping: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) schema: SchemaArguments,
}

/// The schema of a database.
#[derive(Debug, Clone, Args)]
pub(crate) struct SchemaArguments {
    /// The schema to write to; made if it is not there (PostgreSQL).
    #[arg(long, value_name = "NAME", default_value = "bellwether")]
    pub(crate) schema: String,
}

/// A database beside the files, of `score` and `outlook`.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "A database beside the files")]
pub(crate) struct DatabaseArguments {
    /// Also write what was published to this database: postgres://USER@HOST/DATABASE. A password is better given in
    /// PGPASSWORD or a passfile than in the address.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) to: Option<DatabaseAddress>,
    #[command(flatten)]
    pub(crate) schema: SchemaArguments,
}

/// Where an export goes.
#[derive(Debug, Clone)]
pub(crate) enum Destination {
    /// Files for a tool.
    Tool(Tool),
    /// A database.
    Postgres(Box<Address>),
    /// Neither; what it is not, without what may be secret in it. Told by the command, since the parser of arguments would
    /// repeat the whole value.
    Wrong(WrongAddress),
}

/// The address of a database, checked when it is used.
#[derive(Debug, Clone)]
pub(crate) enum DatabaseAddress {
    /// One.
    Postgres(Box<Address>),
    /// None.
    Wrong(WrongAddress),
}

/// What was expected and found, without the value where it may hold a password.
#[derive(Debug, Clone)]
pub(crate) struct WrongAddress(pub(crate) String);

impl fmt::Display for WrongAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for Destination {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(tool) = Tool::parse(text) {
            return Ok(Self::Tool(tool));
        }
        if Address::is_address(text) {
            return Ok(match text.parse() {
                Ok(DatabaseAddress::Postgres(address)) => Self::Postgres(address),
                Ok(DatabaseAddress::Wrong(wrong)) => Self::Wrong(wrong),
                Err(never) => match never {},
            });
        }
        let tools = Tool::ALL.map(Tool::name).join(", ");
        Ok(Self::Wrong(WrongAddress(format!("expected {tools} or postgres://..., found {}", shown(text)))))
    }
}

impl FromStr for DatabaseAddress {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if !Address::is_address(text) {
            let found = format!("expected an address such as postgres://user@host/database, found {}", shown(text));
            return Ok(Self::Wrong(WrongAddress(found)));
        }
        Ok(match Address::parse(text) {
            Ok(address) => Self::Postgres(Box::new(address)),
            Err(error) => Self::Wrong(WrongAddress(error.to_string())),
        })
    }
}

/// A word as it is; of anything longer, which may hold a password, nothing.
fn shown(text: &str) -> String {
    let is_word = text.len() <= 20 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if is_word { format!("`{text}`") } else { "another value".to_owned() }
}
