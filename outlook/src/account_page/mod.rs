//! One account on one page, as it was known at a date: how likely it is to churn and to expand, and since when; why, then and
//! now; what it uses, pays, says and asks; and what accounts like it did next.
//!
//! [`AccountPage`] is plain data, made from the facts that were visible at the date and from scores of that date and before.
//! [`AccountPage::text`] and [`AccountPage::html`] show the same sections of it, on a terminal and in a browser. Nothing that
//! happened or became known from the date on is in it.

mod adoption;
mod dealings;
mod history;
mod html;
mod profile;
mod sections;
mod service;
mod similar;
mod text;
mod told_similar;
mod usage;

use bellwether_features::facts::Facts;
use bellwether_features::label::TargetDefinition;
use bellwether_features::spine::Eligibility;
use bellwether_features::time::Instant;
use chrono::NaiveDate;

use crate::scored::ScoredBase;
use crate::segment::SizeCutOffs;

pub use adoption::FeatureUse;
pub use dealings::{Answer, Contact, Contract, ContractTerm, Invoice, Meeting, Ticket};
pub use history::{Point, ReasonThenAndNow, ScoreHistory, TargetHistory, read};
pub use profile::Profile;
pub use service::Service;
pub use similar::{Similar, SimilarOutcome, comparison_dates};
pub use usage::{Usage, UsageSums, WeekOfUse};

/// What the page of an account is made from.
#[derive(Debug, Clone, Copy)]
pub struct AccountInput<'a> {
    /// All facts; those that are not visible at `as_of` are not read.
    pub facts: &'a Facts,
    /// Which account, as a place in [`Facts::accounts`].
    pub account: usize,
    /// The date.
    pub as_of: NaiveDate,
    /// Name of the business.
    pub business: &'a str,
    /// Its currency.
    pub currency: &'a str,
    /// Features that the product offers; empty: those that anybody had used by then.
    pub features: &'a [String],
    /// What is forecast, and therefore what became of accounts like it.
    pub targets: &'a [TargetDefinition],
    /// Which accounts it is compared with.
    pub eligibility: Eligibility,
    /// A gap in paying shorter than this is a late renewal.
    pub grace_days: u32,
    /// Size classes.
    pub sizes: SizeCutOffs,
    /// Scores of this account of `as_of` and before, ascending: see [`read`].
    pub scores: &'a [ScoredBase],
    /// What the outlook made from the latest of them says is done for it: see [`Service::read`].
    pub service: Option<&'a Service>,
    /// Scores of all accounts at some of [`comparison_dates`], ascending; may be empty.
    pub past: &'a [ScoredBase],
}

impl AccountInput<'_> {
    fn moment(&self) -> Instant {
        Instant::start_of(self.as_of)
    }

    fn id(&self) -> &str {
        &self.facts.accounts[self.account]
    }
}

/// An account as known at a date.
#[derive(Debug, Clone, PartialEq)]
pub struct AccountPage {
    /// Its id.
    pub account_id: String,
    /// The date.
    pub as_of: NaiveDate,
    /// Name of the business.
    pub business: String,
    /// Its currency.
    pub currency: String,
    /// Who it is.
    pub profile: Profile,
    /// What was forecast, and why.
    pub scores: ScoreHistory,
    /// What is done for it, by the outlook of the latest scores; `None` where there is none.
    pub service: Option<Service>,
    /// How much it uses the product; `None` without a table of usage.
    pub usage: Option<Usage>,
    /// What of the product it uses, in the order of the catalogue; empty without a table of usage.
    pub adoption: Vec<FeatureUse>,
    /// What it answered, latest first; `None` without such a table, as in all below.
    pub answers: Option<Vec<Answer>>,
    /// What it was billed, latest first.
    pub invoices: Option<Vec<Invoice>>,
    /// What it bought.
    pub contract: Option<Contract>,
    /// What it asked, latest first.
    pub tickets: Option<Vec<Ticket>>,
    /// Whom one knows there: those who are there, then those who left.
    pub contacts: Option<Vec<Contact>>,
    /// When one met, latest first.
    pub meetings: Option<Vec<Meeting>>,
    /// What accounts like it did next; `None` where there are too few.
    pub similar: Option<Similar>,
}

impl AccountPage {
    /// The page. Everything in it follows from what was visible at [`AccountInput::as_of`].
    #[must_use]
    pub fn of(input: &AccountInput<'_>) -> Self {
        Self {
            account_id: input.id().to_owned(),
            as_of: input.as_of,
            business: input.business.to_owned(),
            currency: input.currency.to_owned(),
            profile: Profile::of(input),
            scores: ScoreHistory::of(input),
            service: input.service.cloned(),
            usage: Usage::of(input),
            adoption: adoption::features(input),
            answers: dealings::answers(input),
            invoices: dealings::invoices(input),
            contract: Contract::of(input),
            tickets: dealings::tickets(input),
            contacts: dealings::contacts(input),
            meetings: dealings::meetings(input),
            similar: Similar::of(input),
        }
    }

    /// The page in lines, for a terminal.
    #[must_use]
    pub fn text(&self) -> Vec<String> {
        text::lines(self)
    }

    /// The page as one self-contained HTML file, without scripts.
    #[must_use]
    pub fn html(&self) -> String {
        html::page(self)
    }
}

/// Whole days from one moment to another, rounded down; below 0 where the other is earlier.
fn days_between(from: Instant, until: Instant) -> i64 {
    until.0.saturating_sub(from.0).div_euclid(bellwether_features::time::MICROS_PER_DAY)
}
