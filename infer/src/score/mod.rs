//! Scoring a base: from a request to a published partition.

mod batch;
mod describe;
mod gate;
mod manifest;
mod overview;
mod pipeline;
mod recorder;
mod report;
mod run;
mod stream;
mod tally;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use chrono::NaiveDate;
use serde::Serialize;

pub use gate::Gates;
pub use run::{run, run_into};

use crate::engine::EngineChoice;
use crate::error::InferError;
use crate::limits::Limits;
use crate::warning::WarningRecord;

/// Rows that are scored at a time, unless a request says otherwise: some megabytes for a hundred inputs.
pub const DEFAULT_BATCH_ROWS: NonZeroUsize = NonZeroUsize::new(8_192).unwrap();

/// Which accounts get reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReasonChoice {
    /// Every scored account, for every target.
    #[default]
    All,
    /// An account and target in the high band.
    Top,
    /// None: the columns are null.
    None,
}

/// How the rows of the scores are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ScoreFormat {
    /// Parquet, Zstandard: what the contract `scores/v1` says.
    #[default]
    Parquet,
    /// One line per account after a line of names (RFC 4180); a null is an empty field.
    Csv,
    /// One JSON object per account and line.
    Jsonl,
    /// An Arrow IPC stream.
    Arrow,
}

impl ScoreFormat {
    /// Name of the one file of a partition.
    #[must_use]
    pub fn part_name(self) -> &'static str {
        match self {
            Self::Parquet => "part-00000.parquet",
            Self::Csv => "part-00000.csv",
            Self::Jsonl => "part-00000.jsonl",
            Self::Arrow => "part-00000.arrow",
        }
    }
}

/// What to score, with what, and where to.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoreRequest {
    /// The bundle: a folder, or `registry/name@alias`.
    pub bundle: String,
    /// The feature file.
    pub input: PathBuf,
    /// The output folder.
    pub out: PathBuf,
    /// The date to score; `None` takes the one date of the file.
    pub as_of: Option<NaiveDate>,
    /// What computes the probabilities.
    pub engine: EngineChoice,
    /// Worker threads.
    pub threads: NonZeroUsize,
    /// Rows that are scored at a time.
    pub batch_rows: NonZeroUsize,
    /// Which accounts get reasons.
    pub reasons: ReasonChoice,
    /// How much the run takes on.
    pub limits: Limits,
    /// How the rows are written.
    pub format: ScoreFormat,
    /// How much it may differ from what is usual.
    pub gates: Gates,
    /// Do everything but publish: the output folder stays as it is.
    pub dry_run: bool,
}

impl ScoreRequest {
    /// A request with every choice at its default: the file's date, the native engine, all processors, all reasons.
    #[must_use]
    pub fn new(bundle: impl Into<String>, input: impl Into<PathBuf>, out: impl Into<PathBuf>) -> Self {
        Self {
            bundle: bundle.into(),
            input: input.into(),
            out: out.into(),
            as_of: None,
            engine: EngineChoice::default(),
            threads: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            batch_rows: DEFAULT_BATCH_ROWS,
            reasons: ReasonChoice::default(),
            limits: Limits::default(),
            format: ScoreFormat::default(),
            gates: Gates::default(),
            dry_run: false,
        }
    }
}

/// What became of the accounts that were given.
///
/// `scored + partial + not_scored + quarantined + ineligible = given`, always.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Counts {
    /// Accounts given: as the metadata of the input says, else the rows of the date.
    pub given: u64,
    /// Every target has a probability.
    pub scored: u64,
    /// Some targets have one.
    pub partial: u64,
    /// No target has one.
    pub not_scored: u64,
    /// Left out for a bad row, here or when the features were made.
    pub quarantined: u64,
    /// Left out by the rules of eligibility.
    pub ineligible: u64,
}

impl Counts {
    /// Accounts accounted for.
    #[must_use]
    pub fn accounted(&self) -> u64 {
        let parts = [self.scored, self.partial, self.not_scored, self.quarantined, self.ineligible];
        // What metadata say may be any number.
        parts.into_iter().fold(0, u64::saturating_add)
    }

    /// The parts in words.
    #[must_use]
    pub fn text(&self) -> String {
        format!(
            "scored {}, partial {}, not scored {}, quarantined {}, ineligible {}",
            self.scored, self.partial, self.not_scored, self.quarantined, self.ineligible
        )
    }

    /// Checks the identity, and that at least one account got a probability: a base without any never replaces
    /// yesterday's.
    ///
    /// # Errors
    /// [`InferError::Identity`], [`InferError::NothingScored`].
    pub(crate) fn check(&self) -> Result<(), InferError> {
        if self.accounted() != self.given {
            return Err(InferError::Identity { given: self.given, accounted: self.accounted(), detail: self.text() });
        }
        if self.scored + self.partial == 0 && self.not_scored > 0 {
            return Err(InferError::NothingScored { not_scored: self.not_scored });
        }
        Ok(())
    }
}

/// What a run published.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScoreSummary {
    /// The date, `YYYY-MM-DD`.
    pub as_of: String,
    /// The run.
    pub run_id: String,
    /// `name/version@digest` of the bundle.
    pub model: String,
    /// The engine.
    pub engine: String,
    /// What became of the accounts.
    pub counts: Counts,
    /// The partition of the scores.
    pub scores: PathBuf,
    /// The folder of the run, with its manifest.
    pub run: PathBuf,
    /// The folder of bad rows, where there are some.
    pub quarantine: Option<PathBuf>,
    /// What should be known.
    pub warnings: Vec<WarningRecord>,
    /// Whether nothing was published: the paths are those that a run would write.
    pub dry_run: bool,
    /// The inputs and scores that moved most from the training base, at most ten.
    pub moved_most: Vec<Moved>,
}

/// An input or a score that has moved from the training base.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Moved {
    /// Input, or target.
    pub name: String,
    /// Population stability index against the training base.
    pub population_stability_index: f64,
    /// The largest index of a single training date.
    pub usual_shift: f64,
}

impl ScoreSummary {
    /// The summary in lines, with a line feed at the end.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!(
            "{} of {} accounts scored for {} with {}\n{}\n",
            self.counts.scored + self.counts.partial,
            self.counts.given,
            self.as_of,
            self.model,
            self.counts.text(),
        );
        if self.dry_run {
            text.push_str("nothing was published: this was a dry run\n");
            return text + &self.moved_text();
        }
        text.push_str(&format!(
            "scores     {}\nmanifest   {}\nreport     {}\n",
            self.scores.display(),
            self.run.join("manifest.json").display(),
            self.run.join("report.html").display(),
        ));
        if let Some(quarantine) = &self.quarantine {
            text.push_str(&format!("quarantine {}\n", quarantine.display()));
        }
        text
    }

    fn moved_text(&self) -> String {
        let line = |one: &Moved| {
            format!("drift      {} {:.4} (usual {:.4})\n", one.name, one.population_stability_index, one.usual_shift)
        };
        self.moved_most.iter().map(line).collect()
    }

    /// The summary as one line of JSON, with a line feed at the end.
    ///
    /// # Errors
    /// [`InferError::Internal`] when it cannot be written, e.g. for a path that is no text.
    pub fn json(&self) -> Result<String, InferError> {
        let text = serde_json::to_string(self);
        text.map(|text| text + "\n")
            .map_err(|error| InferError::Internal { reason: format!("the summary cannot be written: {error}") })
    }
}
