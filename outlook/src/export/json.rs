//! Request bodies as lines of JSON.

use super::rows::{Cell, ExportColumn};

/// One record of a HubSpot batch: every property is a text, and the empty text clears it.
pub(super) fn hubspot(id: &str, id_property: &str, fields: &[String], cells: &[Cell], into: &mut Vec<u8>) {
    into.extend_from_slice(b"{\"id\":");
    text(id, into);
    into.extend_from_slice(b",\"idProperty\":");
    text(id_property, into);
    into.extend_from_slice(b",\"properties\":{");
    members(fields, cells, into, |cell, into| match cell {
        Cell::Null => text("", into),
        Cell::Text(value) | Cell::Number(value) => text(value, into),
    });
    into.extend_from_slice(b"}}");
}

/// One item of a Planhat bulk upsert; null clears a custom field.
pub(super) fn planhat(id: &str, id_field: &str, fields: &[String], cells: &[Cell], into: &mut Vec<u8>) {
    into.push(b'{');
    text(id_field, into);
    into.push(b':');
    text(id, into);
    into.extend_from_slice(b",\"custom\":{");
    members(fields, cells, into, |cell, into| match cell {
        Cell::Null => into.extend_from_slice(b"null"),
        Cell::Text(value) => text(value, into),
        // Digits and a point: a number as JSON writes it.
        Cell::Number(value) => into.extend_from_slice(value.as_bytes()),
    });
    into.extend_from_slice(b"}}");
}

/// The members of an object, each cell as `write` writes it.
fn members(fields: &[String], cells: &[Cell], into: &mut Vec<u8>, write: impl Fn(&Cell, &mut Vec<u8>)) {
    for (index, (field, cell)) in fields.iter().zip(cells).enumerate() {
        if index > 0 {
            into.push(b',');
        }
        text(field, into);
        into.push(b':');
        write(cell, into);
    }
}

fn text(value: &str, into: &mut Vec<u8>) {
    // Writing a string into memory cannot fail.
    let _ = serde_json::to_writer(into, value);
}

/// Columns have a field each, behind that of the id.
pub(super) fn fields_of<'a>(columns: &[ExportColumn], fields: &'a [String]) -> &'a [String] {
    debug_assert_eq!(columns.len() + 1, fields.len());
    &fields[1..]
}
