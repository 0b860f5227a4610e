//! The tables that no signal reads.

use super::{Builder, Category, is_any};
use crate::facts::{Arm, Facts, GoalFact, GoalMetric, InterventionFact, OverrideFact, SpendFact};
use crate::read::dictionary::NO_CODE;

/// A code of a column that every kept row has.
fn needed(category: &Option<Category<'_>>, row: usize) -> u32 {
    given(category, row).unwrap_or(0)
}

fn given(category: &Option<Category<'_>>, row: usize) -> Option<u32> {
    category.as_ref().and_then(|category| category.of(row))
}

impl Builder<'_> {
    pub(super) fn interventions(&self, facts: &mut Facts) {
        let (playbooks, playbook) = self.category("playbook");
        let (outcomes, outcome) = self.category("outcome");
        let owner = self.category_among("owner", &facts.owners.names);
        let (arm, due) = (self.parsed("arm", arm), self.time("due"));
        facts.interventions = Some(self.group(
            |fact: &InterventionFact| (fact.at, fact.known_at),
            |row| InterventionFact {
                at: self.event(row),
                known_at: self.known_at(row),
                playbook: needed(&playbook, row),
                arm: arm(row).unwrap_or(Arm::Treated),
                owner: given(&owner, row),
                due: due(row),
                outcome: given(&outcome, row),
            },
        ));
        (facts.playbooks, facts.outcomes) = (playbooks, outcomes);
    }

    pub(super) fn overrides(&self, facts: &mut Facts) {
        let (targets, target) = self.category("target");
        let (authors, author) = self.category("author");
        let (reasons, reason) = self.category("reason");
        let probability = self.number("probability");
        facts.overrides = Some(self.group(
            |fact: &OverrideFact| (fact.at, fact.known_at),
            |row| OverrideFact {
                at: self.event(row),
                known_at: self.known_at(row),
                target: needed(&target, row),
                probability: probability(row).unwrap_or(0.0),
                author: needed(&author, row),
                reason: needed(&reason, row),
            },
        ));
        (facts.override_targets, facts.authors, facts.override_reasons) = (targets, authors, reasons);
    }

    pub(super) fn spend(&self, facts: &mut Facts) {
        let (acquisition, serve) = (self.number("acquisition_cost"), self.number("serve_cost"));
        facts.spend = Some(self.group(
            |fact: &SpendFact| (fact.at, fact.known_at),
            |row| SpendFact {
                at: self.event(row),
                known_at: self.known_at(row),
                acquisition_cost: acquisition(row),
                serve_cost: serve(row),
            },
        ));
    }

    /// Goals are few, and not all of them are an account's: one list in the order of time.
    pub(super) fn goals(&self, facts: &mut Facts) {
        let (use_cases, use_case) = self.category("use_case");
        let owner = self.category_among("owner", &facts.owners.names);
        let metric = self.parsed("metric", metric);
        let (target, until) = (self.number("target"), self.time("until"));
        let account_ids = self.rows.text("account_id");
        // A row of an account that is not among the facts is nobody's.
        let is_lost = |row: usize| {
            let named = account_ids.is_some_and(|(codes, _)| codes[row] != NO_CODE);
            named && self.account[row] == NO_CODE
        };
        let rows = (0..self.dropped.len()).filter(|row| !self.dropped[*row] && !is_lost(*row));
        let mut goals: Vec<GoalFact> = rows
            .filter_map(|row| {
                Some(GoalFact {
                    account: Some(self.account[row]).filter(|account| *account != NO_CODE),
                    owner: given(&owner, row),
                    metric: metric(row)?,
                    use_case: given(&use_case, row),
                    target: target(row)?,
                    from: self.event(row),
                    until: until(row)?,
                    known_at: self.known_at(row),
                })
            })
            .collect();
        goals.sort_by_key(|goal| (goal.from, goal.known_at));
        facts.goals = Some(goals);
        facts.use_cases = use_cases;
    }
}

fn arm(name: &str) -> Option<Arm> {
    if is_any(&["treated"], name) { Some(Arm::Treated) } else { is_any(&["holdout"], name).then_some(Arm::Holdout) }
}

fn metric(name: &str) -> Option<GoalMetric> {
    let metrics = [("usage", GoalMetric::Usage), ("adoption", GoalMetric::Adoption), ("revenue", GoalMetric::Revenue)];
    metrics.into_iter().find(|(spelling, _)| is_any(&[spelling], name)).map(|(_, metric)| metric)
}
