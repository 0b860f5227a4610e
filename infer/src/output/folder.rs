//! The output folder: one run at a time, on a file system that can exchange two folders atomically.
//!
//! The lock is the kernel's (`flock`), so a killed run leaves none behind; what it does leave is its staging, which the
//! next run removes. Whether folders can be exchanged is tried, not guessed from the name of the file system, before any
//! work is done.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FlockOperation, RenameFlags, flock, renameat_with};
use rustix::io::Errno;

use crate::error::InferError;

const LOCK: &str = ".bellwether.lock";
const STAGING: &str = ".staging";

/// An output folder that this run may write to. The lock is released when it is dropped.
#[derive(Debug)]
pub(crate) struct OutputFolder {
    /// The folder.
    pub(crate) root: PathBuf,
    /// How many leftovers of stopped runs were removed.
    pub(crate) leftovers: usize,
    lock: File,
}

impl OutputFolder {
    /// Creates the folder if need be, takes the lock, tries an exchange of folders, and removes leftovers.
    ///
    /// # Errors
    /// [`InferError::Locked`], [`InferError::FileSystem`] or [`InferError::Io`].
    pub(crate) fn open(root: &Path) -> Result<Self, InferError> {
        fs::create_dir_all(root).map_err(|error| InferError::io(root, "create the output folder", error))?;
        let lock = lock(root)?;
        let staging = root.join(STAGING);
        let leftovers = remove_leftovers(&staging)?;
        fs::create_dir_all(&staging).map_err(|error| InferError::io(&staging, "create the staging folder", error))?;
        try_exchange(root, &staging)?;
        one_device(root)?;
        Ok(Self { root: root.to_path_buf(), leftovers, lock })
    }

    /// The folder where results wait until they are whole.
    pub(crate) fn staging(&self) -> PathBuf {
        self.root.join(STAGING)
    }
}

impl Drop for OutputFolder {
    fn drop(&mut self) {
        // Empty unless something else put a file there; then it stays.
        let _ = fs::remove_dir(self.staging());
        // Said in so many words: a process that this one forks at this very moment has the file too, until it runs something
        // else, and closing it here would not be the end of the lock.
        let _ = flock(&self.lock, FlockOperation::Unlock);
    }
}

/// A folder of this process alone, for what is not kept; removed when dropped.
#[derive(Debug)]
pub(crate) struct Scratch {
    folder: PathBuf,
}

impl Scratch {
    /// Creates a folder where the system keeps what is temporary.
    ///
    /// # Errors
    /// [`InferError::Io`] where there is no room for one.
    pub(crate) fn create() -> Result<Self, InferError> {
        let place = std::env::temp_dir();
        let mut attempt = 0;
        loop {
            let folder = place.join(format!("bellwether-dry-run-{}-{attempt}", std::process::id()));
            match fs::create_dir(&folder) {
                Ok(()) => return Ok(Self { folder }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && attempt < 1_000 => attempt += 1,
                Err(error) => return Err(InferError::io(&folder, "create", error)),
            }
        }
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // It is in the system's own folder for such things, which is cleared in time.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn lock(root: &Path) -> Result<File, InferError> {
    let path = root.join(LOCK);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|error| InferError::io(&path, "open the lock file", error))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(Errno::WOULDBLOCK) => Err(InferError::Locked { path }),
        Err(Errno::NOLCK | Errno::OPNOTSUPP | Errno::NOSYS) => Err(unsuitable(root)),
        Err(error) => Err(InferError::io(&path, "lock", error.into())),
    }
}

fn remove_leftovers(staging: &Path) -> Result<usize, InferError> {
    let failed = |error| InferError::io(staging, "remove the leftovers of a stopped run in", error);
    let entries = match fs::read_dir(staging) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        other => other.map_err(failed)?,
    };
    let mut count = 0;
    for entry in entries {
        let entry = entry.map_err(failed)?;
        if entry.file_type().map_err(failed)?.is_dir() {
            fs::remove_dir_all(entry.path()).map_err(failed)?;
        } else {
            fs::remove_file(entry.path()).map_err(failed)?;
        }
        count += 1;
    }
    Ok(count)
}

/// Exchanges two empty folders and removes them.
fn try_exchange(root: &Path, staging: &Path) -> Result<(), InferError> {
    let pair = [staging.join("probe-a"), staging.join("probe-b")];
    for folder in &pair {
        fs::create_dir(folder).map_err(|error| InferError::io(folder, "create", error))?;
    }
    let exchanged = exchange(&pair[0], &pair[1]);
    for folder in &pair {
        fs::remove_dir(folder).map_err(|error| InferError::io(folder, "remove", error))?;
    }
    match exchanged {
        Ok(()) => Ok(()),
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::XDEV) => Err(unsuitable(root)),
        Err(error) => Err(InferError::io(staging, "exchange two folders in", error.into())),
    }
}

/// A folder below the output folder that lies on another disk could not be renamed into.
fn one_device(root: &Path) -> Result<(), InferError> {
    let device = |path: &Path| fs::metadata(path).map(|status| status.dev());
    let own = device(root).map_err(|error| InferError::io(root, "look at", error))?;
    for folder in ["scores", "scores/v1", "runs", "quarantine"] {
        let path = root.join(folder);
        if device(&path).is_ok_and(|other| other != own) {
            let file_system = format!("another one ({})", file_system_name(&path));
            return Err(InferError::FileSystem { path, file_system });
        }
    }
    Ok(())
}

/// Swaps two folders in one step of the file system.
pub(super) fn exchange(one: &Path, other: &Path) -> Result<(), Errno> {
    renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)
}

fn unsuitable(root: &Path) -> InferError {
    InferError::FileSystem { path: root.to_path_buf(), file_system: file_system_name(root) }
}

/// The kind of file system that holds a path. Numbers: statfs(2).
fn file_system_name(path: &Path) -> String {
    let Ok(status) = rustix::fs::statfs(path) else { return "an unknown one".to_owned() };
    let magic = status.f_type as u64 & 0xffff_ffff;
    let name = match magic {
        0x6969 => "nfs",
        0x6573_5546 => "fuse",
        0xff53_4d42 => "cifs",
        0xfe53_4d42 => "smb2",
        0x0102_1997 => "9p",
        0x794c_7630 => "overlayfs",
        0x00c3_6400 => "ceph",
        0x4d44 => "msdos",
        0x2011_bab0 => "exfat",
        0xef53 => "ext4",
        0x0102_1994 => "tmpfs",
        0x5846_5342 => "xfs",
        0x9123_683e => "btrfs",
        _ => return format!("type {magic:#x}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_run_holds_the_folder_and_the_next_removes_leftovers() {
        let folder = tempfile::tempdir().unwrap();
        let first = OutputFolder::open(folder.path()).unwrap();
        assert!(matches!(OutputFolder::open(folder.path()), Err(InferError::Locked { .. })));
        fs::create_dir_all(first.staging().join("killed/scores")).unwrap();
        drop(first);
        let second = OutputFolder::open(folder.path()).unwrap();
        assert_eq!(second.leftovers, 1);
        assert_eq!(fs::read_dir(second.staging()).unwrap().count(), 0);
        drop(second);
        assert!(!folder.path().join(STAGING).exists());
    }

    #[test]
    fn folders_on_another_disk_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        // Where there is no second file system, there is nothing to refuse.
        let Ok(other) = tempfile::tempdir_in("/dev/shm") else { return };
        let two = fs::metadata(folder.path()).unwrap().dev() != fs::metadata(other.path()).unwrap().dev();
        std::os::unix::fs::symlink(other.path(), folder.path().join("scores")).unwrap();
        assert_eq!(matches!(OutputFolder::open(folder.path()), Err(InferError::FileSystem { .. })), two);
    }

    #[test]
    fn a_file_system_has_a_name() {
        assert!(!file_system_name(Path::new("/")).is_empty());
    }
}
