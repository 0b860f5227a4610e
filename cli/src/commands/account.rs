//! `bellwether account`: one account on one page.

use std::path::Path;

use bellwether_features::contract::nearest_names;
use bellwether_features::facts::Facts;
use bellwether_features::time::Instant;
use bellwether_outlook::account_page::{self, AccountInput, AccountPage, Service, comparison_dates};
use bellwether_outlook::scored::{self, ScoredBase};
use bellwether_outlook::segment::SizeCutOffs;
use chrono::NaiveDate;
use rayon::prelude::*;

use super::{page_file, with_threads};
use crate::args::AccountArguments;
use crate::business::Business;
use crate::failure::Failure;
use crate::fetch::Wanted;
use crate::output::Output;
use crate::project::Project;

/// Ids that an error names.
const HINTS: usize = 3;

pub(crate) fn run(config: &Path, arguments: &AccountArguments, output: &Output) -> Result<(), Failure> {
    let project = Project::load(config)?;
    if let Some(html) = &arguments.html {
        page_file::check(html)?;
    }
    let project = project.fetched(Wanted::Read, output)?;
    let page = with_threads(arguments.threads, || {
        let business = output.step("read", || Business::read(&project), Business::summary)?;
        page(&project, &business, arguments)
    })?;
    if let Some(html) = &arguments.html {
        page_file::write(html, &page.html())?;
    }
    for line in page.text() {
        output.result(line);
    }
    if let Some(html) = &arguments.html {
        output.result("");
        output.result(format_args!("{}", html.display()));
    }
    Ok(())
}

fn page(project: &Project, business: &Business<'_>, arguments: &AccountArguments) -> Result<AccountPage, Failure> {
    let scored = scored::dates(&arguments.out).map_err(Failure::scores)?;
    let as_of = match (arguments.as_of, scored.last()) {
        (Some(date), _) => date,
        (None, Some(latest)) => *latest,
        (None, None) => business.known_until()?,
    };
    let facts = business.facts();
    let account = place(facts, &arguments.account, as_of)?;
    business.gate(as_of)?;
    let scores = account_page::read(&arguments.out, as_of, &arguments.account).map_err(Failure::scores)?;
    let service = service(&arguments.out, &scores)?;
    let targets = &project.contract.targets;
    let dates = comparison_dates(as_of, targets, &scored);
    let past = dates.into_iter().filter(|date| scored.contains(date)).collect::<Vec<_>>();
    let past = past.par_iter().map(|date| ScoredBase::read(&arguments.out, *date, 0));
    let past = past.collect::<Result<Vec<_>, _>>().map_err(Failure::scores)?;
    Ok(AccountPage::of(&AccountInput {
        facts,
        account,
        as_of,
        business: &project.contract.name,
        currency: &project.contract.currency,
        features: &project.contract.catalogue.features,
        targets,
        eligibility: project.contract.eligibility,
        grace_days: business.leaving().1,
        sizes: SizeCutOffs::default(),
        scores: &scores,
        service: service.as_ref(),
        past: &past,
    }))
}

/// What the outlook made from the latest scores says is done for the account.
fn service(out: &Path, scores: &[ScoredBase]) -> Result<Option<Service>, Failure> {
    let Some((latest, scored)) = scores.last().and_then(|latest| Some((latest, latest.accounts.first()?))) else {
        return Ok(None);
    };
    Service::read(out, latest, scored).map_err(Failure::scores)
}

/// Where the account stands among those that were known at the date.
fn place(facts: &Facts, id: &str, as_of: NaiveDate) -> Result<usize, Failure> {
    let moment = Instant::start_of(as_of);
    let found = facts.accounts.binary_search_by(|one| one.as_str().cmp(id)).ok();
    if let Some(account) = found.filter(|account| facts.is_known(*account, moment)) {
        return Ok(account);
    }
    let known = facts.accounts.iter().enumerate().filter(|(account, _)| facts.is_known(*account, moment));
    let near = nearest_names(id, known.map(|(_, id)| id.as_str()), HINTS);
    let hint = match near.as_slice() {
        [] => "ids are taken as they stand in the tables; `bellwether outlook` writes a page to search in".to_owned(),
        names => {
            format!("did you mean {}?", names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "))
        }
    };
    Err(Failure::configuration(
        format!("expected an account that is known before {as_of}, found none with the id `{id}`"),
        hint,
    ))
}
