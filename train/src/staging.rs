//! Folders that appear whole or not at all: written beside their place under a hidden name, synced, then renamed.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::TrainError;

/// A folder being written. Dropped without publishing, it is removed.
#[derive(Debug)]
pub(crate) struct Staging {
    place: PathBuf,
    path: PathBuf,
    published: bool,
}

impl Staging {
    /// Begins a folder that will stand at `place`; what an earlier, broken run left under the hidden name is removed.
    pub(crate) fn new(place: &Path) -> Result<Self, TrainError> {
        let parent = parent_of(place);
        fs::create_dir_all(&parent).map_err(|cause| TrainError::io(&parent, "create the folder", cause))?;
        let path = hidden(place, "staging")?;
        if path.exists() {
            fs::remove_dir_all(&path).map_err(|cause| TrainError::io(&path, "remove an abandoned folder", cause))?;
        }
        fs::create_dir(&path).map_err(|cause| TrainError::io(&path, "create the folder", cause))?;
        Ok(Self { place: place.to_owned(), path, published: false })
    }

    /// Where to write.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes one file and syncs it.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), TrainError> {
        write_synced(&self.path.join(name), bytes)
    }

    /// Puts the folder in its place. A folder that is there already is replaced if it is empty or holds `marker`, and
    /// refused otherwise: it is not ours.
    pub(crate) fn publish_over(mut self, marker: &str) -> Result<(), TrainError> {
        if !self.place.exists() {
            return self.rename();
        }
        let is_empty = fs::read_dir(&self.place).is_ok_and(|mut entries| entries.next().is_none());
        if !is_empty && !self.place.join(marker).is_file() {
            let cause = format!("the folder exists and holds no {marker}: choose another one");
            return Err(TrainError::io(&self.place, "replace", cause));
        }
        let old = hidden(&self.place, "replaced")?;
        if old.exists() {
            fs::remove_dir_all(&old).map_err(|cause| TrainError::io(&old, "remove an abandoned folder", cause))?;
        }
        fs::rename(&self.place, &old)
            .map_err(|cause| TrainError::io(&self.place, "move the old folder away", cause))?;
        self.rename()?;
        fs::remove_dir_all(&old).map_err(|cause| TrainError::io(&old, "remove the old folder", cause))
    }

    fn rename(&mut self) -> Result<(), TrainError> {
        sync_folder(&self.path)?;
        fs::rename(&self.path, &self.place).map_err(|cause| TrainError::io(&self.place, "publish", cause))?;
        self.published = true;
        sync_folder(&parent_of(&self.place))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.published {
            // Nothing to be done about a failure here; the next run removes what is left.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// Writes a file through a temporary name in the same folder, synced, renamed.
pub(crate) fn replace_file(path: &Path, bytes: &[u8]) -> Result<(), TrainError> {
    let temporary = hidden(path, "new")?;
    write_synced(&temporary, bytes)?;
    fs::rename(&temporary, path).map_err(|cause| TrainError::io(path, "replace", cause))?;
    sync_folder(&parent_of(path))
}

fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), TrainError> {
    use std::io::Write;
    let mut file = fs::File::create(path).map_err(|cause| TrainError::io(path, "create", cause))?;
    file.write_all(bytes).map_err(|cause| TrainError::io(path, "write", cause))?;
    file.sync_all().map_err(|cause| TrainError::io(path, "sync", cause))
}

fn sync_folder(path: &Path) -> Result<(), TrainError> {
    let folder = fs::File::open(path).map_err(|cause| TrainError::io(path, "open", cause))?;
    folder.sync_all().map_err(|cause| TrainError::io(path, "sync", cause))
}

fn parent_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn hidden(place: &Path, what: &str) -> Result<PathBuf, TrainError> {
    let name = place.file_name().ok_or_else(|| TrainError::io(place, "use", "expected a path that ends in a name"))?;
    Ok(parent_of(place).join(format!(".{}.{what}", name.to_string_lossy())))
}
