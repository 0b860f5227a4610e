//! Distinct texts and their codes.

use std::hash::BuildHasher;

use arrow_array::Array;
use hashbrown::{DefaultHashBuilder, HashTable};

use super::cells::Texts;

/// Stands for "no value" among codes.
pub(crate) const NO_CODE: u32 = u32::MAX;

/// Texts of up to so many bytes are their own key, so that looking one up touches one place in memory.
const SHORT: usize = 15;

/// Texts whose places are computed before any is visited, so that the memory's waits overlap.
const LOOKED_UP_TOGETHER: usize = 64;

/// A text with what is looked up for it.
type Keyed<'a> = ((u64, Option<[u64; 2]>), &'a str);

/// Distinct texts in order of appearance, one after the other in one buffer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Dictionary {
    hasher: DefaultHashBuilder,
    /// Short texts, with their codes.
    short: HashTable<([u64; 2], u32)>,
    /// Hashes of long texts, with their codes.
    long: HashTable<(u64, u32)>,
    text: String,
    ends: Vec<usize>,
}

impl Dictionary {
    /// The code of a text, new if need be.
    pub(crate) fn code(&mut self, name: &str) -> u32 {
        self.keyed_code(self.key(name), name)
    }

    /// What is looked up for a text: its hash, and itself if it is short.
    fn key(&self, name: &str) -> (u64, Option<[u64; 2]>) {
        match short_key(name) {
            Some(key) => (self.hasher.hash_one(key), Some(key)),
            None => (self.hasher.hash_one(name), None),
        }
    }

    fn keyed_code(&mut self, (hash, key): (u64, Option<[u64; 2]>), name: &str) -> u32 {
        match key {
            Some(key) => self.short_code(hash, key, name),
            None => self.long_code(hash, name),
        }
    }

    fn short_code(&mut self, hash: u64, key: [u64; 2], name: &str) -> u32 {
        if let Some((_, code)) = self.short.find(hash, |(known, _)| *known == key) {
            return *code;
        }
        let code = self.push(name);
        let hasher = &self.hasher;
        self.short.insert_unique(hash, (key, code), |(key, _)| hasher.hash_one(key));
        code
    }

    fn long_code(&mut self, hash: u64, name: &str) -> u32 {
        let is_it = |(known, code): &(u64, u32)| *known == hash && span(&self.text, &self.ends, *code as usize) == name;
        if let Some((_, code)) = self.long.find(hash, is_it) {
            return *code;
        }
        let code = self.push(name);
        self.long.insert_unique(hash, (hash, code), |(hash, _)| *hash);
        code
    }

    fn push(&mut self, name: &str) -> u32 {
        // Codes stay below NO_CODE: a table has at most 2^32 - 1 rows, and reading stops long before.
        let code = u32::try_from(self.ends.len()).unwrap_or(NO_CODE - 1);
        self.text.push_str(name);
        self.ends.push(self.text.len());
        code
    }

    /// Number of texts.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The text of a code, if it is one.
    pub(crate) fn name(&self, code: u32) -> Option<&str> {
        ((code as usize) < self.ends.len()).then(|| span(&self.text, &self.ends, code as usize))
    }

    /// The texts, by code.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        (0..self.ends.len()).map(|code| span(&self.text, &self.ends, code))
    }

    /// Appends the codes of the texts at `rows` to `codes`; an empty text is no value.
    pub(crate) fn append(&mut self, texts: &Texts, rows: impl Iterator<Item = usize>, codes: &mut Vec<u32>) {
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
            codes.extend(rows.map(|row| key(row).map_or(NO_CODE, &mut code)));
            return;
        }
        let mut some: Vec<Option<Keyed<'_>>> = Vec::with_capacity(LOOKED_UP_TOGETHER);
        let mut rows = rows.peekable();
        while rows.peek().is_some() {
            let keyed = |row| texts.get(row).filter(|text| !text.is_empty()).map(|text| (self.key(text), text));
            some.clear();
            some.extend(rows.by_ref().take(LOOKED_UP_TOGETHER).map(keyed));
            codes.extend(some.iter().map(|one| one.map_or(NO_CODE, |(key, text)| self.keyed_code(key, text))));
        }
    }
}

/// A short text and its length as one number.
fn short_key(name: &str) -> Option<[u64; 2]> {
    let mut bytes = [0; SHORT + 1];
    bytes.get_mut(..name.len()).filter(|_| name.len() <= SHORT)?.copy_from_slice(name.as_bytes());
    bytes[SHORT] = u8::try_from(name.len()).ok()?;
    let both = u128::from_le_bytes(bytes);
    // The two halves, without loss.
    Some([(both & u128::from(u64::MAX)) as u64, (both >> 64) as u64])
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
            let mut codes = Vec::new();
            dictionary.append(&texts, 0..7, &mut codes);
            assert_eq!(codes, [0, NO_CODE, 1, NO_CODE, 0, 2, 1], "{texts:?}");
            assert_eq!(dictionary.names().collect::<Vec<_>>(), ["a", "b", "a rather long text"]);
            assert_eq!(dictionary.code("b"), 1);
            assert_eq!((dictionary.name(3), dictionary.len()), (None, 3));
        }
    }

    /// Around the length at which texts stop being their own key; a NUL is a character like any other.
    #[test]
    fn texts_of_every_length_are_told_apart() {
        let mut dictionary = Dictionary::default();
        let mut names: Vec<String> = (0..40).map(|length| "x".repeat(length)).collect();
        names.extend((0..20).map(|length| format!("{}\0", "x".repeat(length))));
        names.extend((0..20).map(|length| format!("\0{}é", "x".repeat(length))));
        let codes: Vec<u32> = names.iter().map(|name| dictionary.code(name)).collect();
        assert_eq!(codes, (0..80).collect::<Vec<u32>>());
        let again: Vec<u32> = names.iter().map(|name| dictionary.code(name)).collect();
        assert_eq!(again, codes);
        assert!(names.iter().map(String::as_str).eq(dictionary.names()));
    }
}
