//! Published scores to write into a database, and the command that does.

use std::fs::File;
use std::path::Path;
use std::process::Output;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use arrow_schema::DataType;
use bellwether_models::scores::schema;
use parquet::arrow::ArrowWriter;

use crate::server::{PASSWORD, Server};

/// The scores of a date: `accounts` rows, whose numbers and texts follow from `salt`, which is the model's name.
pub(crate) fn scores(out: &Path, date: &str, accounts: usize, salt: &str) {
    let schema = schema(&["churn_90d", "expansion_60d"]);
    let weight = salt.bytes().map(f64::from).sum::<f64>();
    let column = |name: &str, kind: &DataType| -> ArrayRef {
        let is_null = |row: usize| row % 7 == 3 && name.contains("_90d_");
        match kind {
            DataType::Float64 => {
                let value = |row: usize| (!is_null(row)).then(|| (row as f64 + weight).sin().abs());
                Arc::new((0..accounts).map(value).collect::<Float64Array>())
            }
            _ if name == "account_id" => {
                Arc::new((0..accounts).map(|row| Some(format!("{row:07}"))).collect::<StringArray>())
            }
            _ if name == "model" => Arc::new((0..accounts).map(|_| Some(salt)).collect::<StringArray>()),
            _ => {
                let value = |row: usize| format!("{name} {salt} \t\\N \"ä\", {row}");
                let value = |row: usize| (!is_null(row)).then(|| value(row));
                Arc::new((0..accounts).map(value).collect::<StringArray>())
            }
        }
    };
    let columns = schema.fields().iter().map(|field| column(field.name(), field.data_type())).collect();
    let batch = RecordBatch::try_new(schema.clone(), columns).unwrap();
    let folder = out.join("scores/v1").join(format!("as_of={date}"));
    std::fs::create_dir_all(&folder).unwrap();
    let file = File::create(folder.join("part-00000.parquet")).unwrap();
    let mut writer = ArrowWriter::try_new(file, schema, None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    File::create(folder.join("_SUCCESS")).unwrap();
}

/// `bellwether` with the password in its environment.
pub(crate) fn bellwether(folder: &Path, arguments: &[&str], password: &str) -> Output {
    command(folder, arguments, password).output().unwrap()
}

pub(crate) fn command(folder: &Path, arguments: &[&str], password: &str) -> std::process::Command {
    let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin!("bellwether"));
    command.current_dir(folder).args(arguments).env("PGPASSWORD", password).env_remove("PGPASSFILE");
    command
}

/// Exports a date, which must succeed.
pub(crate) fn export(server: &Server, folder: &Path, date: &str) -> String {
    let address = server.address("");
    let output = bellwether(folder, &["export", "--to", &address, "--as-of", date, "--out", "out"], PASSWORD);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
