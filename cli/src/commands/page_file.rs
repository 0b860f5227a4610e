//! A page in a file that the user names: written whole or not at all, and only over a page of ours.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use bellwether_train::report::GENERATOR;

use crate::failure::Failure;
use crate::stop;

/// Only a page of ours is replaced.
pub(super) fn check(path: &Path) -> Result<(), Failure> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(Failure::io(path, error)),
        Ok(found) => {
            let beginning = String::from_utf8_lossy(&found[..found.len().min(1000)]).into_owned();
            if !found.is_empty() && !beginning.contains(GENERATOR) {
                return Err(Failure::configuration(
                    format!("{}: expected no file, or an earlier report, found another file", path.display()),
                    "give another place with --out: a file that is not ours is never replaced",
                ));
            }
        }
    }
    bellwether_staging::check(path).map_err(|error| Failure::io(path, error))
}

/// Writes the page.
pub(super) fn write(path: &Path, page: &str) -> Result<(), Failure> {
    let staged = || {
        let staging = bellwether_staging::Staging::file(path)?;
        let mut file = staging.handle();
        file.write_all(page.as_bytes())?;
        staging.publish()
    };
    stop::protect(staged).map_err(|error| Failure::io(path, error))
}
