//! Finding and loading the bundle that a request names.

use std::path::Path;

use bellwether_models::Bundle;
use bellwether_models::registry::{RegistryError, resolve};

use crate::error::InferError;
use crate::input::loading;

/// Loads a folder, or `registry/name@alias`; loading checks every digest, the signature and the golden rows.
///
/// # Errors
/// [`InferError::Registry`] when there is no such bundle, [`InferError::Bundle`] when it is refused.
pub(crate) fn load(reference: &str) -> Result<Bundle, InferError> {
    match resolve(reference) {
        Ok(found) => Ok(loading(|| Bundle::load(&found.path))?),
        // A folder that is neither a bundle nor a model: what it lacks tells more than that it was not found.
        Err(RegistryError::UnknownModel { .. }) if Path::new(reference).join("bundle.sha256").exists() => {
            Ok(loading(|| Bundle::load(Path::new(reference)))?)
        }
        Err(error) => Err(error.into()),
    }
}
