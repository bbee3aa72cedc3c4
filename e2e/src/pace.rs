//! A client that asks one thing after another and notes how long each answer takes.

use crate::Client;
use std::{
    net::{IpAddr, SocketAddr},
    thread,
    time::{Duration, Instant},
};

/// How long a client rests between two requests: it is to notice what others do to the server, not
/// to be a load itself.
const REST: Duration = Duration::from_millis(2);

/// After so many requests it connects anew, so that being let in is measured as well.
const REQUESTS_PER_CONNECTION: usize = 20;

/// What is asked, of whom, and from where.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'t> {
    /// The server.
    pub addr: SocketAddr,
    /// An address of this host that nobody else asks from.
    pub source: IpAddr,
    /// The host that the request names.
    pub host: &'t str,
    /// Path and query.
    pub target: &'t str,
}

/// How long the answers took.
#[derive(Debug)]
pub struct Pace {
    /// The shortest first.
    times: Vec<Duration>,
}

impl Asker<'_> {
    /// Asks so many times.
    pub fn ask(&self, times: usize) -> Pace {
        let mut left = times;
        self.ask_until(|| {
            left = left.saturating_sub(1);
            left == 0
        })
    }

    /// Asks until `is_over`, which is looked at after each answer. Each has to be a 200.
    pub fn ask_until(&self, mut is_over: impl FnMut() -> bool) -> Pace {
        let mut times = Vec::new();
        loop {
            let mut client = None;
            for _ in 0..REQUESTS_PER_CONNECTION {
                let start = Instant::now();
                let connect = || Client::connect_from(self.source, self.addr);
                let client = client.get_or_insert_with(connect);
                let (host, target) = (self.host, self.target);
                client.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n")).unwrap();
                let response = client.response().unwrap();
                times.push(start.elapsed());
                assert_eq!(response.status, 200, "{host}{target}: {}", response.text());
                if is_over() {
                    times.sort_unstable();
                    return Pace { times };
                }
                thread::sleep(REST);
            }
        }
    }
}

impl Pace {
    /// How many answers there were.
    pub fn count(&self) -> usize {
        self.times.len()
    }

    /// The time within which 99 of 100 answers came.
    pub fn p99(&self) -> Duration {
        self.times[self.times.len() * 99 / 100]
    }

    /// Checks that this is no worse than ten times the `usual` pace, that of a server to which
    /// nothing is done at the same time, or than `floor` where that is more: below it, a busy
    /// machine says more about itself than about the server.
    pub fn check(&self, usual: &Self, floor: Duration) {
        let bound = (usual.p99() * 10).max(floor);
        assert!(self.p99() <= bound, "99 of 100 took up to {:?}, not {bound:?}", self.p99());
    }
}
