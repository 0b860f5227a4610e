//! `bellwether outlook`: revenue, cohorts and segments of the base as it was known at a date.

use std::path::Path;

use bellwether_outlook::account::AccountSettings;
use bellwether_outlook::movement::MonthlyMovements;
use bellwether_outlook::page::{self, MOST_ACCOUNTS, PAGE, PageInput};
use bellwether_outlook::retention::{Retention, disagreement};
use bellwether_outlook::scored::{ScoredBase, ScoresReadError};
use bellwether_outlook::tables::Table;
use bellwether_outlook::{Outlook, OutlookSettings, judgement, tables};
use chrono::NaiveDate;

use super::export::{Parts, to_database};
use super::outlook_base::base_text;
use super::{outlook_forecast, with_threads};
use crate::args::OutlookArguments;
use crate::business::Business;
use crate::failure::Failure;
use crate::fetch::Wanted;
use crate::outlook_accounts;
use crate::output::{Output, grouped};
use crate::project::Project;
use crate::stop;
use crate::worth_outlook::WorthOutlook;

pub(crate) fn run(config: &Path, arguments: &OutlookArguments, output: &Output) -> Result<(), Failure> {
    let database = super::export::database(&arguments.database)?;
    let project = Project::load(config)?;
    let account_settings = project.account_settings(Some(&arguments.accounts))?;
    let folder = tables::partition(&arguments.out, arguments.as_of);
    tables::check_place(&folder).map_err(Failure::outlook)?;
    let project = project.fetched(Wanted::Read, output)?;
    with_threads(arguments.threads, || {
        let business = output.step("read", || Business::read(&project), Business::summary)?;
        business.gate(arguments.as_of)?;
        for line in business.left_out(arguments.as_of) {
            output.warn(line);
        }
        if !business.has_subscriptions() {
            return Err(Failure::configuration(
                "expected a table of subscriptions, found none",
                "revenue is read from [tables.subscriptions]: account_id, effective_at and mrr",
            ));
        }
        let settings = OutlookSettings { grace_days: business.leaving().1, ..OutlookSettings::default() };
        let timelines = business.timelines(arguments.as_of, settings.grace_days);
        let mut outlook = output.step(
            "outlook",
            || Ok::<_, Failure>(business.outlook(&timelines, arguments.as_of, settings.sizes)),
            |outlook| format!("{} months, {} segments", outlook.movements.len(), outlook.segments.len()),
        )?;
        let analysis = || Ok::<_, Failure>(business.base_analysis(&timelines, arguments.as_of, &settings));
        let mut base = output.step("base", analysis, |base| format!("{} archetypes", base.archetypes.len()))?;
        outlook.segments.append(&mut base.behaviour_segments);
        let worth = WorthOutlook::of(&business, &timelines, arguments.as_of, &project.money);
        let mut written = tables::revenue::tables(&outlook);
        written.extend(tables::base::tables(&base));
        written.extend(worth.tables(&business, arguments.as_of));
        written.extend(judgements(&business, arguments)?);
        let mut lines = text(&outlook, arguments.as_of);
        lines.extend(base_text(&base));
        lines.extend(worth.lines(&project.money));
        // What is not needed any more makes room: the forecast and the accounts are the greatest of all.
        let grace_days = settings.grace_days;
        let year_before = outlook.year_before;
        drop((timelines, outlook, base, worth));
        let forecast = outlook_forecast::forecast_of(&business, arguments, grace_days, output)?;
        let scores = scores(arguments, output)?;
        if let Some(base) = &scores {
            let (tables, told) = accounts(&project, &business, base, account_settings, arguments, output)?;
            written.extend(tables);
            lines.extend(told);
        }
        written.extend(forecast.iter().flat_map(tables::forecast::tables));
        lines.extend(forecast.iter().flat_map(outlook_forecast::text));
        let page = page::html(&PageInput {
            as_of: arguments.as_of,
            business: &project.contract.name,
            currency: &project.contract.currency,
            year_before: Some(&year_before),
            tables: &written,
            scores: scores.as_ref(),
        });
        stop::protect(|| tables::write_with_page(written, Some(&page), &folder)).map_err(Failure::outlook)?;
        for line in lines {
            output.result(line);
        }
        Ok(())
    })?;
    output.result(format_args!("{}", folder.display()));
    output.result(format_args!("{}", folder.join(PAGE).display()));
    let published = (arguments.out.as_path(), arguments.as_of, Parts::Outlook);
    database.map_or(Ok(()), |address| to_database(address, &arguments.database, published, output))
}

/// Reasons that the page tells of each target.
const REASONS: usize = 3;

/// The tables of accounts, and what is told of them.
fn accounts(
    project: &Project,
    business: &Business<'_>,
    base: &ScoredBase,
    mut settings: AccountSettings,
    arguments: &OutlookArguments,
    output: &Output,
) -> Result<(Vec<Table>, Vec<String>), Failure> {
    name_churn(&mut settings, project, base);
    let accounts = output.step(
        "accounts",
        || business.account_outlook(base, &arguments.out, &settings).map_err(Failure::scores),
        |accounts| format!("{} accounts, {} alerts", accounts.rows.len(), accounts.alerts.len()),
    )?;
    let told = outlook_accounts::text(&accounts, &project.contract.currency);
    Ok((tables::accounts::tables(&accounts), told))
}

/// The track record of overrides, where there is a table of them.
fn judgements(business: &Business<'_>, arguments: &OutlookArguments) -> Result<Vec<Table>, Failure> {
    let (contract, facts) = business.contract_and_facts();
    if facts.overrides.is_none() {
        return Ok(Vec::new());
    }
    let rows = judgement::judgements(facts, &contract.targets, &arguments.out, arguments.as_of);
    Ok(tables::judgements::tables(&rows.map_err(Failure::scores)?))
}

/// The scores of the date; `None`, with a line that says so, where there are none.
///
/// More accounts than the page shows are read without their reasons, which are the greater part of the scores.
fn scores(arguments: &OutlookArguments, output: &Output) -> Result<Option<ScoredBase>, Failure> {
    let (out, as_of) = (&arguments.out, arguments.as_of);
    let read = || {
        let reasons = if ScoredBase::count(out, as_of)? <= MOST_ACCOUNTS as u64 { REASONS } else { 0 };
        ScoredBase::read(out, as_of, reasons)
    };
    match read() {
        Ok(scores) => Ok(Some(scores)),
        Err(error @ ScoresReadError::Missing { .. }) => {
            output.note(format_args!("{error}; what depends on scores is left out"));
            Ok(None)
        }
        Err(error) => Err(Failure::scores(error)),
    }
}

/// The target of leaving that the scores foretell, as the project file declares it.
fn name_churn(settings: &mut AccountSettings, project: &Project, base: &ScoredBase) {
    let name = base.target("churn").map(|target| &base.targets[target]);
    settings.churn = name.and_then(|name| project.contract.targets.iter().find(|target| target.name == *name)).cloned();
}

/// The last months and the last year, in lines.
fn text(outlook: &Outlook, as_of: NaiveDate) -> Vec<String> {
    let money = |month: &MonthlyMovements, of: fn(&MonthlyMovements) -> f64| format!("{:>12.2}", of(month));
    let mut lines = vec![format!(
        "{:<9}{:>12}{:>12}{:>12}{:>12}{:>12}{:>12}{:>12}",
        "month", "opening", "new", "reactivated", "expansion", "contraction", "churn", "closing"
    )];
    let last = outlook.movements.len().saturating_sub(6);
    for month in &outlook.movements[last..] {
        let columns: [fn(&MonthlyMovements) -> f64; 7] = [
            |month| month.opening.mrr.amount(),
            |month| month.new.mrr.amount(),
            |month| month.reactivation.mrr.amount(),
            |month| month.expansion.mrr.amount(),
            |month| month.contraction.mrr.amount(),
            |month| month.churn.mrr.amount(),
            |month| month.closing.mrr.amount(),
        ];
        let name = format!("{}{}", month.month.format("%Y-%m"), if month.is_complete { "" } else { "*" });
        lines.push(columns.iter().fold(format!("{name:<9}"), |line, column| line + &money(month, *column)));
    }
    if outlook.movements.last().is_some_and(|month| !month.is_complete) {
        lines.push(format!("* until {as_of}"));
    }
    if let Some(year) = outlook.trailing_years.last() {
        lines.push(retention_line(year));
        let sentence = disagreement(&outlook.year_before, year);
        lines.extend(sentence.map(|sentence| format!("against the year before: {sentence}")));
    }
    let mut complete = outlook.movements.iter().rev().filter(|month| month.is_complete).map(Retention::of_month);
    let sentence = complete.next().zip(complete.next()).and_then(|(month, before)| disagreement(&before, &month));
    lines.extend(sentence.map(|sentence| format!("the last whole month against the one before: {sentence}")));
    lines
}

fn retention_line(year: &Retention) -> String {
    let percent = |share: Option<f64>| share.map_or("not known".to_owned(), |share| format!("{:.1} %", 100.0 * share));
    format!(
        "twelve months: NRR {}, GRR {}, logo retention {}, of {} accounts that paid before",
        percent(year.net()),
        percent(year.gross()),
        percent(year.logo()),
        grouped(year.accounts)
    )
}
