//! From contributions to sentences.
//!
//! Inputs that say the same thing (one idea) are one reason: their effects are added, and the member that weighs most
//! lends its text, its value and its sign. The value shown is the account's own, never a filled one.

use crate::reasons::Explanation;
use crate::{FeatureBlock, InputKind, SignalCard, Signature, Unit};

/// One reason of one probability.
#[derive(Debug, Clone, PartialEq)]
pub struct Reason {
    /// Idea and sign, e.g. `usage.events.change:-`; `+` above what is typical in training, `-` below, `=` equal or a
    /// category, `?` missing.
    pub id: String,
    /// In words, with the account's own value.
    pub text: String,
    /// Points of probability, as a fraction, that the idea adds or takes away.
    pub effect: f64,
    /// Whether anyone can act on it.
    pub actionable: bool,
}

/// Where an input's values are in a [`FeatureBlock`], and how they are told.
#[derive(Debug, Clone)]
struct Entry {
    card: SignalCard,
    idea: usize,
    column: Source,
}

#[derive(Debug, Clone)]
enum Source {
    Numeric(usize),
    Category(usize, Vec<String>),
}

/// The cards of a signature's inputs, looked up once.
#[derive(Debug, Clone)]
pub struct SignalBook {
    entries: Vec<Entry>,
    /// Ideas in ascending order.
    ideas: Vec<String>,
}

impl SignalBook {
    /// Matches cards to inputs by name. An input without a card (an imported model) is its own idea, told as
    /// "name: value".
    #[must_use]
    pub fn new(signature: &Signature, cards: &[SignalCard]) -> Self {
        let (mut numbers, mut categories) = (0, 0);
        let mut entries: Vec<Entry> = Vec::with_capacity(signature.inputs.len());
        for input in &signature.inputs {
            let column = match &input.kind {
                InputKind::Numeric => {
                    numbers += 1;
                    Source::Numeric(numbers - 1)
                }
                InputKind::Category { levels } => {
                    categories += 1;
                    Source::Category(categories - 1, levels.clone())
                }
            };
            let card = cards.iter().find(|card| card.name == input.name).cloned();
            let card = card.unwrap_or_else(|| SignalCard::unknown(&input.name, &input.kind));
            entries.push(Entry { card, idea: 0, column });
        }
        let mut ideas: Vec<String> = entries.iter().map(|entry| entry.card.idea.clone()).collect();
        ideas.sort();
        ideas.dedup();
        for entry in &mut entries {
            entry.idea = ideas.binary_search(&entry.card.idea).unwrap_or(0);
        }
        Self { entries, ideas }
    }

    /// Number of ideas.
    #[must_use]
    pub fn ideas(&self) -> usize {
        self.ideas.len()
    }
}

/// The reasons that move a row's probability most, by `|effect|` descending, ties by idea; at most `limit`.
///
/// Ideas without effect are not reasons. `explanation` and `block` must be of the signature that the book was made of;
/// a row or column that is not there reads as missing.
#[must_use]
pub fn top_reasons(
    book: &SignalBook,
    explanation: &Explanation,
    block: &FeatureBlock,
    row: usize,
    limit: usize,
) -> Vec<Reason> {
    let mut effects = vec![0.0_f64; book.ideas.len()];
    let mut strongest: Vec<Option<usize>> = vec![None; book.ideas.len()];
    let weight = |input: usize| explanation.contributions.get(input).map_or(0.0, |value| value.abs());
    for (input, (entry, effect)) in book.entries.iter().zip(&explanation.effects).enumerate() {
        effects[entry.idea] += effect;
        if strongest[entry.idea].is_none_or(|other| weight(input) > weight(other)) {
            strongest[entry.idea] = Some(input);
        }
    }
    let mut order: Vec<usize> = (0..effects.len()).filter(|idea| effects[*idea].abs() > 0.0).collect();
    order.sort_by(|left, right| effects[*right].abs().total_cmp(&effects[*left].abs()).then(left.cmp(right)));
    order.truncate(limit);
    let reason = |idea: usize| {
        let entry = book.entries.get(strongest[idea]?)?;
        let (sign, value) = entry.describe(block, row);
        Some(Reason {
            id: format!("{}:{sign}", book.ideas[idea]),
            text: sentence(&entry.card, value.as_deref()),
            effect: effects[idea],
            actionable: entry.card.actionable,
        })
    };
    order.into_iter().filter_map(reason).collect()
}

impl Entry {
    /// Sign against the typical value, and the value in words where there is one.
    fn describe(&self, block: &FeatureBlock, row: usize) -> (char, Option<String>) {
        match &self.column {
            Source::Numeric(position) => {
                let value = block.numeric.get(*position).and_then(|column| column.get(row));
                match value {
                    Some(value) if !value.is_nan() => {
                        let value = f64::from(*value);
                        let sign = match self.card.typical.and_then(|typical| value.partial_cmp(&typical)) {
                            Some(std::cmp::Ordering::Less) => '-',
                            Some(std::cmp::Ordering::Greater) => '+',
                            _ => '=',
                        };
                        (sign, Some(write_value(self.card.unit, value)))
                    }
                    _ => ('?', None),
                }
            }
            Source::Category(position, levels) => {
                let code = block.categories.get(*position).and_then(|column| column.get(row));
                match code.map(|code| *code as usize) {
                    Some(code) if code < levels.len() => ('=', Some(levels[code].clone())),
                    Some(code) if code == levels.len() => ('=', Some("other".to_owned())),
                    _ => ('?', None),
                }
            }
        }
    }
}

/// The card's text with the value in its place. Without a value the card's own words for that, or its text without the
/// value: "invoices are {value} late" becomes "invoices are late: not known".
#[must_use]
pub fn sentence(card: &SignalCard, value: Option<&str>) -> String {
    match (value, &card.null_text) {
        (Some(value), _) => card.text.replace("{value}", value),
        (None, Some(words)) => words.clone(),
        (None, None) => {
            let bare = card.text.replace("{value}", "");
            let words: Vec<&str> = bare.split_whitespace().collect();
            format!("{}: {NOT_KNOWN}", words.join(" ").trim_end_matches([':', ',']))
        }
    }
}

/// Days ahead beyond which a day is not near.
const FAR_DAYS: f64 = 365.0;

/// What a missing value reads as.
pub const NOT_KNOWN: &str = "not known";

/// A value in words, by its unit: "fell 30 %", "15 days", "1,234.50".
#[must_use]
pub fn write_value(unit: Unit, value: f64) -> String {
    if value.is_nan() {
        return NOT_KNOWN.to_owned();
    }
    if value.is_infinite() && unit != Unit::DaysAhead {
        return "beyond measure".to_owned();
    }
    match unit {
        Unit::Count | Unit::Score | Unit::Category => trimmed(value, 2),
        Unit::Days => counted(&trimmed(value, 1), "day"),
        // A slope says nothing of years to come, so a far day is not told.
        Unit::DaysAhead if value > FAR_DAYS => format!("not near (more than {FAR_DAYS} days away)"),
        Unit::DaysAhead if value <= 0.0 => "reached".to_owned(),
        Unit::DaysAhead => format!("in {}", counted(&trimmed(value, 1), "day")),
        Unit::Share => percentage(value),
        Unit::SignedShare => signed(percentage(value)),
        Unit::RelativeChange => match (value * 100.0).round() {
            change if change > 0.0 => format!("rose {} %", trimmed(change, 0)),
            change if change < 0.0 => format!("fell {} %", trimmed(-change, 0)),
            _ => "did not change".to_owned(),
        },
        Unit::Difference => signed(trimmed(value, 2)),
        Unit::Money => with_separators(&format!("{value:.2}")),
        Unit::Ratio => format!("{} times", trimmed(value, 2)),
        Unit::Flag => if value >= 0.5 { "yes" } else { "no" }.to_owned(),
    }
}

/// A number with its sign; 0 has none.
fn signed(number: String) -> String {
    let unsigned = number.starts_with('-') || number == "0" || number == "0 %";
    if unsigned { number } else { format!("+{number}") }
}

/// A number with its noun, which is plural unless the number reads as one.
fn counted(number: &str, noun: &str) -> String {
    let ending = if matches!(number, "1" | "-1") { "" } else { "s" };
    format!("{number} {noun}{ending}")
}

/// Whole percents; below one percent, one decimal.
fn percentage(share: f64) -> String {
    let percent = share * 100.0;
    let decimals = usize::from(percent.abs() < 1.0);
    format!("{} %", trimmed(percent, decimals))
}

/// At most so many decimals, no trailing zeros, no "-0", commas between thousands.
fn trimmed(value: f64, decimals: usize) -> String {
    let mut text = format!("{value:.decimals$}");
    if text.contains('.') {
        text.truncate(text.trim_end_matches('0').trim_end_matches('.').len());
    }
    if text == "-0" { "0".to_owned() } else { with_separators(&text) }
}

/// Commas between thousands of a plain decimal number.
fn with_separators(text: &str) -> String {
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
    let (whole, fraction) = digits.split_once('.').map_or((digits, None), |(whole, rest)| (whole, Some(rest)));
    let mut out = String::from(sign);
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if let Some(fraction) = fraction {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{category, numeric};

    #[test]
    fn values_are_written_by_their_unit() {
        let cases = [
            (Unit::RelativeChange, -0.3, "fell 30 %"),
            (Unit::RelativeChange, 0.5, "rose 50 %"),
            (Unit::RelativeChange, 0.001, "did not change"),
            (Unit::RelativeChange, 12.5, "rose 1,250 %"),
            (Unit::Share, 0.34, "34 %"),
            (Unit::Share, 0.004, "0.4 %"),
            (Unit::Share, 0.0, "0 %"),
            (Unit::SignedShare, 0.28, "+28 %"),
            (Unit::SignedShare, -0.004, "-0.4 %"),
            (Unit::SignedShare, 0.0001, "0 %"),
            (Unit::Days, 15.0, "15 days"),
            (Unit::Days, 1.0, "1 day"),
            (Unit::Days, 12.5, "12.5 days"),
            (Unit::Difference, 3.0, "+3"),
            (Unit::Difference, -2.5, "-2.5"),
            (Unit::Difference, 0.0, "0"),
            (Unit::Flag, 1.0, "yes"),
            (Unit::Flag, 0.0, "no"),
            (Unit::Money, 1234.5, "1,234.50"),
            (Unit::Money, -0.5, "-0.50"),
            (Unit::Count, 1_234_567.0, "1,234,567"),
            (Unit::Count, f64::from(0.1_f32), "0.1"),
            (Unit::Count, -0.001, "0"),
            (Unit::Score, 7.0, "7"),
            (Unit::Ratio, 1.5, "1.5 times"),
            (Unit::Ratio, 1.0, "1 times"),
            (Unit::Ratio, 0.999, "1 times"),
            (Unit::DaysAhead, 0.0, "reached"),
            (Unit::DaysAhead, 1.0, "in 1 day"),
            (Unit::DaysAhead, 365.0, "in 365 days"),
            (Unit::DaysAhead, 8031.0, "not near (more than 365 days away)"),
            (Unit::DaysAhead, f64::INFINITY, "not near (more than 365 days away)"),
            (Unit::Count, f64::INFINITY, "beyond measure"),
            (Unit::Count, f64::NAN, "not known"),
        ];
        for (unit, value, expected) in cases {
            assert_eq!(write_value(unit, value), expected, "{unit:?} of {value}");
        }
    }

    fn card(name: &str, idea: &str, unit: Unit, text: &str, typical: Option<f64>) -> SignalCard {
        let unknown = SignalCard::unknown(name, &InputKind::Numeric);
        SignalCard { idea: idea.to_owned(), unit, text: text.to_owned(), typical, ..unknown }
    }

    #[test]
    fn what_is_not_known_is_said_without_a_hole() {
        let told = |text: &str| sentence(&card("name", "idea", Unit::Count, text, None), None);
        assert_eq!(told("events in the last 28 days: {value}"), "events in the last 28 days: not known");
        assert_eq!(told("segment {value}"), "segment: not known");
        assert_eq!(told("seats {value} against 90 days ago"), "seats against 90 days ago: not known");
        let words = Some("no expansion on record".to_owned());
        let own =
            SignalCard { null_text: words, ..card("name", "idea", Unit::Days, "last expansion {value} ago", None) };
        assert_eq!(sentence(&own, None), "no expansion on record");
        assert_eq!(sentence(&own, Some("3 days")), "last expansion 3 days ago");
    }

    fn explained(contributions: &[f64]) -> Explanation {
        Explanation {
            base_margin: 0.0,
            margin: contributions.iter().sum(),
            base_probability: 0.5,
            probability: 0.5,
            contributions: contributions.to_vec(),
            effects: contributions.iter().map(|value| value * 0.1).collect(),
        }
    }

    #[test]
    fn inputs_of_one_idea_are_one_reason_told_by_the_strongest() {
        let names = ["events_change", "active_change", "late", "idle"];
        let mut inputs: Vec<_> = names.iter().map(|name| numeric(name)).collect();
        inputs.push(category("plan", &["basic", "pro"]));
        let signature = Signature { inputs };
        let change = "events in the last 28 days {value} against the 28 days before";
        let cards = [
            card("events_change", "usage.change", Unit::RelativeChange, change, Some(0.0)),
            card("active_change", "usage.change", Unit::RelativeChange, "active days {value}", Some(0.0)),
            card("late", "payments.late", Unit::Days, "invoices are {value} late", Some(2.0)),
            card("idle", "usage.idle", Unit::Days, "last use: {value} ago", Some(1.0)),
        ];
        let block =
            FeatureBlock::new(&signature, 1, vec![vec![-0.3], vec![0.1], vec![f32::NAN], vec![1.0]], vec![vec![1]])
                .expect("fits");
        let book = SignalBook::new(&signature, &cards);
        let reasons = top_reasons(&book, &explained(&[0.5, -0.11, 0.4, 0.0, -0.4]), &block, 0, 5);
        let found: Vec<(&str, &str)> =
            reasons.iter().map(|reason| (reason.id.as_str(), reason.text.as_str())).collect();
        let events = "events in the last 28 days fell 30 % against the 28 days before";
        assert_eq!(
            found,
            [("payments.late:?", "invoices are late: not known"), ("plan:=", "plan: pro"), ("usage.change:-", events),]
        );
        assert!((reasons[2].effect - 0.039).abs() < 1e-12);
        assert_eq!(top_reasons(&book, &explained(&[0.5, -0.11, 0.4, 0.0, -0.4]), &block, 0, 1).len(), 1);
    }
}
