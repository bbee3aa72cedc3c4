//! What a supervisor leaves to another program: what is read is the same when it is written and
//! read again, and names nothing that is not there.

use std::collections::HashSet;
use supervisor::state::State;

/// Pieces of a state: its mark, versions, flags, small numbers, lengths, addresses.
pub const TOKENS: &[&str] = &[
    "gannet\0\0",
    "\x01\0\0\0\0\0\0\0",
    "\x02\0\0\0\0\0\0\0",
    "\x0a\0\0\0\0\0\0\0",
    "\0\0\0\0\0\0\0\0",
    "\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f",
    "\0",
    "\x01",
    "\x04",
    "127.0.0.1:80",
    "[::1]:8080",
    "/run/gannet.sock",
    "0.1.0",
    "requests",
    "worker-1-process",
];

/// Reads the bytes as a state.
pub fn run(data: &[u8]) {
    let Some(state) = State::decode(data) else { return };
    // An address may be spelled in several ways; what was read once stays as it is.
    let again = state.encode();
    assert_eq!(State::decode(&again).as_ref(), Some(&state));
    let places: Vec<_> = state
        .sockets
        .iter()
        .flat_map(|group| group.sockets.iter().copied())
        .chain(state.desks.iter().map(|(_, at)| *at))
        .chain([state.tickets])
        .chain(state.tables.iter().map(|(at, _)| *at))
        .chain(state.sources.iter().map(|(at, _)| *at))
        .chain(
            state
                .workers
                .iter()
                .flat_map(|one| [one.process, one.channel, one.seats, one.rows, one.trail])
                .chain(state.workers.iter().flat_map(|one| [one.tallies, one.recents, one.lives])),
        )
        .chain(state.askers.iter().copied())
        .chain(state.spans.iter().flatten().copied())
        .collect();
    assert!(places.iter().all(|&at| at < state.descriptors.len()), "a descriptor from nowhere");
    assert_eq!(places.iter().collect::<HashSet<_>>().len(), places.len(), "one has two owners");
    assert!(state.workers.iter().all(|worker| worker.source < state.sources.len()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, path::Path};

    /// Where the form of states changes, so must these: else nothing of a state is ever tried.
    #[test]
    fn some_first_inputs_are_states() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/state");
        for name in ["a-pool", "nothing-left", "one-worker"] {
            let bytes = fs::read(corpus.join(name)).unwrap_or_default();
            assert!(State::decode(&bytes).is_some(), "{name}");
        }
    }
}
