//! `bellwether check`: reads every table against the contract and says what is wrong. Exit 3 when a run would stop.

use std::path::Path;

use crate::args::{CheckArguments, ReportFormat};
use crate::business::Business;
use crate::failure::Failure;
use crate::output::Output;
use crate::project::Project;

pub(crate) fn run(config: &Path, arguments: &CheckArguments, output: &Output) -> Result<(), Failure> {
    let project = Project::load(config)?;
    project.check_backtest()?;
    let business = output.step("read", || Business::read(&project), Business::summary)?;
    let as_of = match arguments.as_of {
        Some(date) => date,
        None => business.known_until()?,
    };
    let outcome = business.report.at(Some(as_of));
    match arguments.format {
        ReportFormat::Text => {
            for line in outcome.lines() {
                output.result(line);
            }
        }
        ReportFormat::Json => output.result(serde_json::to_string_pretty(&outcome).unwrap_or_default()),
    }
    if let Some(folder) = &arguments.quarantine {
        for path in business.quarantine(folder, as_of)? {
            output.note(format_args!("bad rows: {}", path.display()));
        }
    }
    outcome.gate().map_err(Failure::reading)
}
