//! Data within a page: JSON in a `<script type="application/json">`, where no text can end the element or begin another.

use std::fmt::Write;

/// Adds a text as JSON. `<`, `>` and `&` are written as escapes, so that nothing in it is markup.
pub fn push_text(json: &mut String, text: &str) {
    json.push('"');
    for character in text.chars() {
        match character {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\u{0}'..='\u{1f}' | '\u{7f}' => {
                let _ = write!(json, "\\u{:04x}", u32::from(character));
            }
            other => json.push(other),
        }
    }
    json.push('"');
}

/// Adds values with commas between them, in brackets.
pub fn push_list<T>(json: &mut String, values: impl IntoIterator<Item = T>, mut push: impl FnMut(&mut String, T)) {
    json.push('[');
    for (place, value) in values.into_iter().enumerate() {
        if place > 0 {
            json.push(',');
        }
        push(json, value);
    }
    json.push(']');
}

/// Adds a number with at most so many decimals and no more digits than it needs; `null` where it is none.
pub fn push_number(json: &mut String, value: Option<f64>, decimals: usize) {
    let Some(value) = value.filter(|value| value.is_finite()) else { return json.push_str("null") };
    let start = json.len();
    let _ = write!(json, "{value:.decimals$}");
    if json[start..].contains('.') {
        let kept = json.trim_end_matches('0').trim_end_matches('.').len();
        json.truncate(kept);
    }
    if &json[start..] == "-0" {
        json.replace_range(start.., "0");
    }
}

/// The element around it.
#[must_use]
pub fn element(id: &str, json: &str) -> String {
    format!("<script type=\"application/json\" id=\"{id}\">{json}</script>\n")
}

/// Texts as codes: each distinct one once, in the order of their first appearance.
#[derive(Debug, Default)]
pub struct Dictionary {
    codes: std::collections::HashMap<String, usize>,
    texts: Vec<String>,
}

impl Dictionary {
    /// The code of a text.
    pub fn code(&mut self, text: &str) -> usize {
        if let Some(code) = self.codes.get(text) {
            return *code;
        }
        let code = self.texts.len();
        self.codes.insert(text.to_owned(), code);
        self.texts.push(text.to_owned());
        code
    }

    /// Texts by code.
    #[must_use]
    pub fn texts(&self) -> &[String] {
        &self.texts
    }

    /// Adds the texts as a list.
    pub fn push(&self, json: &mut String) {
        push_list(json, &self.texts, |json, text| push_text(json, text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_cannot_leave_its_element() {
        let mut json = String::new();
        push_text(&mut json, "</script><!--\"\\\n\u{2028}é");
        assert_eq!(json, "\"\\u003c/script\\u003e\\u003c!--\\\"\\\\\\u000a\\u2028é\"");
    }

    #[test]
    fn a_number_has_no_more_digits_than_it_needs() {
        let written = |value: Option<f64>, decimals: usize| {
            let mut json = String::from("100,");
            push_number(&mut json, value, decimals);
            json.split_off(4)
        };
        for (value, decimals, expected) in
            [(1.5, 2, "1.5"), (100.0, 2, "100"), (100.0, 0, "100"), (-0.001, 2, "0"), (0.1234, 3, "0.123")]
        {
            assert_eq!(written(Some(value), decimals), expected);
        }
        assert_eq!(written(None, 1), "null");
        assert_eq!(written(Some(f64::NAN), 1), "null");
    }

    #[test]
    fn a_text_is_kept_once() {
        let mut dictionary = Dictionary::default();
        assert_eq!(["b", "a", "b"].map(|text| dictionary.code(text)), [0, 1, 0]);
        let mut json = String::new();
        dictionary.push(&mut json);
        assert_eq!(json, "[\"b\",\"a\"]");
    }
}
