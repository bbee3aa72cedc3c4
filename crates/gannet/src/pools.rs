//! `gannet status --php`: which worker of which php-fpm is at which request. What php-fpm says of
//! its workers is joined with what the server asks at that moment.

use crate::{arguments::Desk, status::counted, trouble::Trouble, wishing};
use base::text::{push_json, push_printable};
use control::trail::Call;
use fastcgi::{Answer, Event, Limits};
use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    process::ExitCode,
    time::Duration,
};
use supervisor::fpm::SHOWN_NAME;

/// How long a php-fpm may take to say how it is.
const ANSWER_TIME: Duration = Duration::from_secs(2);

/// Bytes of what one says at most: some 500 for each worker.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Microseconds by which a worker may seem to have begun before it was asked: the server's clock
/// goes in milliseconds.
const CLOCK_US: u64 = 20_000;

/// What a php-fpm says of itself. How many are busy or wait it counts but once a second.
#[derive(Debug, Default, PartialEq, Eq)]
struct Pool {
    limit_reached: u64,
    slow: u64,
    workers: Vec<Worker>,
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
    let now_ms = net::clock::now().0;
    let mut calls = asked.calls;
    let of = |(site, path): (String, _)| {
        let pool = ask(path).map(|text| {
            let mut pool = Pool::read(&text);
            pool.join(&mut calls, now_ms);
            pool
        });
        (site, pool)
    };
    let paths = asked.pools.iter().map(|(site, path)| (site.clone(), path.as_path()));
    let pools: Vec<_> = paths.map(of).collect();
    let is_whole = pools.iter().all(|(_, pool)| pool.is_ok());
    let text = if is_json { json(&pools, &calls, now_ms) } else { pretty(&pools, &calls, now_ms) };
    net::stream::say(&text);
    Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Asks the php-fpm that listens at `path` how it is, and how each of its workers is.
fn ask(path: &Path) -> io::Result<String> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(ANSWER_TIME))?;
    stream.set_write_timeout(Some(ANSWER_TIME))?;
    let mut variables = Vec::new();
    for (name, value) in [
        ("REQUEST_METHOD", "GET"),
        ("SCRIPT_NAME", SHOWN_NAME),
        ("SCRIPT_FILENAME", SHOWN_NAME),
        ("QUERY_STRING", "full"),
    ] {
        variables.extend([name.len() as u8, value.len() as u8]);
        variables.extend_from_slice(name.as_bytes());
        variables.extend_from_slice(value.as_bytes());
    }
    let mut output = Vec::new();
    fastcgi::begin(&variables, &mut output);
    fastcgi::stdin(b"", &mut output);
    stream.write_all(&output)?;
    let (mut answer, mut unread, mut content) =
        (Answer::new(Limits::default()), Vec::new(), Vec::new());
    loop {
        let fault = |fault| io::Error::other(format!("{fault:?}"));
        match answer.receive(&unread).map_err(fault)? {
            (_, Event::End) => break,
            (used, Event::Incomplete) => {
                unread.drain(..used);
                let mut room = [0; 16 * 1024];
                let count = stream.read(&mut room)?;
                unread.extend_from_slice(room.get(..count).unwrap_or_default());
                if count == 0 || content.len() > ANSWER_BYTES_MAX {
                    return Err(io::Error::other("it has not said all"));
                }
            }
            (used, event) => {
                if let Event::Content(piece) = event {
                    content.extend_from_slice(piece);
                }
                unread.drain(..used);
            }
        }
    }
    Ok(String::from_utf8_lossy(&content).into_owned())
}

impl Pool {
    /// Reads what it says in full: lines of a name and a value, and those of each worker behind a
    /// row of stars.
    fn read(text: &str) -> Self {
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
                (None, "max children reached") => pool.limit_reached = number,
                (None, "slow requests") => pool.slow = number,
                (Some(worker), "pid") => worker.pid = number,
                (Some(worker), "state") => worker.is_busy = value != "Idle",
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
    fn join(&mut self, calls: &mut Vec<Call>, now_ms: u64) {
        let mut busy: Vec<_> = self.workers.iter_mut().filter(|worker| worker.is_busy).collect();
        busy.sort_by_key(|worker| u64::MAX - worker.busy_us);
        for worker in busy {
            let since_us = |call: &Call| now_ms.saturating_sub(call.since_ms).saturating_mul(1000);
            let is_same = |call: &Call| {
                call.method == worker.method
                    && worker.script.starts_with(&call.script)
                    && since_us(call).saturating_add(CLOCK_US) >= worker.busy_us
            };
            let all = calls.iter().enumerate().filter(|(_, call)| is_same(call));
            let found = all.min_by_key(|(_, call)| call.since_ms).map(|(at, _)| at);
            worker.call = found.map(|at| calls.swap_remove(at));
        }
        self.workers.sort_by_key(|worker| (!worker.is_busy, u64::MAX - worker.busy_us));
    }
}

/// For people.
fn pretty(pools: &[(String, io::Result<Pool>)], rest: &[Call], now_ms: u64) -> Vec<u8> {
    let mut out = Vec::new();
    for (site, pool) in pools {
        push_printable(&mut out, site.as_bytes());
        let pool = match pool {
            Ok(pool) => pool,
            Err(error) => {
                out.extend_from_slice(format!(": php-fpm says nothing: {error}\n").as_bytes());
                continue;
            }
        };
        let (busy, idle) = pool.counts();
        let mut line = format!(": {} busy, {idle} idle", counted(busy, "worker", "workers"));
        for (count, one, several) in [
            (pool.slow, "request was slow", "requests were slow"),
            (pool.limit_reached, "time all were busy", "times all were busy"),
        ] {
            if count > 0 {
                line.push_str(&format!(", {}", counted(count, one, several)));
            }
        }
        out.extend_from_slice(line.as_bytes());
        out.push(b'\n');
        for Worker { pid, is_busy, busy_us, method, script, call } in &pool.workers {
            let told = format!("  worker {pid:<8}");
            out.extend_from_slice(told.as_bytes());
            match (is_busy, call) {
                (false, _) => out.extend_from_slice(b"idle"),
                (true, Some(call)) => push_call(&mut out, call, *busy_us),
                (true, None) => push_busy(&mut out, *busy_us, [method, "", "", script]),
            }
            out.push(b'\n');
        }
    }
    if pools.is_empty() {
        out.extend_from_slice(b"the server has started no php-fpm\n");
    }
    if !rest.is_empty() {
        out.extend_from_slice(b"waiting, or at a php-fpm that the server has not started\n");
    }
    for call in rest {
        out.extend_from_slice(b"  ");
        push_call(&mut out, call, now_ms.saturating_sub(call.since_ms) * 1000);
        out.push(b'\n');
    }
    out
}

fn push_call(out: &mut Vec<u8>, call: &Call, us: u64) {
    push_busy(out, us, [&call.method, &call.target, &call.id, &call.script]);
}

fn push_busy(out: &mut Vec<u8>, us: u64, parts: [&str; 4]) {
    out.extend_from_slice(format!("{:>6.1} s", us as f64 / 1e6).as_bytes());
    for (part, before) in parts.into_iter().zip(["  ", " ", "  ", "  "]) {
        if !part.is_empty() {
            out.extend_from_slice(before.as_bytes());
            push_printable(out, part.as_bytes());
        }
    }
}

/// For programs.
fn json(pools: &[(String, io::Result<Pool>)], rest: &[Call], now_ms: u64) -> Vec<u8> {
    let mut out = b"{\"pools\":[".to_vec();
    for (at, (site, pool)) in pools.iter().enumerate() {
        out.extend_from_slice(if at > 0 { b",{" } else { b"{" });
        push_member(&mut out, "site", site);
        match pool {
            Ok(pool @ Pool { limit_reached, slow, workers }) => {
                let (busy, idle) = pool.counts();
                let told = format!(
                    ",\"busy\":{busy},\"idle\":{idle},\"limit_reached\":{limit_reached},\
                     \"slow\":{slow},\"workers\":["
                );
                out.extend_from_slice(told.as_bytes());
                for (at, worker) in workers.iter().enumerate() {
                    out.extend_from_slice(if at > 0 { b"," } else { b"" });
                    push_worker(&mut out, worker);
                }
                out.extend_from_slice(b"]}");
            }
            Err(error) => {
                out.push(b',');
                push_member(&mut out, "error", &error.to_string());
                out.push(b'}');
            }
        }
    }
    out.extend_from_slice(b"],\"others\":[");
    for (at, call) in rest.iter().enumerate() {
        let us = now_ms.saturating_sub(call.since_ms) * 1000;
        let comma = if at > 0 { "," } else { "" };
        out.extend_from_slice(format!("{comma}{{\"us\":{us},").as_bytes());
        push_parts(&mut out, call);
        out.push(b'}');
    }
    out.extend_from_slice(b"]}\n");
    out
}

fn push_worker(out: &mut Vec<u8>, worker: &Worker) {
    let Worker { pid, is_busy, busy_us, method, script, call } = worker;
    out.extend_from_slice(format!("{{\"pid\":{pid},\"busy\":{is_busy}").as_bytes());
    if *is_busy {
        out.extend_from_slice(format!(",\"us\":{busy_us},").as_bytes());
        match call {
            Some(call) => push_parts(out, call),
            None => {
                push_member(out, "method", method);
                out.push(b',');
                push_member(out, "script", script);
            }
        }
    }
    out.push(b'}');
}

fn push_parts(out: &mut Vec<u8>, call: &Call) {
    let Call { id, method, target, script, .. } = call;
    let parts = [("id", id), ("method", method), ("target", target), ("script", script)];
    for (at, (name, part)) in parts.into_iter().enumerate() {
        out.extend_from_slice(if at > 0 { b"," } else { b"" });
        push_member(out, name, part);
    }
}

fn push_member(out: &mut Vec<u8>, name: &str, text: &str) {
    out.extend_from_slice(format!("\"{name}\":\"").as_bytes());
    push_json(out, text.as_bytes());
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOLD: &str = "pool:                 www\nstart since:          62\n\
        listen queue:         3\nidle processes:       1\nactive processes:     2\n\
        max children reached: 4\nslow requests:        5\n\n************************\n\
        pid:                  12\nstate:                Running\nrequest duration:     900000\n\
        request method:       GET\nrequest URI:          /index.php?a:b\nscript:               /srv/a.php\n\n\
        ************************\npid:                  11\nstate:                Running\n\
        request duration:     2500000\nrequest method:       GET\nscript:               /srv/a.php\n\n\
        ************************\npid:                  13\nstate:                Idle\n\
        request duration:     7\nscript:               /srv/a.php\n";

    fn call(since_ms: u64, id: &str, method: &str) -> Call {
        let (id, method) = (id.to_owned(), method.to_owned());
        Call { since_ms, id, method, target: "/x".to_owned(), script: "/srv/a.php".to_owned() }
    }

    #[test]
    fn workers_are_at_the_requests_that_were_asked_just_before() {
        let mut pool = Pool::read(TOLD);
        assert_eq!((pool.counts(), pool.limit_reached, pool.slow), ((2, 1), 4, 5));
        let mut calls = vec![
            call(9_900, "waits", "GET"),
            call(9_099, "second", "GET"),
            call(7_499, "first", "GET"),
            call(7_499, "other", "POST"),
        ];
        pool.join(&mut calls, 10_000);
        let at = |worker: &Worker| (worker.pid, worker.call.as_ref().map(|call| call.id.clone()));
        let of = |id: &str| Some(id.to_owned());
        let all: Vec<_> = pool.workers.iter().map(at).collect();
        assert_eq!(all, [(11, of("first")), (12, of("second")), (13, None)]);
        let mut left: Vec<_> = calls.iter().map(|call| &*call.id).collect();
        left.sort_unstable();
        assert_eq!(left, ["other", "waits"]);
        let text =
            String::from_utf8(pretty(&[("a".to_owned(), Ok(pool))], &calls, 10_000)).unwrap();
        assert!(
            text.contains("a: 2 workers busy, 1 idle, 5 requests were slow, 4 times all"),
            "{text}"
        );
        assert!(text.contains("worker 11         2.5 s  GET /x  first  /srv/a.php\n"), "{text}");
        assert!(text.contains("worker 13      idle\nwaiting, or"), "{text}");
    }

    #[test]
    fn whatever_is_said_is_read() {
        for text in ["", "***", ":", "pid: x\n***\npid: -1\nstate:\n***\n\n"] {
            let mut pool = Pool::read(text);
            pool.join(&mut vec![call(u64::MAX, "", "")], 0);
        }
    }
}
