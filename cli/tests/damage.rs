//! Flipped bits in tables: what has a digest or page checksums is refused, whatever the bytes then say.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::{fail, python, succeed, text};

/// The lowest bit of the byte in the middle.
fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_simulated_table_with_a_flipped_bit_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    succeed(folder.path(), &["simulate", "--accounts", "60", "--months", "18", "--out", "business"]);
    let business = folder.path().join("business");
    let config = fs::read_to_string(business.join("bellwether.toml")).unwrap();
    // A pattern that is not so exact does not take the digests for tables.
    let loose = config.replace("data/usage/*.parquet", "data/usage/*");
    assert_ne!(config, loose);
    fs::write(business.join("bellwether.toml"), loose).unwrap();
    succeed(&business, &["check"]);

    for table in ["data/usage/part-00000.parquet", "data/invoices.parquet"] {
        let path = business.join(table);
        let whole = fs::read(&path).unwrap();
        flip(&path);
        for verb in [&["check"][..], &["features", "--as-of", "2026-01-31", "--out", "features.parquet"]] {
            let said = fail(&business, verb, 3);
            assert!(said.contains(table) && said.contains("changed after its digest was written"), "{said}");
            assert!(said.contains("remove the .sha256 if the change is meant"), "{said}");
        }
        fs::write(&path, whole).unwrap();
    }
    succeed(&business, &["check"]);
    fs::write(business.join("data/nps.parquet.sha256"), "no digest").unwrap();
    let said = fail(&business, &["check"], 3);
    assert!(said.contains("nps.parquet.sha256") && said.contains("no digest at the start"), "{said}");
}

/// Writes `accounts.parquet` plain, with or without page checksums, and says where a text is in it: to flip one of its
/// bits is to make another text, which nothing but a checksum can tell.
const WRITE: &str = "
import sys
import pyarrow, pyarrow.parquet
path, checksums = sys.argv[1], sys.argv[2] == 'checksums'
table = pyarrow.table({'account_id': [f'account-{n:04}' for n in range(100)], 'segment': ['enterprise'] * 100})
pyarrow.parquet.write_table(table, path, compression='none', use_dictionary=False, write_statistics=False,
                            write_page_checksum=checksums)
print(open(path, 'rb').read().index(b'account-0042'))
";

#[test]
fn a_page_that_breaks_its_checksum_is_refused() {
    let name = "a_page_that_breaks_its_checksum_is_refused";
    let Some(python) = python(name) else { return };
    if !Command::new(&python).args(["-c", "import pyarrow"]).output().unwrap().status.success() {
        common::skipped(name, "pyarrow, of python/requirements.txt, at BELLWETHER_PYTHON (./test installs it)");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    succeed(folder.path(), &["simulate", "--accounts", "60", "--months", "18", "--out", "business"]);
    let business = folder.path().join("business");
    let accounts = business.join("data/accounts.parquet");
    fs::remove_file(business.join("data/accounts.parquet.sha256")).unwrap();
    let config = "config_version = 1\n\n[tables.accounts]\npath = \"data/accounts.parquet\"\n\n[tables.usage]\npath = \"data/usage/*.parquet\"\non_violation = \"warn\"\n";
    fs::write(business.join("bellwether.toml"), config).unwrap();
    for (checksums, refused) in [("none", false), ("checksums", true)] {
        let output = Command::new(&python).args(["-c", WRITE]).arg(&accounts).arg(checksums).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        let place: usize = text(&output.stdout).trim().parse().unwrap();
        succeed(&business, &["check"]);
        let mut bytes = fs::read(&accounts).unwrap();
        bytes[place] ^= 1;
        fs::write(&accounts, bytes).unwrap();
        if refused {
            let said = fail(&business, &["check"], 3);
            assert!(said.contains("accounts.parquet") && said.contains("cannot be decoded"), "{said}");
        } else {
            succeed(&business, &["check"]);
        }
    }
}
