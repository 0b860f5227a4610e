//! Folders that appear whole or not at all, with the errors of this crate: see [`bellwether_staging`].

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use crate::error::TrainError;

/// A folder being written. Dropped without publishing, it is removed.
#[derive(Debug)]
pub(crate) struct Staging<'a> {
    place: &'a Path,
    inner: bellwether_staging::Staging,
}

impl<'a> Staging<'a> {
    /// Begins a folder that will stand at `place`.
    pub(crate) fn new(place: &'a Path) -> Result<Self, TrainError> {
        let inner = bellwether_staging::Staging::folder(place);
        Ok(Self { place, inner: inner.map_err(|cause| TrainError::io(place, "begin to write it", cause))? })
    }

    /// Where to write.
    pub(crate) fn path(&self) -> &Path {
        self.inner.path()
    }

    /// Writes one file and syncs it.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), TrainError> {
        let path = self.path().join(name);
        let mut file = fs::File::create(&path).map_err(|cause| TrainError::io(&path, "create it", cause))?;
        file.write_all(bytes).map_err(|cause| TrainError::io(&path, "write it", cause))?;
        file.sync_all().map_err(|cause| TrainError::io(&path, "write it to disk", cause))
    }

    /// Puts the folder in its place. A folder that is there already is replaced if it is empty or an earlier one of ours
    /// (see [`check`]), and refused otherwise.
    pub(crate) fn publish_over(self, ours: &[&str]) -> Result<(), TrainError> {
        refuse_foreign(self.place, ours)?;
        self.inner.publish_over().map_err(|cause| TrainError::io(self.place, "publish it", cause))
    }
}

/// Whether a folder could be published at `place`, before the work that is to fill it. A folder is an earlier one of ours
/// if it holds files with names in `ours` and nothing else, the first of them always.
pub(crate) fn check(place: &Path, ours: &[&str]) -> Result<(), TrainError> {
    refuse_foreign(place, ours)?;
    bellwether_staging::check(place).map_err(|cause| TrainError::io(place, "write it", cause))
}

fn refuse_foreign(place: &Path, ours: &[&str]) -> Result<(), TrainError> {
    let refused = |cause| TrainError::io(place, "replace it", cause);
    let entries = match fs::read_dir(place) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(refused)?,
    };
    let (mut own, mut foreign) = (Vec::new(), Vec::new());
    for entry in entries {
        let entry = entry.map_err(refused)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_file = entry.file_type().map_err(refused)?.is_file();
        if is_file && ours.contains(&name.as_str()) { own.push(name) } else { foreign.push(name) }
    }
    foreign.sort();
    match (foreign.first(), ours.first()) {
        (Some(foreign), _) => Err(TrainError::Foreign { path: place.to_owned(), found: format!("`{foreign}` in it") }),
        (None, Some(always)) if !own.is_empty() && !own.iter().any(|name| name == always) => {
            Err(TrainError::Foreign { path: place.to_owned(), found: format!("a folder without {always}") })
        }
        _ => Ok(()),
    }
}

/// Writes a file through a hidden name in the same folder, synced, renamed.
pub(crate) fn replace_file(path: &Path, bytes: &[u8]) -> Result<(), TrainError> {
    let staging = bellwether_staging::Staging::file(path);
    let replaced = staging.and_then(|staging| {
        let mut file = staging.handle();
        file.write_all(bytes)?;
        staging.publish()
    });
    replaced.map_err(|cause| TrainError::io(path, "replace it", cause))
}
