//! CSV by RFC 4180, and what must not become a formula.

use super::rows::Cell;
use super::tool::CsvForm;

/// One line.
pub(super) fn line<'a>(form: &CsvForm, id: &str, cells: impl Iterator<Item = &'a Cell>, into: &mut Vec<u8>) {
    quoted(&if form.neutral_ids { neutral(id) } else { id.to_owned() }, into);
    for cell in cells {
        into.push(b',');
        match cell {
            Cell::Null => into.extend_from_slice(form.null.as_bytes()),
            // A text that reads as the mark of "no value" would be none.
            Cell::Text(text) if !form.null.is_empty() && text == form.null => quoted(&format!("'{text}"), into),
            Cell::Text(text) => quoted(&neutral(text), into),
            Cell::Number(number) => into.extend_from_slice(number.as_bytes()),
        }
    }
    into.extend_from_slice(form.line_end.as_bytes());
}

/// The header.
pub(super) fn header(form: &CsvForm, fields: &[String]) -> Vec<u8> {
    let mut line = Vec::new();
    for (index, field) in fields.iter().enumerate() {
        if index > 0 {
            line.push(b',');
        }
        quoted(field, &mut line);
    }
    line.extend_from_slice(form.line_end.as_bytes());
    line
}

/// A text that a spreadsheet would take for a formula, behind an apostrophe (OWASP, CSV injection: `=`, `+`, `-`, `@`, tab
/// and carriage return at the beginning).
fn neutral(text: &str) -> String {
    match text.chars().next() {
        Some('=' | '+' | '-' | '@' | '\t' | '\r') => format!("'{text}"),
        _ => text.to_owned(),
    }
}

fn quoted(text: &str, into: &mut Vec<u8>) {
    let edge = text.starts_with(' ') || text.ends_with(' ');
    if !edge && !text.contains([',', '"', '\n', '\r', '\t']) {
        into.extend_from_slice(text.as_bytes());
        return;
    }
    into.push(b'"');
    into.extend_from_slice(text.replace('"', "\"\"").as_bytes());
    into.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::super::tool::{Form, Tool};
    use super::*;

    fn written(tool: Tool, id: &str, text: &str) -> String {
        let Form::Csv(form) = tool.form() else { panic!("{tool:?} is no CSV") };
        let cells = [Cell::Text(text.to_owned()), Cell::Null, Cell::Number("0.5000".to_owned())];
        let mut bytes = Vec::new();
        line(&form, id, cells.iter(), &mut bytes);
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn lines_are_those_of_rfc_4180() {
        assert_eq!(written(Tool::Csv, "a", "b"), "a,b,,0.5000\r\n");
        assert_eq!(written(Tool::Csv, "a,1", "say \"hi\"\nthen"), "\"a,1\",\"say \"\"hi\"\"\nthen\",,0.5000\r\n");
        assert_eq!(written(Tool::Csv, " a", "b "), "\" a\",\"b \",,0.5000\r\n");
        assert_eq!(written(Tool::Salesforce, "a", "b"), "a,b,#N/A,0.5000\n");
        assert_eq!(written(Tool::Salesforce, "a", "#N/A"), "a,'#N/A,#N/A,0.5000\n");
    }

    #[test]
    fn no_text_becomes_a_formula_and_a_key_stays_what_it_is() {
        for begin in ["=", "+", "-", "@"] {
            let text = format!("{begin}cmd|'/C calc'!A0");
            assert_eq!(written(Tool::Csv, &text, &text), format!("'{text},'{text},,0.5000\r\n"));
            assert_eq!(written(Tool::Vitally, &text, &text), format!("{text},'{text},,0.5000\r\n"));
        }
        assert_eq!(written(Tool::Csv, "a", "\tb"), "a,\"'\tb\",,0.5000\r\n");
        assert_eq!(written(Tool::Csv, "a", "x=1"), "a,x=1,,0.5000\r\n");
    }
}
