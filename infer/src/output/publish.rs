//! Publishing: first everything is whole and on disk in staging, then a few renames, then nothing more.
//!
//! A reader of a partition sees the old folder or the new one, never a mixture: the two are exchanged in one step. If a
//! later step fails, the steps before it are undone in reverse, so that "not published" in an error is true. If the
//! process is killed between two steps, the partition is still whole, and the next run puts the rest right. The old
//! partition is removed last.

use std::fs;
use std::path::{Path, PathBuf};

use chrono::NaiveDate;

use super::OutputFolder;
use super::file::{OutputFile, create_folders, sync_folder};
use super::folder::exchange;
use crate::error::InferError;

/// The folder of one run in staging; removed when dropped.
#[derive(Debug)]
pub(crate) struct Staged {
    folder: PathBuf,
}

impl Staged {
    /// Creates the folder of a run.
    pub(crate) fn create(output: &OutputFolder, run_id: &str) -> Result<Self, InferError> {
        let staged = Self { folder: output.staging().join(run_id) };
        for folder in [staged.folder.clone(), staged.scores(), staged.run()] {
            fs::create_dir(&folder).map_err(|error| InferError::io(&folder, "create", error))?;
        }
        Ok(staged)
    }

    /// The future partition.
    pub(crate) fn scores(&self) -> PathBuf {
        self.folder.join("scores")
    }

    /// The future folder of the run.
    pub(crate) fn run(&self) -> PathBuf {
        self.folder.join("run")
    }

    /// The future folder of bad rows; it is there only when there are some.
    pub(crate) fn quarantine(&self) -> PathBuf {
        self.folder.join("quarantine")
    }

    /// The future `latest.json`.
    pub(crate) fn latest(&self) -> PathBuf {
        self.folder.join("latest.json")
    }

    /// Marks the partition as whole.
    pub(crate) fn mark_success(&self) -> Result<(), InferError> {
        let path = self.scores().join("_SUCCESS");
        let file = OutputFile::create(&path, 0o644)?;
        file.finish().map(drop).map_err(|error| InferError::io(&path, "write", error))
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // The next run removes what cannot be removed now.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Where a run is published, relative to the output folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Publication {
    /// `scores/v1/as_of=D`
    pub(crate) scores: PathBuf,
    /// `runs/as_of=D/RUN`
    pub(crate) run: PathBuf,
    /// `quarantine/as_of=D/RUN`
    pub(crate) quarantine: PathBuf,
}

impl Publication {
    /// The places of a run.
    pub(crate) fn of(as_of: NaiveDate, run_id: &str) -> Self {
        let partition = format!("as_of={as_of}");
        Self {
            scores: Path::new("scores").join("v1").join(&partition),
            run: Path::new("runs").join(&partition).join(run_id),
            quarantine: Path::new("quarantine").join(&partition).join(run_id),
        }
    }

    /// Publishes what is staged: scores, bad rows, run, `latest.json`.
    ///
    /// # Errors
    /// [`InferError::Publish`]; then nothing is published.
    pub(crate) fn publish(&self, output: &OutputFolder, staged: &Staged) -> Result<(), InferError> {
        for folder in [staged.scores(), staged.run(), staged.quarantine()] {
            if folder.exists() {
                sync_folder(&folder)?;
            }
        }
        let mut moves = vec![(staged.scores(), self.scores.as_path()), (staged.run(), self.run.as_path())];
        if staged.quarantine().exists() {
            moves.insert(1, (staged.quarantine(), self.quarantine.as_path()));
        }
        moves.push((staged.latest(), Path::new("latest.json")));
        let mut done: Vec<Step> = Vec::new();
        let result = moves.iter().try_for_each(|(from, to)| {
            let step = Step::run(&output.root, from, to)?;
            let parent = step.to.parent().map(Path::to_path_buf);
            done.push(step);
            parent.map_or(Ok(()), |parent| sync_folder(&parent))
        });
        if result.is_err() {
            done.iter().rev().for_each(Step::undo);
        }
        result
    }
}

/// A rename that was done, so that it can be undone.
struct Step {
    from: PathBuf,
    to: PathBuf,
    exchanged: bool,
}

impl Step {
    /// Moves a folder or file to its place, in exchange for what is there.
    fn run(root: &Path, from: &Path, relative: &Path) -> Result<Self, InferError> {
        let parent = create_folders(root, relative.parent().unwrap_or_else(|| Path::new("")))?;
        let to = parent.join(relative.file_name().unwrap_or_default());
        let exchanged = match fs::symlink_metadata(&to) {
            Ok(_) => {
                exchange(from, &to).map_err(|error| InferError::publish(&to, "replace", error.into()))?;
                true
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                fs::rename(from, &to).map_err(|error| InferError::publish(&to, "create", error))?;
                false
            }
            Err(error) => return Err(InferError::publish(&to, "look at", error)),
        };
        Ok(Self { from: from.to_path_buf(), to, exchanged })
    }

    /// Moves it back, as well as can be.
    fn undo(&self) {
        let _ = if self.exchanged {
            exchange(&self.from, &self.to).map_err(std::io::Error::from)
        } else {
            fs::rename(&self.to, &self.from)
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(output: &OutputFolder, run_id: &str, rows: &str) -> Staged {
        let staged = Staged::create(output, run_id).unwrap();
        fs::write(staged.scores().join("part-00000.parquet"), rows).unwrap();
        staged.mark_success().unwrap();
        fs::write(staged.latest(), run_id).unwrap();
        staged
    }

    fn partition(output: &OutputFolder) -> String {
        fs::read_to_string(output.root.join("scores/v1/as_of=2026-01-31/part-00000.parquet")).unwrap()
    }

    #[test]
    fn a_second_run_replaces_the_partition_and_keeps_both_runs() {
        let folder = tempfile::tempdir().unwrap();
        let output = OutputFolder::open(folder.path()).unwrap();
        let date = NaiveDate::from_ymd_opt(2026, 1, 31).unwrap();
        for (run_id, rows) in [("first", "old"), ("second", "new")] {
            let staged = stage(&output, run_id, rows);
            Publication::of(date, run_id).publish(&output, &staged).unwrap();
            drop(staged);
            assert_eq!(partition(&output), rows);
        }
        assert_eq!(fs::read_to_string(folder.path().join("latest.json")).unwrap(), "second");
        assert_eq!(fs::read_dir(folder.path().join("runs/as_of=2026-01-31")).unwrap().count(), 2);
        assert_eq!(fs::read_dir(output.staging()).unwrap().count(), 0);
    }

    #[test]
    fn a_failure_of_the_last_step_undoes_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let output = OutputFolder::open(folder.path()).unwrap();
        let date = NaiveDate::from_ymd_opt(2026, 1, 31).unwrap();
        Publication::of(date, "first").publish(&output, &stage(&output, "first", "old")).unwrap();
        let staged = stage(&output, "second", "new");
        fs::remove_file(staged.latest()).unwrap();
        let error = Publication::of(date, "second").publish(&output, &staged).unwrap_err();
        drop(staged);
        assert!(matches!(error, InferError::Publish { .. }), "{error}");
        assert_eq!(partition(&output), "old");
        assert!(!folder.path().join("runs/as_of=2026-01-31/second").exists());
        assert_eq!(fs::read_dir(output.staging()).unwrap().count(), 0);
    }
}
