//! Runs of a workflow: which pieces of work were begun, and which of them were brought to their end.
//!
//! Each use of the first step begins a run. A use of a later step takes the newest run that stands at the step before one
//! step further, whoever began it (the newest is the one begun last): a draft may be written by one person and published by another. A run that has taken the
//! last step is completed. Where a feature is several steps of one workflow, a use of it is the latest of them that some
//! run is ready for. What is never brought to its end stays begun, and is in nobody's way, since newer runs go first.
//!
//! A run's fate depends on nothing but the uses before it in time; so what is seen of it at a date is a matter of which of
//! the rows are visible.

use std::collections::BinaryHeap;

use super::{Uses, last, whole};

/// Feature codes of a workflow's steps; `None` for a feature that nobody ever used.
pub(crate) type Steps = Vec<Option<u32>>;

/// Not completed.
const NEVER: usize = usize::MAX;

/// The runs of one workflow by one account.
#[derive(Debug, Default)]
pub(super) struct Runs {
    /// Row that begins each run, ascending.
    begun: Vec<usize>,
    /// Row that completes each run, or [`NEVER`].
    completed_by: Vec<usize>,
    /// Rows that complete a run, ascending.
    completions: Vec<usize>,
}

impl Runs {
    /// The runs in the features of rows in the order of time.
    pub(super) fn of(steps: &Steps, features: impl Iterator<Item = u32>) -> Self {
        let mut runs = Self::default();
        // Runs that stand at each step but the last.
        let mut standing: Vec<BinaryHeap<usize>> = vec![BinaryHeap::new(); steps.len().saturating_sub(1)];
        for (row, feature) in features.enumerate() {
            runs.take(steps, &mut standing, row, feature);
        }
        runs
    }

    fn take(&mut self, steps: &Steps, standing: &mut [BinaryHeap<usize>], row: usize, feature: u32) {
        for step in (1..steps.len()).rev().filter(|step| steps[*step] == Some(feature)) {
            let Some(run) = standing[step - 1].pop() else { continue };
            match standing.get_mut(step) {
                Some(next) => next.push(run),
                None => {
                    self.completed_by[run] = row;
                    self.completions.push(row);
                }
            }
            return;
        }
        if steps.first() == Some(&Some(feature)) {
            if let Some(first) = standing.first_mut() {
                first.push(self.begun.len());
            }
            self.begun.push(row);
            self.completed_by.push(NEVER);
        }
    }
}

impl Uses<'_> {
    /// Runs of a workflow begun in the last `days` days, and how many of them are completed.
    pub(crate) fn runs_begun(&self, workflow: usize, days: u32) -> Option<(f64, f64)> {
        let runs = self.timeline().runs.get(workflow)?;
        let (start, end) = self.rows_of(&last(days));
        let from = runs.begun.partition_point(|row| *row < start);
        let to = runs.begun.partition_point(|row| *row < end);
        let completed = runs.completed_by[from..to].iter().filter(|row| **row < self.visible);
        Some((whole(to - from), whole(completed.count())))
    }

    /// Of the last `weeks` weeks, those in which a run of a workflow was completed.
    pub(crate) fn weeks_with_completion(&self, workflow: usize, weeks: u32) -> Option<f64> {
        let completions = &self.timeline().runs.get(workflow)?.completions;
        let in_week = |week: &u32| {
            let (start, end) = self.rows_of(&(7 * week + 1..=7 * week + 7));
            completions.get(completions.partition_point(|row| *row < start)).is_some_and(|row| *row < end)
        };
        Some(super::count((0..weeks).filter(in_week)))
    }

    /// UTC day on which a run of a workflow was first completed.
    pub(crate) fn first_completion_day(&self, workflow: usize) -> Option<i64> {
        let timeline = self.timeline();
        let row = *timeline.runs.get(workflow)?.completions.first()?;
        timeline.days[..self.visible].get(row).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(steps: &[u32], features: &[u32]) -> (Vec<usize>, Vec<usize>) {
        let steps: Steps = steps.iter().copied().map(Some).collect();
        let runs = Runs::of(&steps, features.iter().copied());
        (runs.begun, runs.completed_by)
    }

    #[test]
    fn a_later_step_takes_the_newest_run() {
        assert_eq!(runs(&[0, 1, 2], &[0, 0, 1, 2]), (vec![0, 1], vec![NEVER, 3]));
        assert_eq!(runs(&[0, 1, 2], &[0, 1, 0, 1, 2, 2, 2]), (vec![0, 2], vec![5, 4]));
        // The newest is the one begun last, not the one that came to the step last.
        assert_eq!(runs(&[0, 1, 2], &[0, 0, 1, 1, 2]), (vec![0, 1], vec![NEVER, 4]));
        // Nothing is published that was not reviewed.
        assert_eq!(runs(&[0, 1, 2], &[0, 2, 1, 0]), (vec![0, 3], vec![NEVER, NEVER]));
    }

    #[test]
    fn a_feature_that_is_two_steps_is_the_latest_that_it_can_be() {
        assert_eq!(runs(&[0, 1, 0], &[0, 0, 1, 0, 0]), (vec![0, 1, 4], vec![NEVER, 3, NEVER]));
        assert_eq!(runs(&[0, 0], &[0, 0, 0]), (vec![0, 2], vec![1, NEVER]));
    }
}
