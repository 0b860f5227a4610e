//! Exports: the rows of the scores in the form of each tool, and only what changed.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Float64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, SchemaRef};
use bellwether_models::scores::schema;
use bellwether_outlook::export::{ExportError, ExportRequest, ExportSummary, Tool, export};
use bellwether_outlook::scored::{ScoresReadError, partition};
use chrono::NaiveDate;
use parquet::arrow::ArrowWriter;

const MONDAY: &str = "2026-01-05";
const TUESDAY: &str = "2026-01-06";

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// An account: id, probability of churn, MRR, first reason of churn.
type Account<'a> = (&'a str, Option<f64>, f64, &'a str);

fn write_table(path: &Path, schema: SchemaRef, columns: Vec<ArrayRef>) {
    let batch = RecordBatch::try_new(schema.clone(), columns).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), schema, None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

/// The scores of a date, as `score` publishes them; `model` is another every day.
fn write(out: &Path, date: &str, accounts: &[Account<'_>]) {
    let schema = schema(&["churn_90d"]);
    let column = |name: &str, kind: &DataType| -> ArrayRef {
        let number = |account: &Account<'_>| match name {
            "mrr" => Some(account.2),
            "mrr_at_risk" => account.1.map(|probability| probability * account.2),
            "churn_90d_probability" => account.1,
            "churn_90d_low" => account.1.map(|probability| probability / 2.0),
            "churn_90d_high" => account.1.map(|probability| f64::midpoint(probability, 1.0)),
            _ => None,
        };
        let text = |account: &Account<'_>| match name {
            "account_id" => Some(account.0.to_owned()),
            "churn_90d_band" => account.1.map(|_| "high".to_owned()),
            "churn_90d_reason_1" => account.1.map(|_| "usage.events.change:-".to_owned()),
            "churn_90d_reason_1_text" => account.1.map(|_| account.3.to_owned()),
            "health" => Some("hostage".to_owned()),
            "status" => Some(if account.1.is_some() { "scored" } else { "not_scored" }.to_owned()),
            "status_reason" => Some(if account.1.is_some() { "OK" } else { "NO_HISTORY" }.to_owned()),
            "model" => Some(format!("m/{date}")),
            _ => None,
        };
        match kind {
            DataType::Float64 if name == "churn_90d_reason_1_effect" => {
                Arc::new(accounts.iter().map(|account| account.1.map(|_| 0.1)).collect::<Float64Array>())
            }
            DataType::Float64 => Arc::new(accounts.iter().map(number).collect::<Float64Array>()),
            _ => Arc::new(accounts.iter().map(text).collect::<StringArray>()),
        }
    };
    let columns = schema.fields().iter().map(|field| column(field.name(), field.data_type())).collect();
    let folder = partition(out, day(date));
    fs::create_dir_all(&folder).unwrap();
    write_table(&folder.join("part-00000.parquet"), schema, columns);
    File::create(folder.join("_SUCCESS")).unwrap();
}

fn request(out: &Path, tool: Tool, date: &str) -> ExportRequest<'static> {
    let out: &'static Path = Box::leak(out.to_owned().into_boxed_path());
    ExportRequest { out, as_of: day(date), tool, previous: None, changed_only: false, mapping: BTreeMap::new() }
}

fn read(summary: &ExportSummary, name: &str) -> String {
    fs::read_to_string(summary.folder.join(name)).unwrap()
}

const TWO: [Account<'_>; 2] = [("a", Some(0.123_46), 100.0, "use fell 30 %, \"sharply\""), ("b", None, 50.5, "")];

#[test]
fn a_spreadsheet_has_every_column_of_every_account_and_no_run_in_it() {
    let out = tempfile::tempdir().unwrap();
    write(out.path(), MONDAY, &TWO);
    let summary = export(&request(out.path(), Tool::Csv, MONDAY)).unwrap();
    assert_eq!(summary.files, ["accounts-00000.csv"]);
    let written = read(&summary, "accounts-00000.csv");
    let header = "account_id,churn_90d_probability,churn_90d_low,churn_90d_high,churn_90d_band,churn_90d_reason_1,\
                  churn_90d_reason_2,churn_90d_reason_3,health,value_tier,service_level,mrr,mrr_at_risk,\
                  expected_expansion_mrr,status,status_reason\r\n";
    let first = "a,0.12,0.06,0.56,high,\"use fell 30 %, \"\"sharply\"\"\",,,hostage,,,100.00,12,,scored,OK\r\n";
    let second = "b,,,,,,,,hostage,,,50.50,,,not_scored,NO_HISTORY\r\n";
    assert_eq!(written, format!("{header}{first}{second}"));
    // The same scores by another model, of another day: the same bytes.
    write(out.path(), TUESDAY, &TWO);
    let later = export(&request(out.path(), Tool::Csv, TUESDAY)).unwrap();
    assert_eq!(read(&later, "accounts-00000.csv"), written);
    assert_eq!((later.previous, later.removed), (Some(day(MONDAY)), 0));
    // And again, over the first.
    let before = fs::read(later.folder.join("manifest.json")).unwrap();
    export(&request(out.path(), Tool::Csv, TUESDAY)).unwrap();
    assert_eq!(fs::read(later.folder.join("manifest.json")).unwrap(), before);
}

#[test]
fn only_what_changed_is_written_and_what_left_is_to_be_removed() {
    let out = tempfile::tempdir().unwrap();
    let account = |id, probability| (id, Some(probability), 10.0, "why");
    write(out.path(), MONDAY, &[account("a", 0.2), account("b", 0.3), account("c", 0.4), account("d", 0.5)]);
    // A change below the rounding is none.
    write(out.path(), TUESDAY, &[account("a", 0.204), account("b", 0.311), account("d", 0.5), account("e", 0.1)]);
    let changed = ExportRequest { changed_only: true, ..request(out.path(), Tool::Csv, TUESDAY) };
    let summary = export(&changed).unwrap();
    assert_eq!((summary.accounts, summary.written, summary.removed), (4, 2, 1));
    let lines = read(&summary, "accounts-00000.csv");
    let ids: Vec<&str> = lines.lines().skip(1).map(|line| line.split(',').next().unwrap()).collect();
    assert_eq!(ids, ["b", "e"]);
    assert_eq!(read(&summary, "removed-00000.csv"), "account_id\r\nc\r\n");
    // Nothing changed: no file of rows, and nothing of the export before is left.
    write(out.path(), MONDAY, &[account("a", 0.204), account("b", 0.311), account("d", 0.5), account("e", 0.1)]);
    assert_eq!(export(&changed).unwrap().files, [] as [&str; 0]);
    let mut left: Vec<_> = fs::read_dir(&summary.folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["_SUCCESS", "manifest.json"]);
    // Without anything earlier, every row is written.
    let first = export(&ExportRequest { as_of: day(MONDAY), ..changed.clone() }).unwrap();
    assert_eq!((first.written, first.previous), (4, None));
    let later = ExportRequest { previous: Some(day(TUESDAY)), ..changed };
    assert!(matches!(export(&later), Err(ExportError::Previous { .. })));
}

#[test]
fn salesforce_upserts_by_an_external_id_and_clears_with_its_mark() {
    let out = tempfile::tempdir().unwrap();
    write(out.path(), MONDAY, &[TWO[0], TWO[1], ("=c", Some(0.5), 1.0, "=why")]);
    write(out.path(), TUESDAY, &TWO);
    let summary = export(&request(out.path(), Tool::Salesforce, MONDAY)).unwrap();
    let written = read(&summary, "accounts-00000.csv");
    assert!(written.starts_with("Bellwether_Account_Id__c,Bellwether_Churn_90d_Probability__c,"), "{written}");
    assert!(!written.contains('\r'));
    assert!(written.contains("\nb,#N/A,#N/A,#N/A,#N/A,#N/A,#N/A,#N/A,hostage,#N/A,"), "{written}");
    assert!(written.contains("\n=c,0.50,0.25,0.75,high,'=why,"), "the key as it is, the text no formula: {written}");
    let summary = export(&request(out.path(), Tool::Salesforce, TUESDAY)).unwrap();
    let removed = read(&summary, "removed-00000.csv");
    let cells: Vec<&str> = removed.lines().nth(1).unwrap().split(',').collect();
    assert_eq!(cells.len(), written.lines().next().unwrap().split(',').count());
    assert!(cells[0] == "=c" && cells[1..].iter().all(|cell| *cell == "#N/A"), "{removed}");
}

#[test]
fn files_and_batches_are_no_larger_than_the_tools_take() {
    let out = tempfile::tempdir().unwrap();
    let ids: Vec<String> = (0..10_001).map(|index| format!("{index:05}")).collect();
    let accounts: Vec<Account<'_>> = ids.iter().map(|id| (id.as_str(), Some(0.5), 1.0, "why")).collect();
    write(out.path(), MONDAY, &accounts);
    let salesforce = export(&request(out.path(), Tool::Salesforce, MONDAY)).unwrap();
    let rows = salesforce.files.iter().map(|file| read(&salesforce, file).lines().count() - 1);
    assert_eq!(rows.collect::<Vec<_>>(), [10_000, 1]);
    let hubspot = export(&request(out.path(), Tool::HubSpot, MONDAY)).unwrap();
    let batches = read(&hubspot, "accounts-00000.jsonl");
    let batches: Vec<serde_json::Value> = batches.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let sizes: Vec<usize> = batches.iter().map(|batch| batch["inputs"].as_array().unwrap().len()).collect();
    assert_eq!((sizes.len(), sizes[0], sizes[99], sizes[100]), (101, 100, 100, 1));
    let planhat = export(&request(out.path(), Tool::Planhat, MONDAY)).unwrap();
    let bodies = read(&planhat, "accounts-00000.jsonl");
    let bodies: Vec<serde_json::Value> = bodies.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(bodies.iter().map(|body| body.as_array().unwrap().len()).collect::<Vec<_>>(), [5_000, 5_000, 1]);
}

#[test]
fn hubspot_and_planhat_get_the_bodies_of_their_requests() {
    let out = tempfile::tempdir().unwrap();
    write(out.path(), MONDAY, &[("left", Some(0.5), 1.0, "why")]);
    write(out.path(), TUESDAY, &TWO);
    let line = |summary: &ExportSummary, name: &str| -> serde_json::Value {
        serde_json::from_str(read(summary, name).trim_end()).unwrap()
    };
    let hubspot = export(&request(out.path(), Tool::HubSpot, TUESDAY)).unwrap();
    let first = &line(&hubspot, "accounts-00000.jsonl")["inputs"][0];
    assert_eq!((first["id"].as_str(), first["idProperty"].as_str()), (Some("a"), Some("bellwether_account_id")));
    assert_eq!(first["properties"]["bellwether_churn_90d_probability"], "0.12");
    assert_eq!(first["properties"]["bellwether_churn_90d_reason_1"], "use fell 30 %, \"sharply\"");
    assert_eq!(first["properties"]["bellwether_value_tier"], "");
    let gone = &line(&hubspot, "removed-00000.jsonl")["inputs"][0];
    assert_eq!(gone["id"], "left");
    assert!(gone["properties"].as_object().unwrap().values().all(|value| value == ""));
    let planhat = export(&request(out.path(), Tool::Planhat, TUESDAY)).unwrap();
    let first = &line(&planhat, "accounts-00000.jsonl")[0];
    assert_eq!(first["externalId"], "a");
    assert_eq!(first["custom"]["Bellwether Churn 90d Probability"], 0.12);
    assert!(first["custom"]["Bellwether Value Tier"].is_null());
    let gone = &line(&planhat, "removed-00000.jsonl")[0];
    assert!(
        gone["externalId"] == "left" && gone["custom"].as_object().unwrap().values().all(serde_json::Value::is_null)
    );
}

#[test]
fn the_outlook_adds_its_columns_and_is_right_where_both_have_one() {
    let out = tempfile::tempdir().unwrap();
    write(out.path(), MONDAY, &TWO);
    let folder = out.path().join("outlook/v1").join(format!("as_of={MONDAY}"));
    fs::create_dir_all(&folder).unwrap();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("account_id", Arc::new(StringArray::from(vec!["a", "b"]))),
        ("health", Arc::new(StringArray::from(vec![None, Some("champion")]))),
        ("play", Arc::new(StringArray::from(vec![None, Some("call; then visit")]))),
        ("mrr", Arc::new(Float64Array::from(vec![100.0, 1_234_567.89]))),
        ("churn_probability", Arc::new(Float64Array::from(vec![Some(0.123_46), None]))),
        ("expansion_probability", Arc::new(Float64Array::from(vec![None::<f64>, None]))),
        ("lifetime_value", Arc::new(Float64Array::from(vec![None, Some(1234.567)]))),
        ("is_anything", Arc::new(BooleanArray::from(vec![true, false]))),
    ];
    let batch =
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true)));
    let batch = batch.unwrap();
    write_table(&folder.join("accounts.parquet"), batch.schema(), batch.columns().to_vec());
    let lines = |out: &Path| {
        let summary = export(&request(out, Tool::Csv, MONDAY)).unwrap();
        read(&summary, "accounts-00000.csv").lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert!(lines(out.path())[2].contains("hostage"), "an outlook that is not whole is none");
    File::create(folder.join("_SUCCESS")).unwrap();
    let lines = lines(out.path());
    assert!(lines[0].ends_with(",status_reason,play,lifetime_value"), "{}", lines[0]);
    assert!(lines[1].ends_with(",OK,,") && !lines[1].contains(",hostage,"), "not known to the outlook: {}", lines[1]);
    assert!(lines[2].ends_with(",NO_HISTORY,call; then visit,1200"), "{}", lines[2]);
    assert!(lines[2].contains(",champion,") && lines[2].contains(",1234567.89,"), "{}", lines[2]);
    // Scored again: nothing of the outlook of other scores is written, and to compare with it is left out.
    write(out.path(), MONDAY, &[("a", Some(0.5), 100.0, "why"), TWO[1]]);
    let refused = export(&request(out.path(), Tool::Csv, MONDAY));
    assert!(matches!(refused, Err(ExportError::Scores(ScoresReadError::OtherScores { .. }))));
    write(out.path(), TUESDAY, &TWO);
    assert_eq!(export(&request(out.path(), Tool::Csv, TUESDAY)).unwrap().previous, Some(day(MONDAY)));
}

#[test]
fn the_words_of_a_reason_alone_make_no_other_row() {
    let out = tempfile::tempdir().unwrap();
    write(out.path(), MONDAY, &[("a", Some(0.5), 100.0, "use fell 30 %")]);
    // Money at risk is 50.40 in place of 50, which is 50 in two digits; the range is wider by less than half a point.
    write(out.path(), TUESDAY, &[("a", Some(0.504), 100.0, "use fell 31 %")]);
    let changed = ExportRequest { changed_only: true, ..request(out.path(), Tool::Csv, TUESDAY) };
    assert_eq!(export(&changed).unwrap().written, 0);
    write(out.path(), TUESDAY, &[("a", Some(0.516), 100.0, "use fell 31 %")]);
    assert_eq!(export(&changed).unwrap().written, 1, "by more than half a point");
}

#[test]
fn fields_are_renamed_and_left_out() {
    let out = tempfile::tempdir().unwrap();
    write(out.path(), MONDAY, &TWO);
    let with = |mapping: &[(&str, Option<&str>)]| {
        let mapping = mapping.iter().map(|(column, field)| ((*column).to_owned(), field.map(str::to_owned))).collect();
        export(&ExportRequest { mapping, ..request(out.path(), Tool::Vitally, MONDAY) })
    };
    let summary = with(&[("mrr", Some("billing_mrr")), ("health", None), ("account_id", Some("id"))]).unwrap();
    let header = read(&summary, "accounts-00000.csv").lines().next().unwrap().to_owned();
    assert!(header.starts_with("id,bellwether_churn_90d_probability,") && header.contains(",billing_mrr,"), "{header}");
    assert!(!header.contains("health"), "{header}");
    for wrong in [("mrrr", Some("x")), ("account_id", None), ("mrr", Some("bellwether_health")), ("mrr", Some(""))] {
        assert!(matches!(with(&[wrong]), Err(ExportError::Mapping { .. })), "{wrong:?}");
    }
}

#[test]
fn nothing_is_written_over_what_is_not_an_export() {
    let out = tempfile::tempdir().unwrap();
    write(out.path(), MONDAY, &TWO);
    let summary = export(&request(out.path(), Tool::Csv, MONDAY)).unwrap();
    fs::write(summary.folder.join("notes.txt"), "mine").unwrap();
    let Err(ExportError::InTheWay { found, .. }) = export(&request(out.path(), Tool::Csv, MONDAY)) else {
        panic!("a note is written over")
    };
    assert_eq!(found, "notes.txt");
    assert_eq!(fs::read_to_string(summary.folder.join("notes.txt")).unwrap(), "mine");
    assert!(matches!(export(&request(out.path(), Tool::Csv, TUESDAY)), Err(ExportError::Scores(_))));
}
