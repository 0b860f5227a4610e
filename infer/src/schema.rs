//! The columns of the scores, for those who read them.

use arrow_schema::{DataType, SchemaRef};
use bellwether_models::scores::{self, SCORES_VERSION};
use serde::Serialize;

use crate::bundle;
use crate::error::InferError;

/// Targets that are meant when no bundle is named.
const USUAL_TARGETS: [&str; 2] = ["churn_90d", "expansion_60d"];

/// The schema of the scores of a bundle, or of the usual targets.
///
/// # Errors
/// [`InferError::Registry`], [`InferError::Bundle`].
pub fn of(reference: Option<&str>) -> Result<SchemaRef, InferError> {
    match reference {
        None => Ok(scores::schema(&USUAL_TARGETS)),
        Some(reference) => Ok(scores::schema(&bundle::load(reference)?.targets())),
    }
}

/// As indented JSON, with a line feed at the end.
///
/// # Errors
/// [`InferError::Internal`], which no schema causes.
pub fn json(schema: &SchemaRef) -> Result<String, InferError> {
    let columns = schema.fields().iter().map(|field| ColumnRecord {
        name: field.name(),
        r#type: type_name(field.data_type()),
        nullable: field.is_nullable(),
    });
    let record = SchemaRecord { schema: "scores", version: SCORES_VERSION, columns: columns.collect() };
    let text = serde_json::to_string_pretty(&record);
    text.map(|text| text + "\n")
        .map_err(|error| InferError::Internal { reason: format!("the schema cannot be written: {error}") })
}

/// One line per column: name and type, with `?` where null is allowed.
#[must_use]
pub fn text(schema: &SchemaRef) -> String {
    let width = schema.fields().iter().map(|field| field.name().len()).max().unwrap_or(0);
    let line = |field: &arrow_schema::FieldRef| {
        let null = if field.is_nullable() { "?" } else { "" };
        format!("{:<width$}  {}{null}\n", field.name(), type_name(field.data_type()))
    };
    schema.fields().iter().map(line).collect()
}

#[derive(Serialize)]
struct SchemaRecord<'a> {
    schema: &'static str,
    version: u32,
    columns: Vec<ColumnRecord<'a>>,
}

#[derive(Serialize)]
struct ColumnRecord<'a> {
    name: &'a str,
    r#type: String,
    nullable: bool,
}

fn type_name(kind: &DataType) -> String {
    match kind {
        DataType::Utf8 => "string".to_owned(),
        DataType::Float64 => "float64".to_owned(),
        other => other.to_string().to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_json_tell_the_same_columns() {
        let schema = of(None).unwrap();
        let text = text(&schema);
        assert!(text.starts_with("account_id "), "{text}");
        assert!(text.lines().any(|line| line.starts_with("churn_90d_probability ") && line.ends_with("float64?")));
        let json: serde_json::Value = serde_json::from_str(&json(&schema).unwrap()).unwrap();
        assert_eq!(json["columns"].as_array().unwrap().len(), text.lines().count());
        assert_eq!(json["columns"][0]["type"], "string");
    }
}
