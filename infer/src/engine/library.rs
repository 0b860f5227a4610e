//! Where onnxruntime is looked for.

use std::path::{Path, PathBuf};

use crate::error::InferError;

/// What to tell somebody who has no onnxruntime.
pub const HOW_TO_GET_ONNXRUNTIME: &str = "onnxruntime 1.24 or later is needed: run `pip download --no-deps onnxruntime`, \
    unzip the wheel, and give --onnxruntime-library (or ORT_DYLIB_PATH) the path of onnxruntime/capi/libonnxruntime.so.* \
    in it; or use --engine native, which needs nothing installed";

/// File name of the library, as far as its version.
const NAME: &str = if cfg!(target_os = "macos") { "libonnxruntime.dylib" } else { "libonnxruntime.so" };

/// Folders of the system, most specific first.
const SYSTEM_FOLDERS: [&str; 6] = [
    "/usr/local/lib",
    "/opt/onnxruntime/lib",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib64",
    "/usr/lib",
];

/// The library that was asked for, or the first that is found.
///
/// # Errors
/// [`InferError::OnnxRuntimeMissing`] with the places that were tried.
pub(super) fn find(asked: Option<&Path>) -> Result<PathBuf, InferError> {
    let places: Vec<PathBuf> = match asked {
        Some(path) => vec![path.to_path_buf()],
        None => {
            let binary = std::env::current_exe().ok();
            let beside = binary.as_deref().and_then(Path::parent).into_iter();
            let beside = beside.flat_map(|folder| [folder.to_path_buf(), folder.join("lib")]);
            beside.chain(SYSTEM_FOLDERS.iter().map(PathBuf::from)).collect()
        }
    };
    let found = places.iter().find_map(|place| if place.is_dir() { in_folder(place) } else { existing_file(place) });
    found.ok_or_else(|| {
        let tried = places.iter().map(|place| match asked {
            Some(_) => place.display().to_string(),
            None => place.join(NAME).display().to_string(),
        });
        InferError::OnnxRuntimeMissing { tried: tried.collect() }
    })
}

/// An absolute path: the loader reads a relative one against other folders.
fn existing_file(path: &Path) -> Option<PathBuf> {
    if path.is_file() { path.canonicalize().ok() } else { None }
}

/// `libonnxruntime.so`, or the last in order of `libonnxruntime.so.*`.
fn in_folder(folder: &Path) -> Option<PathBuf> {
    let plain = folder.join(NAME);
    if plain.is_file() {
        return existing_file(&plain);
    }
    let prefix = format!("{NAME}.");
    let entries = std::fs::read_dir(folder).ok()?.filter_map(Result::ok);
    let last =
        entries.map(|entry| entry.file_name()).filter(|name| name.to_string_lossy().starts_with(&prefix)).max()?;
    existing_file(&folder.join(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_versioned_library_is_found_in_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let library = folder.path().join(format!("{NAME}.1.31.1"));
        std::fs::write(&library, b"").unwrap();
        let found = find(Some(folder.path())).unwrap();
        assert_eq!(found.file_name(), library.file_name());
    }

    #[test]
    fn the_places_that_were_tried_are_named() {
        let error = find(Some(Path::new("/nowhere/libonnxruntime.so"))).unwrap_err();
        assert_eq!(error.exit_code(), crate::exit::ExitCode::Usage);
        let text = crate::diagnostic::lines(&error).join("\n");
        assert!(text.contains("/nowhere/libonnxruntime.so") && text.contains("pip download"), "{text}");
    }
}
