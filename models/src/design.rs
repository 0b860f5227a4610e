//! The design matrix of a block of rows, built once and shared by all heads and by the reasons.

use crate::{FeatureBlock, ModelError, Signature};

/// Design columns of a block, row by row: numbers, then one indicator per level and one for "other" of each category
/// (all zero where the category is missing). NaN is a missing number.
#[derive(Debug, Clone, PartialEq)]
pub struct DesignBlock {
    rows: usize,
    width: usize,
    values: Vec<f32>,
}

/// Rows that are transposed together, so that both sides stay in the cache.
const TILE_ROWS: usize = 64;

impl DesignBlock {
    /// Expands a block; see [`Signature::design_columns`] for the order.
    ///
    /// # Errors
    /// [`ModelError::Block`] when the block does not fit the signature.
    pub fn new(signature: &Signature, block: &FeatureBlock) -> Result<Self, ModelError> {
        block.check(signature)?;
        let width = signature.design_width();
        let mut values = vec![0.0_f32; block.rows * width];
        for (tile_index, tile) in values.chunks_mut(TILE_ROWS * width.max(1)).enumerate() {
            let start = tile_index * TILE_ROWS;
            for (column, source) in block.numeric.iter().enumerate() {
                for (row, value) in tile.chunks_exact_mut(width).zip(&source[start..]) {
                    row[column] = *value;
                }
            }
            let mut offset = block.numeric.len();
            for ((_, _, levels), codes) in signature.category_inputs().zip(&block.categories) {
                for (row, code) in tile.chunks_exact_mut(width).zip(&codes[start..]) {
                    if *code as usize <= levels.len() {
                        row[offset + *code as usize] = 1.0;
                    }
                }
                offset += levels.len() + 1;
            }
        }
        Ok(Self { rows: block.rows, width, values })
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of design columns.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// One row; empty when there is no such row.
    #[must_use]
    pub fn row(&self, row: usize) -> &[f32] {
        row.checked_mul(self.width)
            .and_then(|start| self.values.get(start..start.checked_add(self.width)?))
            .unwrap_or(&[])
    }

    /// All values, row by row.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        &self.values
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{category, numeric};

    #[test]
    fn rows_hold_numbers_then_indicators() {
        let signature = Signature { inputs: vec![category("plan", &["a", "b"]), numeric("x")] };
        let rows = 150;
        let numbers: Vec<f32> = (0..150_u16).map(f32::from).collect();
        let codes: Vec<u32> = (0..150).map(|row| row % 4).collect();
        let block = FeatureBlock::new(&signature, rows, vec![numbers], vec![codes]).expect("fits");
        let design = DesignBlock::new(&signature, &block).expect("expands");
        assert_eq!(design.row(0), [0.0, 1.0, 0.0, 0.0]);
        assert_eq!(design.row(65), [65.0, 0.0, 1.0, 0.0]);
        assert_eq!(design.row(146), [146.0, 0.0, 0.0, 1.0]);
        assert_eq!(design.row(147), [147.0, 0.0, 0.0, 0.0]);
        assert_eq!(design.row(150), [0.0_f32; 0]);
    }
}
