//! The contract between a business's own tables and everything computed from them.
//!
//! What a user writes ([`options`]) is resolved once, before any work starts, into a [`Contract`]: lengths of time are
//! days or microseconds, paths are patterns, expressions are parsed, every name is known, every default is filled in. A
//! mistake is a [`ContractError`] that names the key; [`ContractError::located`] adds the line. Nothing after this module
//! looks at the project file again.
//!
//! ```
//! use bellwether_features::contract::{Contract, Sections};
//! let source = "[tables.usage]\npath = \"usage.csv\"\n[targets.churn_90d]\nevent = \"inactivity\"\n";
//! let sections: Sections = toml::from_str(source)?;
//! let contract = Contract::resolve(std::path::Path::new("project"), sections)?;
//! assert_eq!(contract.targets[0].horizon_days, 90);
//!
//! let wrong = "[tables.usage]\npath = \"usage.csv\"\nknown_aftr = \"1d\"\n";
//! let error = toml::from_str::<Sections>(wrong).unwrap_err();
//! let error = bellwether_features::contract::explain_toml_error("bellwether.toml".as_ref(), wrong, &error);
//! assert!(error.to_string().contains("unknown field `known_aftr`"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod canonical;
mod database;
mod declared;
mod digest;
mod duration;
mod error;
mod expression;
mod hint;
mod options;
mod paths;
mod position;
mod table;
mod target;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::catalog::{Availability, Catalogue, CatalogueSettings, DeclaredSignal, Workflow, matches};
use crate::label::TargetDefinition;
use crate::spine::{ActiveBy, Eligibility};

pub(crate) use canonical::{ANNUAL, MONTHLY, NO, REVIEWS, YES};
pub use canonical::{CanonicalColumn, ColumnKind, TableName};
pub use database::{DatabaseTable, DatabaseUrl};
pub(crate) use digest::sha256_of;
pub use digest::{InputFile, digest_of};
pub use duration::{MICROS_PER_HOUR, parse_days, parse_duration_micros};
pub use error::{ContractError, FailureKind, Place, Problem};
pub use expression::{Expression, Operator};
pub use hint::{did_you_mean, nearest, nearest_names};
pub use options::{
    ActiveByOption, CatalogueOptions, CsvOptions, DeclaredOptions, DirectionOption, EligibilityOptions, EventOption,
    FreshnessOptions, OnViolation, Paths, ProjectOptions, ReviewOptions, Sections, SignalOptions, TableOptions,
    TargetOptions, TicketKindOptions, TicketOptions, WorkflowOptions,
};
pub use paths::PathPattern;
pub use position::{LARGEST_SOURCE_BYTES, explain_toml_error, position, read_source};
pub use table::{ColumnRule, ColumnSource, TableContract};

/// A project file, resolved and checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Contract {
    /// Name of the business.
    pub name: String,
    /// Currency of every amount.
    pub currency: String,
    /// Folder that paths are relative to.
    pub base: PathBuf,
    /// Declared tables.
    pub tables: BTreeMap<TableName, TableContract>,
    /// Which accounts get a row.
    pub eligibility: Eligibility,
    /// Targets, sorted by name.
    pub targets: Vec<TargetDefinition>,
    /// Declared product knowledge.
    pub catalogue: CatalogueSettings,
    /// Ticket severities that count as severe, lower case.
    pub severe: Vec<String>,
    /// Meanings in the user's own words.
    pub glossary: BTreeMap<String, String>,
}

impl Contract {
    /// Resolves the sections of a project file that stands in `base`; `${VAR}` is read from the environment.
    ///
    /// Files are not opened here: a glob without a match is found when the table is read.
    ///
    /// # Errors
    /// [`ContractError`], the first mistake found.
    pub fn resolve(base: &Path, sections: Sections) -> Result<Self, ContractError> {
        Self::resolve_with(base, sections, &|name| std::env::var(name).ok())
    }

    /// As [`Contract::resolve`], with variables from `lookup`.
    ///
    /// # Errors
    /// [`ContractError`], the first mistake found.
    pub fn resolve_with(
        base: &Path,
        sections: Sections,
        lookup: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, ContractError> {
        check_project(&sections.project)?;
        let declared = declared::resolve(&sections.signals.declared, &sections.tables, &sections.workflows)?;
        let mut tables = BTreeMap::new();
        for (name, options) in &sections.tables {
            let reads = declared.iter().filter(|signal| signal.table.as_str() == name);
            let also: Vec<&str> = reads.flat_map(DeclaredSignal::reads).map(|column| column.name).collect();
            let table = table::resolve(name, options, (&sections.project, &also), base, lookup)?;
            tables.insert(table.name, table);
        }
        if tables.is_empty() {
            let what = "a [tables.<name>] section".to_owned();
            let hint = Some("declare at least [tables.usage] or [tables.subscriptions]".to_owned());
            return Err(ContractError::new(Problem::Missing { what, hint }, &["tables"]));
        }
        let has_table = |name: TableName| tables.contains_key(&name);
        let eligibility = eligibility(&sections.eligibility, has_table)?;
        let targets = sections.targets.iter().map(|(name, options)| target::resolve(name, options, has_table));
        let targets = targets.collect::<Result<_, _>>()?;
        let severe = sections.tickets.severe.iter().map(|severity| severity.to_lowercase()).collect();
        let catalogue = catalogue(&sections, declared)?;
        Ok(Self {
            name: sections.project.name,
            currency: sections.project.currency,
            base: base.to_path_buf(),
            tables,
            eligibility,
            targets,
            catalogue,
            severe,
            glossary: sections.glossary,
        })
    }
}

impl Contract {
    /// As much of the contract as signals that compare accounts with each other need: eligibility, their tables, and those
    /// signals. Tables are read by the same rules, so their rows are the same ones.
    #[must_use]
    pub fn of_comparisons(&self) -> Self {
        let read = [TableName::Accounts, TableName::Usage, TableName::Subscriptions];
        let tables = self.tables.iter().filter(|(name, _)| read.contains(name));
        Self {
            tables: tables.map(|(name, table)| (*name, table.clone())).collect(),
            targets: Vec::new(),
            catalogue: CatalogueSettings {
                include: self.catalogue.include.clone(),
                exclude: self.catalogue.exclude.clone(),
                ..CatalogueSettings::default()
            },
            ..self.clone()
        }
    }

    /// Which tables there are, as far as the project file says; their optional columns are taken to be there.
    #[must_use]
    pub fn availability(&self) -> Availability {
        let has = |table: TableName| self.tables.contains_key(&table);
        let (accounts, usage, subscriptions) =
            (has(TableName::Accounts), has(TableName::Usage), has(TableName::Subscriptions));
        Availability {
            usage,
            users: usage,
            subscriptions,
            plans: subscriptions,
            nps: has(TableName::Nps),
            invoices: has(TableName::Invoices),
            tickets: has(TableName::Tickets),
            subscription_items: has(TableName::SubscriptionItems),
            contacts: has(TableName::Contacts),
            meetings: has(TableName::Meetings),
            firmographics: has(TableName::Firmographics),
            segments: accounts,
            industries: accounts,
            regions: accounts,
            channels: accounts,
        }
    }
}

fn check_project(project: &ProjectOptions) -> Result<(), ContractError> {
    let plain =
        |character: char| character.is_ascii_lowercase() || character.is_ascii_digit() || "-_".contains(character);
    if !project.name.is_empty() && project.name.chars().all(plain) && !project.name.starts_with('-') {
        return Ok(());
    }
    let problem = Problem::InvalidValue {
        expected: "a name of lower-case letters, digits, `-` and `_`".to_owned(),
        found: format!("{:?}", project.name),
        hint: Some("it names a folder of the registry".to_owned()),
    };
    Err(ContractError::new(problem, &["project", "name"]))
}

fn eligibility(
    options: &EligibilityOptions,
    has_table: impl Fn(TableName) -> bool,
) -> Result<Eligibility, ContractError> {
    let default =
        if has_table(TableName::Subscriptions) { ActiveByOption::Subscription } else { ActiveByOption::Usage };
    let (active_by, needed) = match options.active_by.unwrap_or(default) {
        ActiveByOption::Subscription => (ActiveBy::Subscription, TableName::Subscriptions),
        ActiveByOption::Usage => (ActiveBy::Usage, TableName::Usage),
    };
    if !has_table(needed) {
        let what = format!("the table `{needed}`, by which accounts are to be active,");
        let hint = Some(format!("declare [tables.{needed}] or set active_by in [eligibility]"));
        return Err(ContractError::new(Problem::Missing { what, hint }, &["eligibility", "active_by"]));
    }
    let days = |part: &'static str, text: &Option<String>, default: u32, least: u32| match text {
        Some(text) => parse_days(text, least, &["eligibility", part]),
        None => Ok(default),
    };
    Ok(Eligibility {
        active_by,
        within_days: days("within", &options.within, 90, 1)?,
        min_tenure_days: days("min_tenure", &options.min_tenure, 14, 0)?,
    })
}

fn catalogue(sections: &Sections, declared: Vec<DeclaredSignal>) -> Result<CatalogueSettings, ContractError> {
    let options = &sections.catalogue;
    let mut workflows = Vec::new();
    for (name, workflow) in &sections.workflows {
        if workflow.steps.len() < 2 {
            let expected = "at least two steps".to_owned();
            let found = workflow.steps.len().to_string();
            let problem = Problem::InvalidValue { expected, found, hint: None };
            return Err(ContractError::new(problem, &["workflows", name, "steps"]));
        }
        let plain = |character: char| character.is_ascii_alphanumeric() || "-_".contains(character);
        if name.is_empty() || !name.chars().all(plain) {
            let expected = "a name of letters, digits, `-` and `_`".to_owned();
            let hint = Some("it is part of the names of signals".to_owned());
            let problem = Problem::InvalidValue { expected, found: format!("{name:?}"), hint };
            return Err(ContractError::new(problem, &["workflows", name]));
        }
        workflows.push(Workflow { name: name.clone(), steps: workflow.steps.clone() });
    }
    if !options.features.is_empty() {
        let lists = [
            ("advanced", &options.advanced),
            ("integrations", &options.integrations),
            ("value_moments", &options.value_moments),
        ];
        for (list, names) in lists {
            for name in names {
                check_feature(name, &options.features, &["catalogue", list])?;
            }
        }
        for workflow in &workflows {
            for step in &workflow.steps {
                check_feature(step, &options.features, &["workflows", &workflow.name, "steps"])?;
            }
        }
    }
    Ok(CatalogueSettings {
        features: options.features.clone(),
        advanced: options.advanced.clone(),
        integrations: options.integrations.clone(),
        value_moments: options.value_moments.clone(),
        complaint_categories: sections.tickets.kinds.complaint.clone(),
        how_to_categories: sections.tickets.kinds.how_to.clone(),
        review_interval_days: review_interval(&sections.reviews)?,
        ..signal_patterns(&sections.signals, declared, workflows)?
    })
}

fn review_interval(options: &ReviewOptions) -> Result<Option<u32>, ContractError> {
    options.interval.as_deref().map(|text| parse_days(text, 1, &["reviews", "interval"])).transpose()
}

/// The patterns of `[signals]`; each must mean at least one signal of the catalogue or one that is declared.
fn signal_patterns(
    options: &SignalOptions,
    declared: Vec<DeclaredSignal>,
    workflows: Vec<Workflow>,
) -> Result<CatalogueSettings, ContractError> {
    let mut everything = Catalogue::everything(&workflows);
    everything.extend(declared.iter().map(|signal| signal.definition.name.clone()));
    let lists = [("include", options.include.as_deref().unwrap_or_default()), ("exclude", &options.exclude)];
    for (list, patterns) in lists {
        for pattern in patterns {
            let names = || everything.iter().map(String::as_str);
            if names().any(|name| matches(pattern, name)) {
                continue;
            }
            let near = nearest(pattern, names()).map(|near| format!("did you mean `{near}`?"));
            let hint = near.unwrap_or_else(|| "`bellwether signals` lists them; `*` stands for any text".to_owned());
            let problem = Problem::UnknownName { what: "signal", found: pattern.clone(), hint: Some(hint) };
            return Err(ContractError::new(problem, &["signals", list]));
        }
    }
    Ok(CatalogueSettings {
        include: options.include.clone(),
        exclude: options.exclude.clone(),
        declared,
        workflows,
        ..CatalogueSettings::default()
    })
}

/// Where the catalogue lists its features, every other list may only name those.
fn check_feature(name: &str, features: &[String], key: &[&str]) -> Result<(), ContractError> {
    if features.iter().any(|feature| feature == name) {
        return Ok(());
    }
    let known = features.iter().map(String::as_str);
    let hint = match nearest(name, known) {
        Some(near) => format!("did you mean `{near}`? else add it to catalogue.features"),
        None => "add it to catalogue.features".to_owned(),
    };
    let problem = Problem::UnknownName { what: "feature", found: name.to_owned(), hint: Some(hint) };
    Err(ContractError::new(problem, key))
}
