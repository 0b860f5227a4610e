//! The arguments of `bellwether account`.

use std::path::PathBuf;

use bellwether_infer::arguments::date;
use chrono::NaiveDate;
use clap::Args;

use super::ThreadArguments;

/// `bellwether account`.
#[derive(Debug, Args)]
pub(crate) struct AccountArguments {
    /// The account, by its id as it stands in the tables.
    #[arg(value_name = "ID")]
    pub(crate) account: String,
    /// The date: nothing that happened or became known from it on counts. Default: that of the latest scores in the output
    /// folder, else the day after the last known fact.
    #[arg(long, value_name = "DATE", value_parser = date)]
    pub(crate) as_of: Option<NaiveDate>,
    /// The output folder, from which the scores of the date and before are read.
    #[arg(long, value_name = "DIR", default_value = "out")]
    pub(crate) out: PathBuf,
    /// Also write the page as HTML into this file; an earlier page there is replaced.
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) threads: ThreadArguments,
}
