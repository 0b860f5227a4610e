//! `bellwether check`: reads every table against the contract and says what is wrong. Exit 3 when a run would stop.

use std::path::Path;

use bellwether_features::leakage::{LeakageReport, Level};
use bellwether_features::read::CheckOutcome;
use serde::Serialize;

use crate::args::{CheckArguments, ReportFormat};
use crate::business::Business;
use crate::failure::Failure;
use crate::fetch::Wanted;
use crate::output::Output;
use crate::project::Project;

pub(crate) fn run(config: &Path, arguments: &CheckArguments, output: &Output) -> Result<(), Failure> {
    let project = Project::load(config)?;
    project.check_backtest()?;
    project.check_outlook()?;
    let project = project.fetched(if arguments.leakage { Wanted::All } else { Wanted::Read }, output)?;
    let business = output.step("read", || Business::read(&project), Business::summary)?;
    let as_of = match arguments.as_of {
        Some(date) => date,
        None => business.known_until()?,
    };
    let outcome = business.report.at(Some(as_of));
    let leakage = match arguments.leakage {
        true => Some(output.step(
            "leakage",
            || business.leakage(),
            |found| format!("{} columns compared", found.columns),
        )?),
        false => None,
    };
    print(&outcome, leakage.as_ref(), arguments.format, output);
    if let Some(folder) = &arguments.quarantine {
        for path in business.quarantine(folder, as_of)? {
            output.note(format_args!("bad rows: {}", path.display()));
        }
    }
    outcome.gate().map_err(Failure::reading)?;
    leakage.as_ref().map_or(Ok(()), refuse_leaks)
}

/// The contract's outcome, and the leaks beside it where they were searched for.
#[derive(Serialize)]
struct Checked<'a> {
    #[serde(flatten)]
    outcome: &'a CheckOutcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    leakage: Option<&'a LeakageReport>,
}

fn print(outcome: &CheckOutcome, leakage: Option<&LeakageReport>, format: ReportFormat, output: &Output) {
    match format {
        ReportFormat::Text => {
            for line in outcome.lines().into_iter().chain(leakage.map(LeakageReport::lines).unwrap_or_default()) {
                output.result(line);
            }
        }
        ReportFormat::Json => {
            output.result(serde_json::to_string_pretty(&Checked { outcome, leakage }).unwrap_or_default());
        }
    }
}

/// A leak that reaches signals or labels stops what comes after.
fn refuse_leaks(report: &LeakageReport) -> Result<(), Failure> {
    if report.worst() != Some(Level::Error) {
        return Ok(());
    }
    let leaks = report.findings.iter().filter(|finding| finding.level == Level::Error);
    let named: Vec<String> = leaks.map(|finding| format!("{} in {}", finding.code.as_str(), finding.table)).collect();
    Err(Failure::data(
        format!("expected tables that do not know the outcome, found {}", named.join(", ")),
        "docs/leakage.md says what each finding means and what to do",
    ))
}
