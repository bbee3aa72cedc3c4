//! The sockets of a server as its kernel has them, as JSON: how many are in each state, and of each
//! connection what it is that limits it, in words.

mod verdict;

use crate::{json::known, lives::Stories};
use base::text::push_json;
use net::diag::{Socket, State};
use std::{collections::BTreeMap, net::SocketAddr};
use verdict::verdict;

/// Sockets that are listed one by one.
const LISTED_MAX: usize = 1_000;

/// Whether a socket is one of a server that listens at these addresses.
#[must_use]
pub fn is_of(socket: &Socket, addresses: &[SocketAddr]) -> bool {
    addresses.iter().any(|address| {
        let is_any = address.ip().is_unspecified();
        address.port() == socket.own.port()
            && (address.ip() == socket.own.ip()
                || (is_any && address.is_ipv4() == socket.own.is_ipv4()))
    })
}

/// The sockets of a server, with what it has done on them.
#[must_use]
pub fn sockets(all: &[Socket], stories: &Stories) -> Vec<u8> {
    let mut states: BTreeMap<(SocketAddr, State), u64> = BTreeMap::new();
    for socket in all {
        *states.entry((socket.own, socket.state)).or_default() += 1;
    }
    let mut listed: Vec<_> = all.iter().filter(|socket| socket.state != State::Listen).collect();
    listed.sort_by_key(|socket| std::cmp::Reverse(urgency(socket)));
    let left_out = listed.len().saturating_sub(LISTED_MAX);
    listed.truncate(LISTED_MAX);
    let mut out = b"{\"states\":[".to_vec();
    for (at, ((address, state), count)) in states.iter().enumerate() {
        push(&mut out, if at > 0 { "," } else { "" });
        push(&mut out, &format!("{{\"address\":\"{address}\",\"state\":\"{}\"", state.word()));
        push(&mut out, &format!(",\"count\":{count}}}"));
    }
    push(&mut out, "],\"sockets\":[");
    for (at, socket) in listed.into_iter().enumerate() {
        push(&mut out, if at > 0 { "," } else { "" });
        push_socket(&mut out, socket, stories);
    }
    push(&mut out, &format!("],\"left_out\":{left_out}}}\n"));
    out
}

/// The same where the kernel does not tell, and why.
#[must_use]
pub fn untold(why: &str) -> Vec<u8> {
    let mut out = b"{\"states\":[],\"sockets\":[],\"left_out\":null,\"untold\":\"".to_vec();
    push_json(&mut out, why.as_bytes());
    push(&mut out, "\"}\n");
    out
}

/// What there is most to say about goes first: what has bytes to send, then what waits otherwise.
fn urgency(socket: &Socket) -> (u32, bool, u64) {
    let moved = socket.path.map_or(0, |path| path.acknowledged);
    (socket.unacknowledged, socket.state == State::Established, moved)
}

fn push_socket(out: &mut Vec<u8>, socket: &Socket, stories: &Stories) {
    let Socket { own, peer, state, expires_ms, unread, unacknowledged, path } = socket;
    push(
        out,
        &format!("{{\"client\":\"{peer}\",\"address\":\"{own}\",\"state\":\"{}\"", state.word()),
    );
    let verdict = verdict(socket);
    match verdict.by {
        Some(by) => push(out, &format!(",\"limited_by\":\"{by}\"")),
        None => push(out, ",\"limited_by\":null"),
    }
    push(out, ",\"why\":\"");
    push_json(out, verdict.why.as_bytes());
    push(out, &format!("\",\"unread\":{unread},\"unacknowledged\":{unacknowledged}"));
    push(out, &format!(",\"expires_ms\":{expires_ms}"));
    let path = path.as_ref();
    let numbers = [
        ("rtt_us", path.map(|path| u64::from(path.rtt_us))),
        ("min_rtt_us", path.map(|path| u64::from(path.min_rtt_us)).filter(|us| *us > 0)),
        ("cwnd", path.map(|path| u64::from(path.cwnd))),
        ("retransmitted", path.map(|path| u64::from(path.retransmitted))),
        ("delivery_rate", path.map(|path| path.delivery_rate).filter(|rate| *rate > 0)),
        ("sent", path.map(|path| path.acknowledged)),
        ("received", path.map(|path| path.received)),
    ];
    for (name, number) in numbers {
        push(out, &format!(",\"{name}\":{}", known(number)));
    }
    push(out, ",");
    stories.push(out, *peer);
    push(out, "}");
}

fn push(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use net::diag::Path;

    pub(super) fn socket(state: State, path: Option<Path>) -> Socket {
        Socket {
            own: "127.0.0.1:80".parse().unwrap(),
            peer: "192.0.2.1:4242".parse().unwrap(),
            state,
            expires_ms: 0,
            unread: 0,
            unacknowledged: 0,
            path,
        }
    }

    #[test]
    fn a_server_has_the_sockets_of_its_addresses() {
        let socket = socket(State::Established, None);
        for (address, expect) in [
            ("127.0.0.1:80", true),
            ("0.0.0.0:80", true),
            ("127.0.0.1:81", false),
            ("127.0.0.2:80", false),
            ("[::]:80", false),
        ] {
            assert_eq!(is_of(&socket, &[address.parse().unwrap()]), expect, "{address}");
        }
    }

    #[test]
    fn sockets_are_counted_by_state_and_listed_by_what_there_is_to_say() {
        let busy =
            Socket { unacknowledged: 9, ..socket(State::Established, Some(Path::default())) };
        let mut all = vec![socket(State::Listen, None), socket(State::TimeWait, None), busy];
        all.extend(vec![socket(State::TimeWait, None); LISTED_MAX]);
        let text = String::from_utf8(sockets(&all, &Stories::default())).unwrap();
        let said: serde_json::Value = serde_json::from_str(&text).unwrap();
        let count = |at: usize| (&said["states"][at]["state"], &said["states"][at]["count"]);
        assert_eq!(count(0), (&"ESTABLISHED".into(), &1.into()));
        assert_eq!(count(1), (&"TIME_WAIT".into(), &(LISTED_MAX + 1).into()));
        assert_eq!(count(2), (&"LISTEN".into(), &1.into()));
        assert_eq!(
            (&said["sockets"][0]["unacknowledged"], &said["left_out"]),
            (&9.into(), &2.into())
        );
        assert_eq!(said["sockets"][0]["min_rtt_us"], serde_json::Value::Null);
        assert_eq!(said["sockets"][1]["client"], "192.0.2.1:4242");
        assert_eq!(said["sockets"][1]["events"], serde_json::json!([]));
    }
}
