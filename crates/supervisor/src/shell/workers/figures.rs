//! What a worker has counted so far.

use super::Worker;
use control::{
    Counter, counters,
    tally::{self, Counts},
};
use net::memory;
use std::os::fd::AsFd;

pub(super) fn counted(worker: &Worker) -> Vec<u64> {
    let words = memory::look(worker.rows.as_fd(), 0, usize::MAX).unwrap_or_default();
    match &worker.counters {
        None => counters::totals(&words),
        Some(names) => counters::totals_by_name(&words, names),
    }
}

/// The names of all that this program counts.
pub(super) fn own_names() -> impl Iterator<Item = String> {
    Counter::ALL.iter().map(|counter| counter.label().to_owned())
}

/// The names of all that a worker counts.
pub(super) fn names(worker: &Worker) -> Vec<String> {
    worker.counters.clone().unwrap_or_else(|| own_names().collect())
}

/// What each loop of a worker has counted.
pub(super) fn of_loops(worker: &Worker, counter: Counter) -> Vec<u64> {
    let words = memory::look(worker.rows.as_fd(), 0, usize::MAX).unwrap_or_default();
    counters::of_loops(&words, &names(worker), counter)
}

/// The bytes of pages that a worker has in memory.
pub(super) fn held(worker: &Worker) -> u64 {
    let words = memory::look(worker.rows.as_fd(), 0, usize::MAX).unwrap_or_default();
    counters::held(&words, &names(worker))
}

/// What each site and route of a worker has had.
pub(super) fn had(worker: &Worker) -> Vec<Counts> {
    let words = memory::look(worker.tallies.as_fd(), 0, usize::MAX).unwrap_or_default();
    tally::totals(&words, worker.source.blueprint.labels.len())
}
