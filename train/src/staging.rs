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

    /// Puts the folder in its place. A folder that is there already is replaced if it is empty or holds `marker`, and
    /// refused otherwise: it is not ours.
    pub(crate) fn publish_over(self, marker: &str) -> Result<(), TrainError> {
        refuse_foreign(self.place, marker)?;
        self.inner.publish_over().map_err(|cause| TrainError::io(self.place, "publish it", cause))
    }
}

/// Whether a folder could be published at `place`, before the work that is to fill it.
pub(crate) fn check(place: &Path, marker: &str) -> Result<(), TrainError> {
    refuse_foreign(place, marker)?;
    bellwether_staging::check(place).map_err(|cause| TrainError::io(place, "write it", cause))
}

fn refuse_foreign(place: &Path, marker: &str) -> Result<(), TrainError> {
    let is_empty = match fs::read_dir(place) {
        Ok(mut entries) => entries.next().is_none(),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(cause) => return Err(TrainError::io(place, "replace it", cause)),
    };
    if is_empty || place.join(marker).is_file() {
        return Ok(());
    }
    let found = format!("expected no folder, an empty one or one with {marker}, found another: choose another place");
    Err(TrainError::io(place, "replace it", io::Error::new(io::ErrorKind::AlreadyExists, found)))
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
