//! Reading: what of a file arrives, and which files are refused.
#![allow(clippy::unwrap_used)]

mod contract_support;

use std::io::Write as _;

use arrow_array::types::{
    ArrowPrimitiveType, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
};
use arrow_array::{ArrayRef, Date32Array, PrimitiveArray, RecordBatch, TimestampMicrosecondArray};
use arrow_array::{BooleanArray, Float64Array, Int64Array, StringArray, UInt32Array};
use bellwether_features::contract::FailureKind;
use bellwether_features::facts::Facts;
use bellwether_features::read::ReadError;
use bellwether_features::time::Instant;
use contract_support::{Project, USAGE, date, rules};
use miette::Diagnostic;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use std::sync::Arc;

const HEADER: &str = "account_id,feature,at\n";

fn instant(text: &str) -> Instant {
    Instant(chrono::DateTime::parse_from_rfc3339(text).unwrap().timestamp_micros())
}

/// account, feature, user, at, known_at, quantity of every use, in the order of the facts.
fn uses(facts: &Facts) -> Vec<(String, String, Option<String>, Instant, Instant, f64)> {
    let usage = facts.usage.as_ref().unwrap();
    let mut found = Vec::new();
    for (index, account) in facts.accounts.iter().enumerate() {
        for row in usage.of(index) {
            let user = row.user.map(|user| facts.users.names[user as usize].clone());
            let feature = facts.features.names[row.feature as usize].clone();
            found.push((account.clone(), feature, user, row.at, row.known_at, row.quantity));
        }
    }
    found
}

#[test]
fn mapped_derived_and_filtered_columns_arrive() {
    let project = Project::with(&[(
        "u.csv",
        "org,kind,folder,ts,landed,n,price,who\n\
         a,click,home,2024-01-02T10:00:00Z,2024-01-03,2,1.5,u1\n\
         a,test,home,2024-01-02T10:00:00Z,2024-01-03,2,1.5,u1\n\
         a,click,,2024-01-01T10:00:00+02:00,2024-01-05,,9,u2\n\
         b,view,docs,2024-01-01,2024-01-01,4,0.5,\n",
    )]);
    let toml = r#"
        [tables.usage]
        path = "u.csv"
        columns = { account_id = "org", at = "ts", known_at = "landed", user_id = "who" }
        derive = { feature = "kind || '/' || folder", quantity = "n * price" }
        where = "kind != 'test'"
        error_if_pct = 100
    "#;
    let loaded = project.loaded(toml);
    assert_eq!(
        uses(&loaded.facts),
        [
            (
                "a".into(),
                "click/home".into(),
                Some("u1".into()),
                instant("2024-01-02T10:00:00Z"),
                instant("2024-01-03T00:00:00Z"),
                3.0
            ),
            (
                "b".into(),
                "view/docs".into(),
                None,
                instant("2024-01-01T00:00:00Z"),
                instant("2024-01-01T00:00:00Z"),
                2.0
            ),
        ]
    );
    let outcome = loaded.report.at(None);
    assert_eq!(outcome.tables[0].filtered, 1);
    assert_eq!(rules(&outcome, "usage"), [("null_value", "feature", 1, true)], "a folder without a name joins to null");
}

#[test]
fn ids_are_byte_exact() {
    let ids = ["00017", "17", "é", "e\u{301}", "مرحبا", "a\u{0}b", " a ", "=cmd()", "A,B"];
    let mut csv = HEADER.to_owned();
    for id in ids {
        csv.push_str(&format!("\"{id}\",f,2024-01-01\n"));
    }
    let loaded = Project::with(&[("u.csv", &csv)]).loaded(USAGE);
    let mut sorted = ids.map(str::to_owned).to_vec();
    sorted.sort_unstable();
    assert_eq!(loaded.facts.accounts, sorted);
}

#[test]
fn quotes_line_breaks_marks_and_delimiters_are_read() {
    let csv = "\u{feff}account_id;feature;at\r\n\"a\";\"two\nlines; \"\"quoted\"\"\";2024-01-01\r\nb;NA;2024-01-01\r\n\r\nc;f;2024-01-01";
    let project = Project::with(&[("u.csv", csv)]);
    let loaded = project.loaded(&format!("{USAGE}csv = {{ delimiter = \";\", null_values = [\"NA\"] }}\n"));
    let found: Vec<(String, String)> = uses(&loaded.facts).into_iter().map(|use_| (use_.0, use_.1)).collect();
    assert_eq!(found, [("a".into(), "two\nlines; \"quoted\"".into()), ("c".into(), "f".into())]);
    let violation = loaded.report.tables[0].violations[0];
    assert_eq!((violation.row, violation.rule.code()), (2, "null_value"));
}

#[test]
fn a_huge_cell_is_a_cell() {
    let huge = "x".repeat(4 << 20);
    let loaded = Project::with(&[("u.csv", &format!("{HEADER}a,{huge},2024-01-01\n"))]).loaded(USAGE);
    assert_eq!(loaded.facts.features.names[0].len(), 4 << 20);
}

#[test]
fn rows_that_are_no_rows_are_set_aside_with_their_number() {
    let mut csv = format!("{HEADER}a,f,2024-01-01\na,f\na,f,2024-01-01,extra\n").into_bytes();
    csv.extend(b"\xff\xfe,f,2024-01-01\nb,f,2024-01-01\n");
    let project = Project::new();
    project.write("u.csv", &csv);
    let loaded = project.loaded(USAGE);
    assert_eq!(loaded.facts.accounts, ["a", "b"]);
    let found: Vec<(u32, &str)> =
        loaded.report.tables[0].violations.iter().map(|found| (found.row, found.rule.code())).collect();
    assert_eq!(found, [(2, "field_count"), (3, "field_count"), (4, "unparsable")]);
    assert_eq!(loaded.report.at(Some(date("2000-01-01"))).tables[0].left_out, 3, "without a time they always count");
}

#[test]
fn compressed_files_and_globs_are_read_once_and_in_order() {
    let project = Project::with(&[("data/2.csv", &format!("{HEADER}b,f,2024-01-01\n"))]);
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(format!("{HEADER}a,g,2024-01-01\n").as_bytes()).unwrap();
    let packed = encoder.finish().unwrap();
    project.write("data/1.csv.gz", &packed);
    project.write("data/other.log", b"not a table");
    let toml = "[tables.usage]\npath = [\"data/*.csv\", \"data/*.csv.gz\", \"data/1*\"]\n";
    let loaded = project.loaded(toml);
    assert_eq!(loaded.facts.accounts, ["a", "b"]);
    let names: Vec<_> = loaded.report.tables[0].files.iter().map(|file| file.file_name().unwrap().to_owned()).collect();
    assert_eq!(names, ["1.csv.gz", "2.csv"]);

    project.write("data/1.csv.gz", &packed[..packed.len() - 9]);
    let error = project.load(toml).unwrap_err();
    assert!(matches!(&error, ReadError::Undecodable { file, .. } if file.ends_with("data/1.csv.gz")), "{error}");
    assert_eq!(error.kind(), FailureKind::Data);
}

type Columns = Vec<(&'static str, ArrayRef)>;

fn texts(values: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

fn parquet(project: &Project, name: &str, columns: Columns, group: usize) {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let file = std::fs::File::create(project.path(name)).unwrap();
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(group)).build();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

#[test]
fn every_type_of_a_parquet_file_finds_its_column() {
    let project = Project::new();
    let micros = [1_704_103_200_000_000_i64, 1_704_103_200_000_001, -1];
    let columns: Columns = vec![
        ("account_id", Arc::new(Int64Array::from(vec![17_850, 5, i64::MAX]))),
        ("user_id", Arc::new(Float64Array::from(vec![17_850.0, 1.5, 3.0]))),
        ("feature", Arc::new(BooleanArray::from(vec![true, false, true]))),
        ("at", Arc::new(TimestampMicrosecondArray::from(micros.to_vec()))),
        ("quantity", texts(&["1", " 2.5 ", "true"])),
        ("known_at", Arc::new(Date32Array::from(vec![19_724, 19_725, 0]))),
    ];
    parquet(&project, "u.parquet", columns, 2);
    let loaded = project.loaded("[tables.usage]\npath = \"u.parquet\"\n");
    assert_eq!(loaded.facts.accounts, ["17850", "5", "9223372036854775807"]);
    let found = uses(&loaded.facts);
    assert_eq!(found[0].2.as_deref(), Some("17850"), "a whole number in a double is written whole");
    assert_eq!(found[1].2.as_deref(), Some("1.5"));
    assert_eq!((found[0].1.as_str(), found[1].1.as_str()), ("true", "false"));
    assert_eq!((found[0].3, found[1].3, found[2].3), (Instant(micros[0]), Instant(micros[1]), Instant(-1)));
    assert_eq!(found[0].4, instant("2024-01-02T00:00:00Z"));
    assert_eq!((found[0].5, found[1].5, found[2].5), (1.0, 2.5, 1.0));
}

fn assert_is_read_as_instant<T: ArrowPrimitiveType<Native = i64>>(scale: i64) {
    let project = Project::new();
    let at: ArrayRef = Arc::new(PrimitiveArray::<T>::from_iter_values([1_704_103_200 * scale]));
    parquet(&project, "u.parquet", vec![("account_id", texts(&["a"])), ("feature", texts(&["f"])), ("at", at)], 2);
    let loaded = project.loaded("[tables.usage]\npath = \"u.parquet\"\n");
    assert_eq!(uses(&loaded.facts)[0].3, instant("2024-01-01T10:00:00Z"), "{scale}");
}

#[test]
fn units_of_time_are_told_apart() {
    assert_is_read_as_instant::<TimestampMillisecondType>(1_000);
    assert_is_read_as_instant::<TimestampMicrosecondType>(1_000_000);
    assert_is_read_as_instant::<TimestampNanosecondType>(1_000_000_000);
}

#[test]
fn a_damaged_parquet_file_is_an_error_that_names_it_at_every_length() {
    let project = Project::new();
    let columns = vec![
        ("account_id", texts(&["a", "b", "c"])),
        ("feature", texts(&["f", "g", "h"])),
        ("at", texts(&["2024-01-01", "2024-01-02", "2024-01-03"])),
    ];
    parquet(&project, "u.parquet", columns, 2);
    let whole = std::fs::read(project.path("u.parquet")).unwrap();
    for length in (0..whole.len()).step_by(7) {
        project.write("u.parquet", &whole[..length]);
        let error = project.load("[tables.usage]\npath = \"u.parquet\"\n").unwrap_err();
        assert_eq!(error.kind(), FailureKind::Data, "{length}: {error}");
        assert!(error.to_string().contains("u.parquet"), "{error}");
    }
}

#[test]
fn files_that_cannot_be_tables_are_refused_with_the_reason() {
    let header_twice = "account_id,at,feature,feature\na,2024-01-01,f,g\n";
    let open_quote = "account_id,feature,at\na,f,2024-01-01\nb,\"f,2024-01-01\nc,f,2024-01-01\nd,f,2024-01-01\n";
    let cases: [(&str, &str, &str); 7] = [
        ("u.csv", "", "the file is empty"),
        ("u.csv", HEADER, "no row that belongs to the table"),
        ("u.csv", header_twice, "names `feature` more than once"),
        ("u.csv", open_quote, "a quote opened in row 2 (line 3) is never closed"),
        ("u.csv", "account_id,feature\na,f\n", "expected `at`, found no column"),
        ("u.parquet", "account_id,feature,at\n", "does not begin as a Parquet file does"),
        ("u.xlsx", "whatever", "found neither"),
    ];
    for (name, content, words) in cases {
        let project = Project::with(&[(name, content)]);
        let error = project.load(&USAGE.replace("u.csv", name)).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
        assert!(error.to_string().contains(name) || matches!(error, ReadError::Empty { .. }), "{error}");
        assert_eq!(error.kind(), FailureKind::Data);
        assert!(error.help().is_some(), "{error}");
    }
}

#[test]
fn missing_files_and_columns_are_hinted_at() {
    let project = Project::with(&[("data/usage.csv", "Account_ID,feature,Timestamp\na,f,2024-01-01\n")]);
    let help = |toml: &str| {
        project.load(toml).map(|_| ()).map_err(|error| (error.to_string(), error.help().unwrap().to_string()))
    };
    let (text, hint) = help("[tables.usage]\npath = \"data/usage.cvs\"\n").unwrap_err();
    assert!(text.contains("expected a file that matches `data/usage.cvs`, found none"), "{text}");
    assert_eq!(hint, "did you mean `usage.csv`?");
    assert!(help("[tables.usage]\npath = \"dta/usage.csv\"\n").unwrap_err().1.contains("does not exist"));
    assert!(help("[tables.usage]\npath = \"data\"\n").unwrap_err().1.contains("that is a folder"));

    let toml = "[tables.usage]\npath = \"data/usage.csv\"\ncolumns = { at = \"Timestmp\" }\nwhere = \"featur = 'f'\"\n";
    let (text, hint) = help(toml).unwrap_err();
    assert!(text.contains("expected `account_id`, `Timestmp` (for `at`), `featur` (in `where`)"), "{text}");
    assert!(hint.contains("did you mean `Account_ID`?") && hint.contains("did you mean `Timestamp`?"), "{hint}");
}

#[test]
fn expressions_that_make_no_sense_for_a_file_are_refused() {
    let project = Project::new();
    let feature: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let columns = vec![("account_id", texts(&["a"])), ("feature", feature), ("at", texts(&["2024-01-01"]))];
    parquet(&project, "u.parquet", columns, 2);
    for extra in ["where = \"feature\"", "columns = { at = \"feature\" }", "where = \"not feature\""] {
        let error = project.load(&format!("[tables.usage]\npath = \"u.parquet\"\n{extra}\n")).unwrap_err();
        assert!(matches!(error, ReadError::WrongType { .. }), "{error}");
    }
}

#[test]
fn more_rows_than_allowed_are_a_resource_failure() {
    let project = Project::with(&[("u.csv", &format!("{HEADER}a,f,2024-01-01\nb,f,2024-01-01\nc,f,2024-01-01\n"))]);
    let error = project.load(&format!("{USAGE}max_rows = 2\n")).unwrap_err();
    assert_eq!(error.kind(), FailureKind::Resource);
    let columns = ["account_id", "feature", "at"].map(|name| (name, texts(&["a", "b", "c"]))).to_vec();
    parquet(&project, "u.parquet", columns, 2);
    let error = project.load("[tables.usage]\npath = \"u.parquet\"\nmax_rows = 2\n").unwrap_err();
    assert_eq!(error.kind(), FailureKind::Resource);
    assert!(error.to_string().contains("brings it to 3 rows; at most 2"), "{error}");
}

#[test]
fn zones_mix_and_the_far_future_is_only_far() {
    let csv = "account_id,feature,at\n\
        a,f,2024-06-01T12:00:00+02:00\na,f,2024-06-01 10:00:00\na,f,2024-06-01T10:00:00Z\n\
        b,f,9999-12-31T23:59:59Z\nb,f,2024-02-30\nb,f,soon\n";
    let loaded = Project::with(&[("u.csv", csv)]).loaded(USAGE);
    let found = uses(&loaded.facts);
    assert!(found[..3].iter().all(|use_| use_.3 == instant("2024-06-01T10:00:00Z")));
    assert_eq!(found.len(), 4);
    let outcome = loaded.report.at(Some(date("2024-07-01")));
    assert_eq!(rules(&outcome, "usage"), [("unparsable", "at", 2, true)]);
    assert_eq!(outcome.tables[0].rows, 5, "the row of the year 9999 is not visible, unreadable times always are");
}

#[test]
fn the_order_of_rows_and_the_number_of_threads_change_nothing() {
    let mut rows: Vec<String> = (0..500)
        .map(|row| format!("a{},f{},2024-01-{:02}T{:02}:00:00Z\n", row % 37, row % 11, row % 28 + 1, row % 24))
        .collect();
    let project = Project::with(&[("u.csv", &format!("{HEADER}{}", rows.concat()))]);
    let first = project.loaded(USAGE).facts;
    rows.reverse();
    rows.rotate_left(123);
    project.write("u.csv", format!("{HEADER}{}", rows.concat()).as_bytes());
    for threads in [1, 2, 16] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let again = pool.install(|| project.loaded(USAGE)).facts;
        assert_eq!((&again.accounts, &again.features), (&first.accounts, &first.features));
        assert_eq!(uses(&again).len(), uses(&first).len());
        for (left, right) in uses(&again).iter().zip(&uses(&first)) {
            assert_eq!((&left.0, left.3), (&right.0, right.3), "{threads}");
        }
    }
}

/// Batches are larger than this file's rows in other tests; here one file spans several.
#[test]
fn files_of_many_batches_keep_every_row_and_number() {
    let project = Project::new();
    let count = 2_200_000_u32;
    let columns: Columns = vec![
        ("account_id", Arc::new((0..count).map(|row| row % 1000).collect::<UInt32Array>())),
        ("feature", Arc::new((0..count).map(|row| (row != 2_150_000).then_some("f")).collect::<StringArray>())),
        ("at", Arc::new(TimestampMicrosecondArray::from_iter_values((0..i64::from(count)).map(|row| row * 1_000_000)))),
    ];
    for group in [count as usize, 300_000] {
        parquet(&project, "u.parquet", columns.clone(), group);
        let loaded = project.loaded("[tables.usage]\npath = \"u.parquet\"\n");
        let usage = loaded.facts.usage.as_ref().unwrap();
        assert_eq!(usage.rows.len(), count as usize - 1);
        let violation = loaded.report.tables[0].violations[0];
        assert_eq!((violation.row, violation.rule.code()), (2_150_001, "null_value"));
        let total: i64 = usage.rows.iter().map(|row| row.at.0 / 1_000_000).sum();
        assert_eq!(total, i64::from(count) * i64::from(count - 1) / 2 - 2_150_000);
    }
}
