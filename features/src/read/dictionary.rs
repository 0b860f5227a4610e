//! Distinct texts and their codes.

use hashbrown::{DefaultHashBuilder, HashTable};
use std::hash::BuildHasher;

use arrow_array::Array;

use super::cells::Texts;

/// Stands for "no value" among codes.
pub(crate) const NO_CODE: u32 = u32::MAX;

/// Distinct texts in order of appearance, one after the other in one buffer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Dictionary {
    hasher: DefaultHashBuilder,
    codes: HashTable<u32>,
    text: String,
    ends: Vec<usize>,
}

impl Dictionary {
    /// The code of a text, new if need be.
    pub(crate) fn code(&mut self, name: &str) -> u32 {
        let hash = self.hasher.hash_one(name);
        let Self { hasher, codes, text, ends } = self;
        if let Some(code) = codes.find(hash, |code| at(text, ends, *code) == name) {
            return *code;
        }
        // Codes stay below NO_CODE: a table has at most 2^32 - 1 rows, and reading stops long before.
        let code = u32::try_from(ends.len()).unwrap_or(NO_CODE - 1);
        text.push_str(name);
        ends.push(text.len());
        codes.insert_unique(hash, code, |code| hasher.hash_one(at(text, ends, *code)));
        code
    }

    /// Number of texts.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The text of a code, if it is one.
    pub(crate) fn name(&self, code: u32) -> Option<&str> {
        ((code as usize) < self.ends.len()).then(|| at(&self.text, &self.ends, code))
    }

    /// The texts, by code.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        (0..self.ends.len()).map(|code| span(&self.text, &self.ends, code))
    }

    /// The codes of the texts at `rows`; an empty text is no value.
    pub(crate) fn codes(&mut self, texts: &Texts, rows: impl ExactSizeIterator<Item = usize>) -> Vec<u32> {
        if let Texts::Dictionary(keys, names) = texts {
            // Names are looked up once each, and only those that some row has, in the order of the rows.
            let mut known = vec![None; names.len()];
            let mut code = |key: usize| {
                *known[key].get_or_insert_with(|| match names.is_valid(key).then(|| names.value(key)) {
                    None | Some("") => NO_CODE,
                    Some(name) => self.code(name),
                })
            };
            let key = |row: usize| keys.is_valid(row).then(|| usize::try_from(keys.value(row)).ok()).flatten();
            return rows.map(|row| key(row).map_or(NO_CODE, &mut code)).collect();
        }
        let mut last = NO_CODE;
        let mut codes = Vec::with_capacity(rows.len());
        for row in rows {
            // Neighbours are often alike: then no hashing.
            last = match texts.get(row) {
                None | Some("") => NO_CODE,
                Some(text) if self.name(last) == Some(text) => last,
                Some(text) => self.code(text),
            };
            codes.push(last);
        }
        codes
    }
}

fn at<'a>(text: &'a str, ends: &[usize], code: u32) -> &'a str {
    span(text, ends, code as usize)
}

fn span<'a>(text: &'a str, ends: &[usize], code: usize) -> &'a str {
    let start = code.checked_sub(1).map_or(0, |before| ends[before]);
    &text[start..ends[code]]
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{Int32Array, LargeStringArray, StringArray, StringViewArray};

    #[test]
    fn a_text_has_one_code_however_it_is_read() {
        let rows = [Some("a"), None, Some("b"), Some(""), Some("a"), Some("a rather long text"), Some("b")];
        let keys = Int32Array::from(vec![Some(3), None, Some(1), Some(0), Some(3), Some(2), Some(1)]);
        let names = StringArray::from(vec!["", "b", "a rather long text", "a"]);
        let all = [
            Texts::Plain(LargeStringArray::from_iter(rows)),
            Texts::Views(StringViewArray::from_iter(rows)),
            Texts::Dictionary(keys, names),
        ];
        for texts in all {
            let mut dictionary = Dictionary::default();
            assert_eq!(dictionary.codes(&texts, 0..7), [0, NO_CODE, 1, NO_CODE, 0, 2, 1], "{texts:?}");
            assert_eq!(dictionary.names().collect::<Vec<_>>(), ["a", "b", "a rather long text"]);
            assert_eq!(dictionary.code("b"), 1);
            assert_eq!((dictionary.name(3), dictionary.len()), (None, 3));
        }
    }
}
