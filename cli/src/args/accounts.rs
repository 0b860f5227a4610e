//! What `bellwether outlook` is asked about accounts.

use bellwether_infer::arguments::date;
use chrono::NaiveDate;
use clap::Args;

/// Accounts, alerts and calls: with scores of the date below `--out` only.
#[derive(Debug, Args)]
#[command(next_help_heading = "Accounts (where the date has scores)")]
pub(crate) struct AccountsArguments {
    /// The earlier date with scores to compare with: what was crossed, who entered and left, what moved. Default: the last
    /// one before --as-of
    #[arg(long, value_name = "DATE", value_parser = date)]
    pub(crate) since: Option<NaiveDate>,
    /// How many accounts the team can call [default: accounts_per_week of the project file, else 40]
    #[arg(long, value_name = "ACCOUNTS", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) accounts_per_week: Option<u32>,
}
