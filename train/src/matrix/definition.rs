//! A column of a matrix as a signal: all that is known of it is its name and whether it holds numbers or texts.

use bellwether_features::signal::{Direction, Family, SignalDefinition, Unit};

/// The definition of a column. It depends on the name and the kind alone, so the digest of the same column in another
/// month's matrix is the same, and that of a column which has become text is not.
#[must_use]
pub fn definition(name: &str, is_text: bool) -> SignalDefinition {
    let name = name.to_owned();
    SignalDefinition {
        family: Family::Given,
        idea: name.clone(),
        unit: if is_text { Unit::Category } else { Unit::Score },
        window_days: None,
        table: "matrix".to_owned(),
        // A brace in a name would be taken for the place of the value.
        text: format!("{}: {{value}}", name.replace(['{', '}'], "")),
        null_text: None,
        churn: Direction::Unknown,
        expansion: Direction::Unknown,
        actionable: true,
        parameters: format!("column of a matrix, {}", if is_text { "text" } else { "number" }),
        name,
    }
}
