//! A graph as the margin of a head: run by the interpreter, or, where it cannot, kept for another engine.

use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::binding::{Feed, TensorInput};
use super::program::Program;
use crate::ModelError;

/// Rows that go through the interpreter together.
const CHUNK_ROWS: usize = 256;

/// A model of another tool that is not of one of our own forms. Its margin is its probability.
#[derive(Clone)]
pub struct GraphModel {
    inner: Arc<Inner>,
}

struct Inner {
    program: Result<Program, String>,
    feed: Feed,
    column: usize,
    output: String,
    /// Digest of file, output and column: what makes two models the same.
    digest: String,
}

impl fmt::Debug for GraphModel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("GraphModel")
            .field("output", &self.inner.output)
            .field("digest", &self.inner.digest)
            .finish()
    }
}

impl PartialEq for GraphModel {
    fn eq(&self, other: &Self) -> bool {
        self.inner.digest == other.inner.digest && self.inner.feed == other.inner.feed
    }
}

impl GraphModel {
    pub(super) fn new(bytes: &[u8], program: Result<Program, String>, feed: Feed, output: &str, column: usize) -> Self {
        let mut digest = Sha256::new();
        digest.update(bytes);
        digest.update(output.as_bytes());
        digest.update(column.to_le_bytes());
        let digest = hex::encode(digest.finalize());
        Self { inner: Arc::new(Inner { program, feed, column, output: output.to_owned(), digest }) }
    }

    /// Why the native engine cannot run it; none where it can.
    #[must_use]
    pub fn foreign_reason(&self) -> Option<&str> {
        self.inner.program.as_ref().err().map(String::as_str)
    }

    /// Inputs of the graph, in its order.
    #[must_use]
    pub fn inputs(&self) -> &[TensorInput] {
        &self.inner.feed.inputs
    }

    pub(crate) fn validate(&self, width: usize) -> Result<(), ModelError> {
        if self.inner.feed.width == width {
            return Ok(());
        }
        Err(self.failed("the design columns of its signature", &width.to_string()))
    }

    /// Number of design columns.
    pub(crate) fn width(&self) -> usize {
        self.inner.feed.width
    }

    /// The probability of each row of a design, row by row.
    ///
    /// # Errors
    /// [`ModelError::Margin`] when the native engine cannot run the graph.
    pub fn margins(&self, values: &[f32]) -> Result<Vec<f64>, ModelError> {
        let width = self.inner.feed.width.max(1);
        let program = self
            .inner
            .program
            .as_ref()
            .map_err(|reason| self.failed("an operator that the native engine runs", reason))?;
        let mut margins = Vec::with_capacity(values.len() / width);
        for rows in values.chunks(((1 << 20) / width).clamp(1, CHUNK_ROWS) * width) {
            let count = rows.len() / width;
            let found = program.run(self.inner.feed.tensors(rows), program.output);
            let found = found.map_err(|error| self.failed("a graph that runs on every row", &error.to_string()))?;
            let columns = if found.shape.len() < 2 { 1 } else { found.matrix().1 };
            let numbers = found.as_numbers().unwrap_or(&[]);
            if numbers.len() != count * columns || self.inner.column >= columns {
                return Err(self.failed("one row of the output for each row", &format!("{:?}", found.shape)));
            }
            margins.extend((0..count).map(|row| numbers[row * columns + self.inner.column]));
        }
        Ok(margins)
    }

    /// The probability of one row; NaN when it cannot be computed.
    #[must_use]
    pub fn margin(&self, row: &[f32]) -> f64 {
        self.margins(row).ok().and_then(|margins| margins.first().copied()).unwrap_or(f64::NAN)
    }

    fn failed(&self, expected: &'static str, found: &str) -> ModelError {
        ModelError::Margin { place: format!("output `{}`", self.inner.output), expected, found: found.to_owned() }
    }
}
