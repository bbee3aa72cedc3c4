//! The sockets of a server as its kernel has them, as JSON: how many are in each state, and of each
//! connection what it is that limits it, in words.

mod verdict;
mod wanted;

use crate::{json::known, lives::Stories};
use base::text::push_json;
use control::status::Status;
use net::diag::{Path, Socket, State};
use std::{
    collections::{BTreeMap, HashSet},
    net::SocketAddr,
};
use verdict::{Verdict, verdict};
pub use wanted::Wanted;

/// Sockets that are listed one by one.
const LISTED_MAX: usize = 1_000;

/// Connections that the kernel has forgotten and whose story is listed all the same, the newest.
const GONE_MAX: usize = 100;

/// How long one is kept in mind that is over (`TCP_TIMEWAIT_LEN` of Linux).
const TIME_WAIT_MS: u32 = 60_000;

/// What there is to say of a connection on one line, by what its kernel knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Where its client is.
    pub client: SocketAddr,
    /// Its state, as the kernel calls it.
    pub state: &'static str,
    /// Who limits it, if anybody does, and why that is thought.
    pub limited_by: Option<&'static str>,
    /// That, in a sentence.
    pub why: String,
    /// What the kernel knows of the way to the client.
    pub path: Option<Path>,
}

/// The addresses of a server that are of TCP, and their ports.
#[must_use]
pub fn addresses(server: &Status) -> (Vec<SocketAddr>, Vec<u16>) {
    let addresses = server.listeners.iter().filter_map(|one| one.address.parse().ok());
    let addresses: Vec<SocketAddr> = addresses.collect();
    let mut ports: Vec<_> = addresses.iter().map(SocketAddr::port).collect();
    ports.sort_unstable();
    ports.dedup();
    (addresses, ports)
}

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

/// The sockets of a server, with what it has done on those that are wanted, where it is `now_us`
/// since the machine started.
#[must_use]
pub fn sockets(all: &[Socket], stories: &Stories, wanted: &Wanted, now_us: u64) -> Vec<u8> {
    let mut states: BTreeMap<(SocketAddr, State), (u64, Option<u64>)> = BTreeMap::new();
    for socket in all {
        let (count, oldest_us) = states.entry((socket.own, socket.state)).or_default();
        *count += 1;
        *oldest_us = (*oldest_us).max(age_us(socket, stories, now_us));
    }
    let is_wanted = |socket: &&Socket| socket.state != State::Listen && wanted.has(socket, stories);
    let mut listed = by_urgency(all, is_wanted);
    let left_out = listed.len().saturating_sub(LISTED_MAX);
    listed.truncate(LISTED_MAX);
    let shown = listed.len();
    let mut out = b"{\"states\":[".to_vec();
    for (at, ((address, state), (count, oldest_us))) in states.iter().enumerate() {
        push(&mut out, if at > 0 { "," } else { "" });
        push(&mut out, &format!("{{\"address\":\"{address}\",\"state\":\"{}\"", state.word()));
        let oldest = known(*oldest_us);
        push(&mut out, &format!(",\"count\":{count},\"oldest_us\":{oldest}}}"));
    }
    push(&mut out, "],\"sockets\":[");
    for (at, socket) in listed.into_iter().enumerate() {
        push(&mut out, if at > 0 { "," } else { "" });
        push_socket(&mut out, socket, stories, now_us);
    }
    let there: HashSet<_> = all.iter().map(|socket| canonical(socket.peer)).collect();
    let is_wanted = |peer: &SocketAddr| !there.contains(peer) && wanted.has_gone(*peer, stories);
    let gone = stories.ended().into_iter().filter(is_wanted).take(GONE_MAX);
    for (at, peer) in gone.enumerate() {
        push(&mut out, if at + shown > 0 { "," } else { "" });
        push_gone(&mut out, peer, stories);
    }
    push(&mut out, &format!("],\"left_out\":{left_out}}}\n"));
    out
}

/// The connections of a server, those first that there is most to say about. What it has done on
/// them is not known.
#[must_use]
pub fn lines(all: &[Socket]) -> Vec<Line> {
    let line = |socket: &Socket| {
        let Socket { peer, state, path, .. } = *socket;
        let Verdict { by, why } = verdict(socket, None);
        Line { client: canonical(peer), state: state.word(), limited_by: by, why, path }
    };
    by_urgency(all, |socket| socket.state != State::Listen).into_iter().map(line).collect()
}

fn by_urgency(all: &[Socket], is_wanted: impl Fn(&&Socket) -> bool) -> Vec<&Socket> {
    let mut listed: Vec<_> = all.iter().filter(is_wanted).collect();
    listed.sort_by_key(|socket| std::cmp::Reverse(urgency(socket)));
    listed
}

/// The same where the kernel does not tell, and why.
#[must_use]
pub fn untold(why: &str) -> Vec<u8> {
    let mut out = b"{\"states\":[],\"sockets\":[],\"left_out\":null,\"untold\":\"".to_vec();
    push_json(&mut out, why.as_bytes());
    push(&mut out, "\"}\n");
    out
}

/// How long a connection has been there, or waits for late packets; as far as that is known.
fn age_us(socket: &Socket, stories: &Stories, now_us: u64) -> Option<u64> {
    match socket.state {
        State::Listen => None,
        State::TimeWait => Some(u64::from(TIME_WAIT_MS.saturating_sub(socket.expires_ms)) * 1_000),
        _ => stories.since_us(socket.peer).map(|since_us| now_us.saturating_sub(since_us)),
    }
}

/// What there is most to say about goes first: what has bytes to send, then what waits otherwise.
fn urgency(socket: &Socket) -> (u32, bool, u64) {
    let moved = socket.path.map_or(0, |path| path.acknowledged);
    (socket.unacknowledged, socket.state == State::Established, moved)
}

fn push_socket(out: &mut Vec<u8>, socket: &Socket, stories: &Stories, now_us: u64) {
    let Socket { own, peer, state, expires_ms, unread, unacknowledged, path } = socket;
    push(
        out,
        &format!("{{\"client\":\"{peer}\",\"address\":\"{own}\",\"state\":\"{}\"", state.word()),
    );
    let verdict = verdict(socket, stories.waits(*peer));
    match verdict.by {
        Some(by) => push(out, &format!(",\"limited_by\":\"{by}\"")),
        None => push(out, ",\"limited_by\":null"),
    }
    push(out, ",\"why\":\"");
    push_json(out, verdict.why.as_bytes());
    push(out, &format!("\",\"unread\":{unread},\"unacknowledged\":{unacknowledged}"));
    let age = known(age_us(socket, stories, now_us));
    push(out, &format!(",\"expires_ms\":{expires_ms},\"age_us\":{age}"));
    for (name, number) in numbers(path.as_ref()) {
        push(out, &format!(",\"{name}\":{}", known(number)));
    }
    push(out, ",");
    stories.push(out, *peer);
    push(out, "}");
}

/// What the kernel knows of the way to a client, as members of an object.
fn numbers(path: Option<&Path>) -> [(&'static str, Option<u64>); 11] {
    [
        ("rtt_us", path.map(|path| u64::from(path.rtt_us))),
        ("min_rtt_us", path.map(|path| u64::from(path.min_rtt_us)).filter(|us| *us > 0)),
        ("cwnd", path.map(|path| u64::from(path.cwnd))),
        ("retransmitted", path.map(|path| u64::from(path.retransmitted))),
        ("lost", path.map(|path| u64::from(path.lost))),
        ("busy_us", path.map(|path| path.busy_us)),
        ("rwnd_limited_us", path.map(|path| path.rwnd_limited_us)),
        ("sndbuf_limited_us", path.map(|path| path.sndbuf_limited_us)),
        ("delivery_rate", path.map(|path| path.delivery_rate).filter(|rate| *rate > 0)),
        ("sent", path.map(|path| path.acknowledged)),
        ("received", path.map(|path| path.received)),
    ]
}

/// The story of a connection that is over, and that no kernel keeps in mind on this side.
fn push_gone(out: &mut Vec<u8>, peer: SocketAddr, stories: &Stories) {
    let word = State::Closed.word();
    push(out, &format!("{{\"client\":\"{peer}\",\"address\":null,\"state\":\"{word}\""));
    push(out, ",\"limited_by\":null,\"why\":\"over\",\"unread\":0,\"unacknowledged\":0");
    push(out, ",\"expires_ms\":0,\"age_us\":null");
    for (name, _) in numbers(None) {
        push(out, &format!(",\"{name}\":null"));
    }
    push(out, ",");
    stories.push(out, peer);
    push(out, "}");
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn push(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn a_line_says_who_limits_a_connection() {
        let path = Path { lost: 1, ..Path::default() };
        let slow = Socket { unacknowledged: 9, ..socket(State::Established, Some(path)) };
        let found = lines(&[socket(State::Listen, None), socket(State::TimeWait, None), slow]);
        let said: Vec<_> = found.iter().map(|one| (one.state, one.limited_by)).collect();
        assert_eq!(said, [("ESTABLISHED", Some("network")), ("TIME_WAIT", None)]);
        assert_eq!(found[0].why, "0 segments were sent again, 1 are held to be lost");
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
    fn ages_are_those_of_connections_or_of_what_is_left_of_them() {
        let (words, life) = crate::example::life();
        life.begin(1_000, "192.0.2.1:4242".parse().unwrap());
        let words = crate::example::look(words);
        let stories = Stories::of(&control::lives::seen(&words, &words));
        let over = Socket { expires_ms: 59_000, ..socket(State::TimeWait, None) };
        let all = [socket(State::Established, None), over, socket(State::Listen, None)];
        let ages = all.each_ref().map(|socket| age_us(socket, &stories, 6_000));
        assert_eq!(ages, [Some(5_000), Some(1_000_000), None]);
        let other =
            Socket { peer: "192.0.2.1:1".parse().unwrap(), ..socket(State::Established, None) };
        assert_eq!(age_us(&other, &stories, 6_000), None);
    }

    #[test]
    fn what_the_kernel_has_forgotten_is_told_all_the_same_the_newest_first() {
        let (words, life) = crate::example::life();
        let end = (control::lives::Ending::ByClient, control::lives::First::Client);
        for port in 1..=2 + GONE_MAX as u16 {
            let name = life.begin(u64::from(port), SocketAddr::from(([192, 0, 2, 1], port)));
            if port != 7 {
                life.end(1_000 + u64::from(port), name, end);
            }
        }
        let words = crate::example::look(words);
        let stories = Stories::of(&control::lives::seen(&words, &words));
        // The kernel has one of them in mind still.
        let over =
            Socket { peer: "192.0.2.1:102".parse().unwrap(), ..socket(State::TimeWait, None) };
        let said: serde_json::Value =
            serde_json::from_slice(&sockets(&[over], &stories, &Wanted::default(), 9_000)).unwrap();
        let all = said["sockets"].as_array().unwrap();
        let clients: Vec<_> = all.iter().map(|one| one["client"].as_str().unwrap()).collect();
        assert_eq!(clients[..3], ["192.0.2.1:102", "192.0.2.1:101", "192.0.2.1:100"]);
        assert_eq!((all.len(), &all[1]["state"]), (1 + GONE_MAX, &"CLOSED".into()));
        assert!(!clients.contains(&"192.0.2.1:7"), "it is not over");
        assert_eq!(
            (&all[1]["rtt_us"], &all[1]["address"]),
            (&serde_json::Value::Null, &serde_json::Value::Null)
        );
        assert!(
            all[1]["events"][1]["what"].as_str().unwrap().ends_with("the client's FIN came first")
        );
    }

    #[test]
    fn sockets_are_counted_by_state_and_listed_by_what_there_is_to_say() {
        let busy =
            Socket { unacknowledged: 9, ..socket(State::Established, Some(Path::default())) };
        let mut all = vec![socket(State::Listen, None), socket(State::TimeWait, None), busy];
        all.extend(vec![socket(State::TimeWait, None); LISTED_MAX]);
        let text =
            String::from_utf8(sockets(&all, &Stories::default(), &Wanted::default(), 9)).unwrap();
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
        assert_eq!(said["sockets"][0]["lost"], 0);
        // Nobody has told since when it is there; the kernel says how long it is over.
        assert_eq!(said["sockets"][0]["age_us"], serde_json::Value::Null);
        assert_eq!(said["states"][1]["oldest_us"], 60_000_000);
        assert_eq!(said["sockets"][1]["client"], "192.0.2.1:4242");
        assert_eq!(said["sockets"][1]["events"], serde_json::json!([]));
    }
}
