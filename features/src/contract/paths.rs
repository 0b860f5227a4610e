//! Paths of the project file: `${VAR}` expanded, relative to the file, globs matched in a fixed order.

use std::path::{Path, PathBuf};

use super::error::{ContractError, Problem};

/// Replaces `${VAR}` and `${VAR:-default}` by the environment's values.
///
/// # Errors
/// [`Problem::UnsetVariable`] names a variable that is neither set nor given a default; [`Problem::InvalidValue`] for a
/// `${` that is never closed.
pub(crate) fn expand_variables(
    text: &str,
    lookup: impl Fn(&str) -> Option<String>,
    key: &[&str],
) -> Result<String, ContractError> {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        expanded.push_str(&rest[..start]);
        let after = &rest[start + 2..];
        let Some(end) = after.find('}') else {
            let problem = Problem::InvalidValue {
                expected: "`${VAR}` or `${VAR:-default}`".to_owned(),
                found: "`${` without `}`".to_owned(),
                hint: None,
            };
            return Err(ContractError::new(problem, key));
        };
        let (name, default) = match after[..end].split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (&after[..end], None),
        };
        let value = lookup(name).filter(|value| !value.is_empty()).or_else(|| default.map(str::to_owned));
        let unset = || ContractError::new(Problem::UnsetVariable { name: name.to_owned() }, key);
        expanded.push_str(&value.ok_or_else(unset)?);
        rest = &after[end + 1..];
    }
    expanded.push_str(rest);
    Ok(expanded)
}

/// A path with globs, made absolute against the project file's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathPattern {
    /// As written, variables expanded: for messages.
    pub written: String,
    /// Against the folder of the project file; the folder's own characters are escaped.
    pattern: String,
}

impl PathPattern {
    /// Checks and stores a pattern.
    ///
    /// # Errors
    /// [`Problem::InvalidValue`] for an empty path or a malformed glob.
    pub(crate) fn new(written: String, base: &Path, key: &[&str]) -> Result<Self, ContractError> {
        let bad = |found: String| {
            let expected = "a path, with * ? [..] and ** as globs".to_owned();
            ContractError::new(Problem::InvalidValue { expected, found, hint: None }, key)
        };
        if written.trim().is_empty() || written.contains('\0') {
            return Err(bad("an empty path or one with a NUL".to_owned()));
        }
        let pattern = if Path::new(&written).is_absolute() || base.as_os_str().is_empty() {
            written.clone()
        } else {
            format!("{}/{written}", glob::Pattern::escape(&base.to_string_lossy()))
        };
        glob::Pattern::new(&pattern).map_err(|fault| bad(format!("`{written}`: {}", fault.msg)))?;
        Ok(Self { written, pattern })
    }

    /// One file, whatever characters are in its name.
    pub(crate) fn of_file(file: &Path) -> Self {
        let written = file.to_string_lossy().into_owned();
        Self { pattern: glob::Pattern::escape(&written), written }
    }

    /// Files that match, sorted by path; folders and hidden files are not matched by a glob, and a `.sha256` is what is
    /// said of a file, never a table.
    ///
    /// # Errors
    /// The first folder that cannot be listed.
    pub fn files(&self) -> std::io::Result<Vec<PathBuf>> {
        let options = glob::MatchOptions { require_literal_leading_dot: true, ..glob::MatchOptions::new() };
        let entries = glob::glob_with(&self.pattern, options).map_err(std::io::Error::other)?;
        let mut files = Vec::new();
        for entry in entries {
            let path = entry.map_err(std::io::Error::from)?;
            let is_digest = path.extension().is_some_and(|ending| ending == "sha256");
            if !is_digest && !path.is_dir() {
                files.push(path);
            }
        }
        files.sort();
        Ok(files)
    }

    /// The pattern against the project file's folder.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.pattern
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(name: &str) -> Option<String> {
        (name == "DATA").then(|| "/srv/data".to_owned())
    }

    #[test]
    fn variables_expand_and_an_unset_one_is_named() {
        assert_eq!(expand_variables("${DATA}/u.csv", lookup, &[]).unwrap(), "/srv/data/u.csv");
        assert_eq!(expand_variables("${NONE:-../x}/u.csv", lookup, &[]).unwrap(), "../x/u.csv");
        assert_eq!(expand_variables("a$b", lookup, &[]).unwrap(), "a$b");
        let error = expand_variables("${NONE}/u.csv", lookup, &["tables", "usage", "path"]).unwrap_err();
        assert_eq!(*error.problem, Problem::UnsetVariable { name: "NONE".to_owned() });
        assert!(expand_variables("${DATA", lookup, &[]).is_err());
    }

    #[test]
    fn globs_are_relative_to_the_file_sorted_and_skip_folders() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().join("a[1]");
        std::fs::create_dir_all(base.join("u/c.csv")).unwrap();
        for name in ["u/b.csv", "u/a.csv", "u/.hidden.csv", "u/a.txt", "u/a.csv.sha256"] {
            std::fs::write(base.join(name), "x").unwrap();
        }
        let pattern = PathPattern::new("u/*.csv".to_owned(), &base, &[]).unwrap();
        assert_eq!(pattern.files().unwrap(), [base.join("u/a.csv"), base.join("u/b.csv")]);
        let pattern = PathPattern::new("u/a.*".to_owned(), &base, &[]).unwrap();
        assert_eq!(pattern.files().unwrap(), [base.join("u/a.csv"), base.join("u/a.txt")]);
        assert!(PathPattern::new("u/[.csv".to_owned(), &base, &[]).is_err());
    }
}
