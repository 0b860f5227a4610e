//! The architecture page says why each dependency is there: no dependency without its reason, no reason without one.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

#[test]
fn every_direct_dependency_has_its_row_and_every_row_its_dependency() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let manifest: toml::Table = fs::read_to_string(root.join("Cargo.toml")).unwrap().parse().unwrap();
    let dependencies = manifest["workspace"]["dependencies"].as_table().unwrap();
    let package = |(name, value): (&String, &toml::Value)| {
        value.get("package").and_then(toml::Value::as_str).unwrap_or(name).to_owned()
    };
    let expected: BTreeSet<String> =
        dependencies.iter().map(package).filter(|name| !name.starts_with("bellwether")).collect();

    let page = fs::read_to_string(root.join("docs/ARCHITECTURE.md")).unwrap();
    let (_, section) = page.split_once("## Dependencies").unwrap();
    // The rows below the two lines of the head; the first cell names crates and nothing else.
    let rows = section.lines().filter_map(|line| line.strip_prefix("| ")).skip(1);
    let names = rows.flat_map(|row| row.split('|').next().unwrap().split(','));
    let named: BTreeSet<String> = names.map(|name| name.trim().to_owned()).collect();
    assert_eq!(named, expected);

    // Every member takes its dependencies from the workspace, so that the list above is the whole list.
    for member in manifest["workspace"]["members"].as_array().unwrap() {
        let path = root.join(member.as_str().unwrap()).join("Cargo.toml");
        let member: toml::Table = fs::read_to_string(&path).unwrap().parse().unwrap();
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            for (name, value) in member.get(section).and_then(toml::Value::as_table).into_iter().flatten() {
                assert!(dependencies.contains_key(name), "{}: {name} {value}", path.display());
            }
        }
    }
}
