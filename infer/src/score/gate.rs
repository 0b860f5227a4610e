//! Gates between scoring and publishing: what is whole and well formed can still be wrong, and yesterday's scores are then
//! better than today's.
//!
//! Every gate compares with something that was known before: the accounts of the run before, the training base, the very
//! notion of a score. A refusal publishes nothing and names the option that lets the run through.

use std::fs;
use std::path::Path;

use bellwether_models::Bundle;
use bellwether_models::drift::LEAST_ROWS_FOR_DRIFT;
use bellwether_models::policy::StatusReason;
use chrono::NaiveDate;
use serde::Deserialize;

use super::Counts;
use super::tally::{DriftKind, DriftRecord, Tally};
use crate::error::InferError;

/// Fewer accounts than this may all have one score.
const LEAST_ROWS_TO_DIFFER: u64 = 100;

/// How much a run may differ from what is usual before it is refused (exit 3, nothing published).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gates {
    /// By which share the accounts may be fewer than those of the run before, by date; 1 lets all go.
    pub max_fewer_accounts: f64,
    /// Share of the accounts that may get no probability; 1 lets all go.
    pub max_not_scored: f64,
    /// Share of the inputs that may have drifted far from the training base (`drift` in the manifest); 1 lets all go. Looked
    /// at from 1,000 rows on.
    pub max_drifted_inputs: f64,
    /// Population stability index of a target's probabilities against the training base, above the usual one of a single
    /// date; infinity lets all go. Looked at from 1,000 rows on.
    pub max_score_shift: f64,
}

impl Default for Gates {
    fn default() -> Self {
        Self { max_fewer_accounts: 0.5, max_not_scored: 0.5, max_drifted_inputs: 0.5, max_score_shift: 1.0 }
    }
}

impl Gates {
    /// Lets every run through.
    #[must_use]
    pub fn open() -> Self {
        Self { max_fewer_accounts: 1.0, max_not_scored: 1.0, max_drifted_inputs: 1.0, max_score_shift: f64::INFINITY }
    }

    /// Checks a run that has been scored and not yet published.
    ///
    /// # Errors
    /// [`InferError::Gate`] with the first gate that is shut.
    pub(super) fn check(&self, night: &Night<'_>) -> Result<(), InferError> {
        self.accounts(night)?;
        self.not_scored(night)?;
        equal_scores(night.bundle, night.tally)?;
        if night.rows() >= LEAST_ROWS_FOR_DRIFT {
            self.inputs(night.drift)?;
            self.scores(night.drift)?;
        }
        Ok(())
    }

    fn accounts(&self, night: &Night<'_>) -> Result<(), InferError> {
        let Some(before) = night.before else { return Ok(()) };
        let least = (before.accounts as f64 * (1.0 - self.max_fewer_accounts)).ceil() as u64;
        if night.rows() >= least {
            return Ok(());
        }
        Err(InferError::Gate {
            gate: "accounts",
            expected: format!("at least {least} accounts, after {} on {}", before.accounts, before.as_of),
            found: night.rows().to_string(),
            hint: "a table may be cut off: look at the features; if the base is really so much smaller, give \
                   --max-fewer-accounts 1 once"
                .to_owned(),
        })
    }

    fn not_scored(&self, night: &Night<'_>) -> Result<(), InferError> {
        let counts = night.counts;
        let rows = counts.scored + counts.partial + counts.not_scored;
        let share = counts.not_scored as f64 / rows.max(1) as f64;
        if share <= self.max_not_scored {
            return Ok(());
        }
        let all = night.tally.status_reasons.iter().filter(|(reason, _)| **reason != StatusReason::Ok.text());
        let reasons: Vec<String> = all.map(|(reason, count)| format!("{reason} {count}")).collect();
        Err(InferError::Gate {
            gate: "not_scored",
            expected: format!("at most {:.1} % of the accounts without a probability", 100.0 * self.max_not_scored),
            found: format!("{:.1} % ({} of {rows}: {})", 100.0 * share, counts.not_scored, reasons.join(", ")),
            hint: "look at what the reasons name; --max-not-scored 1 publishes them all the same".to_owned(),
        })
    }

    fn inputs(&self, drift: &[DriftRecord]) -> Result<(), InferError> {
        let inputs = drift.iter().filter(|record| record.kind == DriftKind::Input);
        let of = inputs.clone().count();
        let mut far: Vec<&DriftRecord> = inputs.filter(|record| record.is_large()).collect();
        if far.len() as f64 <= self.max_drifted_inputs * of as f64 {
            return Ok(());
        }
        far.sort_by(|one, other| other.beyond_usual().total_cmp(&one.beyond_usual()));
        let names: Vec<&str> = far.iter().take(5).map(|record| record.name.as_str()).collect();
        Err(InferError::Gate {
            gate: "inputs",
            expected: format!(
                "at most {:.1} % of {of} inputs far from the training base",
                100.0 * self.max_drifted_inputs
            ),
            found: format!("{}, most of all {}", far.len(), names.join(", ")),
            hint: "a unit, a key or a table may have changed; train again if the business has, or give \
                   --max-drifted-inputs 1 once"
                .to_owned(),
        })
    }

    fn scores(&self, drift: &[DriftRecord]) -> Result<(), InferError> {
        let scores = drift.iter().filter(|record| record.kind == DriftKind::Score);
        let mut far = scores.filter(|record| record.beyond_usual() > self.max_score_shift);
        let mut inputs: Vec<&DriftRecord> = drift.iter().filter(|record| record.kind == DriftKind::Input).collect();
        inputs.sort_by(|one, other| other.beyond_usual().total_cmp(&one.beyond_usual()));
        let moved: Vec<&str> = inputs.iter().take(5).map(|record| record.name.as_str()).collect();
        far.next().map_or(Ok(()), |record| {
            Err(InferError::Gate {
                gate: "scores",
                expected: format!(
                    "probabilities of {} within {:.2} of the usual population stability index ({:.2})",
                    record.name, self.max_score_shift, record.usual_shift
                ),
                found: format!(
                    "{:.2}; of the inputs moved most: {}",
                    record.population_stability_index,
                    moved.join(", ")
                ),
                hint: "look at those inputs; --max-score-shift inf publishes all the same".to_owned(),
            })
        })
    }
}

/// All scores of a target equal, from a model that tells accounts apart.
fn equal_scores(bundle: &Bundle, tally: &Tally) -> Result<(), InferError> {
    for (head, range) in bundle.heads().iter().zip(&tally.probabilities) {
        let Some((least, greatest)) = range.filter(|_| tally.rows() >= LEAST_ROWS_TO_DIFFER) else { continue };
        if least == greatest && !head.margin.is_constant() {
            return Err(InferError::Gate {
                gate: "equal_scores",
                expected: format!("probabilities of {} that differ between accounts", head.target),
                found: format!("the same one for all {} accounts", tally.rows()),
                hint: "the inputs are probably empty or all alike: look at the features".to_owned(),
            });
        }
    }
    Ok(())
}

/// What the gates look at.
pub(super) struct Night<'a> {
    pub(super) bundle: &'a Bundle,
    pub(super) counts: Counts,
    pub(super) tally: &'a Tally,
    pub(super) drift: &'a [DriftRecord],
    pub(super) before: Option<&'a Before>,
}

impl Night<'_> {
    fn rows(&self) -> u64 {
        self.counts.scored + self.counts.partial + self.counts.not_scored
    }
}

/// The last published run of an earlier date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Before {
    as_of: NaiveDate,
    /// Rows of its scores.
    accounts: u64,
}

/// The parts of a manifest that are asked for.
#[derive(Deserialize)]
struct PublishedManifest {
    counts: PublishedCounts,
}

#[derive(Deserialize)]
struct PublishedCounts {
    scored: u64,
    partial: u64,
    not_scored: u64,
}

impl Before {
    /// The scores of the latest date before `as_of`, and what their last run says under `runs/`. Where there are such scores and
    /// it says nothing that can be read, the second value is true.
    pub(super) fn find(root: &Path, as_of: NaiveDate) -> (Option<Self>, bool) {
        let dates = names(&root.join("scores").join("v1")).into_iter().filter_map(|name| {
            let date = name.strip_prefix("as_of=")?.parse::<NaiveDate>().ok()?;
            (date < as_of).then_some((date, name))
        });
        let Some((date, folder)) = dates.max() else { return (None, false) };
        let folder = root.join("runs").join(folder);
        // A run's name begins with its time.
        let run = names(&folder).into_iter().max().unwrap_or_default();
        let text = fs::read_to_string(folder.join(run).join("manifest.json"));
        let manifest = text.ok().and_then(|text| serde_json::from_str::<PublishedManifest>(&text).ok());
        let before = manifest.map(|PublishedManifest { counts }| Self {
            as_of: date,
            accounts: counts.scored + counts.partial + counts.not_scored,
        });
        let unreadable = before.is_none();
        (before, unreadable)
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(name: &str, kind: DriftKind, index: f64, usual_shift: f64) -> DriftRecord {
        DriftRecord {
            name: name.to_owned(),
            kind,
            population_stability_index: index,
            usual_shift,
            jensen_shannon_divergence: 0.0,
        }
    }

    #[test]
    fn scores_may_move_as_far_above_the_usual_as_the_gate_says() {
        let gates = Gates::default();
        let near = [record("mrr", DriftKind::Input, 9.0, 0.0), record("churn_90d", DriftKind::Score, 1.3, 0.3)];
        assert!(gates.scores(&near).is_ok());
        let far = [near[0].clone(), record("churn_90d", DriftKind::Score, 1.31, 0.3)];
        let error = gates.scores(&far).unwrap_err().to_string();
        assert_eq!(
            error,
            "gate scores: expected probabilities of churn_90d within 1.00 of the usual population stability index (0.30), \
             found 1.31; of the inputs moved most: mrr; nothing was published"
        );
        assert!(Gates::open().scores(&far).is_ok());
    }

    #[test]
    fn half_of_the_inputs_may_move_and_those_that_moved_most_are_named_first() {
        let gates = Gates::default();
        let input = |name: &str, index: f64| record(name, DriftKind::Input, index, 0.1);
        let half = [input("a", 0.9), input("b", 0.36), input("c", 0.34), input("d", 0.0)];
        assert!(gates.inputs(&half).is_ok());
        let more = [input("a", 0.9), input("b", 1.36), input("c", 0.36), input("d", 0.0)];
        let error = gates.inputs(&more).unwrap_err().to_string();
        assert!(
            error.contains("at most 50.0 % of 4 inputs far from the training base, found 3, most of all b, a, c"),
            "{error}"
        );
        assert!(gates.inputs(&[]).is_ok());
    }

    #[test]
    fn the_run_before_is_the_latest_of_an_earlier_date() {
        let folder = tempfile::tempdir().unwrap();
        let date = |text: &str| text.parse::<NaiveDate>().unwrap();
        let write = |day: &str, run: &str, rows: u64| {
            let place = folder.path().join(format!("runs/as_of={day}/{run}"));
            fs::create_dir_all(&place).unwrap();
            let counts = serde_json::json!({"counts": {"given": 9, "scored": rows, "partial": 1, "not_scored": 2}});
            fs::write(place.join("manifest.json"), counts.to_string()).unwrap();
            fs::create_dir_all(folder.path().join(format!("scores/v1/as_of={day}"))).unwrap();
        };
        assert_eq!(Before::find(folder.path(), date("2026-01-31")), (None, false));
        write("2026-01-29", "20260130T010000000Z-aa", 10);
        write("2026-01-30", "20260131T010000000Z-bb", 20);
        write("2026-01-30", "20260131T020000000Z-aa", 30);
        write("2026-01-31", "20260201T010000000Z-aa", 40);
        let found = Before::find(folder.path(), date("2026-01-31"));
        assert_eq!(found, (Some(Before { as_of: date("2026-01-30"), accounts: 33 }), false));
        assert_eq!(Before::find(folder.path(), date("2026-01-29")), (None, false));
        fs::remove_dir_all(folder.path().join("runs/as_of=2026-01-30")).unwrap();
        assert_eq!(Before::find(folder.path(), date("2026-01-31")), (None, true));
    }
}
