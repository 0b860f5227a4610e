//! The rows of tables that lie in databases, fetched before anything is read: a Parquet file each, in a folder that only
//! this user may read, of one moment per database. The folder lies where temporary files do (`TMPDIR`) and goes when the
//! command ends; what a killed run left, the next one removes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use bellwether_features::contract::{Contract, DatabaseUrl, TableContract, TableName};
use bellwether_postgres::Address;
use bellwether_postgres::read::{self, TableRequest};
use bellwether_staging::Staging;

use crate::failure::Failure;
use crate::output::{Output, grouped};

/// The folder, for the end by a signal, which drops nothing.
static FOLDER: Mutex<Option<PathBuf>> = Mutex::new(None);

/// Which columns are fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Those that the contract reads.
    Read,
    /// All that can be read: the search for leaks looks at them, too.
    All,
}

/// Fetched rows; dropped, they are removed.
#[derive(Debug)]
pub(crate) struct FetchedTables(Staging);

impl Drop for FetchedTables {
    fn drop(&mut self) {
        *FOLDER.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Removes what was fetched; for the end of the process.
pub(crate) fn sweep() {
    if let Some(folder) = FOLDER.lock().unwrap_or_else(PoisonError::into_inner).take() {
        let _ = std::fs::remove_dir_all(folder);
    }
}

/// Fetches the tables of a contract that lie in databases; `None` where none does.
pub(crate) fn tables(
    contract: &mut Contract,
    wanted: Wanted,
    output: &Output,
) -> Result<Option<FetchedTables>, Failure> {
    let mut databases: BTreeMap<DatabaseUrl, Vec<TableName>> = BTreeMap::new();
    for (name, table) in &contract.tables {
        if let Some(database) = &table.database {
            databases.entry(database.url.clone()).or_default().push(*name);
        }
    }
    if databases.is_empty() {
        return Ok(None);
    }
    let place = std::env::temp_dir().join("bellwether-tables");
    let failed = |error| Failure::io(&place, error);
    let staging = Staging::folder(&place).map_err(failed)?;
    *FOLDER.lock().unwrap_or_else(PoisonError::into_inner) = Some(staging.path().to_owned());
    let fetched = FetchedTables(staging);
    let staging = &fetched.0;
    staging.handle().set_permissions(Permissions::from_mode(0o700)).map_err(failed)?;
    for (url, names) in databases {
        let address = Address::parse(url.expose()).map_err(Failure::database)?;
        let requests: Vec<TableRequest> =
            names.iter().filter_map(|name| request(contract.tables.get(name)?, wanted)).collect();
        let fetched = output.step(
            "fetch",
            || read::fetch(&address, &requests, staging.path()).map_err(Failure::database),
            |tables| {
                let rows = tables.iter().map(|table| table.rows).sum();
                format!("{} rows in {} tables of {address}", grouped(rows), tables.len())
            },
        )?;
        for (name, table) in names.iter().zip(fetched) {
            if let Some(contract) = contract.tables.get_mut(name) {
                contract.fetched(&table.file);
            }
        }
    }
    Ok(Some(fetched))
}

fn request(table: &TableContract, wanted: Wanted) -> Option<TableRequest> {
    let read: BTreeSet<String> = table.reads();
    Some(TableRequest {
        name: table.name.as_str().to_owned(),
        relation: table.database.as_ref()?.relation.clone(),
        columns: (wanted == Wanted::Read).then(|| read.clone()),
        read,
        needed: table.needs(),
        texts: table.texts(),
        most_rows: table.max_rows,
    })
}
