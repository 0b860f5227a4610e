//! Matching the columns of a file with the inputs of a bundle, by name.
//!
//! Order does not matter, columns that nobody asks for are left on disk, and everything that is wrong is told at once:
//! all missing columns in one error, all wrong types in another.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef};
use bellwether_models::{InputKind, Signature};

use super::FeatureFile;
use crate::error::InferError;
use crate::observe::Observer;
use crate::warning::Warning;

/// Name of the key column.
pub(crate) const ACCOUNT_ID: &str = "account_id";
/// Name of the date column.
pub(crate) const AS_OF: &str = "as_of";

/// Bytes of a decoded number and of a decoded string (its view).
const NUMBER_BYTES: u64 = 4;
const STRING_BYTES: u64 = 16;

/// Where everything is in the batches that are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Columns {
    /// Root columns of the file to read, ascending; a batch holds them in this order.
    pub(crate) roots: Vec<usize>,
    /// Position of `account_id` in a batch.
    pub(crate) account: usize,
    /// Position of `as_of` in a batch, where the file has it.
    pub(crate) as_of: Option<usize>,
    /// Position in a batch of each input, in signature order.
    pub(crate) inputs: Vec<usize>,
    /// Bytes of one decoded row.
    pub(crate) row_bytes: u64,
}

impl Columns {
    /// Finds the key, the date and every input of the signature.
    ///
    /// # Errors
    /// [`InferError::MissingColumns`] with all that are missing, [`InferError::WrongTypes`] with all that are wrong,
    /// [`InferError::Definition`] with all inputs that are defined otherwise than when the model was trained.
    pub(crate) fn find(file: &FeatureFile, signature: &Signature, observer: &dyn Observer) -> Result<Self, InferError> {
        let (columns, extra) =
            match_columns(&file.path, file.schema(), signature).map_err(|error| error.without(file))?;
        if extra > 0 {
            observer.warning(&Warning::ExtraColumns { count: extra });
        }
        compare_definitions(file, signature, observer)?;
        Ok(columns)
    }

    /// Roots of the key and the date only.
    pub(crate) fn key_roots(&self) -> Vec<usize> {
        let mut roots = vec![self.roots[self.account]];
        roots.extend(self.as_of.map(|position| self.roots[position]));
        roots
    }
}

/// The columns, and how many of the file are not used.
fn match_columns(path: &Path, schema: &Schema, signature: &Signature) -> Result<(Columns, usize), InferError> {
    let mut found: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (root, field) in schema.fields().iter().enumerate() {
        found.entry(field.name()).or_default().push(root);
    }
    let has_date = found.contains_key(AS_OF);
    let wanted = wanted_columns(signature, has_date);
    let (mut missing, mut wrong, mut roots) = (Vec::new(), Vec::new(), Vec::new());
    for (name, expected, accepts) in &wanted {
        match found.get(name).map(Vec::as_slice) {
            None | Some([]) => missing.push((*name).to_owned()),
            Some([root]) => {
                let kind = schema.field(*root).data_type();
                if !accepts(kind) {
                    wrong.push(format!("{name}: expected {expected}, found {kind}"));
                }
                roots.push(*root);
            }
            Some(several) => wrong.push(format!("{name}: expected one column, found {}", several.len())),
        }
    }
    if !missing.is_empty() {
        return Err(InferError::MissingColumns { path: path.to_path_buf(), missing, tables: Vec::new() });
    }
    if !wrong.is_empty() {
        return Err(InferError::WrongTypes { path: path.to_path_buf(), wrong });
    }
    let mut sorted = roots.clone();
    sorted.sort_unstable();
    let positions: Vec<usize> = roots.iter().map(|root| sorted.partition_point(|other| other < root)).collect();
    let columns = Columns {
        account: positions[0],
        as_of: has_date.then(|| positions[1]),
        inputs: positions[1 + usize::from(has_date)..].to_vec(),
        row_bytes: row_bytes(signature),
        roots: sorted,
    };
    Ok((columns, schema.fields().len().saturating_sub(wanted.len())))
}

/// Name, what is expected in words, and what is accepted: the key, the date if there is one, the inputs.
fn wanted_columns(signature: &Signature, has_date: bool) -> Vec<(&str, &'static str, Accepts)> {
    let mut wanted: Vec<(&str, &'static str, Accepts)> = vec![(ACCOUNT_ID, "text", is_text)];
    if has_date {
        wanted.push((AS_OF, "a date", is_date));
    }
    wanted.extend(signature.inputs.iter().map(|input| match input.kind {
        InputKind::Numeric => (input.name.as_str(), "a number", is_number as Accepts),
        InputKind::Category { .. } => (input.name.as_str(), "text", is_text as Accepts),
    }));
    wanted
}

/// Whether a column of this type can be read as what is wanted.
type Accepts = fn(&DataType) -> bool;

pub(crate) fn is_text(kind: &DataType) -> bool {
    // A column without a single value has no type in some writers.
    matches!(kind, DataType::Utf8View | DataType::Null)
}

pub(crate) fn is_number(kind: &DataType) -> bool {
    kind.is_integer() || matches!(kind, DataType::Float32 | DataType::Float64 | DataType::Boolean | DataType::Null)
}

fn is_date(kind: &DataType) -> bool {
    matches!(kind, DataType::Date32 | DataType::Timestamp(_, _) | DataType::Utf8View)
}

fn row_bytes(signature: &Signature) -> u64 {
    let numbers = signature.numeric_inputs().count() as u64;
    let strings = signature.inputs.len() as u64 - numbers + 1;
    NUMBER_BYTES * (numbers + 1) + STRING_BYTES * strings
}

/// Each definition digest in the file against that of the signature.
fn compare_definitions(file: &FeatureFile, signature: &Signature, observer: &dyn Observer) -> Result<(), InferError> {
    let Some(facts) = &file.facts else {
        observer.warning(&Warning::NoMetadata);
        return Ok(());
    };
    let (mut differing, mut unknown) = (Vec::new(), 0);
    for input in signature.inputs.iter().filter(|input| !input.definition.is_empty()) {
        match facts.definitions.get(&input.name) {
            None => unknown += 1,
            Some(digest) if digest.eq_ignore_ascii_case(&input.definition) => {}
            Some(_) => differing.push(input.name.clone()),
        }
    }
    if !differing.is_empty() {
        return Err(InferError::Definition { path: file.path.clone(), inputs: differing });
    }
    if unknown > 0 {
        observer.warning(&Warning::NoDefinition { count: unknown });
    }
    Ok(())
}

/// The schema with every string read as a view.
pub(crate) fn as_views(schema: &SchemaRef) -> SchemaRef {
    let fields: Vec<Field> = schema
        .fields()
        .iter()
        .map(|field| match field.data_type() {
            DataType::Utf8 | DataType::LargeUtf8 => field.as_ref().clone().with_data_type(DataType::Utf8View),
            _ => field.as_ref().clone(),
        })
        .collect();
    Arc::new(Schema::new(fields))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bellwether_models::Input;

    fn input(name: &str, kind: InputKind) -> Input {
        Input { name: name.into(), kind, unit: String::new(), nullable: true, definition: String::new() }
    }

    fn signature() -> Signature {
        let plan = InputKind::Category { levels: vec!["a".into()] };
        Signature {
            inputs: vec![input("plan", plan), input("mrr", InputKind::Numeric), input("seats", InputKind::Numeric)],
        }
    }

    fn schema(columns: &[(&str, DataType)]) -> Schema {
        Schema::new(columns.iter().map(|(name, kind)| Field::new(*name, kind.clone(), true)).collect::<Vec<_>>())
    }

    #[test]
    fn columns_are_found_by_name_in_any_order() {
        let schema = schema(&[
            ("seats", DataType::UInt8),
            ("ignored", DataType::Binary),
            ("plan", DataType::Utf8View),
            ("as_of", DataType::Date32),
            ("mrr", DataType::Float64),
            ("account_id", DataType::Utf8View),
        ]);
        let (columns, extra) = match_columns(Path::new("f"), &schema, &signature()).unwrap();
        assert_eq!(extra, 1);
        assert_eq!(columns.roots, [0, 2, 3, 4, 5]);
        assert_eq!((columns.account, columns.as_of), (4, Some(2)));
        assert_eq!(columns.inputs, [1, 3, 0]);
        assert_eq!(columns.key_roots(), [5, 3]);
        assert_eq!(columns.row_bytes, 3 * 4 + 2 * 16);
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let none = match_columns(Path::new("f"), &schema(&[("mrr", DataType::Int64)]), &signature()).unwrap_err();
        let InferError::MissingColumns { missing, .. } = none else { panic!("{none}") };
        assert_eq!(missing, ["account_id", "plan", "seats"]);
        let bad = schema(&[
            ("account_id", DataType::Int64),
            ("plan", DataType::Float32),
            ("mrr", DataType::Utf8View),
            ("seats", DataType::Int64),
            ("seats", DataType::Int64),
        ]);
        let error = match_columns(Path::new("f"), &bad, &signature()).unwrap_err();
        let InferError::WrongTypes { wrong, .. } = error else { panic!("{error}") };
        assert_eq!(wrong.len(), 4, "{wrong:?}");
    }
}
