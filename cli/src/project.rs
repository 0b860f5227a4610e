//! `bellwether.toml`, composed: each crate owns the type of its sections, this file only puts them side by side.
//!
//! Precedence is flag, then `BELLWETHER_*` variable, then file. An unknown key, a wrong type and a value that cannot be
//! meant are errors that name the file, the line, the key and the nearest valid name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bellwether_features::contract::{
    CatalogueOptions, Contract, EligibilityOptions, ProjectOptions, ReviewOptions, Sections, SignalOptions, TableName,
    TableOptions, TargetOptions, TicketOptions, WorkflowOptions, explain_toml_error, position, read_source,
};
use bellwether_features::read::ReadError;
use bellwether_infer::exit::ExitCode;
use bellwether_outlook::account::AccountSettings;
use bellwether_outlook::account::plays::PlaysOptions;
use bellwether_outlook::account::settings::{AlertOptions, SectionError};
use bellwether_outlook::settings::{MoneyOptions, MoneySettings};
use bellwether_train::settings::{BacktestOptions, BacktestSettings, CapacityOptions, SettingsError};
use serde::Deserialize;

use crate::args::{AccountsArguments, LearnerArguments};
use crate::failure::Failure;
use crate::fetch::{self, FetchedTables, Wanted};
use crate::output::Output;

/// The version of the project file that this build reads.
const CONFIG_VERSION: i64 = 1;

/// The whole file as written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProjectFile {
    config_version: i64,
    #[serde(default)]
    project: ProjectOptions,
    #[serde(default)]
    tables: BTreeMap<String, TableOptions>,
    #[serde(default)]
    eligibility: EligibilityOptions,
    #[serde(default)]
    targets: BTreeMap<String, TargetOptions>,
    #[serde(default)]
    catalogue: CatalogueOptions,
    #[serde(default)]
    workflows: BTreeMap<String, WorkflowOptions>,
    #[serde(default)]
    tickets: TicketOptions,
    #[serde(default)]
    reviews: ReviewOptions,
    #[serde(default)]
    signals: SignalOptions,
    #[serde(default)]
    glossary: BTreeMap<String, String>,
    #[serde(default)]
    backtest: BacktestOptions,
    #[serde(default)]
    capacity: CapacityOptions,
    #[serde(default)]
    money: MoneyOptions,
    #[serde(default)]
    plays: PlaysOptions,
    #[serde(default)]
    alerts: AlertOptions,
}

/// A project: its contract, checked, and how its learners are judged.
#[derive(Debug)]
pub(crate) struct Project {
    path: PathBuf,
    source: String,
    backtest: BacktestOptions,
    capacity: CapacityOptions,
    plays: PlaysOptions,
    alerts: AlertOptions,
    /// The rows of tables of databases; they are there as long as the project is.
    fetched: Option<FetchedTables>,
    /// Tables, targets, eligibility and catalogue.
    pub(crate) contract: Contract,
    /// What money is watched by.
    pub(crate) money: MoneySettings,
}

impl Project {
    /// Reads and checks the project file.
    pub(crate) fn load(path: &Path) -> Result<Self, Failure> {
        let source = read_source(path).map_err(Failure::contract)?;
        let file: ProjectFile =
            toml::from_str(&source).map_err(|error| Failure::contract(explain_toml_error(path, &source, &error)))?;
        if file.config_version != CONFIG_VERSION {
            return Err(Failure::configuration(
                format!(
                    "{}: config_version: expected {CONFIG_VERSION}, found {}",
                    place(path, &source, &["config_version"]),
                    file.config_version
                ),
                "a newer bellwether may have written this file: upgrade, or write config_version = 1",
            ));
        }
        let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let sections = Sections {
            project: file.project,
            tables: file.tables,
            eligibility: file.eligibility,
            targets: file.targets,
            catalogue: file.catalogue,
            workflows: file.workflows,
            tickets: file.tickets,
            reviews: file.reviews,
            signals: file.signals,
            glossary: file.glossary,
        };
        let contract =
            Contract::resolve(folder, sections).map_err(|error| Failure::contract(error.located(path, &source)))?;
        let money = file.money.resolve().map_err(|error| Failure::contract(error.located(path, &source)))?;
        Ok(Self {
            path: path.to_owned(),
            source,
            backtest: file.backtest,
            capacity: file.capacity,
            plays: file.plays,
            alerts: file.alerts,
            contract,
            money,
            fetched: None,
        })
    }

    /// The project with the rows of its tables that lie in databases, which are fetched now. For files nothing is done.
    pub(crate) fn fetched(mut self, wanted: Wanted, output: &Output) -> Result<Self, Failure> {
        let place = self.path.display().to_string();
        self.fetched = fetch::tables(&mut self.contract, wanted, output).map_err(|failure| failure.at(place))?;
        Ok(self)
    }

    /// Checks `[backtest]` and `[capacity]` where they are written, so that `check` finds every mistake of the file.
    pub(crate) fn check_backtest(&self) -> Result<(), Failure> {
        if self.backtest == BacktestOptions::default() { Ok(()) } else { self.backtest_settings(None).map(drop) }
    }

    /// How the learners are judged; `learners` given by flag or variable (with its name) win over the file's.
    pub(crate) fn backtest_settings(&self, given: Option<&LearnerArguments>) -> Result<BacktestSettings, Failure> {
        let mut options = self.backtest.clone();
        options.budget = given.and_then(LearnerArguments::budget).or(options.budget);
        let learners = given.and_then(LearnerArguments::given);
        if let Some((names, _)) = learners {
            options.learners = Some(names.to_vec());
        }
        options.resolve(&self.capacity).map_err(|error| match learners {
            Some((_, given_by)) if error.key == "backtest.learners" => {
                Failure::new(ExitCode::Usage, SettingsError { key: given_by, ..error })
            }
            _ => {
                let keys: Vec<&str> = error.key.split('.').collect();
                Failure::new(ExitCode::Usage, error).at(place(&self.path, &self.source, &keys))
            }
        })
    }

    /// Checks `[plays]`, `[alerts]` and `[capacity]` as the outlook reads them.
    pub(crate) fn check_outlook(&self) -> Result<(), Failure> {
        self.account_settings(None).map(drop)
    }

    /// What the outlook of each account is made with, but for the target of leaving, which the scores name.
    pub(crate) fn account_settings(&self, given: Option<&AccountsArguments>) -> Result<AccountSettings, Failure> {
        let declared = self.capacity.resolve().map_err(|error| {
            let keys: Vec<&str> = error.key.split('.').collect();
            Failure::new(ExitCode::Usage, error).at(place(&self.path, &self.source, &keys))
        })?;
        let section = |error: SectionError| {
            let keys: Vec<&str> = error.key.iter().map(String::as_str).collect();
            let place = place(&self.path, &self.source, &keys);
            Failure::new(ExitCode::Usage, error).at(place)
        };
        let capacity = given.and_then(|given| given.accounts_per_week).unwrap_or(declared);
        Ok(AccountSettings {
            plays: self.plays.resolve().map_err(section)?,
            alerts: self.alerts.resolve().map_err(section)?,
            capacity: usize::try_from(capacity).unwrap_or(usize::MAX),
            since: given.and_then(|given| given.since),
            eligibility: self.contract.eligibility,
            review_interval_days: self.contract.catalogue.review_interval_days,
            ..AccountSettings::default()
        })
    }

    /// Tables that could not be read, at the key of the project file that led to them.
    pub(crate) fn reading(&self, error: ReadError) -> Failure {
        let key = error.key();
        let failure = Failure::reading(error);
        let Some(mut key) = key else { return failure };
        let table = key.get(1).and_then(|table| TableName::parse(table));
        let table = table.and_then(|table| self.contract.tables.get(&table));
        if let (Some(last), Some(_)) =
            (key.last_mut().filter(|last| *last == "path"), table.and_then(|table| table.database.as_ref()))
        {
            "postgres".clone_into(last);
        }
        let keys: Vec<&str> = key.iter().map(String::as_str).collect();
        failure.at(format!("{}: `{}`", place(&self.path, &self.source, &keys), key.join(".")))
    }
}

/// `file:line` of a key, or the file where the key is not written.
fn place(path: &Path, source: &str, keys: &[&str]) -> String {
    let longest = (1..=keys.len()).rev().find_map(|length| position(source, &keys[..length]));
    longest.map_or_else(|| path.display().to_string(), |line| format!("{}:{line}", path.display()))
}
