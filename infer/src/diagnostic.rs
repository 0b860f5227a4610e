//! An error as the lines that a person reads, the same in every binary.
//!
//! ```text
//! error[bellwether::infer::missing_columns]: features.parquet: expected ...
//!   caused by: ...
//!   hint: ...
//! ```
//!
//! Causes are followed to the end, and one that merely repeats the line above it is left out. Control characters in
//! names and paths are escaped, so that a file name cannot write its own log line. No backtrace and no panic text.

use miette::Diagnostic;

/// The lines of an error: what, caused by what, and what to do.
#[must_use]
pub fn lines(diagnostic: &dyn Diagnostic) -> Vec<String> {
    let mut lines = vec![headline("error", diagnostic)];
    let mut previous = diagnostic.to_string();
    let mut cause = diagnostic.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !previous.contains(&text) {
            lines.push(format!("  caused by: {}", printable(&text)));
        }
        previous = text;
        cause = error.source();
    }
    lines.extend(hints(diagnostic));
    lines
}

/// The lines of a warning: what, and what to do.
#[must_use]
pub fn warning_lines(diagnostic: &dyn Diagnostic) -> Vec<String> {
    let mut lines = vec![headline("warning", diagnostic)];
    lines.extend(hints(diagnostic));
    lines
}

/// The code of a diagnostic, or `bellwether::unknown`.
#[must_use]
pub fn code(diagnostic: &dyn Diagnostic) -> String {
    diagnostic.code().map_or_else(|| "bellwether::unknown".to_owned(), |code| code.to_string())
}

/// `text` with every control character but the line feed escaped, and line feeds indented.
#[must_use]
pub fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => printable.push_str("\n    "),
            _ if character.is_control() => printable.extend(character.escape_default()),
            _ => printable.push(character),
        }
    }
    printable
}

fn headline(severity: &str, diagnostic: &dyn Diagnostic) -> String {
    format!("{severity}[{}]: {}", code(diagnostic), printable(&diagnostic.to_string()))
}

/// The hint of the diagnostic itself, then those of the diagnostics that caused it.
fn hints(diagnostic: &dyn Diagnostic) -> Vec<String> {
    let mut hints = Vec::new();
    let mut next = Some(diagnostic);
    while let Some(current) = next {
        if let Some(help) = current.help() {
            let hint = format!("  hint: {}", printable(&help.to_string()));
            if !hints.contains(&hint) {
                hints.push(hint);
            }
        }
        next = current.diagnostic_source();
    }
    hints
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error, miette::Diagnostic)]
    #[error("outer {name}")]
    #[diagnostic(code(bellwether::test::outer), help("do this"))]
    struct Outer {
        name: String,
        source: std::io::Error,
    }

    #[test]
    fn cause_and_hint_follow_the_message() {
        let outer = Outer { name: "thing".into(), source: std::io::Error::other("no luck") };
        assert_eq!(
            lines(&outer),
            ["error[bellwether::test::outer]: outer thing", "  caused by: no luck", "  hint: do this"]
        );
    }

    #[test]
    fn a_repeated_cause_is_left_out_and_controls_are_escaped() {
        let outer = Outer { name: "a\u{1b}[31m no luck".into(), source: std::io::Error::other("no luck") };
        assert_eq!(lines(&outer), ["error[bellwether::test::outer]: outer a\\u{1b}[31m no luck", "  hint: do this"]);
    }
}
