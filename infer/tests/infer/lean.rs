//! The scorer stays lean: no table engine and no trainer in its dependency tree.

use std::process::Command;

#[test]
fn no_table_engine_and_no_trainer_is_in_the_tree() {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--offline",
            "--locked",
            "--edges",
            "normal",
            "--prefix",
            "none",
            "--package",
            "bellwether-infer",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let tree = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(tree.lines().any(|line| line.starts_with("parquet v")), "{tree}");
    let heavy =
        ["polars", "linfa", "smartcore", "ndarray", "rayon", "lightgbm", "bellwether-features", "bellwether-train"];
    for line in tree.lines() {
        assert!(!heavy.iter().any(|name| line.starts_with(name)), "{line} is in the tree of bellwether-infer");
    }
}
