//! The binary: arguments, streams, signals, exit codes.

use std::fs::OpenOptions;
use std::process::{Command, Output, Stdio};

use assert_cmd::cargo::CommandCargoExt;

use crate::fixture::{Base, World};

fn infer() -> Command {
    #[allow(deprecated)] // The replacement needs a macro for each binary.
    let mut command = Command::cargo_bin("bellwether-infer").unwrap();
    command.env_remove("ORT_DYLIB_PATH").env_remove("NO_COLOR");
    command
}

pub(crate) fn score(world: &World) -> Command {
    let mut command = infer();
    command
        .arg("score")
        .arg("--bundle")
        .arg(&world.bundle)
        .arg("--input")
        .arg(&world.input)
        .arg("--out")
        .arg(&world.out);
    command
}

pub(crate) fn run(command: &mut Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let (stdout, stderr) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
    assert!(!stderr.contains("panicked"), "{stderr}");
    (status.code().unwrap_or(-1), stdout, stderr)
}

#[test]
fn score_prints_its_summary_on_stdout_and_logs_on_stderr() {
    let world = World::new(&Base::random(30, 31));
    let (code, stdout, stderr) = run(score(&world).args(["--threads", "2", "--batch-rows", "7"]));
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.contains("42 accounts") && stdout.contains("scores/v1/as_of=2026-01-31"), "{stdout}");
    assert!(stderr.contains("scoring") && !stderr.contains('\u{1b}'), "{stderr}");
    let (code, stdout, stderr) = run(score(&world).arg("--quiet"));
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(stdout.contains("manifest"));
}

#[test]
fn json_logs_and_results_are_json() {
    let world = World::new(&Base::random(30, 32));
    std::fs::remove_file(bellwether_staging::digest::beside(&world.input)).unwrap();
    let (code, stdout, stderr) = run(score(&world).args(["--log-format", "json"]));
    assert_eq!(code, 0, "{stderr}");
    let summary: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(summary["counts"]["given"], 42);
    let lines: Vec<serde_json::Value> = stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().any(|line| line["level"] == "WARN" && line["code"] == "bellwether::infer::no_digest"));
    std::fs::remove_file(&world.input).unwrap();
    let (code, _, stderr) = run(score(&world).args(["--log-format", "json", "--quiet"]));
    let error: serde_json::Value = serde_json::from_str(stderr.trim()).unwrap();
    assert_eq!((code, &error["code"]), (3, &"bellwether::infer::no_input".into()));
}

#[test]
fn an_error_is_one_line_with_its_cause_and_a_hint() {
    let world = World::new(&Base::random(30, 33));
    let flipped = std::fs::read(&world.input).unwrap().iter().map(|byte| byte ^ 1).collect::<Vec<u8>>();
    std::fs::write(&world.input, flipped).unwrap();
    let (code, stdout, stderr) = run(score(&world).arg("--quiet"));
    assert_eq!((code, stdout.as_str()), (3, ""));
    let lines: Vec<&str> = stderr.lines().collect();
    assert!(lines[0].starts_with("error[bellwether::infer::input_digest]: "), "{stderr}");
    assert!(lines[1].starts_with("  hint: "), "{stderr}");
}

#[test]
fn wrong_usage_exits_with_2() {
    let world = World::new(&Base::random(5, 34));
    for arguments in [&["score"][..], &["--nonsense"], &["schema", "--format", "yaml"], &[]] {
        assert_eq!(run(infer().args(arguments)).0, 2, "{arguments:?}");
    }
    assert_eq!(run(score(&world).args(["--threads", "0"])).0, 2);
    assert_eq!(run(score(&world).args(["--as-of", "31.01.2026"])).0, 2);
    let (code, _, stderr) = run(score(&world).args(["--config", "/nowhere/bellwether.toml"]));
    assert_eq!(code, 2);
    assert!(stderr.contains("/nowhere/bellwether.toml") && stderr.contains("caused by"), "{stderr}");
    let (code, _, stderr) = run(infer().args(["verify", "--bundle", "registry/nobody@champion"]));
    assert_eq!(code, 2, "{stderr}");
    assert_eq!(run(infer().arg("--help")).0, 0);
    assert!(run(infer().arg("--version")).1.starts_with("bellwether-infer "));
}

#[test]
fn a_missing_onnxruntime_says_how_to_get_it() {
    let world = World::new(&Base::random(5, 35));
    let arguments = ["--engine", "onnxruntime", "--onnxruntime-library", "/nowhere/libonnxruntime.so"];
    let (code, _, stderr) = run(score(&world).args(arguments));
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("/nowhere/libonnxruntime.so") && stderr.contains("pip download"), "{stderr}");
    assert!(stderr.contains("onnxruntime/capi/libonnxruntime.so") && stderr.contains("--engine native"), "{stderr}");
    world.assert_nothing_published();
}

#[test]
fn verify_names_the_model_and_refuses_a_changed_one() {
    let world = World::new(&Base::random(5, 36));
    let (code, stdout, stderr) = run(infer().arg("verify").arg("--bundle").arg(&world.bundle));
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.starts_with("acme/3@") && stdout.contains("96 with native"), "{stdout}");
    std::fs::write(world.bundle.join("policy.json"), "{}").unwrap();
    let (code, _, stderr) = run(infer().arg("verify").arg("--bundle").arg(&world.bundle));
    assert_eq!(code, 4);
    assert!(stderr.contains("policy.json") && stderr.contains("hint:"), "{stderr}");
}

#[test]
fn schema_prints_the_columns_with_and_without_a_bundle() {
    let world = World::new(&Base::random(5, 37));
    let (_, usual, _) = run(infer().arg("schema"));
    let (_, own, _) = run(infer().arg("schema").arg("--bundle").arg(&world.bundle));
    assert_eq!(usual, own);
    let schema: serde_json::Value = serde_json::from_str(&usual).unwrap();
    assert_eq!(schema["columns"][1]["name"], "churn_90d_probability");
    let (code, text, _) = run(infer().args(["schema", "--format", "text"]));
    assert_eq!(code, 0);
    assert!(text.lines().any(|line| line.starts_with("expansion_60d_reason_5_text ")), "{text}");
}

#[test]
fn a_bad_input_makes_no_output_folder() {
    let world = World::new(&Base::random(30, 41));
    let elsewhere = world.folder.path().join("nothing.parquet");
    std::fs::write(&elsewhere, "PAR1 and no more").unwrap();
    std::fs::remove_file(world.input.with_file_name("features.parquet.sha256")).unwrap();
    for (input, expected) in [("missing.parquet", 3), ("nothing.parquet", 3), (".", 3)] {
        let mut command = infer();
        command.arg("score").arg("--bundle").arg(&world.bundle);
        command.arg("--input").arg(world.folder.path().join(input)).arg("--out").arg(&world.out);
        let (code, _, stderr) = run(&mut command);
        assert_eq!(code, expected, "{input}: {stderr}");
        assert!(!world.out.exists(), "{input}");
    }
    let (code, _, _) = run(score(&world).args(["--as-of", "2020-01-31"]));
    assert_eq!(code, 3);
    assert!(!world.out.exists());
    // Nor a lock in a folder that is there.
    std::fs::create_dir(&world.out).unwrap();
    std::fs::remove_file(&world.input).unwrap();
    assert_eq!(run(&mut score(&world)).0, 3);
    assert_eq!(std::fs::read_dir(&world.out).unwrap().count(), 0);
}

#[test]
fn a_full_disk_is_exit_5() {
    let world = World::new(&Base::random(2_000, 42));
    let plain = score(&world);
    let output = Command::new("sh")
        .args(["-c", "ulimit -f 8; exec \"$0\" \"$@\""])
        .arg(plain.get_program())
        .args(plain.get_args())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(5), "{}", String::from_utf8_lossy(&output.stderr));
    world.assert_nothing_published();
}

#[test]
fn a_stdout_that_cannot_be_written_is_no_panic() {
    let full = || OpenOptions::new().write(true).open("/dev/full").unwrap();
    let (code, _, stderr) = run(infer().arg("schema").stdout(full()));
    assert_eq!(code, 5, "{stderr}");
    let world = World::new(&Base::random(5, 38));
    let (code, _, stderr) = run(score(&world).stdout(full()));
    assert_eq!(code, 0, "{stderr}");
    assert!(world.part().exists() && stderr.contains("could not be written to stdout"), "{stderr}");
}

#[test]
fn a_held_lock_is_75_and_a_killed_run_holds_none() {
    let world = World::new(&Base::random(5, 39));
    std::fs::create_dir_all(&world.out).unwrap();
    let lock = world.out.join(".bellwether.lock");
    let held = std::fs::File::create(&lock).unwrap();
    rustix::fs::flock(&held, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let (code, _, stderr) = run(&mut score(&world));
    assert_eq!(code, 75, "{stderr}");
    assert!(stderr.contains("another run is writing here"), "{stderr}");
    drop(held);
    std::fs::create_dir_all(world.out.join(".staging/killed/scores")).unwrap();
    let (code, _, stderr) = run(&mut score(&world));
    assert_eq!(code, 0, "{stderr}");
    assert!(stderr.contains("leftovers") && !world.out.join(".staging").exists(), "{stderr}");
}

#[test]
fn a_terminated_run_cleans_up_and_exits_with_143() {
    // Explaining 200,000 rows one at a time takes much longer than the signal needs to arrive.
    let world = World::new(&Base::random(200_000, 40));
    let mut child = score(&world)
        .args(["--batch-rows", "1", "--threads", "1"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = std::io::BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("scoring") {
        line.clear();
        assert!(std::io::BufRead::read_line(&mut stderr, &mut line).unwrap() > 0, "ended before it scored");
    }
    let told = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(told.success());
    assert_eq!(child.wait().unwrap().code(), Some(143));
    world.assert_nothing_published();
}

/// The rows of a Parquet file as JSON objects.
fn objects(world: &World) -> Vec<serde_json::Value> {
    let batch = crate::fixture::read_parquet(&world.part());
    let columns: Vec<String> = batch.schema().fields().iter().map(|field| field.name().clone()).collect();
    let value = |name: &String, row: usize| match batch.column_by_name(name).unwrap().data_type() {
        arrow_schema::DataType::Float64 => serde_json::to_value(crate::fixture::numbers(&batch, name)[row]).unwrap(),
        _ => serde_json::to_value(&crate::fixture::texts(&batch, name)[row]).unwrap(),
    };
    let object = |row| columns.iter().map(|name| (name.clone(), value(name, row))).collect::<serde_json::Map<_, _>>();
    (0..batch.num_rows()).map(|row| object(row).into()).collect()
}

#[test]
fn rows_go_to_stdout_in_any_format_and_nothing_is_published() {
    let world = World::new(&Base::random(50, 41));
    let (code, ..) = run(&mut score(&world));
    assert_eq!(code, 0);
    let expected = objects(&world);
    let to_stdout = |format: &str| {
        let mut command = infer();
        command.arg("score").arg("--bundle").arg(&world.bundle).arg("--input").arg(&world.input);
        command.args(["--out", "-", "--format", format]).current_dir(world.folder.path());
        command
    };
    let (code, lines, stderr) = run(&mut to_stdout("jsonl"));
    assert_eq!(code, 0, "{stderr}");
    let found: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(found == expected, "the rows differ");
    let (_, csv, _) = run(&mut to_stdout("csv"));
    assert!(csv.starts_with("account_id,churn_90d_probability,") && csv.lines().count() == 51, "{csv}");
    let parquet = to_stdout("parquet").output().unwrap().stdout;
    assert_eq!(parquet, std::fs::read(world.part()).unwrap());
    let arrow = to_stdout("arrow").output().unwrap().stdout;
    let reader = arrow_ipc::reader::StreamReader::try_new(arrow.as_slice(), None).unwrap();
    assert_eq!(reader.map(|batch| batch.unwrap().num_rows()).sum::<usize>(), 50);
    assert!(!world.folder.path().join("-").exists());
    // Nothing half-written where the run is refused at the end.
    let (code, stdout, stderr) = run(to_stdout("csv").args(["--max-not-scored", "0"]));
    assert!(code == 3 && stdout.is_empty(), "{code} {stderr}");
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    assert_eq!(run(to_stdout("csv").stdout(full)).0, 5);
}

#[test]
fn another_format_is_published_under_its_own_name() {
    let world = World::new(&Base::random(50, 41));
    let (code, _, stderr) = run(score(&world).args(["--format", "csv"]));
    assert_eq!(code, 0, "{stderr}");
    let part = world.part().with_extension("csv");
    assert_eq!(std::fs::read_to_string(part).unwrap().lines().count(), 51);
    assert!(!world.part().exists());
    let (code, ..) = run(score(&world).args(["--format", "yaml"]));
    assert_eq!(code, 2);
}
