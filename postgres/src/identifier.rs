//! Names in SQL.

use crate::error::{FailureKind, PostgresError};

/// Most bytes of a name; longer ones the server would cut, so that two could become one.
const MOST_BYTES: usize = 63;

/// A name as SQL takes it, whatever is in it.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Refuses what cannot be the name of something of ours.
pub(crate) fn check(what: &'static str, name: &str) -> Result<(), PostgresError> {
    let fits = (1..=MOST_BYTES).contains(&name.len())
        && !name.contains('\0')
        && (what != "schema" || (!name.starts_with("pg_") && name != "information_schema"));
    if fits {
        return Ok(());
    }
    Err(PostgresError::Table {
        place: format!("{what} `{}`", name.escape_debug()),
        expected: format!("a name of 1 to {MOST_BYTES} bytes that is not the server's own"),
        found: format!("one of {} bytes", name.len()),
        hint: "choose another name".to_owned(),
        kind: FailureKind::Configuration,
    })
}

/// What stands behind FROM: a query in parentheses, or a table's name as it is written (`usage`, `app.usage`,
/// `"My Schema"."Usage"`), which the server folds and finds as it always does. `None`: neither.
pub(crate) fn relation(written: &str) -> Option<String> {
    let written = written.trim().trim_end_matches(';').trim_end();
    let word = written.split(|letter: char| !letter.is_ascii_alphabetic()).next().unwrap_or_default();
    let is_query = ["select", "with", "values"].iter().any(|begin| word.eq_ignore_ascii_case(begin));
    let after = written[word.len()..].chars().next();
    let ends = after.is_some_and(|letter| !is_part(letter) && letter != '.');
    if written.starts_with('(') || (is_query && ends) {
        // On a line of its own, so that a comment at its end does not swallow what follows.
        return Some(format!("({written}\n) AS bellwether_query"));
    }
    let mut rest = written;
    for part in 1..=3 {
        rest = one_name(rest)?;
        match rest.strip_prefix('.') {
            _ if rest.is_empty() => return Some(written.to_owned()),
            Some(after) if part < 3 => rest = after,
            _ => return None,
        }
    }
    None
}

/// Whether a letter may stand in a name that is not quoted.
fn is_part(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_' || letter == '$'
}

/// What follows a name.
fn one_name(text: &str) -> Option<&str> {
    if let Some(inner) = text.strip_prefix('"') {
        let mut from = 0;
        loop {
            let quote = from + inner[from..].find('"')?;
            if !inner[quote + 1..].starts_with('"') {
                return (quote > 0).then(|| &inner[quote + 1..]);
            }
            from = quote + 2;
        }
    }
    let end = text.find(|letter| !is_part(letter)).unwrap_or(text.len());
    let begins = text.chars().next().is_some_and(|first| first.is_alphabetic() || first == '_');
    begins.then(|| &text[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_its_name_and_a_query_stands_in_parentheses() {
        for name in [
            "usage",
            "app.usage",
            "crm.app.usage",
            "\"My Schema\".\"Us\"\"age\"",
            "selected",
            "with_usage",
            "values.a",
            "größe",
        ] {
            assert_eq!(relation(name).as_deref(), Some(name), "{name}");
        }
        for query in ["select 1", " SELECT\n1;", "with a as (select 1) select * from a", "values (1)", "(select 1)"] {
            let found = relation(query).unwrap();
            assert!(found.starts_with('(') && found.ends_with("\n) AS bellwether_query"), "{found}");
            assert!(!found.contains(';'), "{found}");
        }
        for neither in
            ["", "usage; drop table usage", "usage u", "a.b.c.d", "\"open", "\"\"", "1a", "usage--", "a..b", "f(1)"]
        {
            assert_eq!(relation(neither), None, "{neither}");
        }
    }

    #[test]
    fn quotes_are_doubled() {
        assert_eq!(quoted("a\"; drop table x; --"), "\"a\"\"; drop table x; --\"");
        assert!(check("schema", "pg_mine").is_err());
        assert!(check("schema", "bellwether").is_ok());
        assert!(check("table", &"a".repeat(64)).is_err());
    }
}
