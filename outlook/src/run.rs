//! What the scorer wrote about its runs (`runs/as_of=D/<run>/manifest.json`), as far as the outlook needs it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use chrono::{Days, NaiveDate};
use serde::Deserialize;

/// From which probability an account is in a band.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub(crate) struct BandCutOffs {
    /// `medium` from here.
    pub(crate) medium: f64,
    /// `high` from here.
    pub(crate) high: f64,
}

/// A run that ended well.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Run {
    exit_code: i32,
    model: Model,
    cut_offs: CutOffs,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Model {
    identity: String,
    #[serde(default)]
    last_trained_as_of: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct CutOffs {
    bands: BTreeMap<String, BandCutOffs>,
}

/// Whether the model of the last scores of a date could not know what came of it: the labels of the last date that it learned
/// from, `label_days` long, were over by then. `false` where no run is on record.
pub(crate) fn could_not_know(out: &Path, as_of: NaiveDate, label_days: u32) -> bool {
    let trained = Run::last(out, as_of).and_then(|run| run.last_trained());
    let over = trained.and_then(|trained| trained.checked_add_days(Days::new(u64::from(label_days))));
    over.is_some_and(|over| over <= as_of)
}

impl Run {
    /// The last run of a date that ended well; `None` where none is on record, as when only the scores were copied.
    pub(crate) fn last(out: &Path, as_of: NaiveDate) -> Option<Self> {
        let runs = std::fs::read_dir(out.join("runs").join(format!("as_of={as_of}"))).into_iter().flatten().flatten();
        let mut manifests: Vec<PathBuf> = runs.map(|run| run.path().join("manifest.json")).collect();
        // A run's name begins with its time.
        manifests.sort();
        let read = |path: &PathBuf| -> Option<Self> {
            serde_json::from_slice(&std::fs::read(path).ok()?).ok().filter(|run: &Self| run.exit_code == 0)
        };
        manifests.iter().rev().find_map(read)
    }

    /// Where the bands of a target begin, if the scores are of this model.
    pub(crate) fn bands(&self, model: &str, target: &str) -> Option<BandCutOffs> {
        self.cut_offs.bands.get(target).filter(|_| self.model.identity == model).copied()
    }

    /// The last observation date that its model learned from; `None` where that is not known.
    fn last_trained(&self) -> Option<NaiveDate> {
        self.model.last_trained_as_of.as_deref()?.parse().ok()
    }
}
