//! The point-in-time engine: one sweep per account for all dates, and one plan for training, backtest and the nightly job.
//!
//! An account is prepared once (codes made dense, versions side by side) and then viewed at each of its dates; the
//! formulas of the catalogue read the view. Accounts are independent, so they run in parallel; each writes the rows that
//! are its own, so the result does not depend on the number of threads. A row depends on nothing but its account's
//! visible facts and the day on which the visible usage table begins: not on other dates, and on other accounts only through
//! that day.

pub(crate) mod account;
pub(crate) mod beginning;
pub(crate) mod uses;
pub(crate) mod versions;
pub(crate) mod view;

use chrono::NaiveDate;
use rayon::prelude::*;

use crate::catalog::{Catalogue, CatalogueSettings, Formula, Levels};
use crate::facts::{Facts, Names};
use crate::matrix::{Column, FeatureMatrix};
use crate::spine::{Eligibility, Spine};
use crate::time::Instant;
use beginning::UsageBeginning;
use uses::FeatureKind;
use view::{Declared, Prepared, View};

/// Accounts computed before their rows are written to the columns; bounds the memory beside the matrix.
const BATCH_ACCOUNTS: usize = 4096;

/// What to compute, for whom.
#[derive(Debug, Clone)]
pub struct FeaturePlan {
    catalogue: Catalogue,
    eligibility: Eligibility,
}

/// What the rows of all accounts share.
#[derive(Debug)]
struct Base<'a> {
    facts: &'a Facts,
    spine: &'a Spine,
    declared: Declared,
    beginning: UsageBeginning,
}

/// The computed values of one row.
#[derive(Debug)]
struct Row {
    /// Place in the spine.
    place: usize,
    /// One per numeric signal.
    numbers: Vec<f32>,
    /// One per category signal.
    categories: Vec<Option<u32>>,
}

impl FeaturePlan {
    /// A plan for the accounts that `eligibility` accepts.
    #[must_use]
    pub fn new(catalogue: Catalogue, eligibility: Eligibility) -> Self {
        Self { catalogue, eligibility }
    }

    /// The signals.
    #[must_use]
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// Which accounts get a row.
    #[must_use]
    pub fn eligibility(&self) -> &Eligibility {
        &self.eligibility
    }

    /// The eligible rows at `dates`.
    #[must_use]
    pub fn spine(&self, facts: &Facts, dates: &[NaiveDate]) -> Spine {
        Spine::build(facts, &self.eligibility, dates)
    }

    /// All signals for all rows of `spine`, which must have been built from the same `facts`.
    #[must_use]
    pub fn compute(&self, facts: &Facts, spine: &Spine) -> FeatureMatrix {
        let base = Base {
            facts,
            spine,
            declared: declare(facts, self.catalogue.settings()),
            beginning: UsageBeginning::of(facts, &spine.as_of),
        };
        let places = places_by_account(facts.accounts.len(), spine);
        let mut filling = Filling::new(&self.catalogue, spine.len());
        let accounts: Vec<usize> = (0..facts.accounts.len()).filter(|account| !places[*account].is_empty()).collect();
        for batch in accounts.chunks(BATCH_ACCOUNTS) {
            let compute = |account: &usize| self.rows(&base, *account, &places[*account]);
            let rows: Vec<Vec<Row>> = batch.par_iter().map(compute).collect();
            rows.into_iter().flatten().for_each(|row| filling.write(&row));
        }
        filling.finish(&self.catalogue, facts, spine)
    }

    /// The rows of one account.
    fn rows(&self, base: &Base<'_>, account: usize, places: &[usize]) -> Vec<Row> {
        let prepared = Prepared::new(base.facts, &base.declared, account);
        let row = |place: &usize| {
            let as_of = Instant::start_of(base.spine.as_of[*place]);
            self.row(&prepared.view(&base.declared, as_of, base.beginning.at(as_of)), *place)
        };
        places.iter().map(row).collect()
    }

    fn row(&self, view: &View<'_>, place: usize) -> Row {
        let (mut numbers, mut categories) = (Vec::new(), Vec::new());
        for signal in self.catalogue.signals() {
            match signal.formula {
                Formula::Number(_) => numbers.push(signal.number(view)),
                Formula::Category(formula, _) => categories.push(formula(view)),
            }
        }
        Row { place, numbers, categories }
    }
}

/// Resolves declared names to codes.
fn declare(facts: &Facts, settings: &CatalogueSettings) -> Declared {
    let flags = |names: &Names, declared: &[String]| -> Vec<bool> {
        names.names.iter().map(|name| declared.contains(name)).collect()
    };
    let in_catalogue = flags(&facts.features, &settings.features);
    let advanced = flags(&facts.features, &settings.advanced);
    let integration = flags(&facts.features, &settings.integrations);
    let value_moment = flags(&facts.features, &settings.value_moments);
    let kind = |code: usize| FeatureKind {
        in_catalogue: in_catalogue[code],
        advanced: advanced[code],
        integration: integration[code],
        value_moment: value_moment[code],
    };
    let mut catalogue: Vec<&String> = settings.features.iter().collect();
    catalogue.sort_unstable();
    catalogue.dedup();
    Declared {
        features: (0..facts.features.names.len()).map(kind).collect(),
        catalogue_size: uses::count(catalogue.iter()),
        complaints: flags(&facts.ticket_categories, &settings.complaint_categories),
        how_to: flags(&facts.ticket_categories, &settings.how_to_categories),
        asks_how: !settings.how_to_categories.is_empty(),
    }
}

/// The places of each account's rows in the spine, in order of date.
fn places_by_account(accounts: usize, spine: &Spine) -> Vec<Vec<usize>> {
    let mut places = vec![Vec::new(); accounts];
    for (place, account) in spine.accounts.iter().enumerate() {
        places[*account as usize].push(place);
    }
    places
}

/// The columns while they are written.
#[derive(Debug)]
struct Filling {
    numbers: Vec<Vec<f32>>,
    categories: Vec<Vec<Option<u32>>>,
}

impl Filling {
    fn new(catalogue: &Catalogue, rows: usize) -> Self {
        let numeric = catalogue.signals().iter().filter(|signal| matches!(signal.formula, Formula::Number(_))).count();
        Self {
            numbers: vec![vec![f32::NAN; rows]; numeric],
            categories: vec![vec![None; rows]; catalogue.signals().len() - numeric],
        }
    }

    fn write(&mut self, row: &Row) {
        for (column, value) in self.numbers.iter_mut().zip(&row.numbers) {
            column[row.place] = *value;
        }
        for (column, code) in self.categories.iter_mut().zip(&row.categories) {
            column[row.place] = *code;
        }
    }

    fn finish(self, catalogue: &Catalogue, facts: &Facts, spine: &Spine) -> FeatureMatrix {
        let (mut numbers, mut categories) = (self.numbers.into_iter(), self.categories.into_iter());
        let column = |signal: &crate::catalog::Signal| match signal.formula {
            Formula::Number(_) => Column::Numeric(numbers.next().unwrap_or_default()),
            Formula::Category(_, levels) => {
                Column::category(&names(facts, levels), &categories.next().unwrap_or_default())
            }
        };
        let columns = catalogue.signals().iter().map(column).collect();
        let id = |account: &u32| facts.accounts[*account as usize].clone();
        FeatureMatrix {
            account_ids: spine.accounts.iter().map(id).collect(),
            as_of: spine.as_of.clone(),
            signals: catalogue.definitions(),
            columns,
        }
    }
}

/// The texts that the codes of a category stand for.
fn names(facts: &Facts, levels: Levels) -> Vec<String> {
    match levels {
        Levels::Fixed(texts) => texts.iter().map(|text| (*text).to_owned()).collect(),
        Levels::Plans => facts.plans.names.clone(),
        Levels::Segments => facts.segments.names.clone(),
        Levels::Industries => facts.industries.names.clone(),
        Levels::Regions => facts.regions.names.clone(),
        Levels::Channels => facts.channels.names.clone(),
    }
}
