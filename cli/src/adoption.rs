//! Which product features each account had used by each observation date: what the report compares for retention and
//! growth.
//!
//! A feature is adopted when a use of it, visible at `as_of`, lies in the last 90 days before it. This is read from the
//! facts here and is no signal: a business has many features, and a column for each would drown a learner.

use std::collections::BTreeMap;

use bellwether_features::contract::Contract;
use bellwether_features::facts::Facts;
use bellwether_features::time::Instant;
use bellwether_train::dataset::Dataset;
use bellwether_train::insight::ProductAdoption;
use rayon::prelude::*;

/// How long a use counts as adoption.
const WINDOW_DAYS: u32 = 90;
/// Features that are compared where the project declares none: those that most accounts use.
const MOST_FEATURES: usize = 40;

/// Adoption of the declared features, or of the most used ones; `None` without a usage table.
pub(crate) fn product_adoption(contract: &Contract, facts: &Facts, dataset: &Dataset) -> Option<ProductAdoption> {
    let usage = facts.usage.as_ref()?;
    let wanted = wanted_features(contract, facts);
    let features: Vec<String> = wanted.iter().map(|code| facts.features.names[*code as usize].clone()).collect();
    let mut place = vec![None; facts.features.names.len()];
    for (index, code) in wanted.iter().enumerate() {
        place[*code as usize] = Some(index);
    }
    let mut rows_of: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (row, id) in dataset.matrix().account_ids.iter().enumerate() {
        rows_of.entry(id.as_ref()).or_default().push(row);
    }
    let by_account: Vec<(&str, &Vec<usize>)> = rows_of.iter().map(|(id, rows)| (*id, rows)).collect();
    let found: Vec<Vec<(usize, usize)>> = by_account
        .par_iter()
        .map(|(id, rows)| {
            let Ok(account) = facts.accounts.binary_search_by(|one| one.as_str().cmp(id)) else { return Vec::new() };
            let mut adopted = Vec::new();
            for row in *rows {
                let as_of = Instant::start_of(dataset.as_of()[*row]);
                let begins = as_of.plus_days(-i64::from(WINDOW_DAYS));
                let uses = usage.of(account);
                let within =
                    &uses[uses.partition_point(|one| one.at < begins)..uses.partition_point(|one| one.at < as_of)];
                let mut seen = vec![false; features.len()];
                for one in within.iter().filter(|one| one.known_at < as_of) {
                    if let Some(index) = place[one.feature as usize] {
                        seen[index] = true;
                    }
                }
                adopted.extend(seen.iter().enumerate().filter(|(_, seen)| **seen).map(|(index, _)| (index, *row)));
            }
            adopted
        })
        .collect();
    let mut adopted = vec![vec![false; dataset.rows()]; features.len()];
    for (feature, row) in found.into_iter().flatten() {
        adopted[feature][row] = true;
    }
    Some(ProductAdoption { window_days: WINDOW_DAYS, features, adopted })
}

/// Codes of the features to compare, ascending.
fn wanted_features(contract: &Contract, facts: &Facts) -> Vec<u32> {
    let names = facts.features.names.iter().enumerate();
    let declared = &contract.catalogue.features;
    if !declared.is_empty() {
        return names.filter(|(_, name)| declared.contains(name)).map(|(code, _)| code as u32).collect();
    }
    let mut accounts = vec![0_usize; facts.features.names.len()];
    if let Some(usage) = &facts.usage {
        for account in 0..facts.accounts.len() {
            let mut codes: Vec<u32> = usage.of(account).iter().map(|one| one.feature).collect();
            codes.sort_unstable();
            codes.dedup();
            codes.into_iter().for_each(|code| accounts[code as usize] += 1);
        }
    }
    let mut order: Vec<u32> = names.map(|(code, _)| code as u32).collect();
    order.sort_by_key(|code| (std::cmp::Reverse(accounts[*code as usize]), *code));
    order.truncate(MOST_FEATURES);
    order.sort_unstable();
    order
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

    use std::sync::Arc;

    use bellwether_features::contract::Sections;
    use bellwether_features::facts::{Grouped, Names, UsageFact};
    use bellwether_features::label::{Event, Labels, OutcomeTime, TargetDefinition};
    use bellwether_features::matrix::{Column, FeatureMatrix};
    use bellwether_features::signal::{Direction, Family, SignalDefinition, Unit};
    use chrono::NaiveDate;

    use super::*;

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn contract(features: &str) -> Contract {
        let source = format!(
            "[tables.usage]\npath = \"usage.csv\"\n[targets.churn_90d]\nevent = \"inactivity\"\n[catalogue]\n{features}"
        );
        let sections: Sections = toml::from_str(&source).unwrap();
        Contract::resolve(std::path::Path::new("project"), sections).unwrap()
    }

    /// (account, feature, day of the use, day on which it became known).
    fn facts(uses: &[(u32, u32, &str, &str)]) -> Facts {
        let fact = |(account, feature, at, known_at): &(u32, u32, &str, &str)| {
            let at = Instant::start_of(date(at));
            let known_at = Instant::start_of(date(known_at));
            (*account, UsageFact { at, known_at, user: None, feature: *feature, quantity: 1.0 })
        };
        Facts {
            accounts: vec!["a".to_owned(), "b".to_owned()],
            usage: Some(Grouped::new(2, uses.iter().map(fact).collect(), |row| row.at)),
            features: Names { names: ["board", "login", "wiki"].map(str::to_owned).to_vec(), is_there: true },
            ..Facts::default()
        }
    }

    /// Account a on two dates, account b on the second.
    fn dataset() -> Dataset {
        let as_of = ["2024-04-01", "2024-05-01", "2024-05-01"].map(date).to_vec();
        let signal = SignalDefinition {
            name: "mrr".to_owned(),
            family: Family::Commercial,
            idea: "commercial.mrr".to_owned(),
            unit: Unit::Money,
            window_days: None,
            table: "subscriptions".to_owned(),
            text: "MRR: {value}".to_owned(),
            null_text: None,
            churn: Direction::Unknown,
            expansion: Direction::Unknown,
            actionable: false,
            parameters: String::new(),
        };
        let matrix = FeatureMatrix {
            account_ids: ["a", "a", "b"].map(Arc::from).to_vec(),
            as_of,
            signals: vec![signal],
            columns: vec![Column::Numeric(vec![1.0; 3])],
        };
        let target = TargetDefinition {
            name: "churn_90d".to_owned(),
            event: Event::Inactivity,
            time: OutcomeTime::Event,
            horizon_days: 90,
            grace_days: 0,
            landing_delay_days: 0,
            text: "no use".to_owned(),
        };
        let labels =
            Labels { target, known_before: date("2025-01-01"), values: vec![Some(false); 3], uplift: vec![None; 3] };
        Dataset::new(matrix, vec![labels]).unwrap()
    }

    #[test]
    fn a_use_counts_when_it_was_known_and_for_90_days() {
        let facts = facts(&[
            // In the window of the first date, and 91 days before the second.
            (0, 0, "2024-01-31", "2024-01-31"),
            // Known after the first date only.
            (0, 1, "2024-03-20", "2024-04-10"),
            // On the second date itself: not yet visible.
            (1, 2, "2024-05-01", "2024-05-01"),
            (1, 0, "2024-02-01", "2024-02-01"),
        ]);
        let found = product_adoption(&contract(""), &facts, &dataset()).unwrap();
        assert_eq!(found.features, ["board", "login", "wiki"]);
        assert_eq!(found.adopted, [[true, false, true], [false, true, false], [false, false, false]]);
        let declared = product_adoption(&contract("features = [\"wiki\", \"login\"]"), &facts, &dataset()).unwrap();
        assert_eq!(declared.features, ["login", "wiki"]);
        assert!(product_adoption(&contract(""), &Facts::default(), &dataset()).is_none());
    }
}
