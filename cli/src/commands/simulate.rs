//! `bellwether simulate`.

use std::path::Path;

use bellwether_simulate::{Observer, Parameters, Simulation, Summary};

use super::with_threads;
use crate::args::{BusinessArguments, SimulateArguments};
use crate::failure::Failure;
use crate::output::{Output, grouped};
use crate::{project_file, stop};

pub(crate) fn run(arguments: &SimulateArguments, output: &Output) -> Result<(), Failure> {
    with_threads(arguments.threads, || write(&arguments.business, arguments.truth, &arguments.out, output))?;
    output.result(format_args!("{}", arguments.out.join(project_file::FILE_NAME).display()));
    Ok(())
}

/// Simulates a business into `folder`, tables and project file.
pub(super) fn write(
    business: &BusinessArguments,
    truth: bool,
    folder: &Path,
    output: &Output,
) -> Result<Summary, Failure> {
    let simulation = checked(business, truth)?;
    project_file::refuse_edited(folder)?;
    refuse_foreign_tables(folder)?;
    let publish = || {
        let summary = simulation.run(folder, &Bar(output)).map_err(Failure::simulation)?;
        project_file::write(folder, &simulation.project_toml())?;
        Ok(summary)
    };
    output.step(
        "simulate",
        || stop::protect(publish),
        |summary| {
            format!(
                "{} accounts ({} still customers), {} usage rows, seed {}",
                grouped(summary.accounts),
                grouped(summary.active_at_end),
                grouped(summary.usage_rows),
                business.seed
            )
        },
    )
}

/// Tables that no simulation wrote are somebody's own, and are never replaced or mixed with simulated ones.
fn refuse_foreign_tables(folder: &Path) -> Result<(), Failure> {
    let data = folder.join("data");
    let holds_something = std::fs::read_dir(&data).is_ok_and(|mut entries| entries.next().is_some());
    if !holds_something || project_file::is_untouched_with(folder, "# A simulated subscription business") {
        return Ok(());
    }
    Err(Failure::configuration(
        format!("{}: expected no tables, or those of an earlier simulation, found others", data.display()),
        "give another folder with --out",
    ))
}

fn checked(business: &BusinessArguments, truth: bool) -> Result<Simulation, Failure> {
    let parameters = Parameters {
        accounts: business.accounts,
        months: business.months,
        seed: business.seed,
        world: business.world.parse().map_err(Failure::simulation)?,
        truth,
        ..Parameters::default()
    };
    parameters.check().map_err(Failure::simulation)
}

struct Bar<'a>(&'a Output);

impl Observer for Bar<'_> {
    fn accounts_written(&self, done: u64, total: u64) {
        self.0.advance(done, total, "accounts");
    }

    fn keep_going(&self) -> bool {
        stop::asked().is_none()
    }
}
