//! Files of rows beside the nightly input: whose columns a signature is made of, and what a background sample is read from.

use std::path::Path;

use arrow_schema::DataType;
use bellwether_models::graph::SignatureSource;
use bellwether_models::{FeatureBlock, InputKind, Signature};

use crate::error::InferError;
use crate::input::{ACCOUNT_ID, AS_OF, Columns, Converter, FeatureFile, is_number, is_text};
use crate::limits::Limits;
use crate::observe::Silent;
use crate::score::DEFAULT_BATCH_ROWS;

/// Numbers and texts of a Parquet file in its order, without `account_id` and `as_of`.
///
/// # Errors
/// [`InferError::NoInput`], [`InferError::Damaged`], [`InferError::TooLarge`].
pub fn columns(path: &Path) -> Result<Vec<SignatureSource>, InferError> {
    let file = FeatureFile::open(path, &Limits::default(), &Silent)?;
    let named = file.schema().fields().iter().filter(|field| ![ACCOUNT_ID, AS_OF].contains(&field.name().as_str()));
    let source = |field: &arrow_schema::FieldRef| {
        let is_text = matches!(field.data_type(), DataType::Utf8View);
        let known = is_text || is_number(field.data_type());
        known.then(|| SignatureSource { name: field.name().clone(), is_text })
    };
    Ok(named.filter_map(source).collect())
}

/// All rows of a Parquet file as a block; other columns than the inputs are left on disk.
///
/// # Errors
/// [`InferError::MissingColumns`], [`InferError::WrongTypes`], and as [`columns`].
pub fn block(path: &Path, signature: &Signature) -> Result<FeatureBlock, InferError> {
    let limits = Limits::default();
    let file = FeatureFile::open(path, &limits, &Silent)?;
    let columns = inputs(&file, signature)?;
    limits.check_decoded(&file.path, file.rows, columns.row_bytes)?;
    let mut batches = file.batches(columns.roots.iter().copied(), DEFAULT_BATCH_ROWS.get())?;
    let mut block = FeatureBlock {
        rows: 0,
        numeric: vec![Vec::new(); signature.numeric_inputs().count()],
        categories: vec![Vec::new(); signature.category_inputs().count()],
    };
    while let Some(batch) = batches.next()? {
        let found = Converter { signature, columns: &columns }.convert(&batch)?.block;
        block.rows += found.rows;
        for (all, some) in block.numeric.iter_mut().zip(found.numeric) {
            all.extend(some);
        }
        for (all, some) in block.categories.iter_mut().zip(found.categories) {
            all.extend(some);
        }
    }
    Ok(block)
}

/// The inputs by name; a sample needs neither account nor date.
fn inputs(file: &FeatureFile, signature: &Signature) -> Result<Columns, InferError> {
    let schema = file.schema();
    let (mut missing, mut wrong, mut roots) = (Vec::new(), Vec::new(), Vec::new());
    for input in &signature.inputs {
        let Ok(root) = schema.index_of(&input.name) else {
            missing.push(input.name.clone());
            continue;
        };
        let kind = schema.field(root).data_type();
        let is_right = if input.kind == InputKind::Numeric { is_number(kind) } else { is_text(kind) };
        if !is_right {
            wrong.push(format!("{}: found {kind}", input.name));
        }
        roots.push(root);
    }
    if !missing.is_empty() {
        return Err(InferError::MissingColumns { path: file.path.clone(), missing, tables: Vec::new() });
    }
    if !wrong.is_empty() {
        return Err(InferError::WrongTypes { path: file.path.clone(), wrong });
    }
    let mut sorted = roots.clone();
    sorted.sort_unstable();
    let inputs = roots.iter().map(|root| sorted.partition_point(|other| other < root)).collect();
    Ok(Columns { account: 0, as_of: None, inputs, row_bytes: 16 * signature.inputs.len() as u64, roots: sorted })
}
