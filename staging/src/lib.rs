//! Files and folders that appear whole or not at all.
//!
//! Work waits beside its place under a hidden name, `.NAME.staging-PID`, until it is whole; then one rename puts it there.
//! A run that ends early removes what it staged. One that is killed cannot, so the next run for the same place does: a
//! name that is exactly ours, whose process is gone, and on which nobody holds the kernel's lock is abandoned. The lock
//! (`flock`) dies with its process and is seen across containers, where process ids mean nothing.

pub mod digest;

use std::error::Error;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

/// What a hidden name says after the name of the place: work that waits, and a folder that was moved out of the way.
const KINDS: [&str; 2] = [".staging-", ".replaced-"];

/// A file or folder that waits beside its place. Dropped before it is published, it is removed.
#[derive(Debug)]
pub struct Staging {
    place: PathBuf,
    path: PathBuf,
    handle: File,
}

impl Staging {
    /// Begins a folder that will stand at `place`; the folders above it are made. What killed runs left for this place is
    /// removed.
    ///
    /// # Errors
    /// Those of the file system; [`ErrorKind::InvalidFilename`] when `place` does not end in a name.
    pub fn folder(place: &Path) -> io::Result<Self> {
        Self::begin(place, |path| fs::create_dir(path).and_then(|()| File::open(path)))
    }

    /// Begins a file that will stand at `place`, as [`Staging::folder`] does a folder.
    ///
    /// # Errors
    /// As [`Staging::folder`].
    pub fn file(place: &Path) -> io::Result<Self> {
        Self::begin(place, |path| OpenOptions::new().write(true).create_new(true).open(path))
    }

    fn begin(place: &Path, create: impl FnOnce(&Path) -> io::Result<File>) -> io::Result<Self> {
        let path = hidden(place, KINDS[0])?;
        fs::create_dir_all(parent_of(place))?;
        remove_abandoned(place)?;
        let handle = create(&path)?;
        let staging = Self { place: place.to_owned(), path, handle };
        match staging.handle.try_lock() {
            Ok(()) => Ok(staging),
            // Without locks, process ids alone tell who is at work.
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => Ok(staging),
            Err(error) => Err(error.into()),
        }
    }

    /// Where to write.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The staged file, open for writing; for a folder, the folder.
    #[must_use]
    pub fn handle(&self) -> &File {
        &self.handle
    }

    /// Puts it in its place, on disk. A file that is there is replaced; a folder that is there must be empty.
    ///
    /// # Errors
    /// Those of the file system; then nothing has changed.
    pub fn publish(self) -> io::Result<()> {
        self.handle.sync_all()?;
        fs::rename(&self.path, &self.place)?;
        sync_folder(&parent_of(&self.place))
    }

    /// Puts a folder in its place, on disk, in exchange for the folder that is there: a reader sees the old or the new.
    ///
    /// # Errors
    /// Those of the file system; then the old folder is in its place.
    pub fn publish_over(self) -> io::Result<()> {
        if fs::symlink_metadata(&self.place).is_err() {
            return self.publish();
        }
        self.handle.sync_all()?;
        match renameat_with(CWD, &self.path, CWD, &self.place, RenameFlags::EXCHANGE) {
            Ok(()) => sync_folder(&parent_of(&self.place)),
            // Some file systems cannot exchange; there the place is empty for a moment.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => self.publish_in_two_steps(),
            Err(error) => Err(error.into()),
        }
    }

    fn publish_in_two_steps(self) -> io::Result<()> {
        let old = hidden(&self.place, KINDS[1])?;
        fs::rename(&self.place, &old)?;
        if let Err(error) = fs::rename(&self.path, &self.place) {
            fs::rename(&old, &self.place)?;
            return Err(error);
        }
        sync_folder(&parent_of(&self.place))?;
        fs::remove_dir_all(&old)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // Nothing is under this name once it is published, or the folder that was exchanged. What cannot be removed now,
        // the next run removes.
        remove(&self.path);
    }
}

/// Whether something could be put at `place`: tried with an empty file in the nearest folder above it that is there.
///
/// # Errors
/// Those of the file system, as the work would meet them at its end; [`ErrorKind::NotADirectory`] when something that is
/// no folder is in the way; [`ErrorKind::InvalidFilename`] when `place` does not end in a name.
pub fn check(place: &Path) -> io::Result<()> {
    hidden(place, KINDS[0])?;
    let mut folder = parent_of(place);
    loop {
        match fs::metadata(&folder) {
            Ok(status) if status.is_dir() => return Staging::file(&folder.join("bellwether-probe")).map(drop),
            Ok(_) => {
                let found = format!("{}: expected a folder, found something that is none", folder.display());
                return Err(io::Error::new(ErrorKind::NotADirectory, found));
            }
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                let above = parent_of(&folder);
                if above == folder {
                    return Err(error);
                }
                folder = above;
            }
            Err(error) => return Err(error),
        }
    }
}

/// What to do about an error that a failed read or write has caused, however deep below it: a full disk and a limit of
/// the shell are told apart from a wrong path. `otherwise` is for every other cause.
#[must_use]
pub fn advice(error: &(dyn Error + 'static), otherwise: &'static str) -> &'static str {
    let mut causes = std::iter::successors(Some(error), |error| (*error).source());
    match causes.find_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind) {
        Some(ErrorKind::FileTooLarge) => "raise the limit on the size of files (`ulimit -f`), or write elsewhere",
        Some(ErrorKind::StorageFull) => "free some space, or write to another disk",
        Some(ErrorKind::QuotaExceeded) => "raise the quota, free some space, or write to another disk",
        _ => otherwise,
    }
}

/// Removes what killed runs left for this place.
fn remove_abandoned(place: &Path) -> io::Result<()> {
    let Some(name) = place.file_name() else { return Ok(()) };
    for entry in fs::read_dir(parent_of(place))? {
        let entry = entry?;
        let found = entry.file_name();
        if KINDS.iter().filter_map(|kind| process_of(&found, name, kind)).any(|id| is_abandoned(&entry.path(), id)) {
            remove(&entry.path());
        }
    }
    Ok(())
}

/// The process that a hidden name speaks of, if it is exactly `.NAME.KIND-PID`.
fn process_of(found: &OsStr, name: &OsStr, kind: &str) -> Option<u32> {
    let rest = found.as_bytes().strip_prefix(b".")?.strip_prefix(name.as_bytes())?.strip_prefix(kind.as_bytes())?;
    let digits = std::str::from_utf8(rest).ok()?;
    digits.parse().ok().filter(|id: &u32| id.to_string() == digits)
}

fn is_abandoned(path: &Path, process: u32) -> bool {
    let runs = process != std::process::id() && Path::new("/proc").join(process.to_string()).exists();
    let ours = fs::symlink_metadata(path).is_ok_and(|status| status.is_dir() || status.is_file());
    if runs || !ours {
        return false;
    }
    match File::open(path).map(|handle| handle.try_lock()) {
        Ok(Ok(())) => true,
        Ok(Err(TryLockError::WouldBlock)) | Err(_) => false,
        Ok(Err(TryLockError::Error(_))) => process != std::process::id(),
    }
}

fn remove(path: &Path) {
    match fs::symlink_metadata(path) {
        Ok(status) if status.is_dir() => drop(fs::remove_dir_all(path)),
        Ok(_) => drop(fs::remove_file(path)),
        Err(_) => {}
    }
}

fn hidden(place: &Path, kind: &str) -> io::Result<PathBuf> {
    let name = place
        .file_name()
        .ok_or_else(|| io::Error::new(ErrorKind::InvalidFilename, "expected a path that ends in a name"))?;
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(kind);
    hidden.push(std::process::id().to_string());
    Ok(parent_of(place).join(hidden))
}

fn parent_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        Some(_) => PathBuf::from("."),
        None => path.to_owned(),
    }
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path).and_then(|folder| folder.sync_all())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The id of a process that has ended: larger than Linux gives out.
    const GONE: u32 = 4_194_305;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_folder_replaces_the_old_one_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("run");
        for text in ["old", "new"] {
            let staging = Staging::folder(&place).unwrap();
            fs::write(staging.path().join("file"), text).unwrap();
            staging.publish_over().unwrap();
            assert_eq!(fs::read_to_string(place.join("file")).unwrap(), text);
        }
        drop(Staging::folder(&place).unwrap());
        let staging = Staging::folder(&place).unwrap();
        fs::write(staging.path().join("file"), "third").unwrap();
        staging.publish_in_two_steps().unwrap();
        assert_eq!(names(folder.path()), ["run"]);
    }

    #[test]
    fn only_what_is_exactly_ours_and_abandoned_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let abandoned = [format!(".run.staging-{GONE}"), format!(".run.replaced-{GONE}")];
        for name in &abandoned {
            fs::create_dir(folder.path().join(name)).unwrap();
            fs::write(folder.path().join(name).join("file"), "half").unwrap();
        }
        // Another place, another form, a process that runs, and a lock that is held.
        let kept = [
            format!(".other.staging-{GONE}"),
            format!(".run.staging-{GONE}.txt"),
            format!(".run.staging-0{GONE}"),
            ".run.staging-1".to_owned(),
            format!(".run.staging-{}", GONE + 1),
        ];
        for name in &kept {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let locked = File::open(folder.path().join(&kept[4])).unwrap();
        locked.lock().unwrap();
        drop(Staging::file(&folder.path().join("run")).unwrap());
        let mut expected = kept.to_vec();
        expected.sort();
        assert_eq!(names(folder.path()), expected);
        drop(locked);
        drop(Staging::file(&folder.path().join("run")).unwrap());
        assert!(!names(folder.path()).contains(&kept[4]));
    }

    #[test]
    fn two_in_one_process_do_not_share_a_name() {
        let folder = tempfile::tempdir().unwrap();
        let first = Staging::folder(&folder.path().join("run")).unwrap();
        assert_eq!(Staging::folder(&folder.path().join("run")).unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert!(first.path().is_dir());
    }

    #[test]
    fn a_limit_a_quota_and_a_full_disk_have_their_own_advice() {
        // EFBIG 27, ENOSPC 28, EDQUOT 122, EIO 5 on Linux (errno(3)).
        for (errno, expected) in
            [(27, "raise the limit"), (28, "free some space"), (122, "raise the quota"), (5, "else")]
        {
            let error = io::Error::other(io::Error::from_raw_os_error(errno));
            let inner = error.get_ref().expect("an inner error");
            assert!(advice(inner, "else").starts_with(expected), "{errno}");
        }
    }

    #[test]
    fn a_place_that_cannot_be_written_is_found_before_the_work() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        let kind = |place: &str| check(&folder.path().join(place)).map_err(|error| error.kind());
        assert_eq!(kind("new"), Ok(()));
        assert_eq!(kind("a/b/c"), Ok(()));
        assert_eq!(kind("file/new"), Err(ErrorKind::NotADirectory));
        assert_eq!(kind("file/a/b"), Err(ErrorKind::NotADirectory));
        assert_eq!(kind(".."), Err(ErrorKind::InvalidFilename));
        assert!(check(Path::new("/proc/nobody/run")).is_err());
        assert_eq!(names(folder.path()), ["file"], "nothing is left or made");
    }
}
