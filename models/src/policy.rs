//! `policy.json`: what turns probabilities into bands, health, value and status.
//!
//! The rules are few and plain, because people act on them: one cut-off per level, one role per column, and a role that
//! no input plays makes a null, never a guess. [`Policy::resolve`] finds the inputs once; the [`ResolvedPolicy`] is
//! what the nightly job and the outlook read rows with.

mod columns;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::drift::Reference;
pub use crate::level::{Band, Health, ServiceLevel, Status, StatusReason, ValueTier};
use crate::{FeatureBlock, ModelError, Signature};

/// Which input plays which part; no role, null column.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Roles {
    /// Monthly recurring revenue at `as_of`.
    pub mrr: Option<String>,
    /// The measure of usage depth that health is read from.
    pub usage_depth: Option<String>,
    /// The measure of satisfaction that health is read from.
    pub satisfaction: Option<String>,
    /// Days since the last use.
    pub usage_recency: Option<String>,
}

/// Probability from which a band starts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BandCutoffs {
    /// Medium from here.
    pub medium: f64,
    /// High from here.
    pub high: f64,
}

impl BandCutoffs {
    /// Band of a probability.
    #[must_use]
    pub fn band(&self, probability: f64) -> Band {
        if probability >= self.high {
            Band::High
        } else if probability >= self.medium {
            Band::Medium
        } else {
            Band::Low
        }
    }
}

/// What each target's probability is worth and when a row is not scored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Roles of the inputs.
    pub roles: Roles,
    /// Bands by target.
    pub bands: BTreeMap<String, BandCutoffs>,
    /// Usage depth is high from here.
    pub usage_depth_high: Option<f64>,
    /// Satisfaction is high from here.
    pub satisfaction_high: Option<f64>,
    /// MRR from which an account is of medium value.
    pub value_medium_mrr: Option<f64>,
    /// MRR from which an account is of high value.
    pub value_high_mrr: Option<f64>,
    /// A usage recency above this is `STALE_USAGE`: beyond what training saw.
    pub max_usage_recency_days: Option<f64>,
    /// Whether an account without any known use (no usage recency) is `NO_HISTORY`: training saw too few such rows to score
    /// one, fewer than 10 or fewer than 0.1 %.
    pub requires_usage: bool,
    /// More than this share of the known numbers outside the training range is `OUTSIDE_TRAINING`.
    pub max_share_outside_training: f64,
    /// A single known number further outside the training range than this, in the unit of
    /// [`Reference::ranges_outside`], is `OUTSIDE_TRAINING` as well; null asks for nothing.
    #[serde(default)]
    pub max_ranges_outside_training: Option<f64>,
    /// Mean relative MRR uplift of an account that expands, from the training rows.
    pub mean_expansion_uplift: Option<f64>,
}

/// What a target's name says that it foretells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Name begins with `churn`: the account leaves, with all its MRR.
    Churn,
    /// Name begins with `expansion`.
    Expansion,
    /// Anything else.
    Other,
}

impl Outcome {
    /// Of a target's name.
    #[must_use]
    pub fn of_target(target: &str) -> Self {
        if target.starts_with("churn") {
            Self::Churn
        } else if target.starts_with("expansion") {
            Self::Expansion
        } else {
            Self::Other
        }
    }
}

/// The columns of the scores that belong to the account and not to a target.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct AccountColumns {
    /// Usage depth against satisfaction; null when the policy has no such roles.
    pub health: Option<Health>,
    /// By MRR; null without an MRR.
    pub value_tier: Option<ValueTier>,
    /// Null without a value tier.
    pub service_level: Option<ServiceLevel>,
    /// MRR at `as_of`, at least 0 and finite; null when it is not known.
    pub mrr: Option<f64>,
    /// `p_churn * mrr`, of the first churn target.
    pub mrr_at_risk: Option<f64>,
    /// `p_expansion * mrr * mean uplift`, of the first expansion target.
    pub expected_expansion_mrr: Option<f64>,
}

impl Policy {
    /// Checks the policy against the inputs and targets of its bundle.
    ///
    /// # Errors
    /// [`ModelError::Policy`] with the field that does not fit.
    pub fn validate(&self, signature: &Signature, targets: &[&str]) -> Result<(), ModelError> {
        self.resolve(signature)?;
        if let Some(target) = targets.iter().find(|target| !self.bands.contains_key(**target)) {
            return Err(policy_error("bands", "cut-offs for every target", &format!("none for {target}")));
        }
        for (target, cutoffs) in &self.bands {
            let field = format!("bands.{target}");
            if !targets.contains(&target.as_str()) {
                return Err(policy_error(&field, &format!("one of {}", targets.join(", ")), target));
            }
            let ordered = cutoffs.medium <= cutoffs.high;
            if !ordered || ![cutoffs.medium, cutoffs.high].iter().all(|cutoff| (0.0..=1.0).contains(cutoff)) {
                let found = format!("{} and {}", cutoffs.medium, cutoffs.high);
                return Err(policy_error(&field, "0 <= medium <= high <= 1", &found));
            }
        }
        let numbers = [
            ("usage_depth_high", self.usage_depth_high),
            ("satisfaction_high", self.satisfaction_high),
            ("value_medium_mrr", self.value_medium_mrr),
            ("value_high_mrr", self.value_high_mrr),
            ("max_usage_recency_days", self.max_usage_recency_days),
            ("mean_expansion_uplift", self.mean_expansion_uplift),
            ("max_ranges_outside_training", self.max_ranges_outside_training),
        ];
        for (field, number) in numbers {
            if let Some(number) = number.filter(|number| !number.is_finite()) {
                return Err(policy_error(field, "a finite number", &number.to_string()));
            }
        }
        if let Some(uplift) = self.mean_expansion_uplift.filter(|uplift| !(0.0..=1_000.0).contains(uplift)) {
            return Err(policy_error("mean_expansion_uplift", "a share from 0 to 1,000", &uplift.to_string()));
        }
        if !(0.0..=1.0).contains(&self.max_share_outside_training) {
            let found = self.max_share_outside_training.to_string();
            return Err(policy_error("max_share_outside_training", "a share in [0, 1]", &found));
        }
        match (self.value_medium_mrr, self.value_high_mrr) {
            (Some(medium), Some(high)) if medium > high => {
                Err(policy_error("value_high_mrr", &format!("at least {medium}"), &high.to_string()))
            }
            _ => Ok(()),
        }
    }

    /// Finds the inputs of the roles.
    ///
    /// # Errors
    /// [`ModelError::Policy`] when a role names what is not a numeric input.
    pub fn resolve(&self, signature: &Signature) -> Result<ResolvedPolicy, ModelError> {
        let find = |field: &str, name: &Option<String>| match name {
            None => Ok(None),
            Some(name) => match signature.numeric_position(name) {
                Some(position) => Ok(Some(position)),
                None => Err(policy_error(&format!("roles.{field}"), "a numeric input of the signature", name)),
            },
        };
        Ok(ResolvedPolicy {
            mrr: find("mrr", &self.roles.mrr)?,
            usage_depth: find("usage_depth", &self.roles.usage_depth)?,
            satisfaction: find("satisfaction", &self.roles.satisfaction)?,
            usage_recency: find("usage_recency", &self.roles.usage_recency)?,
            required_numbers: positions_not_nullable(signature.numeric_inputs().map(|(_, input)| input.nullable)),
            required_categories: signature
                .category_inputs()
                .enumerate()
                .filter(|(_, (_, input, _))| !input.nullable)
                .map(|(position, (_, _, levels))| (position, levels.len() + 1))
                .collect(),
            policy: self.clone(),
        })
    }

    /// Band of a target's probability; null for a target without cut-offs.
    #[must_use]
    pub fn band(&self, target: &str, probability: f64) -> Option<Band> {
        self.bands.get(target).map(|cutoffs| cutoffs.band(probability))
    }

    /// Value tier of an MRR; null without cut-offs.
    #[must_use]
    pub fn value_tier(&self, mrr: f64) -> Option<ValueTier> {
        let (medium, high) = (self.value_medium_mrr?, self.value_high_mrr?);
        Some(if mrr >= high {
            ValueTier::High
        } else if mrr >= medium {
            ValueTier::Medium
        } else {
            ValueTier::Low
        })
    }
}

fn positions_not_nullable(nullable: impl Iterator<Item = bool>) -> Vec<usize> {
    nullable.enumerate().filter(|(_, nullable)| !nullable).map(|(position, _)| position).collect()
}

fn policy_error(field: &str, expected: &str, found: &str) -> ModelError {
    ModelError::Policy {
        place: format!("policy.json, {field}"),
        expected: expected.to_owned(),
        found: found.to_owned(),
    }
}

/// Health by the four quadrants; unknown when either side is.
#[must_use]
pub fn health(usage_is_high: Option<bool>, satisfaction_is_high: Option<bool>) -> Health {
    match (usage_is_high, satisfaction_is_high) {
        (Some(true), Some(true)) => Health::Champion,
        (Some(true), Some(false)) => Health::Hostage,
        (Some(false), Some(true)) => Health::Sleeper,
        (Some(false), Some(false)) => Health::AtRisk,
        (None, _) | (_, None) => Health::Unknown,
    }
}

/// Service level: an account is at risk when its health is at_risk or hostage, or its churn band is high.
#[must_use]
pub fn service_level(tier: ValueTier, health: Option<Health>, churn: Option<Band>) -> ServiceLevel {
    let at_risk = matches!(health, Some(Health::AtRisk | Health::Hostage)) || churn == Some(Band::High);
    match (tier, at_risk) {
        (ValueTier::High, false) => ServiceLevel::HighHealthy,
        (ValueTier::High, true) => ServiceLevel::HighAtRisk,
        (ValueTier::Medium, false) => ServiceLevel::MediumHealthy,
        (ValueTier::Medium, true) => ServiceLevel::MediumAtRisk,
        (ValueTier::Low, false) => ServiceLevel::LowHealthy,
        (ValueTier::Low, true) => ServiceLevel::LowAtRisk,
    }
}

/// Status of a row by how many of its targets are scored.
#[must_use]
pub fn status(scored: usize, targets: usize) -> Status {
    match scored {
        0 => Status::NotScored,
        scored if scored == targets => Status::Scored,
        _ => Status::Partial,
    }
}

/// A policy whose roles have been found in the signature.
#[derive(Debug, Clone, PartialEq)]
pub struct ResolvedPolicy {
    policy: Policy,
    mrr: Option<usize>,
    usage_depth: Option<usize>,
    satisfaction: Option<usize>,
    usage_recency: Option<usize>,
    required_numbers: Vec<usize>,
    /// Position and the code of missing.
    required_categories: Vec<(usize, usize)>,
}

impl ResolvedPolicy {
    /// The policy itself.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// MRR of a row; null without a role or a value that can be an MRR.
    ///
    /// Revenue below zero or without bound is not known rather than low or high: it would put a sign or an absurd weight
    /// on everything that is reckoned with it. Readers of files turn an infinite value into the largest finite one, so that
    /// one stands for "without bound" too.
    #[must_use]
    pub fn mrr(&self, block: &FeatureBlock, row: usize) -> Option<f64> {
        known(block, self.mrr, row).filter(|mrr| (0.0..f64::from(f32::MAX)).contains(mrr))
    }

    /// Whether a row has an MRR that cannot be one, see [`ResolvedPolicy::mrr`].
    #[must_use]
    pub fn mrr_is_unusable(&self, block: &FeatureBlock, row: usize) -> bool {
        known(block, self.mrr, row).is_some() && self.mrr(block, row).is_none()
    }

    /// Health of a row; null when usage depth or satisfaction has no role or no cut-off.
    #[must_use]
    pub fn health(&self, block: &FeatureBlock, row: usize) -> Option<Health> {
        let (usage_high, satisfaction_high) = (self.policy.usage_depth_high?, self.policy.satisfaction_high?);
        let usage = known(block, Some(self.usage_depth?), row).map(|value| value >= usage_high);
        let satisfaction = known(block, Some(self.satisfaction?), row).map(|value| value >= satisfaction_high);
        Some(health(usage, satisfaction))
    }

    /// Why a row cannot be scored, or [`StatusReason::Ok`]. The order is that of [`StatusReason`], except that a
    /// missing input that must be there comes first.
    #[must_use]
    pub fn status_reason(&self, reference: Option<&Reference>, block: &FeatureBlock, row: usize) -> StatusReason {
        let reason = self.reason_inside(block, row);
        let outside = reference.is_some_and(|reference| {
            let furthest = self.policy.max_ranges_outside_training;
            reference.share_outside(block, row) > self.policy.max_share_outside_training
                || furthest.is_some_and(|most| reference.ranges_outside(block, row) > most)
        });
        if reason == StatusReason::Ok && outside { StatusReason::OutsideTraining } else { reason }
    }

    /// The same without a look at the range of training.
    fn reason_inside(&self, block: &FeatureBlock, row: usize) -> StatusReason {
        let number_missing = self.required_numbers.iter().any(|position| known(block, Some(*position), row).is_none());
        let text_missing = self.required_categories.iter().any(|(position, missing)| {
            let code = block.categories.get(*position).and_then(|column| column.get(row));
            code.is_none_or(|code| *code as usize >= *missing)
        });
        if number_missing || text_missing {
            return StatusReason::MissingInput;
        }
        let recency = known(block, self.usage_recency, row);
        let usage_known = match self.usage_recency {
            Some(_) => recency.is_some(),
            None => self.usage_depth.is_none() || known(block, self.usage_depth, row).is_some(),
        };
        if self.policy.requires_usage && !usage_known {
            return StatusReason::NoHistory;
        }
        if recency.zip(self.policy.max_usage_recency_days).is_some_and(|(days, most)| days > most) {
            return StatusReason::StaleUsage;
        }
        StatusReason::Ok
    }

    /// The account's columns, from its row and the probabilities of the targets (name and probability, null where not
    /// scored).
    #[must_use]
    pub fn account_columns(
        &self,
        block: &FeatureBlock,
        row: usize,
        probabilities: &[(&str, Option<f64>)],
    ) -> AccountColumns {
        let of = |outcome: Outcome| {
            let found = probabilities.iter().find(|(target, _)| Outcome::of_target(target) == outcome);
            found.and_then(|(target, probability)| Some((*target, (*probability)?)))
        };
        let churn = of(Outcome::Churn);
        let mrr = self.mrr(block, row);
        let health = self.health(block, row);
        let value_tier = mrr.and_then(|mrr| self.policy.value_tier(mrr));
        let churn_band = churn.and_then(|(target, probability)| self.policy.band(target, probability));
        let expansion = of(Outcome::Expansion).zip(mrr).zip(self.policy.mean_expansion_uplift);
        AccountColumns {
            health,
            value_tier,
            service_level: value_tier.map(|tier| service_level(tier, health, churn_band)),
            mrr,
            mrr_at_risk: churn.zip(mrr).map(|((_, probability), mrr)| probability * mrr),
            expected_expansion_mrr: expansion.map(|(((_, probability), mrr), uplift)| probability * mrr * uplift),
        }
    }
}

/// A number of a row; null where it has no role or is missing.
fn known(block: &FeatureBlock, position: Option<usize>, row: usize) -> Option<f64> {
    let value = block.numeric.get(position?)?.get(row)?;
    (!value.is_nan()).then_some(f64::from(*value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{category, numeric};

    pub(super) fn signature() -> Signature {
        let mut plan = category("plan", &["a"]);
        plan.nullable = false;
        Signature { inputs: vec![numeric("mrr"), plan, numeric("depth"), numeric("nps"), numeric("recency")] }
    }

    pub(super) fn policy() -> Policy {
        let role = |name: &str| Some(name.to_owned());
        Policy {
            roles: Roles {
                mrr: role("mrr"),
                usage_depth: role("depth"),
                satisfaction: role("nps"),
                usage_recency: role("recency"),
            },
            bands: [("churn_90d", 0.1, 0.3), ("expansion_60d", 0.2, 0.4)]
                .map(|(target, medium, high)| (target.to_owned(), BandCutoffs { medium, high }))
                .into(),
            usage_depth_high: Some(10.0),
            satisfaction_high: Some(7.0),
            value_medium_mrr: Some(100.0),
            value_high_mrr: Some(1000.0),
            max_usage_recency_days: Some(60.0),
            requires_usage: true,
            max_share_outside_training: 0.5,
            max_ranges_outside_training: Some(10.0),
            mean_expansion_uplift: Some(0.25),
        }
    }

    fn row(mrr: f32, depth: f32, nps: f32, recency: f32) -> FeatureBlock {
        let numeric = [mrr, depth, nps, recency].map(|value| vec![value]).to_vec();
        FeatureBlock::new(&signature(), 1, numeric, vec![vec![0]]).expect("fits")
    }

    #[test]
    fn every_cut_off_belongs_to_the_level_above() {
        let policy = policy();
        let bands = [0.05, 0.1, 0.3].map(|probability| policy.band("churn_90d", probability));
        assert_eq!(bands, [Some(Band::Low), Some(Band::Medium), Some(Band::High)]);
        assert_eq!(policy.band("contraction_90d", 0.5), None);
        let tiers = [99.9, 100.0, 1000.0].map(|mrr| policy.value_tier(mrr));
        assert_eq!(tiers, [Some(ValueTier::Low), Some(ValueTier::Medium), Some(ValueTier::High)]);
    }

    #[test]
    fn rows_get_their_quadrant_and_their_money() {
        let resolved = policy().resolve(&signature()).expect("roles exist");
        let scores = [("churn_90d", Some(0.2)), ("expansion_60d", Some(0.5))];
        let columns = resolved.account_columns(&row(200.0, 12.0, 3.0, 1.0), 0, &scores);
        assert_eq!(columns.health, Some(Health::Hostage));
        assert_eq!(columns.service_level, Some(ServiceLevel::MediumAtRisk));
        assert_eq!((columns.mrr_at_risk, columns.expected_expansion_mrr), (Some(40.0), Some(25.0)));
        let columns = resolved.account_columns(&row(f32::NAN, 2.0, f32::NAN, 1.0), 0, &[("churn_90d", None)]);
        assert_eq!(columns, AccountColumns { health: Some(Health::Unknown), ..AccountColumns::default() });
        for unusable in [f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN, -0.01] {
            let block = row(unusable, 12.0, 3.0, 1.0);
            let columns = resolved.account_columns(&block, 0, &scores);
            let expected = AccountColumns { health: Some(Health::Hostage), ..AccountColumns::default() };
            assert_eq!(columns, expected, "{unusable} is no MRR");
            assert!(resolved.mrr_is_unusable(&block, 0));
        }
        assert!(!resolved.mrr_is_unusable(&row(f32::NAN, 1.0, 1.0, 1.0), 0), "not known is not unusable");
        assert_eq!(resolved.mrr(&row(0.0, 1.0, 1.0, 1.0), 0), Some(0.0));
        let quadrants = [(true, true), (true, false), (false, true), (false, false)];
        let found = quadrants.map(|(usage, satisfaction)| health(Some(usage), Some(satisfaction)).text());
        assert_eq!(found, ["champion", "hostage", "sleeper", "at_risk"]);
        assert_eq!(service_level(ValueTier::High, Some(Health::Champion), Some(Band::High)).text(), "high_at_risk");
    }

    #[test]
    fn rows_that_cannot_be_scored_say_why() {
        let resolved = policy().resolve(&signature()).expect("roles exist");
        let cases = [
            (row(1.0, 1.0, 1.0, 60.0), StatusReason::Ok),
            (row(1.0, 1.0, 1.0, 61.0), StatusReason::StaleUsage),
            (row(1.0, 1.0, 1.0, f32::NAN), StatusReason::NoHistory),
        ];
        for (block, expected) in cases {
            assert_eq!(resolved.status_reason(None, &block, 0), expected);
        }
        let training = Reference::from_block(&signature(), &row(1.0, 1.0, 1.0, 1.0), &[]).expect("bins");
        let far = resolved.status_reason(Some(&training), &row(9.0, 9.0, 9.0, 1.0), 0);
        assert_eq!(far, StatusReason::OutsideTraining);
        // One of three numbers: a little outside is a guess worth making, far outside is not.
        let one = |mrr: f32| resolved.status_reason(Some(&training), &row(mrr, 1.0, 1.0, 1.0), 0);
        assert_eq!([one(11.0), one(12.0)], [StatusReason::Ok, StatusReason::OutsideTraining]);
        let mut block = row(1.0, 1.0, 1.0, 1.0);
        block.categories[0][0] = 2;
        assert_eq!(resolved.status_reason(None, &block, 0), StatusReason::MissingInput);
        assert_eq!([status(0, 2), status(1, 2), status(2, 2)], [Status::NotScored, Status::Partial, Status::Scored]);
    }

    #[test]
    fn a_policy_must_fit_its_bundle() {
        let targets = ["churn_90d", "expansion_60d"];
        assert!(policy().validate(&signature(), &targets).is_ok());
        let broken: [(fn(&mut Policy), &str); 5] = [
            (|policy| policy.roles.mrr = Some("plan".to_owned()), "roles.mrr"),
            (|policy| policy.bands.clear(), "bands"),
            (|policy| policy.usage_depth_high = Some(f64::NAN), "usage_depth_high"),
            (|policy| policy.value_high_mrr = Some(1.0), "value_high_mrr"),
            (|policy| policy.max_share_outside_training = 2.0, "max_share_outside_training"),
        ];
        for (breaks, expected) in broken {
            let mut policy = policy();
            breaks(&mut policy);
            let error = policy.validate(&signature(), &targets).expect_err("refused").to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
