//! The ordered inputs of a model, and the design columns that they become.
//!
//! A category is never a number: each of its levels is one indicator column, "other" is one more, and a missing value
//! is all zeros. Numbers pass through, with NaN as missing.
//!
//! The signature is the promise that training and serving share: inputs are found by name, never by position in a file,
//! and a category text that training did not see is "other", never an error.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::ModelError;

/// Version of `signature.json`.
pub const SIGNATURE_FORMAT: u32 = 1;

/// Most inputs of a signature.
pub const MAX_INPUTS: usize = 10_000;

/// Most design columns of a signature.
pub const MAX_DESIGN_COLUMNS: usize = 100_000;

/// Names that an ONNX graph of ours uses itself; no category input may bear them.
pub const RESERVED_NAMES: [&str; 5] = ["numeric", "margin", "probability", "low", "high"];

/// Prefix of the inner names of an ONNX graph of ours; no category input may begin with it.
pub const RESERVED_PREFIX: &str = "bellwether/";

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

impl InputKind {
    /// The code of a category text as [`crate::FeatureBlock`] takes it: the index of its level, `levels.len()` for any
    /// other text, `levels.len() + 1` for null and for the empty text. Always 0 for a number.
    #[must_use]
    pub fn code(&self, text: Option<&str>) -> u32 {
        let Self::Category { levels } = self else { return 0 };
        let code = match text {
            None | Some("") => levels.len() + 1,
            Some(text) => levels.binary_search_by(|level| level.as_str().cmp(text)).unwrap_or(levels.len()),
        };
        u32::try_from(code).unwrap_or(u32::MAX)
    }
}

impl Signature {
    /// The columns of the design matrix: all numeric inputs in signature order, then for each category in signature
    /// order one indicator per level and one for "other".
    #[must_use]
    pub fn design_columns(&self) -> Vec<DesignColumn> {
        let mut columns: Vec<DesignColumn> =
            self.numeric_inputs().map(|(index, _)| DesignColumn { input: index, level: None }).collect();
        for (index, _, levels) in self.category_inputs() {
            columns.extend((0..=levels.len()).map(|level| DesignColumn { input: index, level: Some(level) }));
        }
        columns
    }

    /// Number of design columns.
    #[must_use]
    pub fn design_width(&self) -> usize {
        self.numeric_inputs().count() + self.category_inputs().map(|(_, _, levels)| levels.len() + 1).sum::<usize>()
    }

    /// Numeric inputs in signature order, each with its index into [`Signature::inputs`].
    pub fn numeric_inputs(&self) -> impl Iterator<Item = (usize, &Input)> {
        self.inputs.iter().enumerate().filter(|(_, input)| input.kind == InputKind::Numeric)
    }

    /// Category inputs in signature order, each with its index into [`Signature::inputs`] and its levels.
    pub fn category_inputs(&self) -> impl Iterator<Item = (usize, &Input, &[String])> {
        self.inputs.iter().enumerate().filter_map(|(index, input)| match &input.kind {
            InputKind::Category { levels } => Some((index, input, levels.as_slice())),
            InputKind::Numeric => None,
        })
    }

    /// Index into [`Signature::inputs`] of the input with this name.
    #[must_use]
    pub fn index_of(&self, name: &str) -> Option<usize> {
        self.inputs.iter().position(|input| input.name == name)
    }

    /// Index into [`crate::FeatureBlock::numeric`] of the numeric input with this name.
    #[must_use]
    pub fn numeric_position(&self, name: &str) -> Option<usize> {
        self.numeric_inputs().position(|(_, input)| input.name == name)
    }

    /// Checks that there are inputs, that names are unique, not empty and not reserved, and that levels are sorted,
    /// unique and not empty.
    ///
    /// # Errors
    /// [`ModelError::Signature`] with the first input that breaks the rule.
    pub fn validate(&self) -> Result<(), ModelError> {
        if self.inputs.is_empty() || self.inputs.len() > MAX_INPUTS {
            return Err(signature_error(0, "", "1 to 10,000 inputs", &self.inputs.len().to_string()));
        }
        let mut names = BTreeSet::new();
        for (position, input) in self.inputs.iter().enumerate() {
            let fail = |expected, found: &str| Err(signature_error(position, &input.name, expected, found));
            if input.name.is_empty() {
                return fail("a name", "an empty one");
            }
            if !names.insert(input.name.as_str()) {
                return fail("a name of its own", "a second input with the same name");
            }
            if let InputKind::Category { levels } = &input.kind {
                if RESERVED_NAMES.contains(&input.name.as_str()) || input.name.starts_with(RESERVED_PREFIX) {
                    return fail("a name that the exported graph does not use itself", &input.name);
                }
                if levels.iter().any(String::is_empty) {
                    return fail("levels that are not empty (an empty text is missing)", "an empty level");
                }
                if !levels.is_sorted_by(|left, right| left < right) {
                    return fail("levels in ascending order, each once", "levels out of order or twice");
                }
            }
        }
        let width = self.design_width();
        if width > MAX_DESIGN_COLUMNS {
            return Err(signature_error(0, "", "at most 100,000 design columns", &width.to_string()));
        }
        Ok(())
    }
}

fn signature_error(position: usize, name: &str, expected: &'static str, found: &str) -> ModelError {
    ModelError::Signature { position, name: name.to_owned(), expected, found: found.to_owned() }
}

/// One target as `signature.json` lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// Target, e.g. `churn_90d`.
    pub target: String,
    /// File of its model in the bundle.
    pub file: String,
    /// Output tensors of that model, each double `[N, 1]`.
    pub tensors: Vec<String>,
}

impl Output {
    /// The output of a target as Bellwether writes it.
    #[must_use]
    pub fn of_target(target: &str) -> Self {
        Self {
            target: target.to_owned(),
            file: format!("{target}.onnx"),
            tensors: ["margin", "probability", "low", "high"].map(str::to_owned).to_vec(),
        }
    }
}

/// `signature.json`: the inputs, and what comes out per target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignatureFile {
    /// [`SIGNATURE_FORMAT`].
    pub format: u32,
    /// Inputs in the order in which the model takes them.
    pub inputs: Vec<Input>,
    /// Outputs in the order of the bundle's targets.
    pub outputs: Vec<Output>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{category, numeric};

    #[test]
    fn design_columns_are_numbers_then_indicators_then_other() {
        let signature = Signature { inputs: vec![category("plan", &["a", "b"]), numeric("x")] };
        let columns = signature.design_columns();
        assert_eq!(signature.design_width(), 4);
        assert_eq!(columns[0], DesignColumn { input: 1, level: None });
        assert_eq!(columns[3], DesignColumn { input: 0, level: Some(2) });
    }

    #[test]
    fn codes_follow_levels_other_missing() {
        let plan = category("plan", &["a", "b"]);
        let codes = [Some("a"), Some("b"), Some("zebra"), Some(""), None].map(|text| plan.kind.code(text));
        assert_eq!(codes, [0, 1, 2, 3, 3]);
    }

    #[test]
    fn broken_signatures_are_named() {
        let cases: [(Vec<Input>, &str); 6] = [
            (vec![], "1 to 10,000 inputs"),
            (vec![numeric("x"), numeric("x")], "a name of its own"),
            (vec![numeric("")], "a name"),
            (vec![category("plan", &["b", "a"])], "ascending"),
            (vec![category("plan", &["", "a"])], "not empty"),
            (vec![category("margin", &["a"])], "does not use itself"),
        ];
        for (inputs, expected) in cases {
            let error = Signature { inputs }.validate().expect_err("a broken signature").to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn the_file_names_each_input_and_output() {
        let file = SignatureFile {
            format: SIGNATURE_FORMAT,
            inputs: vec![numeric("x"), category("plan", &["a"])],
            outputs: vec![Output::of_target("churn_90d")],
        };
        let text = serde_json::to_string(&file).expect("serialises");
        assert!(text.contains(r#"{"name":"plan","type":"category","levels":["a"],"#), "{text}");
        assert_eq!(serde_json::from_str::<SignatureFile>(&text).expect("reads back"), file);
    }
}
