//! `gannet status --php`: which worker of which php-fpm is at which request. What php-fpm says of
//! its workers is joined with what the server asks at that moment.

pub(crate) mod asking;
mod words;

use crate::{arguments::Desk, trouble::Trouble, wishing};
use base::Moment;
use control::{asked, status::Says, trail::calls::Call};
use std::{
    io::{self, ErrorKind},
    path::Path,
    process::ExitCode,
    time::Duration,
};
use tokio::{runtime::Builder, time::timeout};

/// How long a php-fpm may take to say how it is.
const ANSWER_TIME: Duration = Duration::from_secs(2);

/// Microseconds by which a worker may seem to have begun before it was asked: the server's clock
/// goes in milliseconds.
const CLOCK_US: u64 = 20_000;

/// What a php-fpm says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Pool {
    /// Of itself. How many are busy it counts but once a second.
    pub(crate) says: Says,
    /// Of each worker, where that was asked.
    workers: Vec<Worker>,
    /// How many it has at most, and how many requests wait for one, as the server says.
    workers_max: u64,
    waiting: u64,
}

/// What it says of a worker.
#[derive(Debug, Default, PartialEq, Eq)]
struct Worker {
    pid: u64,
    is_busy: bool,
    /// For how long it has been at a request, in microseconds.
    busy_us: u64,
    method: String,
    script: String,
    /// What the server says of that request.
    call: Option<Call>,
}

/// Shows each php-fpm of a running server.
pub(crate) fn show(desk: &Desk, is_json: bool) -> Result<ExitCode, Trouble> {
    let asked = wishing::asked(desk)?;
    let now = net::clock::now();
    let mut calls = asked.calls;
    let of = |told: &asked::Pool| {
        let pool = ask(&told.path).map(|text| {
            let mut pool = Pool::read(&text);
            (pool.workers_max, pool.waiting) = (told.workers, told.waiting);
            pool.join(&mut calls, now);
            pool
        });
        (told.site.clone(), pool)
    };
    let pools: Vec<_> = asked.pools.iter().map(of).collect();
    let is_whole = pools.iter().all(|(_, pool)| pool.is_ok());
    let text =
        if is_json { words::json(&pools, &calls, now) } else { words::pretty(&pools, &calls, now) };
    net::stream::say(&text);
    Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Asks the php-fpm that listens at `path` how it is, and how each of its workers is.
pub(crate) fn ask(path: &Path) -> io::Result<String> {
    let socket = net::unix::connect_at_once(path)?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let late = |_| io::Error::from(ErrorKind::TimedOut);
    runtime.block_on(async { timeout(ANSWER_TIME, asking::ask(socket, true)).await.map_err(late)? })
}

impl Pool {
    /// Reads what it says: lines of a name and a value, and those of each worker behind a row of
    /// stars.
    pub(crate) fn read(text: &str) -> Self {
        let mut pool = Self::default();
        for line in text.lines() {
            if line.starts_with("***") {
                pool.workers.push(Worker::default());
                continue;
            }
            let Some((name, value)) = line.split_once(':') else { continue };
            let value = value.trim();
            let number = value.parse().unwrap_or(0);
            match (pool.workers.last_mut(), name) {
                (None, "active processes") => pool.says.busy = number,
                (None, "idle processes") => pool.says.idle = number,
                (None, "max active processes") => pool.says.busy_most = number,
                (None, "max children reached") => pool.says.limit_reached = number,
                (None, "slow requests") => pool.says.slow = number,
                // By the name of connections; of one that is kept each request is counted.
                (None, "accepted conn") => pool.says.taken = number,
                (Some(worker), "pid") => worker.pid = number,
                // One that reads a head holds a connection that is kept, as all of a request is
                // sent at once.
                (Some(worker), "state") => {
                    worker.is_busy = !["Idle", "Reading headers"].contains(&value);
                }
                (Some(worker), "request duration") => worker.busy_us = number,
                (Some(worker), "request method") => value.clone_into(&mut worker.method),
                (Some(worker), "script") => value.clone_into(&mut worker.script),
                _ => {}
            }
        }
        pool
    }

    /// How many workers are busy, and how many are not.
    fn counts(&self) -> (u64, u64) {
        let busy = self.workers.iter().filter(|worker| worker.is_busy).count();
        (busy as u64, (self.workers.len() - busy) as u64)
    }

    /// Finds out which of `calls` each worker is at, and takes those away. A worker begins after it
    /// was asked, and requests are taken in the order in which they came: of those for the same
    /// program the oldest is at the worker that is busy for the longest time.
    fn join(&mut self, calls: &mut Vec<Call>, now: Moment) {
        let mut busy: Vec<_> = self.workers.iter_mut().filter(|worker| worker.is_busy).collect();
        busy.sort_by_key(|worker| u64::MAX - worker.busy_us);
        for worker in busy {
            let is_same = |call: &Call| {
                call.method == worker.method
                    && worker.script.starts_with(&call.script)
                    && call.age_us(now).saturating_add(CLOCK_US) >= worker.busy_us
            };
            let all = calls.iter().enumerate().filter(|(_, call)| is_same(call));
            let found = all.min_by_key(|(_, call)| call.since_ms).map(|(at, _)| at);
            worker.call = found.map(|at| calls.swap_remove(at));
        }
        self.workers.sort_by_key(|worker| (!worker.is_busy, u64::MAX - worker.busy_us));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOLD: &str = "pool:                 www\nstart since:          62\n\
        accepted conn:        9\nlisten queue:         0\nidle processes:       1\n\
        active processes:     2\nmax active processes: 3\n\
        max children reached: 4\nslow requests:        5\n\n************************\n\
        pid:                  12\nstate:                Running\nrequest duration:     900000\n\
        request method:       GET\nrequest URI:          /index.php?a:b\nscript:               /srv/a.php\n\n\
        ************************\npid:                  11\nstate:                Running\n\
        request duration:     2500000\nrequest method:       GET\nscript:               /srv/a.php\n\n\
        ************************\npid:                  13\nstate:                Idle\n\
        request duration:     7\nscript:               /srv/a.php\n\n\
        ************************\npid:                  14\nstate:                Reading headers\n\
        request duration:     7\nrequest method:       -\nscript:               -\n";

    fn call(since_ms: u64, id: &str, method: &str) -> Call {
        let [id, method, host, target, script] =
            [id, method, "a.test", "/x", "/srv/a.php"].map(str::to_owned);
        Call { since_ms, id, method, host, target, script }
    }

    #[test]
    fn workers_are_at_the_requests_that_were_asked_just_before() {
        let mut pool = Pool::read(TOLD);
        assert_eq!(pool.counts(), (2, 2));
        let (busy, idle, busy_most, limit_reached) = (2, 1, 3, 4);
        let says = Says { busy, idle, busy_most, limit_reached, slow: 5, taken: 9 };
        assert_eq!(pool.says, says);
        let mut calls = vec![
            call(9_900, "waits", "GET"),
            call(9_099, "second", "GET"),
            call(7_499, "first", "GET"),
            call(7_499, "other", "POST"),
        ];
        pool.join(&mut calls, Moment(10_000));
        let at = |worker: &Worker| (worker.pid, worker.call.as_ref().map(|call| call.id.clone()));
        let of = |id: &str| Some(id.to_owned());
        let all: Vec<_> = pool.workers.iter().map(at).collect();
        assert_eq!(all, [(11, of("first")), (12, of("second")), (13, None), (14, None)]);
        let mut left: Vec<_> = calls.iter().map(|call| &*call.id).collect();
        left.sort_unstable();
        assert_eq!(left, ["other", "waits"]);
        (pool.workers_max, pool.waiting) = (6, 3);
        let none = Pool { workers_max: 1, ..Pool::default() };
        let pools = [("a".to_owned(), Ok(pool)), ("b".to_owned(), Ok(none))];
        let text = String::from_utf8(words::pretty(&pools, &calls, Moment(10_000))).unwrap();
        let all =
            "a: 2 of 6 workers busy, 2 idle, 3 requests wait, 5 requests were slow, 4 times all";
        assert!(text.contains(all), "{text}");
        let none = "b: 0 of 1 worker busy; it is started when it is needed\n";
        assert!(text.contains(none), "{text}");
        let worker = "worker 11         2.5 s  GET a.test/x  first  /srv/a.php\n";
        assert!(text.contains(worker), "{text}");
        assert!(text.contains("worker 14      idle\n"), "{text}");
        assert!(text.contains("\nwaiting, or"), "{text}");
    }

    #[test]
    fn whatever_is_said_is_read() {
        for text in ["", "***", ":", "pid: x\n***\npid: -1\nstate:\n***\n\n"] {
            let mut pool = Pool::read(text);
            pool.join(&mut vec![call(u64::MAX, "", "")], Moment(0));
        }
    }
}
