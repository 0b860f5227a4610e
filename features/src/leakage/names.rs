//! Names that say "afterwards". A name proves nothing; it only lowers the bar that the numbers must clear.

/// Beginnings of words that name what is known when something is over.
const AFTERWARDS: [&str; 25] = [
    "cancel", "churn", "clos", "collect", "deactiv", "disput", "end", "exit", "expir", "final", "inactiv", "last",
    "late", "left", "lost", "outcome", "paid", "reason", "refund", "resol", "result", "settl", "status", "terminat",
    "writeoff",
];

/// Whether a word of a column's name begins like one of those.
pub(crate) fn says_afterwards(name: &str) -> bool {
    words(name).iter().any(|word| AFTERWARDS.iter().any(|beginning| word.starts_with(beginning)))
}

/// The words of `snake_case`, `camelCase` and `Spaced names`, in lower case.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for character in name.chars() {
        let begins = !character.is_alphanumeric() || (character.is_uppercase() && was_lower);
        if begins {
            words.push(String::new());
        }
        if character.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(character.to_lowercase());
        }
        was_lower = character.is_lowercase() || character.is_ascii_digit();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::says_afterwards;

    #[test]
    fn words_are_told_apart() {
        for name in ["Disputed", "cancel_reason", "DaysToSettle", "closedAt", "Churn flag", "end_date", "DaysLate"] {
            assert!(says_afterwards(name), "{name}");
        }
        for name in ["vendor", "segment", "calendar_week", "plate", "amount", "PaperlessBill", "industry"] {
            assert!(!says_afterwards(name), "{name}");
        }
    }
}
