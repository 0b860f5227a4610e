//! The sections `[backtest]` and `[capacity]`: options as written, and settings as checked.
//!
//! Options are what a person typed; nothing else in this crate reads them. [`BacktestOptions::resolve`] checks them once,
//! before any work starts, and what comes out cannot be wrong in itself.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::cadence::{Cadence, History};
use crate::learner::LearnerKind;
use crate::learner::boosting::{BoostingParameters, MOST_SETTINGS};

/// `[backtest]` as written.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BacktestOptions {
    /// First date whose rows are predicted, `YYYY-MM-DD`; everything before it is history to learn from. Required.
    pub first_test: Option<String>,
    /// Last date whose rows are predicted, `YYYY-MM-DD`. Default: the last that is mature.
    pub last_test: Option<String>,
    /// How often the trainer is really run: `month`, `quarter`, `half-year`, `year`, or `never` for one fixed split.
    /// Default `quarter`.
    pub refit_every: Option<String>,
    /// How often rows are predicted: `day`, `week`, `month`, `quarter`, `half-year` or `year`. Default `month`.
    pub score_every: Option<String>,
    /// How often a training row is taken from an account's history; the same words. Default: as `score_every`, but no
    /// finer than `month`, since rows of one account a few days apart say nearly the same.
    pub train_every: Option<String>,
    /// How far back from a refit training rows are taken: `expanding` for everything, or a length such as `24 months` or
    /// `730d`. Default `expanding`.
    pub history: Option<String>,
    /// First date of training rows, `YYYY-MM-DD`. Default: 28 days after the later of usage and subscriptions
    /// begins.
    pub train_from: Option<String>,
    /// Learners to compare. Default: all but the forest.
    pub learners: Option<Vec<String>>,
    /// The one seed of every random choice. Default 7.
    pub seed: Option<u64>,
    /// At most this many training rows per refit; beyond it whole accounts are left out, chosen by a hash of the seed
    /// and the account id. Default: all rows.
    pub max_training_rows: Option<usize>,
    /// What a training row counts: `uniqueness` (the share of its outcome that no other row of its account tells) or
    /// `equal`. Default `uniqueness`.
    pub row_weights: Option<String>,
    /// Settings of boosting that are tried on the latest training rows of each refit, 1 to 8. Default 2.
    pub budget: Option<usize>,
}

/// `[capacity]` as written.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CapacityOptions {
    /// How many accounts a team can call in a week. Default 40.
    pub accounts_per_week: Option<u32>,
}

/// `[backtest]` and `[capacity]`, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BacktestSettings {
    /// First date whose rows are predicted.
    pub first_test: NaiveDate,
    /// Last date whose rows are predicted, where it was given.
    pub last_test: Option<NaiveDate>,
    /// How often the trainer is run.
    pub refit_every: Cadence,
    /// How often rows are predicted; never [`Cadence::Never`].
    pub score_every: Cadence,
    /// How often a training row is taken; never [`Cadence::Never`].
    pub train_every: Cadence,
    /// How far back from a refit training rows are taken.
    pub history: History,
    /// First date of training rows.
    pub train_from: Option<NaiveDate>,
    /// Learners, distinct, from simple to rich.
    pub learners: Vec<LearnerKind>,
    /// Seed.
    pub seed: u64,
    /// At most this many training rows per refit.
    pub max_training_rows: Option<usize>,
    /// What a training row counts.
    pub row_weights: RowWeights,
    /// Settings of boosting that are tried at each refit: [`crate::learner::LearnerKind::learner_within`].
    pub budget: usize,
    /// Accounts that a team can call in a week, above 0.
    pub accounts_per_week: u32,
}

/// What a training row counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowWeights {
    /// Its average uniqueness, normalised to mean 1: [`crate::uniqueness`].
    #[default]
    Uniqueness,
    /// One.
    Equal,
}

impl RowWeights {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Uniqueness, Self::Equal];

    /// Name as written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Uniqueness => "uniqueness",
            Self::Equal => "equal",
        }
    }
}

/// What is wrong with a setting.
#[derive(Debug, Clone, PartialEq, thiserror::Error, miette::Diagnostic)]
#[error("{key}: expected {expected}, found {found}")]
#[diagnostic(code(bellwether::train::settings), help("{hint}"))]
pub struct SettingsError {
    /// The key, e.g. `backtest.refit_every`.
    pub key: &'static str,
    /// What it may be.
    pub expected: String,
    /// What it is.
    pub found: String,
    /// The next step.
    pub hint: String,
}

const DEFAULT_SEED: u64 = 7;
const DEFAULT_ACCOUNTS_PER_WEEK: u32 = 40;

impl BacktestOptions {
    /// Checks the two sections.
    ///
    /// # Errors
    /// [`SettingsError`] names the first key that is missing or cannot be meant.
    pub fn resolve(&self, capacity: &CapacityOptions) -> Result<BacktestSettings, SettingsError> {
        let first_test = required_date("backtest.first_test", self.first_test.as_deref())?;
        let score_every = every("backtest.score_every", self.score_every.as_deref(), Cadence::Month)?;
        let train_from = self.train_from.as_deref().map(|text| date("backtest.train_from", text)).transpose()?;
        if let Some(from) = train_from.filter(|from| *from >= first_test) {
            return Err(SettingsError {
                key: "backtest.train_from",
                expected: format!("a date before backtest.first_test = {first_test}"),
                found: from.to_string(),
                hint: "training rows lie before the first test; leave train_from out to use all history".into(),
            });
        }
        let last_test = self.last_test.as_deref().map(|text| date("backtest.last_test", text)).transpose()?;
        if let Some(last) = last_test.filter(|last| *last < first_test) {
            return Err(SettingsError {
                key: "backtest.last_test",
                expected: format!("a date from backtest.first_test = {first_test} on"),
                found: last.to_string(),
                hint: "leave last_test out to predict up to the last mature date".into(),
            });
        }
        Ok(BacktestSettings {
            first_test,
            last_test,
            refit_every: cadence("backtest.refit_every", self.refit_every.as_deref(), Cadence::Quarter)?,
            score_every,
            train_every: every("backtest.train_every", self.train_every.as_deref(), usual_training(score_every))?,
            history: history(self.history.as_deref())?,
            train_from,
            learners: learners(self.learners.as_deref())?,
            seed: self.seed.unwrap_or(DEFAULT_SEED),
            max_training_rows: self.max_training_rows.map(training_rows).transpose()?,
            row_weights: row_weights(self.row_weights.as_deref())?,
            budget: self.budget.map_or(Ok(BoostingParameters::default().settings), budget)?,
            accounts_per_week: capacity.resolve()?,
        })
    }
}

impl CapacityOptions {
    /// How many accounts a team can call in a week.
    ///
    /// # Errors
    /// [`SettingsError`] where it is none at all.
    pub fn resolve(&self) -> Result<u32, SettingsError> {
        match self.accounts_per_week {
            Some(0) => Err(SettingsError {
                key: "capacity.accounts_per_week",
                expected: "1 or more".into(),
                found: "0".into(),
                hint: "it is how many accounts a team can call in a week".into(),
            }),
            given => Ok(given.unwrap_or(DEFAULT_ACCOUNTS_PER_WEEK)),
        }
    }
}

impl BacktestSettings {
    /// The dates to build features and labels for, ascending and distinct: `train_every` and `score_every` steps through
    /// `first_test`, within `from..=to` and not before `train_from`.
    #[must_use]
    pub fn observation_dates(&self, from: NaiveDate, to: NaiveDate) -> Vec<NaiveDate> {
        let from = self.train_from.map_or(from, |train_from| from.max(train_from));
        let mut dates = self.train_every.grid(self.first_test, from, to);
        dates.extend(self.score_every.grid(self.first_test, self.first_test.max(from), to));
        dates.sort_unstable();
        dates.dedup();
        dates
    }
}

fn training_rows(rows: usize) -> Result<usize, SettingsError> {
    if rows >= 1_000 {
        return Ok(rows);
    }
    Err(SettingsError {
        key: "backtest.max_training_rows",
        expected: "1000 or more".into(),
        found: rows.to_string(),
        hint: "raise it, or leave it out to learn from every row".into(),
    })
}

fn budget(settings: usize) -> Result<usize, SettingsError> {
    if (1..=MOST_SETTINGS).contains(&settings) {
        return Ok(settings);
    }
    Err(SettingsError {
        key: "backtest.budget",
        expected: format!("from 1 to {MOST_SETTINGS}"),
        found: settings.to_string(),
        hint: "it is how many settings of boosting are tried at each refit; a fit takes about as many times as long"
            .into(),
    })
}

fn row_weights(text: Option<&str>) -> Result<RowWeights, SettingsError> {
    let Some(text) = text else { return Ok(RowWeights::default()) };
    if let Some(found) = RowWeights::ALL.into_iter().find(|one| one.name() == text) {
        return Ok(found);
    }
    let distance = |one: &RowWeights| strsim::damerau_levenshtein(one.name(), text);
    let nearest = RowWeights::ALL.into_iter().min_by_key(distance).unwrap_or_default();
    Err(SettingsError {
        key: "backtest.row_weights",
        expected: "uniqueness or equal".into(),
        found: format!("`{text}`"),
        hint: format!("did you mean `{}`?", nearest.name()),
    })
}

fn required_date(key: &'static str, text: Option<&str>) -> Result<NaiveDate, SettingsError> {
    let text = text.ok_or_else(|| SettingsError {
        key,
        expected: "a date such as 2024-01-01".into(),
        found: "nothing".into(),
        hint: "add [backtest] with first_test: at least a year after the data begin, and well before they end".into(),
    })?;
    date(key, text)
}

fn date(key: &'static str, text: &str) -> Result<NaiveDate, SettingsError> {
    text.parse().map_err(|_| SettingsError {
        key,
        expected: "a date such as 2024-01-01".into(),
        found: format!("`{text}`"),
        hint: "dates are written year-month-day, in quotes".into(),
    })
}

/// How often the trainer is run.
fn cadence(key: &'static str, text: Option<&str>, default: Cadence) -> Result<Cadence, SettingsError> {
    let Some(text) = text else { return Ok(default) };
    let parsed = Cadence::parse(text);
    parsed.filter(|cadence| !cadence.is_finer_than_month()).ok_or_else(|| SettingsError {
        key,
        expected: "month, quarter, half-year, year or never".into(),
        found: format!("`{text}`"),
        hint: match parsed {
            Some(_) => "hardly a label matures within days; score_every may be `day` or `week`".into(),
            None => nearest(text, &Cadence::ALL[2..], "`never` is one fixed split at first_test"),
        },
    })
}

/// How often rows are taken.
fn every(key: &'static str, text: Option<&str>, default: Cadence) -> Result<Cadence, SettingsError> {
    let Some(text) = text else { return Ok(default) };
    let parsed = Cadence::parse(text);
    parsed.filter(|cadence| *cadence != Cadence::Never).ok_or_else(|| SettingsError {
        key,
        expected: "day, week, month, quarter, half-year or year".into(),
        found: format!("`{text}`"),
        hint: match parsed {
            Some(_) => "only refit_every may be `never`".into(),
            None => nearest(text, &Cadence::ALL[..6], "it is how often rows are taken"),
        },
    })
}

/// Training rows are taken as often as rows are predicted, but not every day or week.
fn usual_training(score_every: Cadence) -> Cadence {
    if score_every.is_finer_than_month() { Cadence::Month } else { score_every }
}

/// The cadence that may have been meant, and `otherwise` where none is near.
fn nearest(text: &str, cadences: &[Cadence], otherwise: &str) -> String {
    let distance = |cadence: &Cadence| strsim::damerau_levenshtein(text, cadence.name());
    match cadences.iter().map(|cadence| (distance(cadence), cadence)).min_by_key(|(distance, _)| *distance) {
        Some((distance, cadence)) if distance <= 2 => format!("did you mean `{}`?", cadence.name()),
        _ => otherwise.to_owned(),
    }
}

fn history(text: Option<&str>) -> Result<History, SettingsError> {
    let Some(text) = text else { return Ok(History::default()) };
    History::parse(text).ok_or_else(|| SettingsError {
        key: "backtest.history",
        expected: "`expanding`, or a length such as `24 months` or `730d`".into(),
        found: format!("`{text}`"),
        hint: "training rows are taken from so long before each refit; `expanding` takes all of them".into(),
    })
}

fn learners(names: Option<&[String]>) -> Result<Vec<LearnerKind>, SettingsError> {
    const KEY: &str = "backtest.learners";
    let Some(names) = names else { return Ok(LearnerKind::default_learners()) };
    if names.iter().any(|name| name == "all") {
        return Ok(LearnerKind::ALL.to_vec());
    }
    let mut kinds = Vec::with_capacity(names.len());
    for name in names {
        kinds.push(name.parse::<LearnerKind>().map_err(|unknown| SettingsError {
            key: KEY,
            expected: known_learners(),
            found: format!("`{}`", unknown.found),
            hint: format!("did you mean `{}`?", unknown.nearest),
        })?);
    }
    kinds.sort_unstable();
    kinds.dedup();
    if kinds.is_empty() {
        return Err(SettingsError {
            key: KEY,
            expected: known_learners(),
            found: "an empty list".into(),
            hint: "leave it out to compare the default learners".into(),
        });
    }
    Ok(kinds)
}

fn known_learners() -> String {
    let names: Vec<&str> = LearnerKind::ALL.iter().map(|kind| kind.name()).collect();
    format!("some of {}, or all", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> BacktestOptions {
        BacktestOptions { first_test: Some("2024-01-01".into()), ..BacktestOptions::default() }
    }

    #[test]
    fn defaults_are_those_of_the_contract() {
        let settings = options().resolve(&CapacityOptions::default()).unwrap();
        assert_eq!(settings.refit_every, Cadence::Quarter);
        assert_eq!(settings.score_every, Cadence::Month);
        assert_eq!(settings.accounts_per_week, 40);
        assert_eq!(settings.row_weights, RowWeights::Uniqueness);
        assert!(!settings.learners.contains(&LearnerKind::Forest));
    }

    #[test]
    fn days_and_weeks_are_scored_and_months_learned_from() {
        let capacity = CapacityOptions::default();
        let first_test = Some("2024-01-10".into());
        let options = BacktestOptions { score_every: Some("day".into()), first_test, ..BacktestOptions::default() };
        let settings = options.resolve(&capacity).unwrap();
        assert_eq!((settings.score_every, settings.train_every), (Cadence::Day, Cadence::Month));
        let date = |text: &str| text.parse::<NaiveDate>().unwrap();
        let dates = settings.observation_dates(date("2023-11-01"), date("2024-01-12"));
        assert_eq!(dates, ["2023-11-10", "2023-12-10", "2024-01-10", "2024-01-11", "2024-01-12"].map(date));
        let weekly = BacktestOptions { train_every: Some("week".into()), ..options };
        assert_eq!(weekly.resolve(&capacity).unwrap().train_every, Cadence::Week);
        let hint = |refit_every: &str| {
            let options = BacktestOptions { refit_every: Some(refit_every.into()), ..self::options() };
            options.resolve(&capacity).unwrap_err().hint
        };
        assert_eq!(hint("quartr"), "did you mean `quarter`?");
        assert!(hint("week").contains("score_every may be `day` or `week`"), "{}", hint("week"));
    }

    #[test]
    fn each_mistake_names_its_key() {
        let capacity = CapacityOptions::default();
        let cases: [(&str, BacktestOptions); 14] = [
            ("backtest.budget", BacktestOptions { budget: Some(0), ..options() }),
            ("backtest.budget", BacktestOptions { budget: Some(9), ..options() }),
            ("backtest.first_test", BacktestOptions::default()),
            ("backtest.first_test", BacktestOptions { first_test: Some("1/2/24".into()), ..options() }),
            ("backtest.refit_every", BacktestOptions { refit_every: Some("weekly".into()), ..options() }),
            ("backtest.refit_every", BacktestOptions { refit_every: Some("week".into()), ..options() }),
            ("backtest.train_every", BacktestOptions { train_every: Some("never".into()), ..options() }),
            ("backtest.history", BacktestOptions { history: Some("24 month s".into()), ..options() }),
            ("backtest.history", BacktestOptions { history: Some("sliding".into()), ..options() }),
            ("backtest.score_every", BacktestOptions { score_every: Some("never".into()), ..options() }),
            ("backtest.last_test", BacktestOptions { last_test: Some("2023-12-31".into()), ..options() }),
            ("backtest.train_from", BacktestOptions { train_from: Some("2024-01-01".into()), ..options() }),
            ("backtest.learners", BacktestOptions { learners: Some(vec!["xgboost".into()]), ..options() }),
            ("backtest.row_weights", BacktestOptions { row_weights: Some("unique".into()), ..options() }),
        ];
        for (key, options) in cases {
            assert_eq!(options.resolve(&capacity).unwrap_err().key, key);
        }
        let none = CapacityOptions { accounts_per_week: Some(0) };
        assert_eq!(options().resolve(&none).unwrap_err().key, "capacity.accounts_per_week");
    }

    #[test]
    fn observation_dates_hold_both_grids() {
        let written =
            BacktestOptions { score_every: Some("quarter".into()), train_every: Some("month".into()), ..options() };
        let settings = written.resolve(&CapacityOptions::default()).unwrap();
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        let dates = settings.observation_dates(day("2023-11-15"), day("2024-04-20"));
        assert_eq!(dates, ["2023-12-01", "2024-01-01", "2024-02-01", "2024-03-01", "2024-04-01"].map(day));
    }
}
