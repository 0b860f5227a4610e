//! Where a key stands in the project file, and what the TOML parser's complaint means.

use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{ContractError, Place, Problem};
use super::hint::did_you_mean;

/// Largest project file that is read, in bytes.
pub const LARGEST_SOURCE_BYTES: u64 = 1 << 20;

/// Reads a project file.
///
/// # Errors
/// [`Problem::Unreadable`] and [`Problem::TooLarge`]; both already say which file.
pub fn read_source(file: &Path) -> Result<String, ContractError> {
    let unreadable = |cause: std::io::Error| {
        use std::io::ErrorKind;
        let transient = !matches!(
            cause.kind(),
            ErrorKind::NotFound | ErrorKind::PermissionDenied | ErrorKind::InvalidData | ErrorKind::IsADirectory
        );
        ContractError::new(Problem::Unreadable { file: file.to_path_buf(), cause: cause.to_string(), transient }, &[])
    };
    let bytes = std::fs::metadata(file).map_err(unreadable)?.len();
    if bytes > LARGEST_SOURCE_BYTES {
        let problem = Problem::TooLarge { file: file.to_path_buf(), bytes, limit: LARGEST_SOURCE_BYTES };
        return Err(ContractError::new(problem, &[]));
    }
    std::fs::read_to_string(file).map_err(unreadable)
}

/// The line (from 1) at which a key is written, or `None` where the file has no such key.
#[must_use]
pub fn position(source: &str, key_path: &[&str]) -> Option<usize> {
    let offset = find(source, key_path)?;
    Some(line_and_column(source, offset).0)
}

/// Line and column of a key, or of the nearest enclosing key that is there; (1, 1) if none is.
pub(crate) fn locate(source: &str, key_path: &[String]) -> (usize, usize) {
    let parts: Vec<&str> = key_path.iter().map(String::as_str).collect();
    for length in (1..=parts.len()).rev() {
        if let Some(offset) = find(source, &parts[..length]) {
            return line_and_column(source, offset);
        }
    }
    (1, 1)
}

fn find(source: &str, key_path: &[&str]) -> Option<usize> {
    let document = DeTable::parse(source).ok()?;
    let mut table = document.get_ref();
    let (last, above) = key_path.split_last()?;
    for part in above {
        table = match entry(table, part)?.1.get_ref() {
            DeValue::Table(inner) => inner,
            _ => return None,
        };
    }
    entry(table, last).map(|(key, _)| key.span().start)
}

type Entry<'a, 'i> = (&'a Spanned<toml::de::DeString<'i>>, &'a Spanned<DeValue<'i>>);

fn entry<'a, 'i>(table: &'a DeTable<'i>, name: &str) -> Option<Entry<'a, 'i>> {
    table.iter().find(|(key, _)| key.get_ref() == name)
}

fn line_and_column(source: &str, offset: usize) -> (usize, usize) {
    let before = source.get(..offset).unwrap_or(source);
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[start..].chars().count() + 1)
}

/// Turns the TOML parser's error into one that says file, line, column and, for an unknown name, the nearest valid one.
#[must_use]
pub fn explain_toml_error(file: &Path, source: &str, error: &toml::de::Error) -> ContractError {
    let (line, column) = line_and_column(source, error.span().map_or(0, |span| span.start));
    let mut message = error.message().trim().to_owned();
    if message.starts_with("invalid type") || message.starts_with("invalid value") {
        // The parser names the type but not the key, which stands before the `=` of that line.
        let key = source.lines().nth(line - 1).and_then(|text| text.split_once('=')).map(|(key, _)| key.trim());
        message = key.map_or(message.clone(), |key| format!("{key}: {message}"));
    }
    let problem = Problem::Syntax { hint: hint_of(&message).or_else(|| unquoted(&message)), message };
    let place = Some(Place { file: file.to_path_buf(), line, column });
    ContractError { problem: Box::new(problem), key: Vec::new(), place }
}

/// serde words an unknown name as "unknown field `x`, expected one of `a`, `b`": the first name in backticks is the one
/// found, the others are the known ones.
fn hint_of(message: &str) -> Option<String> {
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    if !message.starts_with("unknown ") {
        return message.starts_with("missing field").then(|| "add that key to the section".to_owned());
    }
    let (found, known) = quoted.split_first()?;
    Some(did_you_mean(found, known.iter().copied()))
}

/// Keys whose value is a length of time.
const LENGTHS: [&str; 8] =
    ["horizon", "grace", "landing_delay", "within", "min_tenure", "known_after", "warn_after", "error_after"];

/// "key: invalid type: integer `90`, expected a string": the value lacks its quotes, and a length of time its unit.
fn unquoted(message: &str) -> Option<String> {
    let (key, rest) = message.split_once(": invalid type: ")?;
    let (found, _) = rest.split_once(", expected a string")?;
    let value = found.split('`').nth(1).unwrap_or("...");
    // Of `freshness = { warn_after = 24 }`, only the first key of the line is known.
    if LENGTHS.contains(&key) || key == "freshness" {
        let is_whole = found.starts_with("integer") && !value.starts_with('-');
        let example = if is_whole { value } else { "90" };
        return Some(format!("write a quoted length of time with its unit (m, h, d or w), such as \"{example}d\""));
    }
    Some(format!("write it in quotes: \"{value}\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::options::Sections;

    const SOURCE: &str =
        "[project]\nname = \"acme\"\n\n[tables.usage]\npath = \"u.csv\"\nfreshness = { warn_after = \"1h\" }\n";

    #[test]
    fn keys_have_lines() {
        assert_eq!(position(SOURCE, &["project", "name"]), Some(2));
        assert_eq!(position(SOURCE, &["tables", "usage"]), Some(4));
        assert_eq!(position(SOURCE, &["tables", "usage", "freshness", "warn_after"]), Some(6));
        assert_eq!(position(SOURCE, &["tables", "accounts"]), None);
        let missing = ["tables", "usage", "columns"].map(str::to_owned);
        assert_eq!(locate(SOURCE, &missing), (4, 9));
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line_and_the_nearest_valid_one() {
        let wrong_type = "[project]\nname = 3\n";
        let error = toml::from_str::<Sections>(wrong_type).unwrap_err();
        let explained = explain_toml_error(Path::new("bellwether.toml"), wrong_type, &error);
        assert!(explained.to_string().contains("bellwether.toml:2:8: name: invalid type"), "{explained}");

        let source = "[tables.usage]\npath = \"u.csv\"\ncolums = {}\n";
        let error = toml::from_str::<Sections>(source).unwrap_err();
        let explained = explain_toml_error(Path::new("bellwether.toml"), source, &error);
        let place = explained.place.clone().unwrap();
        assert_eq!((place.line, place.column), (3, 1));
        let Problem::Syntax { message, hint } = &*explained.problem else { panic!("{explained}") };
        assert!(message.contains("`colums`"), "{message}");
        assert_eq!(hint.as_deref(), Some("did you mean `columns`?"));
    }

    #[test]
    fn a_value_without_quotes_is_shown_with_them() {
        let hint = |source: &str| {
            let error = toml::from_str::<Sections>(source).unwrap_err();
            let explained = explain_toml_error(Path::new("bellwether.toml"), source, &error);
            let Problem::Syntax { hint, .. } = &*explained.problem else { panic!("{explained}") };
            hint.clone().unwrap_or_default()
        };
        let target = "[targets.churn_90d]\nevent = \"inactivity\"\n";
        assert!(hint(&format!("{target}horizon = 90\n")).contains("a quoted length of time"));
        assert!(hint(&format!("{target}horizon = 90\n")).ends_with("such as \"90d\""));
        assert!(hint(&format!("{target}grace = 1.5\n")).ends_with("such as \"90d\""));
        assert_eq!(hint("[project]\nname = 3\n"), "write it in quotes: \"3\"");
    }

    #[test]
    fn broken_and_deep_documents_are_errors_with_a_line() {
        for source in ["[project\nname = 1", &format!("a = {}", "[".repeat(100_000)), "\u{0}", "[project]\nname = 3"] {
            let error = toml::from_str::<Sections>(source).unwrap_err();
            let explained = explain_toml_error(Path::new("bellwether.toml"), source, &error);
            assert!(explained.place.is_some_and(|place| place.line >= 1));
        }
    }
}
