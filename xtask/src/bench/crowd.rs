//! Clients that ask all the time while something happens to a server, and what each has met with.

use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::Outcome;
use super::load::exchange;

/// Clients of each kind: those that keep their connections, and those that do not.
pub(super) const CLIENTS_EACH: usize = 4;

/// What clients have met with.
#[derive(Default)]
pub(super) struct Met {
    /// How long each answer took, the quickest first.
    pub(super) times: Vec<Duration>,
    /// Nobody was there to be connected to.
    pub(super) refused: usize,
    /// A connection that ended before a request was answered.
    pub(super) cut: usize,
    /// Another answer than was due.
    pub(super) odd: usize,
}

impl Met {
    /// How many answers there were, refused and cut connections, and odd answers.
    pub(super) fn counts(&self) -> [usize; 4] {
        [self.times.len(), self.refused, self.cut, self.odd]
    }

    /// Requests that have failed, in whatever way.
    pub(super) fn failed(&self) -> usize {
        self.refused + self.cut + self.odd
    }

    /// The time within which `percent` of 100 answers came.
    pub(super) fn within(&self, percent: usize) -> Duration {
        self.times.get(self.times.len() * percent / 100).copied().unwrap_or(Duration::MAX)
    }

    fn add(&mut self, other: Self) {
        self.times.extend(other.times);
        self.refused += other.refused;
        self.cut += other.cut;
        self.odd += other.odd;
    }
}

/// Does `work` while clients ask `server` by `request`, each of them resting that long after each
/// answer. What it gives, and what the clients have met with meanwhile.
pub(super) fn around<T>(
    server: SocketAddr,
    request: &str,
    rest: Duration,
    work: impl FnOnce() -> Outcome<T>,
) -> Outcome<(T, Met)> {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let clients: Vec<_> = (0..2 * CLIENTS_EACH)
            .map(|number| {
                let is_over = &is_over;
                scope.spawn(move || ask(server, request, rest, number % 2 == 0, is_over))
            })
            .collect();
        let given = work();
        is_over.store(true, Ordering::Relaxed);
        let mut met = Met::default();
        for client in clients {
            met.add(client.join().map_err(|_| "a client has panicked")?);
        }
        met.times.sort_unstable();
        Ok((given?, met))
    })
}

/// Asks until it is over.
fn ask(
    server: SocketAddr,
    request: &str,
    rest: Duration,
    is_keeping: bool,
    is_over: &AtomicBool,
) -> Met {
    let mut met = Met::default();
    let mut kept = None;
    while !is_over.load(Ordering::Relaxed) {
        let start = Instant::now();
        let Some(mut stream) = kept.take().or_else(|| TcpStream::connect(server).ok()) else {
            met.refused += 1;
            thread::sleep(REFUSED_REST);
            continue;
        };
        match exchange(&mut stream, request) {
            Ok(answer) if answer.status == 200 => {
                met.times.push(start.elapsed());
                let closes = answer.field("connection") == Some("close");
                kept = (is_keeping && !closes).then_some(stream);
            }
            Ok(_) => met.odd += 1,
            Err(_) => met.cut += 1,
        }
        thread::sleep(rest);
    }
    met
}

/// How long one waits who was refused, so as not to count the same thousands of times.
const REFUSED_REST: Duration = Duration::from_millis(10);

/// The rest after each answer by which clients ask half as much as they could.
pub(super) fn rest_for_half(server: SocketAddr, request: &str) -> Outcome<Duration> {
    const LENGTH: Duration = Duration::from_secs(2);
    let ((), met) = around(server, request, Duration::ZERO, || {
        thread::sleep(LENGTH);
        Ok(())
    })?;
    let clients = u32::try_from(2 * CLIENTS_EACH)?;
    let answers = u32::try_from(met.times.len())?.max(1);
    Ok(LENGTH * clients / answers)
}
