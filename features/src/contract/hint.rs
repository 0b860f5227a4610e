//! "Did you mean": the nearest known name to one that is unknown.

/// The nearest of `known` to `found`, if near enough to be a slip of the finger or another spelling.
#[must_use]
pub fn nearest<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    nearest_names(found, known, 1).into_iter().next()
}

/// The `most` known names that are most like `found`, the likeliest first, if they are near enough to be other spellings.
#[must_use]
pub fn nearest_names<'a>(found: &str, known: impl IntoIterator<Item = &'a str>, most: usize) -> Vec<&'a str> {
    let wanted = plain(found);
    let mut near: Vec<(f64, &str)> = known
        .into_iter()
        .map(|name| (strsim::jaro_winkler(&wanted, &plain(name)), name))
        .filter(|(likeness, _)| *likeness >= 0.82)
        .collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    near.into_iter().take(most).map(|(_, name)| name).collect()
}

/// "did you mean `x`?", or the list of what there is.
#[must_use]
pub fn did_you_mean<'a>(found: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> String {
    match nearest(found, known.clone()) {
        Some(name) => format!("did you mean `{name}`?"),
        None => {
            let all: Vec<String> = known.into_iter().map(|name| format!("`{name}`")).collect();
            if all.is_empty() { "there are none".to_owned() } else { format!("there are: {}", all.join(", ")) }
        }
    }
}

fn plain(name: &str) -> String {
    name.chars().filter(|character| character.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_name_and_a_stranger_lists_all() {
        let known = ["account_id", "known_at", "known_after"];
        assert_eq!(nearest("accountId", known), Some("account_id"));
        assert_eq!(nearest("knwon_at", known), Some("known_at"));
        assert_eq!(nearest("zebra", known), None);
        assert_eq!(nearest_names("known_afte", known, 2), ["known_after", "known_at"]);
        assert_eq!(did_you_mean("zebra", known), "there are: `account_id`, `known_at`, `known_after`");
        assert_eq!(did_you_mean("", []), "there are none");
    }
}
