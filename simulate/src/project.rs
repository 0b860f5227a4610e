//! The project file of a simulated business: a commented `bellwether.toml`, the same text for the same parameters.

use crate::calendar::months_before;
use crate::catalogue::{COMPLAINT_CATEGORIES, FEATURES, Feature, HOW_TO_CATEGORIES, Kind};
use crate::parameters::Simulation;

impl Simulation {
    /// The text of `bellwether.toml` for the tables that [`Simulation::run`] writes, to be put beside `data/`.
    ///
    /// The first test date is twelve months before the end, or half of the simulation where it is shorter than two years.
    #[must_use]
    pub fn project_toml(&self) -> String {
        let parameters = &self.parameters;
        let test_months = 12.min((parameters.months / 2).max(1));
        let replacements = [
            ("{accounts}", parameters.accounts.to_string()),
            ("{months}", parameters.months.to_string()),
            ("{seed}", parameters.seed.to_string()),
            ("{world}", parameters.world.to_string()),
            ("{end}", parameters.end.to_string()),
            ("{first_test}", months_before(parameters.end, test_months).to_string()),
            ("{accounts_per_week}", (parameters.accounts / 125).clamp(5, 400).to_string()),
            ("{features}", list(FEATURES.iter().map(|feature| feature.name))),
            ("{advanced}", list(of(|feature| feature.kind == Kind::Advanced))),
            ("{integrations}", list(of(|feature| feature.kind == Kind::Integration))),
            ("{value_moments}", list(of(|feature| feature.value_moment))),
            ("{how_to}", list(HOW_TO_CATEGORIES.into_iter())),
            ("{complaint}", list(COMPLAINT_CATEGORIES.into_iter())),
        ];
        replacements.iter().fold(TEMPLATE.to_owned(), |text, (key, value)| text.replace(key, value))
    }
}

fn of(keep: impl Fn(&Feature) -> bool) -> impl Iterator<Item = &'static str> {
    FEATURES.iter().filter(move |feature| keep(feature)).map(|feature| feature.name)
}

/// A TOML list of strings, wrapped.
fn list(names: impl Iterator<Item = &'static str>) -> String {
    let names: Vec<String> = names.map(|name| format!("\"{name}\"")).collect();
    if names.len() <= 6 {
        return format!("[{}]", names.join(", "));
    }
    let lines: Vec<String> = names.chunks(6).map(|line| format!("    {},\n", line.join(", "))).collect();
    format!("[\n{}]", lines.concat())
}

const TEMPLATE: &str = r#"# A simulated subscription business: {accounts} accounts over {months} months up to {end}.
# World `{world}`, seed {seed}. The tables under data/ have the canonical column names, so no column is mapped here.
config_version = 1

[project]
name = "simulated"
currency = "EUR"

# --- Tables. Paths are relative to this file. Every table but accounts carries known_at: when the business knew.

[tables.accounts]
path = "data/accounts.parquet"

[tables.usage]
path = "data/usage/*.parquet"
# Some 3 % of the rows arrive late, up to 30 days. Ages are measured against as_of, never against the wall clock.
freshness = { warn_after = "48h", error_after = "96h" }

[tables.subscriptions]
path = "data/subscriptions.parquet"

# Add-on modules; what they cost is part of the subscription's MRR.
[tables.subscription_items]
path = "data/subscription_items.parquet"

[tables.nps]
path = "data/nps.parquet"

[tables.invoices]
path = "data/invoices.parquet"

[tables.tickets]
path = "data/tickets.parquet"

# A contact who left has a second row, with `until`, from when it was on record.
[tables.contacts]
path = "data/contacts.parquet"

# One row per invitation.
[tables.meetings]
path = "data/meetings.parquet"

[tables.firmographics]
path = "data/firmographics.parquet"

# What customers cost, and what they are to reach: read by `bellwether outlook`, and by no signal.
[tables.spend]
path = "data/spend.parquet"

[tables.goals]
path = "data/goals.parquet"

# --- Who is scored, and what is predicted.

[eligibility]
active_by = "subscription"             # an account with MRR above 0 at as_of ...
within = "90d"                         # (used where active_by = "usage")
min_tenure = "14d"                     # ... that signed up at least two weeks before

[targets.churn_90d]
event = "subscription_end"
time = "event"
horizon = "90d"
grace = "14d"                          # a renewal paid a few days late is not churn
landing_delay = "0d"
text = "Paid account whose MRR reaches 0 within 90 days and stays 0 for 14 days"

[targets.expansion_60d]
event = "mrr_increase"
time = "event"
ratio = 1.05
min_absolute = 0
horizon = "60d"
landing_delay = "0d"
text = "Paid account whose MRR rises by at least 5 % within 60 days"

# --- What the product offers.

[catalogue]
features = {features}
advanced = {advanced}
integrations = {integrations}
value_moments = {value_moments}

[workflows.publish]
steps = ["draft", "review", "publish"]

[reviews]
interval = "91d"                       # a review every quarter; small businesses are content with two a year

[tickets]
severe = ["high", "critical"]

[tickets.kinds]
how_to = {how_to}
complaint = {complaint}

# --- How models are judged, and how many accounts a team can call.

[backtest]
first_test = "{first_test}"
refit_every = "quarter"
train_every = "quarter"                # an account's rows of two adjacent months say nearly the same
score_every = "month"

[capacity]
accounts_per_week = {accounts_per_week}

[glossary]
mrr = "Monthly recurring revenue at as_of, after discount"
quantity = "Units of work done with the product; a plan includes so many per seat and 30 days"
"#;

#[cfg(test)]
mod tests {
    use crate::parameters::Parameters;

    #[test]
    fn every_placeholder_is_filled() {
        let text = Parameters::default().check().unwrap().project_toml();
        let left = text.lines().find(|line| line.contains("= {") && !line.contains("warn_after"));
        assert_eq!(left, None);
        assert!(text.contains("first_test = \"2025-01-31\""), "{text}");
        assert!(text.contains("accounts_per_week = 40"));
        assert!(text.contains("integrations = [\"chat_integration\", \"crm_integration\", \"webhook\"]"));
    }

    #[test]
    fn a_short_simulation_is_tested_on_its_second_half() {
        let text = Parameters { months: 6, ..Parameters::default() }.check().unwrap().project_toml();
        assert!(text.contains("first_test = \"2025-10-31\""), "{text}");
    }
}
