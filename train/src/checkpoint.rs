//! Refits of a backtest, each saved as it ends, so that a run that was cut off can go on.
//!
//! They wait beside the place of the run under a hidden name, `.NAME.checkpoint/`: the run itself appears there whole or
//! not at all, as ever. One file per target and refit holds the predictions of every learner, bit for bit, the record of
//! the refit and its warnings, under a digest of its own and a key: the digest of everything that decides the result
//! (dataset with target definitions and the date of the labels, settings with seed and learners, version and build). A file
//! that is damaged or has another key is told and computed anew, so a resumed run gives the bytes of one that was never cut
//! off. A checkpoint that cannot be written ends no run: it is told, and the run goes on without.
//!
//! Whoever opened a checkpoint removes it when the run is in its place. The kernel's lock on the folder keeps two runs for
//! one place apart.

use std::cell::Cell;
use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use bellwether_staging::Staging;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::dataset::Dataset;
use crate::error::TrainError;
use crate::fold::Fold;
use crate::learner::LearnerKind;
use crate::observer::{Observer, Progress};
use crate::sealed;
use crate::settings::BacktestSettings;
use crate::summary::{RefitSummary, Warning};

const FILE_ENDING: &str = ".refit";

/// Where the refits of a run wait until the run is written.
#[derive(Debug)]
pub struct Checkpoint {
    folder: PathBuf,
    build: String,
    resume: bool,
    _lock: File,
}

/// What one refit adds to the backtest of its target.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RefitRecord {
    pub(crate) summary: RefitSummary,
    pub(crate) warnings: Vec<Warning>,
    /// The learners that are still compared after it, in their order.
    pub(crate) predicted: Vec<Predicted>,
}

/// What one learner predicted for the test rows of a refit.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Predicted {
    pub(crate) learner: LearnerKind,
    /// Empty where it could not be fitted at a warm-up.
    pub(crate) margin: Vec<f64>,
    /// Probability, low and high; empty at a warm-up.
    pub(crate) probability: Vec<f64>,
    pub(crate) low: Vec<f64>,
    pub(crate) high: Vec<f64>,
}

#[derive(Serialize, Deserialize)]
struct Header {
    key: String,
    place: (usize, usize),
    summary: RefitSummary,
    warnings: Vec<Warning>,
    /// Learner, and the lengths of its four columns.
    predicted: Vec<(LearnerKind, [usize; 4])>,
}

impl Checkpoint {
    /// Where the refits of a run wait that will stand at `place`.
    #[must_use]
    pub fn folder_beside(place: &Path) -> PathBuf {
        let name = place.file_name().unwrap_or_default().to_string_lossy();
        place.with_file_name(format!(".{name}.checkpoint"))
    }

    /// Opens the checkpoint of the run that will stand at `place`. Without `resume`, what an earlier run left there is
    /// removed. `build` names the program: another one takes nothing over. `None`, and a notice why, where there can be no
    /// checkpoint.
    ///
    /// # Errors
    /// [`TrainError::CheckpointInUse`] with `resume`, when another run for this place is at work.
    pub fn open(place: &Path, build: &str, resume: bool, observer: &dyn Observer) -> Result<Option<Self>, TrainError> {
        let folder = Self::folder_beside(place);
        let without = |cause: &dyn std::fmt::Display| {
            let text = format!("{}: refits are not saved as they end: {cause}", folder.display());
            observer.notice(&Progress::Warned { code: "no_checkpoint", text: &text });
        };
        let lock = match fs::create_dir_all(&folder).and_then(|()| File::open(&folder)) {
            Ok(lock) => lock,
            Err(cause) => {
                without(&cause);
                return Ok(None);
            }
        };
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) if resume => return Err(TrainError::CheckpointInUse { path: folder }),
            Err(TryLockError::WouldBlock) => {
                without(&"another run for this place is at work");
                return Ok(None);
            }
            // A file system without locks has nobody to wait for.
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        let checkpoint = Self { folder, build: build.to_owned(), resume, _lock: lock };
        if !resume {
            checkpoint.remove_files();
        }
        Ok(Some(checkpoint))
    }

    /// Removes it: the run stands in its place, or is given up.
    pub fn remove(self) {
        self.remove_files();
    }

    /// Removes what is ours. Nothing comes of what cannot be removed: it is read only to resume, and only under its key.
    fn remove_files(&self) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.ends_with(FILE_ENDING) || (name.starts_with('.') && name.contains(".refit.staging-")) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// The refits of one backtest.
    pub(crate) fn of_run<'a>(
        &'a self,
        dataset: &Dataset,
        settings: &BacktestSettings,
        observer: &'a dyn Observer,
    ) -> SavedRefits<'a> {
        let mut hasher = Sha256::new();
        for part in [env!("CARGO_PKG_VERSION"), &self.build, &dataset.digest(), &format!("{settings:?}")] {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        let key = hex::encode(hasher.finalize());
        SavedRefits { checkpoint: self, key, observer, told_other: Cell::new(false), lost: Cell::new(false) }
    }
}

impl Drop for Checkpoint {
    fn drop(&mut self) {
        // A folder with anything in it stays.
        let _ = fs::remove_dir(&self.folder);
    }
}

/// Saved refits of one backtest: read where they are this very backtest's, written as they end.
pub(crate) struct SavedRefits<'a> {
    checkpoint: &'a Checkpoint,
    key: String,
    observer: &'a dyn Observer,
    told_other: Cell<bool>,
    lost: Cell<bool>,
}

impl SavedRefits<'_> {
    /// The saved refit, if there is a whole one of this backtest. `place`: the number of the target, and of the refit.
    pub(crate) fn read(&self, place: (usize, usize), fold: &Fold, warm_up: bool) -> Option<RefitRecord> {
        if !self.checkpoint.resume {
            return None;
        }
        let path = self.path(place);
        let bytes = match fs::read(&path) {
            Err(cause) if cause.kind() == ErrorKind::NotFound => return None,
            Err(cause) => {
                self.warn("checkpoint_damaged", &format!("{}: {cause}; this refit is computed anew", path.display()));
                return None;
            }
            Ok(bytes) => bytes,
        };
        match decode(&bytes, &self.key, place, fold, warm_up) {
            Ok(record) => Some(record),
            Err(Unfit::Other) => {
                if !self.told_other.replace(true) {
                    self.warn(
                        "checkpoint_of_another_run",
                        &format!(
                            "{}: expected refits of this data, these settings and this build, found others; they are \
                             computed anew",
                            self.checkpoint.folder.display()
                        ),
                    );
                }
                None
            }
            Err(Unfit::Damaged(found)) => {
                let text = format!("{}: damaged ({found}); this refit is computed anew", path.display());
                self.warn("checkpoint_damaged", &text);
                None
            }
        }
    }

    /// Saves a refit; what cannot be saved is told once.
    pub(crate) fn write(&self, place: (usize, usize), record: &RefitRecord) {
        if self.lost.get() {
            return;
        }
        let path = self.path(place);
        let mut outcome = Ok(());
        self.observer.protect(&mut || outcome = self.try_write(&path, place, record));
        if let Err(cause) = outcome {
            self.lost.set(true);
            self.warn("no_checkpoint", &format!("{}: refits are no longer saved as they end: {cause}", path.display()));
        }
    }

    fn try_write(&self, path: &Path, place: (usize, usize), record: &RefitRecord) -> std::io::Result<()> {
        let columns = |one: &Predicted| [&one.margin, &one.probability, &one.low, &one.high].map(Vec::len);
        let header = Header {
            key: self.key.clone(),
            place,
            summary: record.summary.clone(),
            warnings: record.warnings.clone(),
            predicted: record.predicted.iter().map(|one| (one.learner, columns(one))).collect(),
        };
        let mut body = Vec::new();
        for one in &record.predicted {
            for column in [&one.margin, &one.probability, &one.low, &one.high] {
                body.extend(column.iter().flat_map(|value| value.to_le_bytes()));
            }
        }
        let bytes = sealed::seal(&header, &body)?;
        let staging = Staging::file(path)?;
        let mut file = staging.handle();
        file.write_all(&bytes)?;
        staging.publish()
    }

    fn path(&self, (target, refit): (usize, usize)) -> PathBuf {
        self.checkpoint.folder.join(format!("{target:02}-{refit:04}{FILE_ENDING}"))
    }

    fn warn(&self, code: &'static str, text: &str) {
        self.observer.notice(&Progress::Warned { code, text });
    }
}

/// Why a saved refit is not taken over.
enum Unfit {
    /// Other data, settings, version or build.
    Other,
    /// Not what was written.
    Damaged(String),
}

fn decode(bytes: &[u8], key: &str, place: (usize, usize), fold: &Fold, warm_up: bool) -> Result<RefitRecord, Unfit> {
    let (header, body) = sealed::open::<Header>(bytes).map_err(Unfit::Damaged)?;
    if header.key != key {
        return Err(Unfit::Other);
    }
    let summary = &header.summary;
    let of_fold = summary.refit == fold.refit().to_string() && summary.test_rows == fold.test().len();
    if header.place != place || summary.warm_up != warm_up || !of_fold {
        return Err(Unfit::Damaged("the refit of another date or target".to_owned()));
    }
    let (values, rest) = body.as_chunks::<8>();
    let mut values = values.iter().map(|bytes| f64::from_le_bytes(*bytes));
    let mut predicted = Vec::with_capacity(header.predicted.len());
    let rows = fold.test().len();
    let judged = if warm_up { 0 } else { rows };
    for (learner, lengths) in header.predicted {
        let [margin, others @ ..] = lengths;
        let passed_over = warm_up && margin == 0;
        if (margin != rows && !passed_over) || others != [judged; 3] {
            return Err(Unfit::Damaged(format!("{margin} predictions of {learner} for {rows} rows")));
        }
        let [margin, probability, low, high] = lengths.map(|length| values.by_ref().take(length).collect::<Vec<f64>>());
        predicted.push(Predicted { learner, margin, probability, low, high });
    }
    if values.next().is_some() || !rest.is_empty() || predicted.iter().any(|one| one.high.len() != judged) {
        return Err(Unfit::Damaged("predictions of another length".to_owned()));
    }
    Ok(RefitRecord { summary: header.summary, warnings: header.warnings, predicted })
}
