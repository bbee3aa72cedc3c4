//! The same as JSON: what `gannet status --json` and `/status` say.

use base::text::push_json;
use control::{
    counters::Protocol,
    kept::Kept,
    latency::Latency,
    status::{Certificate, Generation, Listener, Pool, Reload, Says, Status, Worker},
    tally::Counts,
};

/// For programs; docs/book/processes.md says what each member means.
#[must_use]
pub fn json(status: &Status) -> Vec<u8> {
    let Status { version, pid, seconds, connections, restarts, cut_off, reload, .. } = status;
    let mut out = b"{\"version\":".to_vec();
    push_text(&mut out, version);
    push(&mut out, &format!(",\"pid\":{pid},\"seconds\":{seconds},\"generations\":["));
    push_list(&mut out, &status.generations, |out, generation| {
        let Generation { number, phase, seconds_left, workers } = generation;
        push(out, &format!("{{\"number\":{number},\"phase\":\"{phase}\""));
        if let Some(left) = seconds_left {
            push(out, &format!(",\"seconds_left\":{left}"));
        }
        push(out, ",\"workers\":[");
        push_list(out, workers, push_worker);
        push(out, "]}");
    });
    push(&mut out, &format!("],\"connections_now\":{connections},\"restarts\":{restarts}"));
    push(&mut out, &format!(",\"cut_off\":{cut_off}"));
    if let Some(Reload { seconds, fault }) = reload {
        let is_done = fault.is_none();
        push(&mut out, &format!(",\"reload\":{{\"seconds\":{seconds},\"done\":{is_done}"));
        if let Some(fault) = fault {
            push(&mut out, ",\"reason\":");
            push_text(&mut out, fault);
        }
        out.push(b'}');
    }
    push(&mut out, &format!(",\"reloads\":{},", status.reloads));
    push(&mut out, &format!("\"reloads_failed\":{},\"listeners\":[", status.reloads_failed));
    push_list(&mut out, &status.listeners, push_listener);
    push(&mut out, &format!("],\"overflows\":{}", known(status.overflows)));
    push(&mut out, &format!(",\"drops\":{},\"certificates\":[", known(status.drops)));
    push_list(&mut out, &status.certificates, push_certificate);
    push(&mut out, "],\"sandbox\":[");
    push_list(&mut out, &status.layers, |out, layer| push_text(out, layer));
    out.push(b']');
    for (name, count) in &status.counted {
        out.push(b',');
        push_text(&mut out, name);
        push(&mut out, &format!(":{count}"));
    }
    push(&mut out, ",\"sites\":[");
    push_list(&mut out, &status.sites, |out, site| {
        push(out, "{\"site\":");
        push_text(out, &site.name);
        let total = site.total();
        push_counts(out, total);
        push_kept(out, total.kept);
        push(out, ",\"routes\":[");
        push_list(out, &site.routes, |out, (key, counts)| {
            push(out, "{\"route\":");
            push_text(out, key);
            push_counts(out, *counts);
            out.push(b'}');
        });
        push(out, "]}");
    });
    push(&mut out, "]");
    status.sockets.iter().for_each(|sockets| push_sockets(&mut out, sockets));
    if !status.pools.is_empty() {
        push(&mut out, ",\"php\":[");
        push_list(&mut out, &status.pools, push_pool);
        push(&mut out, "]");
    }
    push(&mut out, "}\n");
    out
}

/// What is known of a certificate, as `gannet certs --json` says it, too.
pub fn push_certificate(out: &mut Vec<u8>, certificate: &Certificate) {
    let Certificate { file, is_of_clients, hosts, issuer, until, next, warning, error } =
        certificate;
    push(out, "{\"file\":");
    push_text(out, file);
    push(out, &format!(",\"of_clients\":{is_of_clients}"));
    push(out, ",\"hosts\":[");
    push_list(out, hosts, |out, host| push_text(out, host));
    push(out, "],\"issuer\":");
    push_text(out, issuer);
    until.iter().for_each(|until| push(out, &format!(",\"end\":{until}")));
    push(out, ",\"next\":");
    push_text(out, next);
    for (name, text) in [("warning", warning), ("error", error)] {
        if let Some(text) = text {
            push(out, &format!(",\"{name}\":"));
            push_text(out, text);
        }
    }
    out.push(b'}');
}

fn push_listener(out: &mut Vec<u8>, listener: &Listener) {
    let Listener { address, waiting, waiting_max, accepted } = listener;
    push(out, "{\"address\":");
    push_text(out, address);
    push(out, &format!(",\"waiting\":{waiting},\"waiting_max\":{waiting_max}"));
    push(out, &format!(",\"accepted\":{accepted}}}"));
}

fn push_worker(out: &mut Vec<u8>, worker: &Worker) {
    let Worker { pid, connections, under_way, used, .. } = worker;
    let (loops, requests) = (worker.loops.len(), worker.requests());
    push(out, &format!("{{\"pid\":{pid},\"loops\":{loops},\"connections_now\":{connections}"));
    push(out, &format!(",\"under_way\":{under_way},\"protocols\":["));
    push_list(out, &Protocol::ALL, |out, protocol| {
        let ((name, tls), count) = (protocol.words(), worker.protocols[*protocol as usize]);
        push(out, &format!("{{\"protocol\":\"{name}\",\"tls\":{tls},\"connections\":{count}}}"));
    });
    out.push(b']');
    push(out, &format!(",\"cpu_us\":{}", known(used.map(|used| used.cpu_us))));
    push(out, &format!(",\"memory_bytes\":{}", known(used.map(|used| used.memory_bytes))));
    push(out, &format!(",\"requests\":{requests},\"by_loop\":["));
    push_list(out, &worker.loops, |out, one| {
        let (connections, requests) = (one.connections, one.requests);
        push(out, &format!("{{\"connections\":{connections},\"requests\":{requests}}}"));
    });
    push(out, "]}");
}

/// How many sockets are in each state.
fn push_sockets(out: &mut Vec<u8>, sockets: &[(String, u64)]) {
    push(out, ",\"sockets\":{");
    push_list(out, sockets, |out, (state, count)| {
        push_text(out, state);
        push(out, &format!(":{count}"));
    });
    push(out, "}");
}

/// What came of keeping pages, where any could be.
fn push_kept(out: &mut Vec<u8>, kept: Kept) {
    if kept != Kept::default() {
        let Kept { hits, stale, misses, waited, pages, bytes } = kept;
        push(out, &format!(",\"micro_cache\":{{\"hits\":{hits},\"stale\":{stale}"));
        push(out, &format!(",\"misses\":{misses},\"waited\":{waited}"));
        push(out, &format!(",\"pages\":{pages},\"bytes\":{bytes}}}"));
    }
}

fn push_pool(out: &mut Vec<u8>, pool: &Pool) {
    let Pool { site, waiting, waiting_max, deaths, restarts, says } = pool;
    push(out, "{\"site\":");
    push_text(out, site);
    push(out, &format!(",\"up\":{},\"waiting\":{waiting}", says.is_some()));
    push(out, &format!(",\"waiting_max\":{waiting_max}"));
    push(out, &format!(",\"deaths\":{deaths},\"restarts\":{restarts}"));
    if let Some(Says { busy, idle, busy_most, limit_reached, slow, taken }) = says {
        push(out, &format!(",\"busy\":{busy},\"idle\":{idle},\"busy_most\":{busy_most}"));
        push(out, &format!(",\"limit_reached\":{limit_reached},\"slow\":{slow}"));
        push(out, &format!(",\"taken\":{taken}"));
    }
    out.push(b'}');
}

fn push_counts(out: &mut Vec<u8>, counts: Counts) {
    push(out, &format!(",\"requests\":{}", counts.requests()));
    push(out, &format!(",\"under_way\":{}", counts.under_way));
    for (at, count) in counts.classes.iter().enumerate() {
        push(out, &format!(",\"{}xx\":{count}", at + 1));
    }
    let [refused, on_trial] = counts.limits;
    push(out, &format!(",\"limited\":{refused},\"limited_on_trial\":{on_trial}"));
    push(out, &format!(",\"bytes\":{}", counts.bytes));
    let times = [("first_byte", counts.times.to_first_byte()), ("whole", counts.times.to_end())];
    for (name, latency) in times {
        let Latency { counts, sum_us } = latency;
        push(out, &format!(",\"{name}\":{{\"sum_us\":{sum_us},\"counts\":["));
        push_list(out, &counts, |out, count| push(out, &count.to_string()));
        push(out, "]}");
    }
}

/// A number as it is written; what is not known is no 0.
pub(crate) fn known(number: Option<u64>) -> String {
    number.map_or_else(|| "null".to_owned(), |number| number.to_string())
}

fn push(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

/// Appends a text as a value.
pub fn push_text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    push_json(out, text.as_bytes());
    out.push(b'"');
}

/// Appends the elements of an array, each by `one`.
pub fn push_list<T>(out: &mut Vec<u8>, all: &[T], mut one: impl FnMut(&mut Vec<u8>, &T)) {
    for (at, value) in all.iter().enumerate() {
        out.extend_from_slice(if at > 0 { b"," } else { b"" });
        one(out, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;

    #[test]
    fn programs_see_all() {
        let text = String::from_utf8(json(&example::status())).unwrap();
        let all: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(all["generations"][0]["seconds_left"], 59);
        let worker = &all["generations"][0]["workers"][0];
        assert_eq!(
            (&all["version"], &all["pid"], &all["seconds"]),
            (&"1.2".into(), &7.into(), &3700.into())
        );
        assert_eq!(
            (&worker["pid"], &worker["loops"], &worker["requests"]),
            (&12.into(), &2.into(), &9.into())
        );
        assert_eq!((&worker["under_way"], &worker["cpu_us"]), (&1.into(), &1_250_000.into()));
        assert_eq!(worker["by_loop"][1]["connections"], 2);
        let spoken = serde_json::json!({ "protocol": "http2", "tls": true, "connections": 1 });
        assert_eq!((&worker["protocols"][3], &all["drops"]), (&spoken, &5.into()));
        assert_eq!(
            (&all["sockets"]["TIME_WAIT"], &all["listeners"][0]["accepted"]),
            (&7.into(), &6.into())
        );
        assert_eq!(worker["memory_bytes"], 8192);
        assert_eq!(
            (&all["reload"]["done"], &all["reload"]["reason"]),
            (&false.into(), &"a \"b\"".into())
        );
        assert_eq!((&all["reloads"], &all["reloads_failed"]), (&4.into(), &1.into()));
        assert_eq!(
            (&all["restarts"], &all["cut_off"], &all["requests"]),
            (&2.into(), &1.into(), &9.into())
        );
        assert_eq!(
            (&all["listeners"][0]["address"], &all["overflows"]),
            (&"[::1]:80".into(), &2.into())
        );
        let certificate = &all["certificates"][0];
        assert_eq!(
            (&certificate["hosts"][0], &certificate["end"]),
            (&"a.example".into(), &1_800_000_000.into())
        );
        assert_eq!(certificate["error"], "it does not answer");
        assert_eq!(all["sandbox"][0], "no core dumps: on");
        let site = &all["sites"][1];
        assert_eq!(
            (&site["site"], &site["requests"], &site["bytes"]),
            (&"example.com".into(), &8.into(), &10_500.into())
        );
        assert_eq!(
            (&site["micro_cache"]["hits"], &all["sites"][0]["micro_cache"]),
            (&3.into(), &serde_json::Value::Null)
        );
        let [fine, mute] = [0, 1].map(|at| &all["php"][at]);
        assert_eq!(
            (&fine["up"], &fine["busy"], &fine["waiting"]),
            (&true.into(), &2.into(), &1.into())
        );
        assert_eq!(
            (&mute["up"], &mute["site"], &mute["busy"]),
            (&false.into(), &"mute".into(), &serde_json::Value::Null)
        );
        assert_eq!((&mute["deaths"], &mute["restarts"]), (&3.into(), &2.into()));
        let route = &site["routes"][1];
        assert_eq!(
            (&route["route"], &route["2xx"], &route["first_byte"]["sum_us"]),
            (&"/a/*".into(), &6.into(), &70_000_100.into())
        );
        assert_eq!(route["under_way"], 1);
        assert_eq!(
            (&route["whole"]["counts"][0], &route["first_byte"]["counts"][27]),
            (&5.into(), &1.into())
        );
    }

    #[test]
    fn what_is_not_known_is_no_zero() {
        let mut status = example::status();
        (status.overflows, status.generations[0].workers[0].used) = (None, None);
        let all: serde_json::Value = serde_json::from_slice(&json(&status)).unwrap();
        let worker = &all["generations"][0]["workers"][0];
        for member in [&all["overflows"], &worker["cpu_us"], &worker["memory_bytes"]] {
            assert_eq!(member, &serde_json::Value::Null);
        }
        assert!(all.as_object().unwrap().contains_key("overflows"));
    }
}
