//! How much this process may hold, and what to do when it holds all of it.

use crate::socket;
use rustix::process::{Resource, getrlimit, setrlimit};
use std::fs::File;
use std::net::TcpListener;
use std::os::fd::AsFd;

/// Raises the number of descriptors this process may have open to what the administrator allows,
/// and returns the number in force.
pub fn raise_descriptor_limit() -> u64 {
    let mut limit = getrlimit(Resource::Nofile);
    let before = limit.current;
    limit.current = limit.maximum;
    let in_force = if setrlimit(Resource::Nofile, limit).is_ok() { limit.maximum } else { before };
    in_force.unwrap_or(u64::MAX)
}

/// Whether this process was started to outlive its terminal, as by nohup: a hangup is ignored.
#[must_use]
pub fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // Signal 1 is the lowest bit.
    ignored
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask & 1 == 1)
}

/// A descriptor kept for the day there is none left: then the peers that knock can still be told,
/// where they would otherwise wait in the queue until they lose patience.
#[derive(Debug)]
pub struct Reserve {
    spare: Option<File>,
}

impl Reserve {
    /// Takes the descriptor.
    #[must_use]
    pub fn new() -> Self {
        Self { spare: spare() }
    }

    /// Takes one connection from the queue of `listener` with the spare descriptor and resets it.
    /// False when there was none to take, or no descriptor to take it with.
    pub fn turn_away(&mut self, listener: &TcpListener) -> bool {
        self.spare = None;
        let is_away = listener.accept().is_ok_and(|(peer, _)| {
            // A peer that is gone already needs no reset.
            let _ = socket::reset_on_close(peer.as_fd());
            true
        });
        self.spare = spare();
        is_away
    }
}

impl Default for Reserve {
    fn default() -> Self {
        Self::new()
    }
}

fn spare() -> Option<File> {
    File::open("/dev/null").ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{ErrorKind, Read};
    use std::net::TcpStream;

    #[test]
    fn the_limit_is_what_the_administrator_allows() {
        let in_force = raise_descriptor_limit();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current.unwrap_or(u64::MAX), in_force);
        assert_eq!(limit.current, limit.maximum);
    }

    #[test]
    fn a_peer_is_turned_away_with_a_reset_and_the_reserve_is_whole_again() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let mut reserve = Reserve::new();
        assert!(!reserve.turn_away(&listener));
        listener.set_nonblocking(false).unwrap();
        for _ in 0..2 {
            let mut peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            assert!(reserve.turn_away(&listener));
            assert!(reserve.spare.is_some());
            let error = peer.read(&mut [0; 9]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        }
    }
}
