//! The point-in-time engine: one sweep per account for all dates, and one plan for training, backtest and the nightly job.
//!
//! An account is prepared once (codes made dense, running totals, versions side by side) and then viewed at each of its
//! dates in turn; the formulas of the catalogue read the view. Accounts are independent, so blocks of them run in parallel;
//! each writes the rows that are its own, so the result does not depend on the number of threads. A row depends on nothing
//! but its account's visible facts and the day on which the visible usage table begins: not on other dates, and on other
//! accounts only through that day. Then a second stage tells where accounts stand among others, which needs all rows of a
//! date ([`OpenMatrix`]).

pub(crate) mod account;
pub(crate) mod beginning;
mod columns;
pub(crate) mod declared;
pub(crate) mod uses;
pub(crate) mod versions;
pub(crate) mod view;
mod visible;

use std::ops::Range;
use std::sync::Arc;

use chrono::NaiveDate;
use rayon::prelude::*;

use crate::catalog::{Catalogue, CatalogueSettings, Formula, Levels, Signal, Workflow};
use crate::facts::{Facts, Names};
use crate::matrix::{Column, FeatureMatrix, Groups, OpenMatrix};
use crate::spine::{Eligibility, Spine};
use crate::time::Instant;
use beginning::UsageBeginning;
use columns::{BlockColumns, Columns};
use uses::{FeatureKind, Steps};
use view::{Declared, Prepared};

/// Accounts computed by one thread at a time: few enough that the rows being written stay near the processor.
const BLOCK_ACCOUNTS: usize = 128;

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

    /// The same plan with only the signals that compare accounts with each other; `None` without such a signal.
    #[must_use]
    pub fn compared(&self) -> Option<Self> {
        let catalogue = self.catalogue.compared();
        (!catalogue.signals().is_empty()).then_some(Self { catalogue, eligibility: self.eligibility })
    }

    /// All signals for all rows of `spine`, which must have been built from the same `facts`, of all accounts.
    #[must_use]
    pub fn compute(&self, facts: &Facts, spine: &Spine) -> FeatureMatrix {
        self.compute_open(facts, spine).close()
    }

    /// As [`FeaturePlan::compute`], of some of the accounts: the comparisons with others are still to be made.
    #[must_use]
    pub fn compute_open(&self, facts: &Facts, spine: &Spine) -> OpenMatrix {
        let base = Base {
            facts,
            spine,
            dates: spine.ranges(),
            declared: declare(facts, self.catalogue.settings()),
            beginning: UsageBeginning::of(facts, &spine.dates),
        };
        let mut columns = Columns::new(&self.catalogue, spine.len());
        let ends = |first: usize| (first + BLOCK_ACCOUNTS).min(facts.accounts.len());
        let blocks: Vec<Range<usize>> =
            (0..facts.accounts.len()).step_by(BLOCK_ACCOUNTS).map(|first| first..ends(first)).collect();
        // At each date, the rows of consecutive accounts stand together.
        let rows_of = |accounts: &Range<usize>| base.dates.iter().map(|rows| spine.rows_of(rows, accounts)).collect();
        let rows: Vec<Vec<Range<usize>>> = blocks.iter().map(rows_of).collect();
        let work = columns.cut(&rows).into_par_iter().zip(&rows).zip(blocks);
        work.for_each(|((mut columns, rows), accounts)| self.block(&base, accounts, rows, &mut columns));
        columns.finish(&self.catalogue, facts, spine)
    }

    /// The rows of consecutive accounts at all dates; `rows` says where they are in the spine.
    fn block(&self, base: &Base<'_>, accounts: Range<usize>, rows: &[Range<usize>], columns: &mut BlockColumns<'_>) {
        let spine = base.spine;
        let mut next: Vec<usize> = rows.iter().map(|rows| rows.start).collect();
        for account in accounts {
            let mut prepared: Option<(bool, Prepared<'_>)> = None;
            for (date, (rows, next)) in rows.iter().zip(&mut next).enumerate() {
                if *next < rows.end && spine.accounts[*next] as usize == account {
                    let as_of = Instant::start_of(spine.as_of[*next]);
                    let entered = base.facts.has_entered(account, as_of);
                    if prepared.as_ref().is_some_and(|(before, _)| *before != entered) {
                        prepared = None;
                    }
                    let fresh = || (entered, Prepared::at(base.facts, &base.declared, account, as_of));
                    let (_, prepared) = prepared.get_or_insert_with(fresh);
                    let view = prepared.view(&base.declared, as_of, base.beginning.at(as_of));
                    columns.write(&self.catalogue, &view, date, *next - rows.start);
                    *next += 1;
                }
            }
        }
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

impl Columns {
    fn finish(self, catalogue: &Catalogue, facts: &Facts, spine: &Spine) -> OpenMatrix {
        let (mut numbers, mut categories) = (self.numbers.into_iter(), self.categories.into_iter());
        let column = |signal: &Signal| match signal.formula {
            Formula::Category(_, levels) => {
                Column::category(&names(facts, levels), &categories.next().unwrap_or_default())
            }
            _ => Column::Numeric(numbers.next().unwrap_or_default()),
        };
        let columns = catalogue.signals().iter().map(column).collect();
        let ids: Vec<Arc<str>> = facts.accounts.iter().map(|id| Arc::from(id.as_str())).collect();
        let id = |account: &u32| Arc::clone(&ids[*account as usize]);
        let matrix = FeatureMatrix {
            account_ids: spine.accounts.par_iter().map(id).collect(),
            as_of: spine.as_of.clone(),
            signals: catalogue.definitions(),
            columns,
        };
        let places = catalogue.signals().iter().enumerate();
        let compared = places.filter_map(|(place, signal)| Some((place, signal.ranking()?)));
        let groups = compared.zip(self.groups).map(|((column, ranking), codes)| Groups {
            column,
            of: Column::category(&names(facts, ranking.levels), &codes),
        });
        OpenMatrix::new(matrix, groups.collect())
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
