//! Rows as the scorer takes them.

/// A block of rows, column by column.
///
/// `numeric` holds one vector per numeric input and `categories` one per category input, both in signature order, each of
/// length `rows`. NaN is a missing number. A category is coded `0..levels.len()` for its levels, `levels.len()` for any
/// other text and `levels.len() + 1` for missing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FeatureBlock {
    /// Number of rows.
    pub rows: usize,
    /// Numeric inputs in signature order.
    pub numeric: Vec<Vec<f32>>,
    /// Category inputs in signature order, as codes.
    pub categories: Vec<Vec<u32>>,
}
