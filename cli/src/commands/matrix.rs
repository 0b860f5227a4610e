//! `--matrix`: a feature matrix of the user's own in place of a project's tables.

use std::path::Path;

use bellwether_train::dataset::Dataset;
use bellwether_train::matrix::{Matrix, MatrixRoles, read};
use bellwether_train::settings::{BacktestOptions, BacktestSettings, CapacityOptions, SettingsError};

use crate::args::{JudgingArguments, MatrixArguments};
use crate::failure::Failure;
use crate::output::{Output, grouped};

/// The rows of the matrix, and how learners are judged on them; `None` where no matrix was given.
pub(super) fn dataset(
    arguments: &MatrixArguments,
    judging: &JudgingArguments,
    output: &Output,
) -> Result<Option<(Dataset, BacktestSettings)>, Failure> {
    let (Some(path), Some(target)) = (&arguments.matrix, &arguments.target) else { return Ok(None) };
    let roles = MatrixRoles {
        target: target.clone(),
        account: arguments.account.clone(),
        as_of: arguments.as_of.clone(),
        weight: arguments.weight.clone(),
        horizon_days: arguments.horizon.map(|days| days.0),
    };
    let matrix = output.step("read", || read(path, &roles).map_err(Failure::training), summary)?;
    for note in &matrix.notes {
        output.warn(format_args!("{}: {note}", path.display()));
    }
    let settings = settings(&matrix, arguments, judging)?;
    Ok(Some((matrix.dataset, settings)))
}

fn summary(matrix: &Matrix) -> String {
    let dataset = &matrix.dataset;
    let days = if dataset.is_dated() {
        format!("outcomes known before {}", dataset.data_end())
    } else {
        "no observation dates".to_owned()
    };
    format!("{} rows x {} signals, {days}", grouped(dataset.rows() as u64), dataset.signals().len())
}

fn settings(
    matrix: &Matrix,
    arguments: &MatrixArguments,
    judging: &JudgingArguments,
) -> Result<BacktestSettings, Failure> {
    let given = judging.learners.given();
    let options = BacktestOptions {
        first_test: Some(arguments.first_test.unwrap_or(matrix.first_test).to_string()),
        refit_every: arguments.refit_every.clone(),
        learners: given.map(|(names, _)| names.to_vec()),
        budget: judging.learners.budget(),
        ..BacktestOptions::default()
    };
    let capacity = CapacityOptions { accounts_per_week: arguments.accounts_per_week };
    options.resolve(&capacity).map_err(|error| {
        let key = match error.key {
            "backtest.learners" => given.map_or("--learners", |(_, name)| name),
            "backtest.first_test" => "--first-test",
            "backtest.refit_every" => "--refit-every",
            "capacity.accounts_per_week" => "--accounts-per-week",
            other => other,
        };
        Failure::new(bellwether_infer::exit::ExitCode::Usage, SettingsError { key, ..error })
    })
}

/// The model's name: as given, else that of the file.
pub(super) fn name(arguments: &MatrixArguments, given: Option<&str>) -> String {
    if let Some(name) = given {
        return name.to_owned();
    }
    let stem = arguments.matrix.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    let stem = stem.unwrap_or_default();
    let stem = stem.split('.').next().unwrap_or_default();
    let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '-' };
    let name: String = stem.chars().map(plain).collect();
    let name = name.trim_matches('-');
    if name.is_empty() { "matrix".to_owned() } else { name.to_owned() }
}
