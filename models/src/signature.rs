//! The ordered inputs of a model, and the design columns that they become.
//!
//! A category is never a number: each of its levels is one indicator column, "other" is one more, and a missing value is
//! all zeros. Numbers pass through, with NaN as missing.

use serde::{Deserialize, Serialize};

/// What an input holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum InputKind {
    /// A 32-bit float; NaN is missing.
    Numeric,
    /// One of the `levels`; anything else is the level "other", null is missing.
    Category {
        /// Known levels, sorted; a level seen in fewer than ten accounts is not among them.
        levels: Vec<String>,
    },
}

/// One input of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// Column name in the feature file.
    pub name: String,
    /// Number or category, with its levels.
    #[serde(flatten)]
    pub kind: InputKind,
    /// Unit as the glossary writes it ("events", "days", "share").
    pub unit: String,
    /// Whether null is allowed.
    pub nullable: bool,
    /// Hex digest of the definition that computes the column; empty for an imported model.
    pub definition: String,
}

/// The ordered inputs of a bundle, shared by all its targets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// Inputs in the order in which the model takes them.
    pub inputs: Vec<Input>,
}

/// Where a design column comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DesignColumn {
    /// Index into [`Signature::inputs`].
    pub input: usize,
    /// `None` for a number; `Some(level)` for the indicator of that level, where `levels.len()` stands for "other".
    pub level: Option<usize>,
}

impl Signature {
    /// The columns of the design matrix: all numeric inputs in signature order, then for each category in signature
    /// order one indicator per level and one for "other".
    #[must_use]
    pub fn design_columns(&self) -> Vec<DesignColumn> {
        let numbers = self.inputs.iter().enumerate().filter(|(_, input)| input.kind == InputKind::Numeric);
        let mut columns: Vec<DesignColumn> =
            numbers.map(|(index, _)| DesignColumn { input: index, level: None }).collect();
        for (index, input) in self.inputs.iter().enumerate() {
            if let InputKind::Category { levels } = &input.kind {
                columns.extend((0..=levels.len()).map(|level| DesignColumn { input: index, level: Some(level) }));
            }
        }
        columns
    }
}
