//! Batches in, results out, in order, over any number of threads.
//!
//! Every batch is read in parts by several lanes (each decodes some columns, batch after batch), worked on by any thread
//! once all its parts are there, and taken by the sink in the order of the batches. All threads are alike: each does
//! whatever is next, what is nearest to the end first, so reading, scoring and writing go on side by side without a thread
//! that waits for its own kind of work. A few batches are in flight at most, so memory is bounded by their size and not by
//! the file; a result depends on its batch alone, and the number of threads changes nothing but time.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::error::InferError;

/// Takes the parts of batches from `lanes` by `read` until one gives `None`, runs `work` on the number and the parts of
/// each batch over `threads` threads, and gives the results to `sink` in the order of the batches.
///
/// # Errors
/// The error of the first batch that fails, wherever it fails; the batches before it have gone to the sink.
pub(crate) fn run_ordered<L: Send, P: Send, R: Send>(
    threads: NonZeroUsize,
    lanes: Vec<L>,
    read: impl Fn(&mut L) -> Result<Option<P>, InferError> + Sync,
    work: impl Fn(usize, Vec<P>) -> Result<R, InferError> + Sync,
    sink: impl FnMut(R) -> Result<(), InferError> + Send,
) -> Result<(), InferError> {
    let pipeline = Pipeline {
        state: Mutex::new(State::new(lanes.len(), 2 * threads.get() + 2)),
        changed: Condvar::new(),
        lanes: lanes.into_iter().map(Mutex::new).collect(),
        sink: Mutex::new(sink),
        read,
        work,
    };
    std::thread::scope(|scope| {
        for _ in 1..threads.get() {
            scope.spawn(|| pipeline.serve());
        }
        pipeline.serve();
    });
    let state = pipeline.state.into_inner().unwrap_or_else(PoisonError::into_inner);
    state.failure.map_or(Ok(()), |(_, error)| Err(error))
}

struct Pipeline<L, P, R, Read, Work, Sink> {
    state: Mutex<State<P, R>>,
    changed: Condvar,
    lanes: Vec<Mutex<L>>,
    sink: Mutex<Sink>,
    read: Read,
    work: Work,
}

/// What is where.
struct State<P, R> {
    lanes: Vec<Lane>,
    /// Batches in flight, from `first` on.
    batches: VecDeque<Batch<P, R>>,
    /// The batch that the sink takes next.
    first: usize,
    most_in_flight: usize,
    sinking: bool,
    /// Batches from here on are not wanted: there are none, or one before them failed.
    end: usize,
    failure: Option<(usize, InferError)>,
}

/// A lane reads one batch at a time.
#[derive(Clone)]
struct Lane {
    next: usize,
    busy: bool,
}

enum Batch<P, R> {
    /// Parts by lane.
    Reading(Vec<Option<P>>),
    Working,
    Ready(R),
}

/// What a thread does next.
enum Task<P, R> {
    Read(usize),
    Work(usize, Vec<P>),
    Sink(usize, R),
}

impl<P, R> State<P, R> {
    fn new(lanes: usize, most_in_flight: usize) -> Self {
        let lanes = vec![Lane { next: 0, busy: false }; lanes];
        let end = if lanes.is_empty() { 0 } else { usize::MAX };
        Self { lanes, batches: VecDeque::new(), first: 0, most_in_flight, sinking: false, end, failure: None }
    }

    fn is_done(&self) -> bool {
        self.first >= self.end && !self.sinking
    }

    /// The task that is nearest to the end of the pipeline.
    fn next_task(&mut self) -> Option<Task<P, R>> {
        if !self.sinking && self.first < self.end && matches!(self.batches.front(), Some(Batch::Ready(_))) {
            let Some(Batch::Ready(result)) = self.batches.pop_front() else { return None };
            self.sinking = true;
            self.first += 1;
            return Some(Task::Sink(self.first - 1, result));
        }
        let wanted = self.end.saturating_sub(self.first);
        for (index, batch) in self.batches.iter_mut().take(wanted).enumerate() {
            if let Batch::Reading(parts) = batch
                && parts.iter().all(Option::is_some)
            {
                let parts = std::mem::take(parts).into_iter().flatten().collect();
                *batch = Batch::Working;
                return Some(Task::Work(self.first + index, parts));
            }
        }
        let until = self.end.min(self.first + self.most_in_flight);
        let free = self.lanes.iter_mut().enumerate().filter(|(_, lane)| !lane.busy && lane.next < until);
        let (index, lane) = free.min_by_key(|(_, lane)| lane.next)?;
        lane.busy = true;
        Some(Task::Read(index))
    }

    /// A lane has read; `None` is its end.
    fn has_read(&mut self, index: usize, part: Option<P>) {
        let lanes = self.lanes.len();
        let lane = &mut self.lanes[index];
        let batch = lane.next;
        lane.busy = false;
        lane.next += 1;
        let Some(part) = part else {
            self.end = self.end.min(batch);
            return;
        };
        // What the sink has taken is never read again, so the batch is not before the first.
        let place = batch - self.first;
        while self.batches.len() <= place {
            self.batches.push_back(Batch::Reading((0..lanes).map(|_| None).collect()));
        }
        if let Batch::Reading(parts) = &mut self.batches[place] {
            parts[index] = Some(part);
        }
    }

    fn has_worked(&mut self, batch: usize, result: R) {
        if let Some(place) = self.batches.get_mut(batch - self.first) {
            *place = Batch::Ready(result);
        }
    }

    fn has_failed(&mut self, batch: usize, error: InferError) {
        self.end = self.end.min(batch);
        if self.failure.as_ref().is_none_or(|(other, _)| batch < *other) {
            self.failure = Some((batch, error));
        }
    }
}

impl<L, P, R, Read, Work, Sink> Pipeline<L, P, R, Read, Work, Sink>
where
    Read: Fn(&mut L) -> Result<Option<P>, InferError>,
    Work: Fn(usize, Vec<P>) -> Result<R, InferError>,
    Sink: FnMut(R) -> Result<(), InferError>,
{
    /// Does what is next until nothing is left.
    fn serve(&self) {
        let mut state = self.locked();
        while !state.is_done() {
            let Some(task) = state.next_task() else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            drop(state);
            state = self.run(task);
            self.changed.notify_all();
        }
        self.changed.notify_all();
    }

    fn locked(&self) -> MutexGuard<'_, State<P, R>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, task: Task<P, R>) -> MutexGuard<'_, State<P, R>> {
        match task {
            Task::Read(index) => {
                let lane = &self.lanes[index];
                let part = caught(|| (self.read)(&mut lane.lock().unwrap_or_else(PoisonError::into_inner)));
                let mut state = self.locked();
                let batch = state.lanes[index].next;
                match part {
                    Ok(part) => state.has_read(index, part),
                    Err(error) => {
                        state.lanes[index].busy = false;
                        state.has_failed(batch, error);
                    }
                }
                state
            }
            Task::Work(batch, parts) => {
                let result = caught(|| (self.work)(batch, parts));
                let mut state = self.locked();
                match result {
                    Ok(result) => state.has_worked(batch, result),
                    Err(error) => state.has_failed(batch, error),
                }
                state
            }
            Task::Sink(batch, result) => {
                let taken = caught(|| (self.sink.lock().unwrap_or_else(PoisonError::into_inner))(result));
                let mut state = self.locked();
                state.sinking = false;
                if let Err(error) = taken {
                    state.has_failed(batch, error);
                }
                state
            }
        }
    }
}

/// A panic must not leave the others waiting; the hook of the process has told it by then.
fn caught<T>(task: impl FnOnce() -> Result<T, InferError>) -> Result<T, InferError> {
    let stopped = || InferError::Internal { reason: "a worker stopped in the middle of a batch".to_owned() };
    catch_unwind(AssertUnwindSafe(task)).unwrap_or_else(|_| Err(stopped()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(reason: impl ToString) -> InferError {
        InferError::Internal { reason: reason.to_string() }
    }

    /// Lane `k` of three gives `k + 1` times the number of the batch, so that a batch is six times its number.
    fn run(threads: usize, until: usize, fails: impl Fn(&str, usize) -> bool + Sync) -> (Vec<usize>, Option<String>) {
        let mut results = Vec::new();
        let outcome = run_ordered(
            NonZeroUsize::new(threads).unwrap(),
            vec![(1, 0), (2, 0), (3, 0)],
            |(factor, next)| {
                let batch = *next;
                *next += 1;
                if fails("read", batch) && *factor == 2 {
                    return Err(failure(batch));
                }
                Ok((batch < until).then_some(*factor * batch))
            },
            |batch, parts: Vec<usize>| {
                assert_eq!(parts, [batch, 2 * batch, 3 * batch]);
                if fails("work", batch) { Err(failure(batch)) } else { Ok(parts.iter().sum()) }
            },
            |sum: usize| {
                if fails("sink", results.len()) {
                    return Err(failure(results.len()));
                }
                results.push(sum);
                Ok(())
            },
        );
        (results, outcome.err().map(|error| error.to_string()))
    }

    #[test]
    fn results_come_in_the_order_of_the_batches() {
        let expected: Vec<usize> = (0..500).map(|batch| 6 * batch).collect();
        for threads in [1, 2, 3, 16] {
            assert_eq!(run(threads, 500, |_, _| false), (expected.clone(), None), "{threads} threads");
        }
        assert_eq!(run(3, 0, |_, _| false), (Vec::new(), None));
    }

    #[test]
    fn the_first_batch_that_fails_ends_the_run_wherever_it_fails() {
        let before: Vec<usize> = (0..20).map(|batch| 6 * batch).collect();
        for threads in [1, 2, 5] {
            for stage in ["read", "work", "sink"] {
                let (results, error) = run(threads, 500, |at, batch| at == stage && batch >= 20);
                assert_eq!(results, before, "{stage}, {threads} threads");
                assert!(error.is_some_and(|error| error.contains("20")), "{stage}, {threads} threads");
            }
            // Another batch before it fails in another stage.
            let (_, error) = run(threads, 500, |at, batch| (at, batch) == ("read", 22) || (at, batch) == ("work", 20));
            assert!(error.is_some_and(|error| error.contains("20")), "{threads} threads");
        }
    }

    #[test]
    fn a_panic_is_an_error_and_nobody_waits_for_ever() {
        let (_, error) = run(3, 500, |at, batch| {
            assert!((at, batch) != ("work", 7), "a bug");
            false
        });
        assert!(error.is_some_and(|error| error.contains("in the middle of a batch")));
    }
}
