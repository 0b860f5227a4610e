//! A business, read: its contract, its facts, and the one plan that computes features for training and for the night.

use std::path::{Path, PathBuf};

use bellwether_features::catalog::{Availability, Catalogue};
use bellwether_features::contract::{Contract, TableName};
use bellwether_features::engine::FeaturePlan;
use bellwether_features::facts::{Facts, Grouped};
use bellwether_features::label::{Event, Labels};
use bellwether_features::leakage::LeakageReport;
use bellwether_features::matrix::{FeatureMatrix, FeatureMetadata, OpenMatrix, Population};
use bellwether_features::read::{CheckReport, Partition, TableOutcome, Tables, write_quarantine};
use bellwether_features::spine::Spine;
use bellwether_features::time::Instant;
use bellwether_outlook::account::{AccountInputs, AccountOutlook, AccountSettings};
use bellwether_outlook::base::{BaseAnalysis, BaseSettings};
use bellwether_outlook::landmark::ExpansionRule;
use bellwether_outlook::scored::{ScoredBase, ScoresReadError};
use bellwether_outlook::segment::SizeCutOffs;
use bellwether_outlook::timeline::Timeline;
use bellwether_outlook::{Outlook, OutlookSettings};
use bellwether_train::dataset::Dataset;
use bellwether_train::insight::{DataQuality, ProductAdoption, TableQuality};
use bellwether_train::settings::BacktestSettings;
use chrono::NaiveDate;

use crate::adoption::product_adoption;
use crate::failure::Failure;
use crate::project::Project;

/// Days that must be on record before the first observation date: the window of usage depth.
const HISTORY_DAYS: i64 = 28;

/// What was read, and how to compute from it.
#[derive(Debug)]
pub(crate) struct Business<'a> {
    contract: &'a Contract,
    facts: Facts,
    plan: FeaturePlan,
    missing_tables: Vec<String>,
    /// What was found in the files.
    pub(crate) report: CheckReport,
}

/// Features of some dates, with all that a feature file says about itself.
#[derive(Debug)]
pub(crate) struct Features {
    pub(crate) spine: Spine,
    pub(crate) matrix: FeatureMatrix,
    pub(crate) metadata: FeatureMetadata,
}

/// As [`Features`], of some of the accounts, not yet compared with the others.
#[derive(Debug)]
pub(crate) struct OpenFeatures {
    spine: Spine,
    pub(crate) matrix: OpenMatrix,
    pub(crate) metadata: FeatureMetadata,
}

impl OpenFeatures {
    /// The features, once these accounts and the `others` are compared.
    pub(crate) fn close_among(self, mut others: Population) -> Features {
        others.add(&self.matrix);
        Features { spine: self.spine, matrix: self.matrix.close_among(&others), metadata: self.metadata }
    }
}

impl<'a> Business<'a> {
    /// Reads every table of the project's contract.
    pub(crate) fn read(project: &'a Project) -> Result<Self, Failure> {
        Self::read_partition(project, None)
    }

    /// As [`Business::read`], of some of the accounts.
    pub(crate) fn read_partition(project: &'a Project, partition: Option<Partition>) -> Result<Self, Failure> {
        let contract = &project.contract;
        let loaded = Tables::load_partition(contract, partition).map_err(|error| project.reading(error))?;
        let available = Availability::of(&loaded.facts);
        let catalogue = Catalogue::new(&available, &contract.catalogue);
        Ok(Self {
            contract,
            missing_tables: available.missing_tables(),
            plan: FeaturePlan::new(catalogue, contract.eligibility),
            facts: loaded.facts,
            report: loaded.report,
        })
    }

    /// A line about what was read.
    pub(crate) fn summary(&self) -> String {
        use crate::output::grouped;
        let tables = self.facts.table_rows();
        let without = if self.missing_tables.is_empty() {
            String::new()
        } else {
            format!("; no {}", self.missing_tables.join(", no "))
        };
        format!(
            "{} accounts, {} facts in {} tables{without}",
            grouped(self.facts.accounts.len() as u64),
            grouped(tables.iter().sum::<usize>() as u64),
            tables.len()
        )
    }

    /// Whether there are subscriptions.
    pub(crate) fn has_subscriptions(&self) -> bool {
        self.facts.subscriptions.is_some()
    }

    /// The base as it was known at `as_of`.
    pub(crate) fn outlook(&self, timelines: &[Timeline], as_of: NaiveDate, sizes: SizeCutOffs) -> Outlook {
        Outlook::of(&self.facts, timelines, as_of, sizes)
    }

    /// What every account paid when, as it was known at `as_of`; a shorter gap than `grace_days` is a late renewal.
    pub(crate) fn timelines(&self, as_of: NaiveDate, grace_days: u32) -> Vec<Timeline> {
        bellwether_outlook::timelines(&self.facts, as_of, grace_days)
    }

    /// Horizon and grace period of the target of leaving, in days; those of a new project where there is none.
    pub(crate) fn leaving(&self) -> (u32, u32) {
        let leaving = self.contract.targets.iter().find(|target| matches!(target.event, Event::SubscriptionEnd));
        leaving.map_or((90, OutlookSettings::default().grace_days), |target| (target.horizon_days, target.grace_days))
    }

    /// The contract that it was read by, and what was read.
    pub(crate) fn contract_and_facts(&self) -> (&Contract, &Facts) {
        (self.contract, &self.facts)
    }

    /// What the base says beside its movements, as it was known at `as_of`.
    pub(crate) fn base_analysis(
        &self,
        timelines: &[Timeline],
        as_of: NaiveDate,
        settings: &OutlookSettings,
    ) -> BaseAnalysis {
        let mut targets = self.contract.targets.iter();
        let expansion = targets.find_map(|target| match target.event {
            Event::MrrIncrease { ratio, min_absolute } => Some(ExpansionRule {
                ratio,
                min_absolute,
                horizon_days: target.horizon_days,
                landing_days: target.landing_delay_days,
            }),
            _ => None,
        });
        let settings = BaseSettings {
            grace_days: settings.grace_days,
            sizes: settings.sizes,
            catalogue: &self.contract.catalogue,
            expansion: expansion.unwrap_or_default(),
        };
        BaseAnalysis::of(&self.facts, timelines, as_of, &settings)
    }

    /// Each account of the scores below `out`, and what to do about it.
    pub(crate) fn account_outlook<'s>(
        &'s self,
        base: &'s ScoredBase,
        out: &'s Path,
        settings: &'s AccountSettings,
    ) -> Result<AccountOutlook<'s>, ScoresReadError> {
        AccountOutlook::of(&AccountInputs { facts: &self.facts, base, out, settings })
    }

    /// The facts, for who looks at one account.
    pub(crate) fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Number of accounts.
    pub(crate) fn accounts(&self) -> usize {
        self.facts.accounts.len()
    }

    /// Stops when the data break the contract at `as_of`: too many bad rows, or too old.
    pub(crate) fn gate(&self, as_of: NaiveDate) -> Result<(), Failure> {
        gate(&self.report, as_of)
    }

    /// A line per table with rows that were left out of `as_of`.
    pub(crate) fn left_out(&self, as_of: NaiveDate) -> Vec<String> {
        left_out(&self.report, as_of)
    }

    /// What in the tables knows the outcome.
    pub(crate) fn leakage(&self) -> Result<LeakageReport, Failure> {
        LeakageReport::of(self.contract, &self.facts, &self.report).map_err(Failure::reading)
    }

    /// A line naming the tables of which it cannot be told what was known at a past date, if there are any.
    pub(crate) fn not_replayable(&self) -> Option<String> {
        let tables: Vec<&str> = self.report.not_replayable().into_iter().map(TableName::as_str).collect();
        let names = tables.join(", ");
        (!tables.is_empty()).then(|| format!("not replayable, having neither known_at nor known_after: {names}"))
    }

    /// Which product features the account of each row had used by then.
    pub(crate) fn product_adoption(&self, dataset: &Dataset) -> Option<ProductAdoption> {
        product_adoption(self.contract, &self.facts, dataset)
    }

    /// The tables as read, with what was visible before `as_of`.
    pub(crate) fn data_quality(&self, as_of: NaiveDate) -> DataQuality {
        let outcome = self.report.at(Some(as_of));
        let table = |table: TableOutcome| TableQuality {
            table: table.table,
            rows: table.rows,
            left_out: table.left_out,
            duplicates: table.duplicates,
            replayable: table.replayable,
            messages: table.messages,
        };
        DataQuality {
            tables: outcome.tables.into_iter().map(table).collect(),
            missing_tables: self.missing_tables.clone(),
        }
    }

    /// Whether `path` is one of the files that were read.
    pub(crate) fn reads(&self, path: &Path) -> bool {
        let Ok(path) = path.canonicalize() else { return false };
        let mut files = self.report.tables.iter().flat_map(|table| &table.files);
        files.any(|file| file.canonicalize().is_ok_and(|file| file == path))
    }

    /// Writes the rows that were left out of `as_of` into `folder`.
    pub(crate) fn quarantine(&self, folder: &Path, as_of: NaiveDate) -> Result<Vec<PathBuf>, Failure> {
        let write = || write_quarantine(folder, self.contract, &self.report, Some(as_of));
        crate::stop::protect(write).map_err(Failure::reading)
    }

    /// Features of the given dates.
    pub(crate) fn features(&self, dates: &[NaiveDate]) -> Features {
        self.open_features(dates).close_among(Population::default())
    }

    /// Features of the given dates, where these accounts are not all.
    pub(crate) fn open_features(&self, dates: &[NaiveDate]) -> OpenFeatures {
        let spine = self.plan.spine(&self.facts, dates);
        let matrix = self.plan.compute_open(&self.facts, &spine);
        let (quarantined, missing) = (self.quarantined_accounts(&spine.dates), self.missing_tables.clone());
        let metadata = FeatureMetadata::of(&self.facts, &spine, matrix.signals(), &quarantined, missing);
        OpenFeatures { spine, matrix, metadata }
    }

    fn quarantined_accounts(&self, dates: &[NaiveDate]) -> Vec<usize> {
        let accounts = |date: &NaiveDate| self.report.at(Some(*date)).quarantined_accounts;
        dates.iter().map(|date| usize::try_from(accounts(date)).unwrap_or(usize::MAX)).collect()
    }

    /// The first midnight by which everything in the data was known: no label can be known later.
    ///
    /// Usage decides where there is usage, since subscriptions may be entered ahead of time.
    pub(crate) fn known_until(&self) -> Result<NaiveDate, Failure> {
        fn last<T>(table: Option<&Grouped<T>>, known_at: impl Fn(&T) -> Instant) -> Option<Instant> {
            table?.rows.iter().map(known_at).max()
        }
        let last = last(self.facts.usage.as_ref(), |row| row.known_at)
            .or_else(|| last(self.facts.subscriptions.as_ref(), |row| row.known_at));
        let day = last.and_then(|last| last.plus_days(1).date());
        day.ok_or_else(|| {
            Failure::data(
                "expected facts with a time, found none",
                "`bellwether check` says what was read from each table",
            )
        })
    }

    /// Every observation date with history before it, up to `until`.
    ///
    /// History begins [`HISTORY_DAYS`] after the later of usage and subscriptions: before that, "no use" would mean "not on
    /// record", and a learner would take the two for one. Only facts known before `until` count, so that a later backfill of
    /// old facts moves no date. A `train_from` in the project file is taken at its word.
    fn observation_dates(&self, settings: &BacktestSettings, until: NaiveDate) -> Vec<NaiveDate> {
        let end = Instant::start_of(until);
        let first = |facts: &mut dyn Iterator<Item = (Instant, Instant)>| {
            facts.filter(|(_, known_at)| *known_at < end).map(|(at, _)| at).min()
        };
        let usage = self.facts.counting(TableName::Usage, self.facts.usage.as_ref(), end);
        let usage = first(&mut usage.map(|row| (row.at, row.known_at)));
        let subscriptions = self.facts.counting(TableName::Subscriptions, self.facts.subscriptions.as_ref(), end);
        let subscriptions = first(&mut subscriptions.map(|row| (row.effective_at, row.known_at)));
        let beginnings = usage.into_iter().chain(subscriptions);
        let from = match settings.train_from {
            Some(_) => beginnings.min(),
            None => beginnings.max().map(|begins| begins.plus_days(HISTORY_DAYS)),
        };
        let from = from.and_then(Instant::date);
        from.map_or_else(Vec::new, |from| settings.observation_dates(from, until))
    }

    /// Features and labels of every observation date, with labels as known at `known_as_of`.
    pub(crate) fn dataset(
        &self,
        settings: &BacktestSettings,
        known_as_of: Option<NaiveDate>,
    ) -> Result<Dataset, Failure> {
        let known_before = match known_as_of {
            Some(date) => date,
            None => self.known_until()?,
        };
        self.gate(known_before)?;
        let features = self.features(&self.observation_dates(settings, known_before));
        let labels = self.contract.targets.iter().map(|target| {
            Labels::compute(&self.facts, &features.spine, target, known_before)
                .map_err(|error| Failure::new(bellwether_infer::exit::ExitCode::Usage, error))
        });
        let labels = labels.collect::<Result<Vec<_>, _>>()?;
        if labels.is_empty() {
            return Err(Failure::configuration(
                "expected at least one target, found none",
                "add [targets.churn_90d] to the project file; `bellwether init` shows one",
            ));
        }
        Dataset::new(features.matrix, labels).map_err(Failure::training)
    }
}

/// Stops when the data break the contract at `as_of`: too many bad rows, or too old.
pub(crate) fn gate(report: &CheckReport, as_of: NaiveDate) -> Result<(), Failure> {
    report.at(Some(as_of)).gate().map_err(Failure::reading)
}

/// A line per table with rows that were left out of `as_of`.
pub(crate) fn left_out(report: &CheckReport, as_of: NaiveDate) -> Vec<String> {
    let outcome = report.at(Some(as_of));
    let tables = outcome.tables.iter().filter(|table| table.left_out > 0);
    tables
        .map(|table| {
            format!(
                "{}: {} of {} rows break the contract and are left out; `bellwether check --quarantine DIR` writes them",
                table.table, table.left_out, table.rows
            )
        })
        .collect()
}
