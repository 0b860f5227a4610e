//! The decoder and damaged files: what it cannot make sense of may make it panic, and that is the file's fault.
//!
//! A flipped bit that no checksum covers can contradict a length or a count elsewhere in the file, on which the decoder
//! relies. Here such a panic is an error like any other. A panic hook cannot see that its panic will be caught, so a
//! binary asks [`decoding`] first; where panics abort instead of unwinding, the hook is the only place to say what
//! happened, and what was staged is removed by the next run.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use bellwether_models::BundleError;
use parquet::errors::ParquetError;

use crate::error::InferError;

/// What a thread decodes.
#[derive(Debug, Clone)]
enum Decoded {
    Input(PathBuf),
    /// The golden rows of a bundle; what loads them catches their panics, where they can be caught.
    Bundle,
}

thread_local! {
    static DECODING: RefCell<Option<Decoded>> = const { RefCell::new(None) };
}

/// Loads a bundle.
pub(crate) fn loading<T>(work: impl FnOnce() -> T) -> T {
    DECODING.set(Some(Decoded::Bundle));
    let result = work();
    DECODING.set(None);
    result
}

/// Runs a step of the decoder on the file at `path`.
///
/// # Errors
/// Those of `work`; [`InferError::Damaged`] where it panics.
pub(super) fn guarded<T>(path: &Path, work: impl FnOnce() -> Result<T, InferError>) -> Result<T, InferError> {
    DECODING.set(Some(Decoded::Input(path.to_path_buf())));
    let result = catch_unwind(AssertUnwindSafe(work));
    DECODING.set(None);
    result.unwrap_or_else(|_| Err(contradiction(path)))
}

/// The error that a panic of this thread stands for, if it is decoding a file; `None` where a panic is a bug of ours.
#[must_use]
pub fn decoding() -> Option<InferError> {
    DECODING.with_borrow(|decoded| decoded.as_ref().map(Decoded::contradiction))
}

impl Decoded {
    fn contradiction(&self) -> InferError {
        match self {
            Self::Input(path) => contradiction(path),
            Self::Bundle => {
                let reason = "its content contradicts its own description".to_owned();
                InferError::Bundle(BundleError::GoldenFile { reason })
            }
        }
    }
}

fn contradiction(path: &Path) -> InferError {
    let source = ParquetError::General("its content contradicts its own description".to_owned());
    InferError::Damaged { path: path.to_path_buf(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::ExitCode;

    #[test]
    fn a_panic_of_the_decoder_is_a_damaged_file_and_only_there() {
        let path = Path::new("f.parquet");
        let error =
            guarded(path, || -> Result<(), InferError> { panic!("{:?}", decoding().map(|one| one.exit_code())) });
        let error = error.unwrap_err();
        assert_eq!(error.exit_code(), ExitCode::DataContract);
        assert!(error.to_string().contains("f.parquet"), "{error}");
        assert!(decoding().is_none());
        assert!(guarded(path, || Ok(decoding().is_some())).unwrap());
        assert_eq!(loading(|| decoding().map(|one| one.exit_code())), Some(ExitCode::ModelRefused));
        assert!(decoding().is_none());
    }
}
