//! Rows as the scorer takes them.
//!
//! The caller reads columns by name and codes categories by [`crate::InputKind::code`]; from here on only positions
//! count, and [`FeatureBlock::check`] is the one place where they are verified.

use crate::{ModelError, Signature};

/// A block of rows, column by column.
///
/// `numeric` holds one vector per numeric input and `categories` one per category input, both in signature order, each
/// of length `rows`. NaN is a missing number. A category is coded `0..levels.len()` for its levels, `levels.len()` for
/// any other text and `levels.len() + 1` for missing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FeatureBlock {
    /// Number of rows.
    pub rows: usize,
    /// Numeric inputs in signature order.
    pub numeric: Vec<Vec<f32>>,
    /// Category inputs in signature order, as codes.
    pub categories: Vec<Vec<u32>>,
}

impl FeatureBlock {
    /// A block whose number of columns, lengths and codes fit the signature.
    ///
    /// # Errors
    /// [`ModelError::Block`] with the first column that does not fit.
    pub fn new(
        signature: &Signature,
        rows: usize,
        numeric: Vec<Vec<f32>>,
        categories: Vec<Vec<u32>>,
    ) -> Result<Self, ModelError> {
        let block = Self { rows, numeric, categories };
        block.check(signature)?;
        Ok(block)
    }

    /// Checks the number of columns, their lengths and the category codes.
    ///
    /// # Errors
    /// [`ModelError::Block`] with the first column that does not fit.
    pub fn check(&self, signature: &Signature) -> Result<(), ModelError> {
        expect_count("numeric columns", signature.numeric_inputs().count(), self.numeric.len())?;
        expect_count("category columns", signature.category_inputs().count(), self.categories.len())?;
        for ((_, input), values) in signature.numeric_inputs().zip(&self.numeric) {
            expect_count(&input.name, self.rows, values.len())?;
        }
        for ((_, input, levels), codes) in signature.category_inputs().zip(&self.categories) {
            expect_count(&input.name, self.rows, codes.len())?;
            if let Some(code) = codes.iter().find(|code| **code as usize > levels.len() + 1) {
                return Err(ModelError::Block {
                    column: input.name.clone(),
                    expected: format!("codes of at most {}", levels.len() + 1),
                    found: code.to_string(),
                });
            }
        }
        Ok(())
    }

    /// The rows at these positions, in that order.
    ///
    /// # Errors
    /// [`ModelError::Block`] when a position is not in the block.
    pub fn take(&self, positions: &[usize]) -> Result<Self, ModelError> {
        if let Some(position) = positions.iter().find(|position| **position >= self.rows) {
            return Err(ModelError::Block {
                column: "row positions".to_owned(),
                expected: format!("below {}", self.rows),
                found: position.to_string(),
            });
        }
        Ok(Self {
            rows: positions.len(),
            numeric: self.numeric.iter().map(|column| positions.iter().map(|at| column[*at]).collect()).collect(),
            categories: self.categories.iter().map(|column| positions.iter().map(|at| column[*at]).collect()).collect(),
        })
    }
}

fn expect_count(column: &str, expected: usize, found: usize) -> Result<(), ModelError> {
    if expected == found {
        return Ok(());
    }
    Err(ModelError::Block { column: column.to_owned(), expected: expected.to_string(), found: found.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{category, numeric};

    #[test]
    fn lengths_and_codes_are_checked() {
        let signature = Signature { inputs: vec![numeric("x"), category("plan", &["a"])] };
        assert!(FeatureBlock::new(&signature, 2, vec![vec![1.0, f32::NAN]], vec![vec![0, 2]]).is_ok());
        let cases = [
            (vec![], vec![vec![0, 0]], "numeric columns: expected 1, found 0"),
            (vec![vec![1.0]], vec![vec![0, 0]], "x: expected 2, found 1"),
            (vec![vec![1.0, 2.0]], vec![vec![0, 3]], "plan: expected codes of at most 2, found 3"),
        ];
        for (numeric, categories, expected) in cases {
            let error = FeatureBlock::new(&signature, 2, numeric, categories).expect_err("does not fit").to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn take_keeps_the_given_order() {
        let block = FeatureBlock { rows: 3, numeric: vec![vec![1.0, 2.0, 3.0]], categories: vec![vec![0, 1, 2]] };
        let taken = block.take(&[2, 0]).expect("positions exist");
        assert_eq!(taken, FeatureBlock { rows: 2, numeric: vec![vec![3.0, 1.0]], categories: vec![vec![2, 0]] });
        assert!(block.take(&[3]).is_err());
    }
}
