//! Where results go, and how they appear there all at once.
//!
//! ```text
//! out/scores/v1/as_of=D/part-00000.parquet, _SUCCESS    replaced as one folder (.csv, .jsonl, .arrow with --format)
//! out/quarantine/as_of=D/RUN/features.parquet           bad rows, readable by the owner only
//! out/runs/as_of=D/RUN/manifest.json, run_results.json, report.html
//! out/latest.json                                       replaced last
//! out/.staging/RUN/                                     everything, until it is whole and on disk
//! out/.bellwether.lock                                  held by the one run that writes here
//! ```

mod encode;
mod file;
mod folder;
mod parquet;
mod publish;
mod quarantine;
mod scores;
mod sorted;

pub(crate) use file::{Written, write_json, write_text};
pub(crate) use folder::{OutputFolder, Scratch};
pub(crate) use publish::{Publication, Staged};
pub(crate) use quarantine::QuarantineWriter;
pub(crate) use scores::ScoresWriter;
