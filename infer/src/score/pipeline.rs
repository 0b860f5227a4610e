//! Batches in, results out, in order, over any number of threads.
//!
//! The calling thread reads and writes; workers do what lies between. At most twice as many batches as there are workers
//! are in flight, so memory is bounded by batch size and not by the file; results are taken in the order in which the
//! batches were read, so the number of threads changes nothing but time.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Mutex, PoisonError};

use crate::error::InferError;

/// Batches in flight per worker.
const IN_FLIGHT_PER_WORKER: usize = 2;

/// A batch on its way to a worker, and the way back for its result.
type Job<T, R> = (T, SyncSender<Result<R, InferError>>);

/// Takes batches from `source` until it gives `None`, runs `work` on each over `threads` workers, and gives the results
/// to `sink` in the order of the source.
///
/// # Errors
/// The first error of `source`, `work` or `sink`, in the order of the batches.
pub(crate) fn run_ordered<T: Send, R: Send>(
    threads: NonZeroUsize,
    mut source: impl FnMut() -> Result<Option<T>, InferError>,
    work: impl Fn(T) -> Result<R, InferError> + Sync,
    mut sink: impl FnMut(R) -> Result<(), InferError>,
) -> Result<(), InferError> {
    let (jobs, queue) = channel::<Job<T, R>>();
    let queue = Mutex::new(queue);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.get()).map(|_| scope.spawn(|| serve(&queue, &work))).collect();
        let result = feed(jobs, threads.get() * IN_FLIGHT_PER_WORKER, &mut source, &mut sink);
        let stopped = workers.into_iter().map(|worker| worker.join().is_err()).fold(false, |any, ended| any | ended);
        if stopped && result.is_ok() { Err(worker_stopped()) } else { result }
    })
}

/// Sends batches and takes results; dropping `jobs` at the end lets the workers go home.
fn feed<T, R>(
    jobs: Sender<Job<T, R>>,
    most_in_flight: usize,
    source: &mut impl FnMut() -> Result<Option<T>, InferError>,
    sink: &mut impl FnMut(R) -> Result<(), InferError>,
) -> Result<(), InferError> {
    let mut in_flight: VecDeque<Receiver<Result<R, InferError>>> = VecDeque::new();
    let mut more = true;
    loop {
        while more && in_flight.len() < most_in_flight {
            match source()? {
                Some(batch) => {
                    let (back, result) = sync_channel(1);
                    jobs.send((batch, back)).map_err(|_| worker_stopped())?;
                    in_flight.push_back(result);
                }
                None => more = false,
            }
        }
        match in_flight.pop_front() {
            Some(result) => sink(result.recv().map_err(|_| worker_stopped())??)?,
            None => {
                drop(jobs);
                return Ok(());
            }
        }
    }
}

fn serve<T, R>(queue: &Mutex<Receiver<Job<T, R>>>, work: &impl Fn(T) -> Result<R, InferError>) {
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((batch, back)) = job else { return };
        // Nobody waits for the result of a run that has failed.
        let _ = back.send(work(batch));
    }
}

fn worker_stopped() -> InferError {
    InferError::Internal { reason: "a worker stopped in the middle of a batch".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn squares(threads: usize, until: u64) -> Result<Vec<u64>, InferError> {
        let (mut next, mut results) = (0, Vec::new());
        run_ordered(
            NonZeroUsize::new(threads).unwrap(),
            || {
                next += 1;
                Ok((next <= until).then_some(next))
            },
            |value: u64| {
                if value == 150 {
                    return Err(InferError::Internal { reason: "150".into() });
                }
                Ok(value * value)
            },
            |square| {
                results.push(square);
                Ok(())
            },
        )?;
        Ok(results)
    }

    #[test]
    fn results_come_in_the_order_of_the_batches() {
        let expected: Vec<u64> = (1..=100).map(|value| value * value).collect();
        for threads in [1, 2, 16] {
            assert_eq!(squares(threads, 100).unwrap(), expected);
        }
        assert!(squares(3, 0).unwrap().is_empty());
    }

    #[test]
    fn an_error_of_a_worker_ends_the_run() {
        assert!(matches!(squares(2, 1_000), Err(InferError::Internal { reason }) if reason == "150"));
    }
}
