//! What is known of each php-fpm, in words for people and as JSON for programs.

use super::{Pool, Worker};
use crate::status::counted;
use base::{Moment, text::push_printable};
use control::{status::Says, trail::calls::Call};
use dashboard::{push_list, push_text};
use std::io;

/// The site of a php-fpm, and what that says of itself, or why it does not.
type Told = (String, io::Result<Pool>);

/// For people; `rest` are the requests that no worker is at.
pub(super) fn pretty(pools: &[Told], rest: &[Call], now: Moment) -> Vec<u8> {
    let mut out = Vec::new();
    if pools.is_empty() {
        push(&mut out, "the server has started no php-fpm\n");
    }
    for (site, pool) in pools {
        push_printable(&mut out, site.as_bytes());
        match pool {
            Ok(pool) => push_pool(&mut out, pool),
            Err(error) => push(&mut out, &format!(": php-fpm says nothing: {error}\n")),
        }
    }
    if !rest.is_empty() {
        push(&mut out, "waiting, or at a php-fpm that the server has not started\n");
    }
    for call in rest {
        push(&mut out, "  ");
        push_call(&mut out, call, call.age_us(now));
        push(&mut out, "\n");
    }
    out
}

fn push_pool(out: &mut Vec<u8>, pool: &Pool) {
    let ((busy, idle), most) = (pool.counts(), pool.workers_max);
    push(out, &format!(": {busy} of {} busy", counted(most, "worker", "workers")));
    match (busy, idle) {
        (0, 0) if most == 1 => push(out, "; it is started when it is needed"),
        (0, 0) => push(out, "; each is started when it is needed"),
        _ => push(out, &format!(", {idle} idle")),
    }
    for (count, one, several) in [
        (pool.waiting, "request waits", "requests wait"),
        (pool.says.slow, "request was slow", "requests were slow"),
        (pool.says.limit_reached, "time all were busy", "times all were busy"),
    ] {
        if count > 0 {
            push(out, &format!(", {}", counted(count, one, several)));
        }
    }
    push(out, "\n");
    for Worker { pid, is_busy, busy_us, method, script, call } in &pool.workers {
        push(out, &format!("  worker {pid:<8}"));
        match (is_busy, call) {
            (false, _) => push(out, "idle"),
            (true, Some(call)) => push_call(out, call, *busy_us),
            (true, None) => push_busy(out, *busy_us, [method, "", "", "", script]),
        }
        push(out, "\n");
    }
}

fn push_call(out: &mut Vec<u8>, call: &Call, us: u64) {
    push_busy(out, us, [&call.method, &call.host, &call.target, &call.id, &call.script]);
}

fn push_busy(out: &mut Vec<u8>, us: u64, parts: [&str; 5]) {
    push(out, &format!("{:>6.1} s", us as f64 / 1e6));
    for (part, before) in parts.into_iter().zip(["  ", " ", "", "  ", "  "]) {
        if !part.is_empty() {
            push(out, before);
            push_printable(out, part.as_bytes());
        }
    }
}

/// For programs.
pub(super) fn json(pools: &[Told], rest: &[Call], now: Moment) -> Vec<u8> {
    let mut out = b"{\"pools\":[".to_vec();
    push_list(&mut out, pools, |out, (site, pool)| {
        push(out, "{\"site\":");
        push_text(out, site);
        match pool {
            Ok(pool @ Pool { says, workers, workers_max, waiting }) => {
                let Says { limit_reached, slow, .. } = says;
                let (busy, idle) = pool.counts();
                push(out, &format!(",\"busy\":{busy},\"idle\":{idle}"));
                push(out, &format!(",\"workers_max\":{workers_max},\"waiting\":{waiting}"));
                push(out, &format!(",\"limit_reached\":{limit_reached},\"slow\":{slow}"));
                push(out, ",\"workers\":[");
                push_list(out, workers, push_worker);
                push(out, "]}");
            }
            Err(error) => {
                push(out, ",\"error\":");
                push_text(out, &error.to_string());
                push(out, "}");
            }
        }
    });
    push(&mut out, "],\"others\":[");
    push_list(&mut out, rest, |out, call| {
        push(out, &format!("{{\"us\":{}", call.age_us(now)));
        push_members(out, call);
        push(out, "}");
    });
    push(&mut out, "]}\n");
    out
}

fn push_worker(out: &mut Vec<u8>, worker: &Worker) {
    let Worker { pid, is_busy, busy_us, method, script, call } = worker;
    push(out, &format!("{{\"pid\":{pid},\"busy\":{is_busy}"));
    if *is_busy {
        push(out, &format!(",\"us\":{busy_us}"));
        match call {
            Some(call) => push_members(out, call),
            None => [("method", method), ("script", script)]
                .iter()
                .for_each(|(name, text)| push_member(out, name, text)),
        }
    }
    push(out, "}");
}

fn push_members(out: &mut Vec<u8>, call: &Call) {
    let Call { id, method, host, target, script, .. } = call;
    let parts =
        [("id", id), ("method", method), ("host", host), ("target", target), ("script", script)];
    parts.iter().for_each(|(name, text)| push_member(out, name, text));
}

/// Appends a member that is not the first.
fn push_member(out: &mut Vec<u8>, name: &str, text: &str) {
    push(out, &format!(",\"{name}\":"));
    push_text(out, text);
}

fn push(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}
