//! The point-in-time engine: one sweep per account for all dates, and one plan for training, backtest and the nightly job.
//!
//! An account is prepared once (codes made dense, running totals, versions side by side) and then viewed at each of its
//! dates in turn; the formulas of the catalogue read the view. Accounts are independent, so blocks of them run in parallel;
//! each writes the rows that are its own, so the result does not depend on the number of threads. A row depends on nothing
//! but its account's visible facts and the day on which the visible usage table begins: not on other dates, and on other
//! accounts only through that day.

pub(crate) mod account;
pub(crate) mod beginning;
pub(crate) mod declared;
pub(crate) mod uses;
pub(crate) mod versions;
pub(crate) mod view;

use std::ops::Range;
use std::sync::Arc;

use chrono::NaiveDate;
use rayon::prelude::*;

use crate::catalog::{Catalogue, CatalogueSettings, Formula, Levels, Workflow};
use crate::facts::{Facts, Names};
use crate::matrix::{Column, FeatureMatrix};
use crate::spine::{Eligibility, Spine};
use crate::time::Instant;
use beginning::UsageBeginning;
use uses::{FeatureKind, Steps};
use view::{Declared, Prepared, View};

/// Accounts computed by one thread at a time.
const BLOCK_ACCOUNTS: usize = 512;

/// Blocks computed before their rows are copied to the columns; bounds the memory beside the matrix.
const ROUND_BLOCKS: usize = 32;

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
    /// The spine's rows of each date.
    dates: Vec<Range<usize>>,
    declared: Declared,
    beginning: UsageBeginning,
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
            dates: spine.ranges(),
            declared: declare(facts, self.catalogue.settings()),
            beginning: UsageBeginning::of(facts, &spine.dates),
        };
        let mut columns = Columns::new(&self.catalogue, spine.len());
        let firsts: Vec<usize> = (0..facts.accounts.len()).step_by(BLOCK_ACCOUNTS).collect();
        for round in firsts.chunks(ROUND_BLOCKS) {
            let block = |first: &usize| self.block(&base, *first..(*first + BLOCK_ACCOUNTS).min(facts.accounts.len()));
            let blocks: Vec<Block> = round.par_iter().map(block).collect();
            blocks.iter().for_each(|block| columns.take(block));
        }
        columns.finish(&self.catalogue, facts, spine)
    }

    /// The rows of consecutive accounts at all dates.
    fn block(&self, base: &Base<'_>, accounts: Range<usize>) -> Block {
        let spine = base.spine;
        // At each date, the rows of consecutive accounts stand together.
        let slices: Vec<Range<usize>> = base.dates.iter().map(|rows| spine.rows_of(rows, &accounts)).collect();
        let mut block = Block { columns: Columns::new(&self.catalogue, slices.iter().map(Range::len).sum()), slices };
        let mut next: Vec<usize> = block.slices.iter().map(|rows| rows.start).collect();
        for account in accounts {
            let mut prepared = None;
            let mut before = 0;
            for (slice, next) in block.slices.iter().zip(&mut next) {
                if *next < slice.end && spine.accounts[*next] as usize == account {
                    let prepared = prepared.get_or_insert_with(|| Prepared::new(base.facts, &base.declared, account));
                    let as_of = Instant::start_of(spine.as_of[*next]);
                    let view = prepared.view(&base.declared, as_of, base.beginning.at(as_of));
                    block.columns.write(&self.catalogue, &view, before + *next - slice.start);
                    *next += 1;
                }
                before += slice.len();
            }
        }
        block
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
    // Names of features are sorted; a step that nobody ever took has no code.
    let code = |step: &String| facts.features.names.binary_search(step).ok().and_then(|code| u32::try_from(code).ok());
    let steps = |workflow: &Workflow| -> Steps { workflow.steps.iter().map(code).collect() };
    Declared {
        features: (0..facts.features.names.len()).map(kind).collect(),
        catalogue_size: uses::count(catalogue.iter()),
        complaints: flags(&facts.ticket_categories, &settings.complaint_categories),
        how_to: flags(&facts.ticket_categories, &settings.how_to_categories),
        asks_how: !settings.how_to_categories.is_empty(),
        signals: settings.declared.clone(),
        workflows: settings.workflows.iter().map(steps).collect(),
        review_interval_days: settings.review_interval_days,
    }
}

/// Some columns, while they are written.
#[derive(Debug)]
struct Columns {
    numbers: Vec<Vec<f32>>,
    categories: Vec<Vec<Option<u32>>>,
}

/// The rows of some accounts: those of the first date, then those of the second, and so on.
#[derive(Debug)]
struct Block {
    columns: Columns,
    /// Where they are in the spine.
    slices: Vec<Range<usize>>,
}

impl Columns {
    fn new(catalogue: &Catalogue, rows: usize) -> Self {
        let numeric =
            catalogue.signals().iter().filter(|signal| !matches!(signal.formula, Formula::Category(..))).count();
        Self {
            numbers: vec![vec![f32::NAN; rows]; numeric],
            categories: vec![vec![None; rows]; catalogue.signals().len() - numeric],
        }
    }

    /// Computes a row.
    fn write(&mut self, catalogue: &Catalogue, view: &View<'_>, row: usize) {
        let (mut numbers, mut categories) = (self.numbers.iter_mut(), self.categories.iter_mut());
        for signal in catalogue.signals() {
            match signal.formula {
                Formula::Number(_) | Formula::Workflow(..) | Formula::Declared(_) => {
                    if let Some(column) = numbers.next() {
                        column[row] = signal.number(view);
                    }
                }
                Formula::Category(formula, _) => {
                    if let Some(column) = categories.next() {
                        column[row] = formula(view);
                    }
                }
            }
        }
    }

    /// Copies a block to its places.
    fn take(&mut self, block: &Block) {
        fn copy<T: Copy>(columns: &mut [Vec<T>], from: &[Vec<T>], slices: &[Range<usize>]) {
            for (column, from) in columns.iter_mut().zip(from) {
                let mut rest = from.as_slice();
                for slice in slices {
                    let (rows, after) = rest.split_at(slice.len());
                    column[slice.clone()].copy_from_slice(rows);
                    rest = after;
                }
            }
        }
        copy(&mut self.numbers, &block.columns.numbers, &block.slices);
        copy(&mut self.categories, &block.columns.categories, &block.slices);
    }

    fn finish(self, catalogue: &Catalogue, facts: &Facts, spine: &Spine) -> FeatureMatrix {
        let (mut numbers, mut categories) = (self.numbers.into_iter(), self.categories.into_iter());
        let column = |signal: &crate::catalog::Signal| match signal.formula {
            Formula::Number(_) | Formula::Workflow(..) | Formula::Declared(_) => {
                Column::Numeric(numbers.next().unwrap_or_default())
            }
            Formula::Category(_, levels) => {
                Column::category(&names(facts, levels), &categories.next().unwrap_or_default())
            }
        };
        let columns = catalogue.signals().iter().map(column).collect();
        let ids: Vec<Arc<str>> = facts.accounts.iter().map(|id| Arc::from(id.as_str())).collect();
        let id = |account: &u32| Arc::clone(&ids[*account as usize]);
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
