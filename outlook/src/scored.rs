//! The scores of a date, read back: what the tables of accounts, the forecast and the exports start from.

use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, BooleanArray, Float64Array, RecordBatch, StringArray};
use bellwether_models::scores::REASONS;
use chrono::NaiveDate;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowPredicateFn, ParquetRecordBatchReaderBuilder, RowFilter};

/// Why scores cannot be read.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ScoresReadError {
    /// No whole partition of that date.
    #[error("{path}: expected the scores of {as_of}, found no whole partition")]
    #[diagnostic(code(bellwether::outlook::no_scores), help("{hint}"))]
    Missing {
        /// Folder of the partition.
        path: String,
        /// Date.
        as_of: NaiveDate,
        /// What to do.
        hint: String,
    },
    /// An outlook that was made from other scores than those that are there now.
    #[error("{path}: expected the outlook of the scores of {as_of} that are there, found one of other scores")]
    #[diagnostic(code(bellwether::outlook::other_scores), help("`bellwether outlook --as-of {as_of}` makes it again"))]
    OtherScores {
        /// Table.
        path: String,
        /// Date.
        as_of: NaiveDate,
    },
    /// The file system.
    #[error("{path}: cannot be read: {source}")]
    #[diagnostic(code(bellwether::outlook::scores_io))]
    Io {
        /// File or folder.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no Parquet file, or damaged.
    #[error("{path}: expected a Parquet file of scores, found: {found}")]
    #[diagnostic(code(bellwether::outlook::scores_damaged), help("score the date again"))]
    Damaged {
        /// File.
        path: String,
        /// What the reader says.
        found: String,
    },
    /// A column is not there or of another type.
    #[error("{path}: expected a column `{column}` of {expected}, found {found}")]
    #[diagnostic(
        code(bellwether::outlook::scores_column),
        help("scores/v1 are written by `bellwether score` and `bellwether-infer`; the docs list their columns")
    )]
    Column {
        /// File.
        path: String,
        /// Column.
        column: String,
        /// Type.
        expected: &'static str,
        /// What was there.
        found: String,
    },
}

/// Why, in words and as a share of probability.
#[derive(Debug, Clone, PartialEq)]
pub struct Reason {
    /// Idea of the signal and sign, e.g. `usage.events.change:-`.
    pub name: Arc<str>,
    /// In words.
    pub text: String,
    /// What it adds to the probability; negative where it takes away.
    pub effect: f64,
}

/// One target of one account.
#[derive(Debug, Clone, PartialEq)]
pub struct Forecast {
    /// Calibrated, in [0, 1].
    pub probability: f64,
    /// Lower end of the calibration uncertainty.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// `low`, `medium`, `high`.
    pub band: Option<Arc<str>>,
    /// Strongest first; as many as were asked for.
    pub reasons: Vec<Reason>,
}

/// One account of the scores. A word that many accounts share (a band, a status) is kept once for all of them.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoredAccount {
    /// The user's own id.
    pub account_id: String,
    /// By target, in the order of [`ScoredBase::targets`]; `None` where it is not scored.
    pub forecasts: Box<[Option<Forecast>]>,
    /// `champion`, `hostage`, `sleeper`, `at_risk`, `unknown`.
    pub health: Option<Arc<str>>,
    /// `high`, `medium`, `low`.
    pub value_tier: Option<Arc<str>>,
    /// One of six.
    pub service_level: Option<Arc<str>>,
    /// Monthly recurring revenue at the date.
    pub mrr: Option<f64>,
    /// Probability of churn times MRR.
    pub mrr_at_risk: Option<f64>,
    /// Probability of expansion times MRR times the mean uplift.
    pub expected_expansion_mrr: Option<f64>,
    /// `scored`, `partial`, `not_scored`.
    pub status: Arc<str>,
    /// `OK`, or why not.
    pub status_reason: Arc<str>,
}

/// All scored accounts of a date, sorted by id.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoredBase {
    /// Date.
    pub as_of: NaiveDate,
    /// Names of the targets.
    pub targets: Vec<String>,
    /// `name/version@digest` of the bundle; empty where there is no account.
    pub model: String,
    /// Accounts, ascending by id.
    pub accounts: Vec<ScoredAccount>,
}

impl ScoredBase {
    /// The scores of `as_of` below `out`, the folder that was given to `bellwether score` as `--out`. `reasons`: how many of
    /// each target are wanted, at most five; 0 reads none of their columns.
    ///
    /// # Errors
    /// [`ScoresReadError`].
    pub fn read(out: &Path, as_of: NaiveDate, reasons: usize) -> Result<Self, ScoresReadError> {
        Self::read_some(out, as_of, reasons, None)
    }

    /// As [`ScoredBase::read`], of one account; none where it was not scored.
    ///
    /// # Errors
    /// [`ScoresReadError`].
    pub fn read_account(
        out: &Path,
        as_of: NaiveDate,
        reasons: usize,
        account_id: &str,
    ) -> Result<Self, ScoresReadError> {
        Self::read_some(out, as_of, reasons, Some(account_id))
    }

    fn read_some(out: &Path, as_of: NaiveDate, reasons: usize, only: Option<&str>) -> Result<Self, ScoresReadError> {
        let parts = whole_parts(out, as_of)?;
        let mut words = Words::default();
        let mut base = Self { as_of, targets: Vec::new(), model: String::new(), accounts: Vec::new() };
        for part in parts {
            base.read_part(&part, reasons.min(REASONS), only, &mut words)?;
        }
        Ok(base)
    }

    /// Number of accounts that [`ScoredBase::read`] would read, from the ends of the files alone.
    ///
    /// # Errors
    /// [`ScoresReadError`].
    pub fn count(out: &Path, as_of: NaiveDate) -> Result<u64, ScoresReadError> {
        let mut rows = 0;
        for part in whole_parts(out, as_of)? {
            let path = part.display().to_string();
            let file = File::open(&part).map_err(|source| ScoresReadError::Io { path: path.clone(), source })?;
            let metadata = ParquetRecordBatchReaderBuilder::try_new(file)
                .map_err(|error| ScoresReadError::Damaged { path, found: error.to_string() })?;
            rows += u64::try_from(metadata.metadata().file_metadata().num_rows()).unwrap_or(0);
        }
        Ok(rows)
    }

    /// Where a target stands in [`ScoredAccount::forecasts`]: the first whose name begins with `prefix` (`churn`, `expansion`).
    #[must_use]
    pub fn target(&self, prefix: &str) -> Option<usize> {
        self.targets.iter().position(|target| target.starts_with(prefix))
    }

    /// The probabilities of leaving and of buying more of one of its accounts.
    #[must_use]
    pub fn churn_and_expansion(&self, account: &ScoredAccount) -> [Option<f64>; 2] {
        ["churn", "expansion"].map(|prefix| Some(account.forecasts[self.target(prefix)?].as_ref()?.probability))
    }

    /// The account of this id.
    #[must_use]
    pub fn account(&self, account_id: &str) -> Option<&ScoredAccount> {
        let place = self.accounts.binary_search_by(|account| account.account_id.as_str().cmp(account_id));
        place.ok().map(|place| &self.accounts[place])
    }

    fn read_part(
        &mut self,
        path: &Path,
        reasons: usize,
        only: Option<&str>,
        words: &mut Words,
    ) -> Result<(), ScoresReadError> {
        let name = path.display().to_string();
        let file = File::open(path).map_err(|source| ScoresReadError::Io { path: name.clone(), source })?;
        let damaged = |found: String| ScoresReadError::Damaged { path: name.clone(), found };
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| damaged(error.to_string()))?;
        let schema = builder.schema().clone();
        let targets = schema.fields().iter().filter_map(|field| field.name().strip_suffix("_probability"));
        self.targets = targets.map(str::to_owned).collect();
        let wanted = schema.fields().iter().enumerate().filter(|(_, field)| is_wanted(field.name(), reasons));
        let mask = ProjectionMask::roots(builder.parquet_schema(), wanted.map(|(index, _)| index));
        let builder = match only {
            // Of all other accounts nothing but the id is decoded.
            Some(id) => {
                let filter = rows_of(id, &builder);
                builder.with_row_filter(filter)
            }
            None => builder,
        };
        let reader = builder.with_projection(mask).build().map_err(|error| damaged(error.to_string()))?;
        for batch in reader {
            let batch = batch.map_err(|error| damaged(error.to_string()))?;
            let columns = Columns { path: &name, batch: &batch };
            self.read_batch(&columns, reasons, words)?;
        }
        Ok(())
    }

    fn read_batch(&mut self, columns: &Columns<'_>, reasons: usize, words: &mut Words) -> Result<(), ScoresReadError> {
        let targets = self.targets.iter().map(|target| TargetColumns::of(columns, target, reasons));
        let targets = targets.collect::<Result<Vec<_>, _>>()?;
        let ids = columns.texts("account_id")?;
        let (health, tier) = (columns.texts("health")?, columns.texts("value_tier")?);
        let service = columns.texts("service_level")?;
        let (mrr, at_risk) = (columns.numbers("mrr")?, columns.numbers("mrr_at_risk")?);
        let expansion = columns.numbers("expected_expansion_mrr")?;
        let (status, why) = (columns.texts("status")?, columns.texts("status_reason")?);
        let model = columns.texts("model")?;
        if self.model.is_empty() && !ids.is_empty() {
            model.value(0).clone_into(&mut self.model);
        }
        self.accounts.extend((0..ids.len()).map(|row| ScoredAccount {
            account_id: ids.value(row).to_owned(),
            forecasts: targets.iter().map(|target| target.forecast(row, words)).collect(),
            health: words.word(health, row),
            value_tier: words.word(tier, row),
            service_level: words.word(service, row),
            mrr: number(mrr, row),
            mrr_at_risk: number(at_risk, row),
            expected_expansion_mrr: number(expansion, row),
            status: words.of(status.value(row)),
            status_reason: words.of(why.value(row)),
        }));
        Ok(())
    }
}

/// Each distinct word once.
#[derive(Debug, Default)]
struct Words(HashSet<Arc<str>>);

impl Words {
    fn of(&mut self, text: &str) -> Arc<str> {
        if let Some(word) = self.0.get(text) {
            return Arc::clone(word);
        }
        let word: Arc<str> = text.into();
        self.0.insert(Arc::clone(&word));
        word
    }

    fn word(&mut self, column: &StringArray, row: usize) -> Option<Arc<str>> {
        column.is_valid(row).then(|| self.of(column.value(row)))
    }
}

/// The rows of one account.
pub(crate) fn rows_of(id: &str, builder: &ParquetRecordBatchReaderBuilder<File>) -> RowFilter {
    let id = id.to_owned();
    let column = ProjectionMask::columns(builder.parquet_schema(), ["account_id"]);
    let is_wanted = ArrowPredicateFn::new(column, move |batch: RecordBatch| {
        let ids = batch.column_by_name("account_id").and_then(|ids| ids.as_string_opt::<i32>().cloned());
        // Another type is told by who reads the rows.
        Ok(ids.map_or_else(
            || BooleanArray::from(vec![true; batch.num_rows()]),
            |ids| ids.iter().map(|one| Some(one == Some(id.as_str()))).collect(),
        ))
    });
    RowFilter::new(vec![Box::new(is_wanted)])
}

/// Folder of the scores of a date below `out`.
#[must_use]
pub fn partition(out: &Path, as_of: NaiveDate) -> PathBuf {
    out.join("scores").join("v1").join(format!("as_of={as_of}"))
}

/// The dates with whole scores below `out`, ascending.
///
/// # Errors
/// [`ScoresReadError::Io`] where the folder is there and cannot be listed.
pub fn dates(out: &Path) -> Result<Vec<NaiveDate>, ScoresReadError> {
    let folder = out.join("scores").join("v1");
    let failed = |source| ScoresReadError::Io { path: folder.display().to_string(), source };
    let entries = match std::fs::read_dir(&folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let mut dates = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let date = name.to_str().and_then(|name| name.strip_prefix("as_of="));
        let date: Option<NaiveDate> = date.and_then(|date| date.parse().ok());
        dates.extend(date.filter(|_| entry.path().join("_SUCCESS").is_file()));
    }
    dates.sort_unstable();
    Ok(dates)
}

/// The files of a date, if it is whole.
fn whole_parts(out: &Path, as_of: NaiveDate) -> Result<Vec<PathBuf>, ScoresReadError> {
    let folder = partition(out, as_of);
    if folder.join("_SUCCESS").is_file() {
        return parts(&folder);
    }
    Err(ScoresReadError::Missing {
        path: folder.display().to_string(),
        as_of,
        hint: format!("`bellwether score --as-of {as_of} --out {}` writes it", out.display()),
    })
}

pub(crate) fn parts(folder: &Path) -> Result<Vec<PathBuf>, ScoresReadError> {
    let failed = |source| ScoresReadError::Io { path: folder.display().to_string(), source };
    let entries = std::fs::read_dir(folder).map_err(failed)?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>().map_err(failed)?;
    let is_part = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "parquet");
    let mut parts: Vec<PathBuf> = paths.into_iter().filter(is_part).collect();
    parts.sort();
    Ok(parts)
}

/// Whether a column is read: every one but the reasons after those asked for.
fn is_wanted(name: &str, reasons: usize) -> bool {
    let rank = name.rsplit_once("_reason_").map(|(_, rest)| rest.split('_').next().unwrap_or(rest));
    match rank.map(str::parse::<usize>) {
        Some(Ok(rank)) => rank <= reasons,
        _ => true,
    }
}

/// The columns of a batch, by name.
pub(crate) struct Columns<'a> {
    pub(crate) path: &'a str,
    pub(crate) batch: &'a RecordBatch,
}

impl<'a> Columns<'a> {
    pub(crate) fn texts(&self, name: &str) -> Result<&'a StringArray, ScoresReadError> {
        let column = self.batch.column_by_name(name);
        column.and_then(|column| column.as_string_opt()).ok_or_else(|| self.wrong(name, "text"))
    }

    pub(crate) fn numbers(&self, name: &str) -> Result<&'a Float64Array, ScoresReadError> {
        let column = self.batch.column_by_name(name);
        let numbers = column.and_then(|column| column.as_primitive_opt::<Float64Type>());
        numbers.ok_or_else(|| self.wrong(name, "64-bit numbers"))
    }

    fn wrong(&self, name: &str, expected: &'static str) -> ScoresReadError {
        let found = self.batch.column_by_name(name);
        ScoresReadError::Column {
            path: self.path.to_owned(),
            column: name.to_owned(),
            expected,
            found: found.map_or_else(|| "none".to_owned(), |column| column.data_type().to_string()),
        }
    }
}

struct ReasonColumns<'a> {
    name: &'a StringArray,
    text: &'a StringArray,
    effect: &'a Float64Array,
}

struct TargetColumns<'a> {
    probability: &'a Float64Array,
    low: &'a Float64Array,
    high: &'a Float64Array,
    band: &'a StringArray,
    reasons: Vec<ReasonColumns<'a>>,
}

impl<'a> TargetColumns<'a> {
    fn of(columns: &Columns<'a>, target: &str, reasons: usize) -> Result<Self, ScoresReadError> {
        let reason = |rank: usize| {
            Ok(ReasonColumns {
                name: columns.texts(&format!("{target}_reason_{rank}"))?,
                text: columns.texts(&format!("{target}_reason_{rank}_text"))?,
                effect: columns.numbers(&format!("{target}_reason_{rank}_effect"))?,
            })
        };
        Ok(Self {
            probability: columns.numbers(&format!("{target}_probability"))?,
            low: columns.numbers(&format!("{target}_low"))?,
            high: columns.numbers(&format!("{target}_high"))?,
            band: columns.texts(&format!("{target}_band"))?,
            reasons: (1..=reasons).map(reason).collect::<Result<_, _>>()?,
        })
    }

    fn forecast(&self, row: usize, words: &mut Words) -> Option<Forecast> {
        let probability = number(self.probability, row)?;
        let reasons = self.reasons.iter().filter_map(|reason| {
            Some(Reason {
                name: words.word(reason.name, row)?,
                text: text(reason.text, row)?,
                effect: number(reason.effect, row)?,
            })
        });
        let reasons = reasons.collect();
        let band = words.word(self.band, row);
        Some(Forecast {
            probability,
            low: number(self.low, row).unwrap_or(probability),
            high: number(self.high, row).unwrap_or(probability),
            band,
            reasons,
        })
    }
}

pub(crate) fn number(column: &Float64Array, row: usize) -> Option<f64> {
    column.is_valid(row).then(|| column.value(row))
}

pub(crate) fn text(column: &StringArray, row: usize) -> Option<String> {
    column.is_valid(row).then(|| column.value(row).to_owned())
}
