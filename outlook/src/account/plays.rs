//! The section `[plays]`: what is done for an account of a service level, by whom, by when, and how its success is told.
//!
//! ```toml
//! [plays.high_at_risk]
//! play = "Executive call"
//! owner = "head of customer success"
//! due_days = 5
//! success_metric = "sponsor met, plan agreed"
//! save_rate = 0.2            # share of leaving accounts that it keeps, measured against a group left alone
//! cost = 200
//!
//! [plays.high_at_risk.hostage]   # another one for a quadrant; what it does not say is that of the level
//! play = "Fix what they complain about"
//! ```

use bellwether_models::policy::{Health, ServiceLevel};
use serde::{Deserialize, Serialize};

use super::settings::SectionError;
use crate::money::Cents;
use crate::value::worth_of_intervening;

/// `[plays]` as written: one key per service level.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlaysOptions {
    /// High value, healthy.
    pub high_healthy: Option<LevelOptions>,
    /// High value, at risk.
    pub high_at_risk: Option<LevelOptions>,
    /// Medium value, healthy.
    pub medium_healthy: Option<LevelOptions>,
    /// Medium value, at risk.
    pub medium_at_risk: Option<LevelOptions>,
    /// Low value, healthy.
    pub low_healthy: Option<LevelOptions>,
    /// Low value, at risk.
    pub low_at_risk: Option<LevelOptions>,
}

/// `[plays.<service level>]` as written.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LevelOptions {
    /// What is done. Required.
    pub play: Option<String>,
    /// Who does it. Required.
    pub owner: Option<String>,
    /// Within how many days of `as_of`. Required.
    pub due_days: Option<u32>,
    /// By what its success is told. Required.
    pub success_metric: Option<String>,
    /// Share of the accounts about to leave that it keeps, in `[0, 1]`; best measured against accounts that were left alone.
    pub save_rate: Option<f64>,
    /// What an account kept is worth. Default: its expected lifetime value.
    pub value: Option<f64>,
    /// What it costs per account.
    pub cost: Option<f64>,
    /// Another play for champions.
    pub champion: Option<QuadrantOptions>,
    /// Another play for hostages.
    pub hostage: Option<QuadrantOptions>,
    /// Another play for sleepers.
    pub sleeper: Option<QuadrantOptions>,
    /// Another play for those at risk by health.
    pub at_risk: Option<QuadrantOptions>,
    /// Another play where health is not known.
    pub unknown: Option<QuadrantOptions>,
}

/// `[plays.<service level>.<quadrant>]` as written; what is left out is that of the service level.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuadrantOptions {
    /// What is done.
    pub play: Option<String>,
    /// Who does it.
    pub owner: Option<String>,
    /// Within how many days of `as_of`.
    pub due_days: Option<u32>,
    /// By what its success is told.
    pub success_metric: Option<String>,
    /// Share of the accounts about to leave that it keeps.
    pub save_rate: Option<f64>,
    /// What an account kept is worth.
    pub value: Option<f64>,
    /// What it costs per account.
    pub cost: Option<f64>,
}

/// A play, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Play {
    /// What is done.
    pub name: String,
    /// Who does it.
    pub owner: String,
    /// Within how many days of `as_of`.
    pub due_days: u32,
    /// By what its success is told.
    pub success_metric: String,
    /// Share of the accounts about to leave that it keeps.
    pub save_rate: Option<f64>,
    /// What an account kept is worth, where it is declared.
    pub value: Option<Cents>,
    /// What it costs per account.
    pub cost: Option<Cents>,
}

/// The plays, by service level and quadrant.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plays {
    plays: Vec<(ServiceLevel, Option<Health>, Play)>,
}

impl Play {
    /// What playing it for an account is expected to be worth: probability of leaving x save rate x value - cost. `None`
    /// where the play says no save rate or no cost, or nothing is known of the value.
    #[must_use]
    pub fn worth(&self, probability: f64, lifetime_value: Option<Cents>) -> Option<Cents> {
        let value = self.value.or(lifetime_value)?;
        Some(worth_of_intervening(probability, self.save_rate?, value, self.cost?))
    }
}

impl Plays {
    /// The play for an account: that of its quadrant, else that of its service level.
    #[must_use]
    pub fn of(&self, level: ServiceLevel, health: Option<Health>) -> Option<&Play> {
        let find = |quadrant: Option<Health>| self.plays.iter().find(|(l, q, _)| *l == level && *q == quadrant);
        let own = health.and_then(|health| find(Some(health)));
        own.or_else(|| find(None)).map(|(_, _, play)| play)
    }

    /// Whether none is declared.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.plays.is_empty()
    }
}

impl PlaysOptions {
    /// Checks the section.
    ///
    /// # Errors
    /// [`SectionError`] names the first key that is missing or cannot be meant.
    pub fn resolve(&self) -> Result<Plays, SectionError> {
        let levels = [
            (ServiceLevel::HighHealthy, &self.high_healthy),
            (ServiceLevel::HighAtRisk, &self.high_at_risk),
            (ServiceLevel::MediumHealthy, &self.medium_healthy),
            (ServiceLevel::MediumAtRisk, &self.medium_at_risk),
            (ServiceLevel::LowHealthy, &self.low_healthy),
            (ServiceLevel::LowAtRisk, &self.low_at_risk),
        ];
        let mut plays = Vec::new();
        for (level, options) in levels {
            let Some(options) = options else { continue };
            let base = options.base();
            // A level may be declared by its quadrants alone.
            if base != QuadrantOptions::default() || options.quadrants().iter().all(|(_, one)| one.is_none()) {
                plays.push((level, None, base.resolve(&["plays", level.text()])?));
            }
            for (health, quadrant) in options.quadrants() {
                if let Some(quadrant) = quadrant {
                    let play = quadrant.over(&base).resolve(&["plays", level.text(), health.text()])?;
                    plays.push((level, Some(health), play));
                }
            }
        }
        Ok(Plays { plays })
    }
}

impl LevelOptions {
    fn base(&self) -> QuadrantOptions {
        QuadrantOptions {
            play: self.play.clone(),
            owner: self.owner.clone(),
            due_days: self.due_days,
            success_metric: self.success_metric.clone(),
            save_rate: self.save_rate,
            value: self.value,
            cost: self.cost,
        }
    }

    fn quadrants(&self) -> [(Health, &Option<QuadrantOptions>); 5] {
        [
            (Health::Champion, &self.champion),
            (Health::Hostage, &self.hostage),
            (Health::Sleeper, &self.sleeper),
            (Health::AtRisk, &self.at_risk),
            (Health::Unknown, &self.unknown),
        ]
    }
}

impl QuadrantOptions {
    fn over(&self, base: &Self) -> Self {
        Self {
            play: self.play.clone().or_else(|| base.play.clone()),
            owner: self.owner.clone().or_else(|| base.owner.clone()),
            due_days: self.due_days.or(base.due_days),
            success_metric: self.success_metric.clone().or_else(|| base.success_metric.clone()),
            save_rate: self.save_rate.or(base.save_rate),
            value: self.value.or(base.value),
            cost: self.cost.or(base.cost),
        }
    }

    fn resolve(&self, place: &[&str]) -> Result<Play, SectionError> {
        let text = |key: &str, text: &Option<String>| {
            let found = text.as_deref().map(str::trim).filter(|text| !text.is_empty());
            found.map(str::to_owned).ok_or_else(|| error(place, key, "some words", "none"))
        };
        let amount = |key: &str, amount: Option<f64>| match amount {
            Some(amount) if !(0.0..=1e12).contains(&amount) => {
                Err(error(place, key, "an amount from 0 to 1e12", &amount.to_string()))
            }
            amount => Ok(amount.map(Cents::from_amount)),
        };
        if let Some(rate) = self.save_rate.filter(|rate| !(0.0..=1.0).contains(rate)) {
            return Err(error(place, "save_rate", "a share from 0 to 1", &rate.to_string()));
        }
        let due_days = self.due_days.ok_or_else(|| error(place, "due_days", "a number of days", "none"))?;
        if due_days > 3_650 {
            return Err(error(place, "due_days", "at most 3650", &due_days.to_string()));
        }
        Ok(Play {
            name: text("play", &self.play)?,
            owner: text("owner", &self.owner)?,
            due_days,
            success_metric: text("success_metric", &self.success_metric)?,
            save_rate: self.save_rate,
            value: amount("value", self.value)?,
            cost: amount("cost", self.cost)?,
        })
    }
}

fn error(place: &[&str], key: &str, expected: &str, found: &str) -> SectionError {
    SectionError {
        key: place.iter().chain([&key]).map(|part| (*part).to_owned()).collect(),
        expected: expected.to_owned(),
        found: found.to_owned(),
        hint: "a play has `play`, `owner`, `due_days` and `success_metric`; `save_rate`, `value` and `cost` may be left out"
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(play: &str) -> LevelOptions {
        LevelOptions {
            play: Some(play.to_owned()),
            owner: Some("team".to_owned()),
            due_days: Some(5),
            success_metric: Some("met".to_owned()),
            ..LevelOptions::default()
        }
    }

    /// known-answers 16.
    #[test]
    fn a_play_is_worth_what_it_saves_less_its_cost() {
        let options = LevelOptions { value: Some(20_000.0), cost: Some(200.0), ..level("call") };
        let worth = |save_rate: f64| {
            let options = LevelOptions { save_rate: Some(save_rate), ..options.clone() };
            let plays = PlaysOptions { high_at_risk: Some(options), ..PlaysOptions::default() }.resolve();
            let plays = plays.expect("a play");
            plays.of(ServiceLevel::HighAtRisk, None).expect("declared").worth(0.15, None)
        };
        assert_eq!(worth(0.05), Some(Cents(-5_000)));
        assert_eq!(worth(0.60), Some(Cents(160_000)));
        let silent = PlaysOptions { high_at_risk: Some(options), ..PlaysOptions::default() }.resolve().expect("a play");
        assert_eq!(silent.of(ServiceLevel::HighAtRisk, None).expect("declared").worth(0.15, None), None);
    }

    #[test]
    fn a_quadrant_has_what_it_says_and_the_rest_of_its_level() {
        let hostage =
            QuadrantOptions { play: Some("listen".to_owned()), due_days: Some(2), ..QuadrantOptions::default() };
        let options = LevelOptions { hostage: Some(hostage), save_rate: Some(0.5), ..level("call") };
        let plays = PlaysOptions { low_at_risk: Some(options), ..PlaysOptions::default() }.resolve().expect("plays");
        let of = |health: Option<Health>| {
            let play = plays.of(ServiceLevel::LowAtRisk, health).expect("declared");
            (play.name.as_str(), play.due_days, play.save_rate)
        };
        assert_eq!(of(Some(Health::Hostage)), ("listen", 2, Some(0.5)));
        assert_eq!([of(Some(Health::AtRisk)), of(None)], [("call", 5, Some(0.5)); 2]);
        assert_eq!(plays.of(ServiceLevel::LowHealthy, None), None);
    }

    #[test]
    fn what_a_play_lacks_is_named_by_its_key() {
        let refused = |level: LevelOptions| {
            let options = PlaysOptions { high_healthy: Some(level), ..PlaysOptions::default() };
            options.resolve().expect_err("refused").to_string()
        };
        let cases = [
            (LevelOptions::default(), "plays.high_healthy.due_days: expected a number of days"),
            (LevelOptions { play: Some(" ".to_owned()), ..level("") }, "plays.high_healthy.play: expected some words"),
            (LevelOptions { save_rate: Some(1.5), ..level("x") }, "plays.high_healthy.save_rate"),
            (LevelOptions { cost: Some(f64::NAN), ..level("x") }, "plays.high_healthy.cost"),
            (
                LevelOptions { sleeper: Some(QuadrantOptions::default()), ..LevelOptions::default() },
                "plays.high_healthy.sleeper.due_days",
            ),
        ];
        for (level, expected) in cases {
            let error = refused(level);
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
