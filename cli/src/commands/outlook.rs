//! `bellwether outlook`: revenue, cohorts and segments of the base as it was known at a date.

use std::path::Path;

use bellwether_features::label::Event;
use bellwether_outlook::account::AccountSettings;
use bellwether_outlook::movement::MonthlyMovements;
use bellwether_outlook::retention::{Retention, disagreement};
use bellwether_outlook::scored::{ScoredBase, ScoresReadError};
use bellwether_outlook::tables::Table;
use bellwether_outlook::{Outlook, OutlookSettings, tables};
use chrono::NaiveDate;

use super::with_threads;
use crate::args::OutlookArguments;
use crate::business::Business;
use crate::failure::Failure;
use crate::outlook_accounts;
use crate::output::{Output, grouped};
use crate::project::Project;
use crate::stop;

pub(crate) fn run(config: &Path, arguments: &OutlookArguments, output: &Output) -> Result<(), Failure> {
    let project = Project::load(config)?;
    let account_settings = project.account_settings(Some(&arguments.accounts))?;
    let folder = arguments.out.join("outlook").join("v1").join(format!("as_of={}", arguments.as_of));
    tables::check_place(&folder).map_err(Failure::outlook)?;
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
        let settings = OutlookSettings { grace_days: grace_days(&project), ..OutlookSettings::default() };
        let outlook = output.step(
            "outlook",
            || Ok::<_, Failure>(business.outlook(arguments.as_of, &settings)),
            |outlook| format!("{} months, {} segments", outlook.movements.len(), outlook.segments.len()),
        )?;
        let mut written = tables::revenue::tables(&outlook);
        let mut lines = text(&outlook, arguments.as_of);
        if let Some((tables, told)) = accounts(&project, &business, arguments, account_settings, output)? {
            written.extend(tables);
            lines.extend(told);
        }
        stop::protect(|| tables::write(written, &folder)).map_err(Failure::outlook)?;
        for line in lines {
            output.result(line);
        }
        Ok(())
    })?;
    output.result(format_args!("{}", folder.display()));
    Ok(())
}

/// The tables of accounts, and what is told of them; `None` where the date has no scores.
fn accounts(
    project: &Project,
    business: &Business<'_>,
    arguments: &OutlookArguments,
    mut settings: AccountSettings,
    output: &Output,
) -> Result<Option<(Vec<Table>, Vec<String>)>, Failure> {
    let Some(base) = scores(arguments, output)? else { return Ok(None) };
    name_churn(&mut settings, project, &base);
    let accounts = output.step(
        "accounts",
        || business.account_outlook(&base, &arguments.out, &settings).map_err(Failure::scores),
        |accounts| format!("{} accounts, {} alerts", accounts.rows.len(), accounts.alerts.len()),
    )?;
    let told = outlook_accounts::text(&accounts, &project.contract.currency);
    Ok(Some((tables::accounts::tables(&accounts), told)))
}

/// The scores of the date; `None`, with a line that says so, where there are none.
fn scores(arguments: &OutlookArguments, output: &Output) -> Result<Option<ScoredBase>, Failure> {
    match ScoredBase::read(&arguments.out, arguments.as_of, 0) {
        Ok(base) => Ok(Some(base)),
        Err(error @ ScoresReadError::Missing { .. }) => {
            output.note(format_args!("accounts, alerts and calls are left out: {error}"));
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

/// The grace period of the target that says when a subscription has ended; that of a new project where there is none.
fn grace_days(project: &Project) -> u32 {
    let mut targets = project.contract.targets.iter();
    let ended = targets.find(|target| matches!(target.event, Event::SubscriptionEnd));
    ended.map_or(OutlookSettings::default().grace_days, |target| target.grace_days)
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
        let before = outlook.trailing_years.len().checked_sub(13).map(|index| &outlook.trailing_years[index]);
        lines.extend(
            before
                .and_then(|before| disagreement(before, year))
                .map(|sentence| format!("against the year before: {sentence}")),
        );
    }
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
