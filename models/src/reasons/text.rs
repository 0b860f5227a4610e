//! From contributions to sentences.
//!
//! Inputs that say the same thing are one reason: their effects are added by theme (see the `theme` module), and one member
//! lends its text, its value and its sign: of those that pull in the direction of the sum, and are not as in the typical
//! account, the strongest of the idea that weighs most. The value shown is the account's own, never a filled one.
//!
//! A reason is what sets an account apart. An effect is measured against the average of the training rows, so that a theme
//! in which the account is exactly like the typical one, or is so in all that pulls that way, can have an effect, too: half
//! of the accounts pay monthly, and that this one does explains nothing about it. Such themes are told only where no others
//! are left.

use super::theme::theme;
use crate::reasons::Explanation;
use crate::{FeatureBlock, InputKind, SignalCard, Signature, Unit};

/// One reason of one probability.
#[derive(Debug, Clone, PartialEq)]
pub struct Reason {
    /// Idea and sign of the input that tells it, e.g. `usage.events.change:-`; `+` above what is typical in training, `-` below, `=` equal or a
    /// category, `?` missing.
    pub id: String,
    /// In words, with the account's own value; a fixed fact ends in [`FIXED`].
    pub text: String,
    /// Points of probability, as a fraction, that all inputs of the theme add or take away together.
    pub effect: f64,
    /// Whether anyone can act on it.
    pub actionable: bool,
}

/// Where an input's values are in a [`FeatureBlock`], and how they are told.
#[derive(Debug, Clone)]
struct Entry {
    card: SignalCard,
    /// Position in [`SignalBook::themes`].
    theme: usize,
    /// Position in [`SignalBook::ideas`].
    idea: usize,
    column: Source,
}

#[derive(Debug, Clone)]
enum Source {
    Numeric(usize),
    Category(usize, Vec<String>),
}

/// Ends the text of a reason on which nobody can act: segment, tenure, the day of the renewal.
pub const FIXED: &str = " (fixed)";

/// The cards of a signature's inputs, looked up once.
#[derive(Debug, Clone)]
pub struct SignalBook {
    entries: Vec<Entry>,
    /// Themes in ascending order.
    themes: Vec<String>,
    /// Ideas, each with its theme, in ascending order.
    ideas: Vec<(String, usize)>,
}

impl SignalBook {
    /// Matches cards to inputs by name. An input without a card (an imported model) is its own theme, told as
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
            entries.push(Entry { card, theme: 0, idea: 0, column });
        }
        let theme_of = |entry: &Entry| theme(&entry.card.idea, entry.card.actionable).to_owned();
        let mut themes: Vec<String> = entries.iter().map(theme_of).collect();
        themes.sort();
        themes.dedup();
        for entry in &mut entries {
            entry.theme = themes.binary_search(&theme_of(entry)).unwrap_or(0);
        }
        // An idea with both fixed and other members is two.
        let mut ideas: Vec<(String, usize)> =
            entries.iter().map(|entry| (entry.card.idea.clone(), entry.theme)).collect();
        ideas.sort();
        ideas.dedup();
        for entry in &mut entries {
            let own = |one: &(String, usize)| (one.0.as_str(), one.1).cmp(&(entry.card.idea.as_str(), entry.theme));
            entry.idea = ideas.binary_search_by(own).unwrap_or(0);
        }
        Self { entries, themes, ideas }
    }

    /// What can be a reason, in ascending order.
    #[must_use]
    pub fn themes(&self) -> &[String] {
        &self.themes
    }

    /// The themes that [`top_reasons`] tells, as positions in [`Self::themes`], the largest effect first.
    #[must_use]
    pub fn top_themes(&self, explanation: &Explanation, block: &FeatureBlock, row: usize, limit: usize) -> Vec<usize> {
        let ranked = self.rank(explanation, block, row, limit);
        ranked.into_iter().map(|one| one.theme).collect()
    }

    /// Themes with an effect: those that set the account apart first, then by `|effect|` descending, ties by name.
    fn rank(&self, explanation: &Explanation, block: &FeatureBlock, row: usize, limit: usize) -> Vec<Ranked> {
        let mut ranked: Vec<Ranked> = (0..self.themes.len()).map(Ranked::new).collect();
        let mut of_idea = vec![0.0; self.ideas.len()];
        for (entry, effect) in self.entries.iter().zip(&explanation.effects) {
            ranked[entry.theme].effect += effect;
            of_idea[entry.idea] += effect;
        }
        for (input, (entry, effect)) in self.entries.iter().zip(&explanation.effects).enumerate() {
            let one = &mut ranked[entry.theme];
            let direction = one.effect.signum();
            let pulls = effect * direction;
            let rank = (pulls > 0.0, entry.sets_apart(block, row), of_idea[entry.idea] * direction, pulls);
            if one.teller.is_none() || rank > one.told_by {
                (one.teller, one.told_by) = (Some(input), rank);
            }
        }
        ranked.retain(|one| one.effect.abs() > 0.0);
        ranked.sort_by(|left, right| {
            let by_size = right.effect.abs().total_cmp(&left.effect.abs());
            right.apart().cmp(&left.apart()).then(by_size).then(left.theme.cmp(&right.theme))
        });
        ranked.truncate(limit);
        ranked
    }
}

/// A theme of one row.
struct Ranked {
    theme: usize,
    effect: f64,
    /// The input that lends its text.
    teller: Option<usize>,
    /// Whether that pulls in the direction of the sum, whether it sets the account apart, and how much its idea and itself
    /// pull.
    told_by: (bool, bool, f64, f64),
}

impl Ranked {
    fn new(theme: usize) -> Self {
        Self { theme, effect: 0.0, teller: None, told_by: (false, false, 0.0, 0.0) }
    }

    /// Whether what pulls in the direction of the sum sets the account apart.
    fn apart(&self) -> bool {
        self.told_by.0 && self.told_by.1
    }
}

/// The reasons of a row's probability, at most `limit`.
///
/// Chosen are the themes that set the account apart, by `|effect|` descending, ties by name, and then the others. Of the
/// chosen, those on which someone can act come first, then fixed facts, which are marked as such in the text. The same
/// explanation and row give the same reasons. Themes without effect are not reasons. `explanation` and `block` must be of
/// the signature that the book was made of; a row or column that is not there reads as missing.
#[must_use]
pub fn top_reasons(
    book: &SignalBook,
    explanation: &Explanation,
    block: &FeatureBlock,
    row: usize,
    limit: usize,
) -> Vec<Reason> {
    let reason = |ranked: Ranked| {
        let entry = book.entries.get(ranked.teller?)?;
        let (sign, value) = entry.describe(block, row);
        let fixed = if entry.card.actionable { "" } else { FIXED };
        Some(Reason {
            id: format!("{}:{sign}", entry.card.idea),
            text: format!("{}{fixed}", sentence(&entry.card, value.as_deref())),
            effect: ranked.effect,
            actionable: entry.card.actionable,
        })
    };
    let ranked = book.rank(explanation, block, row, limit);
    let mut reasons: Vec<Reason> = ranked.into_iter().filter_map(reason).collect();
    // Stable: within either kind the order stays that of the effects.
    reasons.sort_by_key(|reason| !reason.actionable);
    reasons
}

impl Entry {
    /// Whether the account's value is there and not the typical one; a category, and a number of which nothing is known
    /// to be typical, does.
    fn sets_apart(&self, block: &FeatureBlock, row: usize) -> bool {
        match (&self.column, self.card.typical) {
            (Source::Numeric(position), Some(typical)) => {
                let value = block.numeric.get(*position).and_then(|column| column.get(row));
                // The typical value was a float before it was written down.
                value.is_some_and(|value| !value.is_nan() && *value != typical as f32)
            }
            _ => true,
        }
    }

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
        SignalCard { idea: idea.to_owned(), unit, text: text.to_owned(), typical, actionable: true, ..unknown }
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
        let plan = card("plan", "plan", Unit::Category, "plan: {value}", None);
        let cards = [
            SignalCard { actionable: false, ..plan },
            card("events_change", "usage.events.change", Unit::RelativeChange, change, Some(0.0)),
            card("active_change", "usage.active_days.change", Unit::RelativeChange, "active days {value}", Some(0.0)),
            card("late", "payments.late", Unit::Days, "invoices are {value} late", Some(2.0)),
            card("idle", "usage.idle", Unit::Days, "last use: {value} ago", Some(1.0)),
        ];
        let block =
            FeatureBlock::new(&signature, 1, vec![vec![-0.3], vec![0.1], vec![f32::NAN], vec![1.0]], vec![vec![1]])
                .expect("fits");
        let book = SignalBook::new(&signature, &cards);
        let contributions = [0.5, -0.11, 0.4, 0.0, -0.4];
        let reasons = top_reasons(&book, &explained(&contributions), &block, 0, 5);
        let found: Vec<(&str, &str)> =
            reasons.iter().map(|reason| (reason.id.as_str(), reason.text.as_str())).collect();
        let events = "events in the last 28 days fell 30 % against the 28 days before";
        let late = "invoices are late: not known";
        // What is not known does not set apart; what is fixed comes last and says so.
        assert_eq!(
            found,
            [("usage.events.change:-", events), ("payments.late:?", late), ("plan:=", "plan: pro (fixed)")]
        );
        assert!((reasons[0].effect - 0.039).abs() < 1e-12);
        let largest = top_reasons(&book, &explained(&contributions), &block, 0, 1);
        assert_eq!(largest.len(), 1);
        assert_eq!(largest[0].id, "plan:=", "chosen by the size of the effect");
        assert_eq!(book.top_themes(&explained(&contributions), &block, 0, 2).len(), 2);
    }

    #[test]
    fn the_teller_pulls_in_the_direction_of_the_whole() {
        let names = ["score", "change", "open", "closed"];
        let signature = Signature { inputs: names.map(numeric).into() };
        let cards = [
            card("score", "nps.score", Unit::Score, "latest NPS score: {value}", Some(8.0)),
            card("change", "nps.change", Unit::Difference, "change of NPS: {value}", Some(0.0)),
            card("open", "support.open", Unit::Count, "open tickets: {value}", Some(0.0)),
            card("closed", "support.tickets", Unit::Count, "tickets: {value}", Some(1.0)),
        ];
        let book = SignalBook::new(&signature, &cards);
        assert_eq!(book.themes(), ["nps", "support"]);
        let columns = vec![vec![6.0, 8.0], vec![-2.0, 0.0], vec![2.0, 0.0], vec![1.0, 1.0]];
        let block = FeatureBlock::new(&signature, 2, columns, vec![]).expect("fits");
        let told = |row: usize, contributions: &[f64]| -> Vec<String> {
            let reasons = top_reasons(&book, &explained(contributions), &block, row, 5);
            reasons.into_iter().map(|reason| reason.text).collect()
        };
        // The change weighs more than the score, against the sum; the closed tickets are as many as is typical.
        assert_eq!(told(0, &[0.5, -0.3, 0.1, 0.2]), ["open tickets: 2", "latest NPS score: 6"]);
        // Where all is typical, all that is left is the size of the effect.
        assert_eq!(told(1, &[0.5, -0.3, 0.1, 0.2]), ["tickets: 1", "latest NPS score: 8"]);
        // Ties go by name, so that unchanged input gives unchanged reasons.
        assert_eq!(told(0, &[0.3, 0.0, 0.3, 0.0]), ["latest NPS score: 6", "open tickets: 2"]);
    }
}
