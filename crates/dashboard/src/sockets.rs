//! The sockets of a server as its kernel has them, as JSON: how many are in each state, and of each
//! connection what it is that limits it, in words.

mod looks;
mod verdict;
mod wanted;

use crate::{
    json::known,
    lives::{Stories, Story},
};
use base::text::push_json;
use control::{
    lives::{Ends, Waits},
    status::Status,
};
pub use looks::Looks;
use net::diag::{Path, Socket, State};
use std::{cmp::Reverse, collections::BTreeMap, net::SocketAddr};
use verdict::{Doing, Verdict, verdict};
pub use wanted::Wanted;

/// Sockets that are listed one by one at most.
const LISTED_MAX: usize = 1_000;

/// Connections that the kernel has forgotten and whose story is listed all the same, the newest; no
/// more, as who looks wants to see those that are there.
const GONE_MAX: usize = 20;

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

/// The addresses of a server that are of TCP.
#[must_use]
pub fn addresses(server: &Status) -> Vec<SocketAddr> {
    server.listeners.iter().filter_map(|one| one.address.parse().ok()).collect()
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

/// What is known of connections beside what their kernel says now, where it is `now_us` since the
/// machine started.
#[derive(Clone, Copy)]
struct Known<'k> {
    stories: &'k Stories,
    looks: &'k Looks,
    now_us: u64,
}

/// The sockets of a server, with what it has done on those that are wanted, where it is `now_us`
/// since the machine started. `ask` finds out what the kernel knows of the way to the client of one
/// of which that is not known. What is found is compared with `looks`, and put down there.
#[must_use]
pub fn sockets(
    all: &[Socket],
    (stories, looks): (&Stories, &mut Looks),
    (wanted, ask): (&Wanted, impl Fn(&Socket) -> Option<Box<Path>>),
    now_us: u64,
) -> Vec<u8> {
    let of = Known { stories, looks, now_us };
    let mut states: BTreeMap<(SocketAddr, State), (u64, Option<u64>)> = BTreeMap::new();
    let mut gone = stories.ended();
    let mut listed = Vec::new();
    for socket in all {
        let story = stories.between(ends(socket));
        let (count, oldest_us) = states.entry((socket.own, socket.state)).or_default();
        *count += 1;
        *oldest_us = (*oldest_us).max(age_us(socket, story, now_us));
        if !gone.is_empty() {
            gone.remove(&ends(socket));
        }
        if socket.state != State::Listen && wanted.has(socket, of) {
            // Those go first whose stories somebody reads.
            let requests = story.map_or(0, |story| story.requests);
            let urgency = urgency(socket, of.doing(socket), requests);
            listed.push((wanted.names(socket.peer), urgency, socket));
        }
    }
    listed.sort_by_key(|(is_named, urgency, _)| Reverse((*is_named, *urgency)));
    let left_out = listed.len().saturating_sub(wanted.most());
    listed.truncate(wanted.most());
    let (shown, mut seen) = (listed.len(), Vec::with_capacity(listed.len()));
    let mut out = b"{\"states\":[".to_vec();
    for (at, ((address, state), (count, oldest_us))) in states.iter().enumerate() {
        push(&mut out, if at > 0 { "," } else { "" });
        push(&mut out, &format!("{{\"address\":\"{address}\",\"state\":\"{}\"", state.word()));
        let oldest = known(*oldest_us);
        push(&mut out, &format!(",\"count\":{count},\"oldest_us\":{oldest}}}"));
    }
    push(&mut out, "],\"sockets\":[");
    for (at, (.., socket)) in listed.into_iter().enumerate() {
        push(&mut out, if at > 0 { "," } else { "" });
        let path = socket.path.clone().or_else(|| ask(socket));
        let socket = Socket { path, ..socket.clone() };
        push_socket(&mut out, &socket, wanted, of);
        seen.push(socket);
    }
    looks.note(seen.iter(), now_us);
    let mut gone: Vec<_> = gone.into_iter().collect();
    gone.sort_unstable_by_key(|(ends, end_us)| Reverse((*end_us, *ends)));
    let gone = gone.into_iter().map(|(ends, _)| ends);
    let gone = gone.filter(|ends| wanted.has_gone(*ends, stories, now_us)).take(GONE_MAX);
    for (at, ends) in gone.enumerate() {
        push(&mut out, if at + shown > 0 { "," } else { "" });
        push_gone(&mut out, ends, (stories, wanted), now_us);
    }
    push(&mut out, &format!("],\"left_out\":{left_out}}}\n"));
    out
}

/// The connections of a server, those first that there is most to say about. What it has done on
/// them is not known.
#[must_use]
pub fn lines(all: &[Socket]) -> Vec<Line> {
    let line = |socket: &Socket| {
        let (client, state, path) = (canonical(socket.peer), socket.state.word(), &socket.path);
        let Verdict { by, why } = verdict(socket, Doing::default());
        Line { client, state, limited_by: by, why, path: path.as_deref().copied() }
    };
    let mut listed: Vec<_> = all.iter().filter(|socket| socket.state != State::Listen).collect();
    let sent = |socket: &Socket| socket.path.as_ref().map_or(0, |path| path.acknowledged);
    // Where somebody limits it, something is done: since what came last, as far as can be told.
    let doing = |socket: &Socket| {
        let is_limited = verdict(socket, Doing::default()).by.is_some();
        let path = socket.path.as_ref().filter(|_| is_limited);
        let under_way_us = path.map(|path| u64::from(path.last_received_ms) * 1_000);
        Doing { under_way_us, ..Doing::default() }
    };
    listed.sort_by_cached_key(|socket| Reverse(urgency(socket, doing(socket), sent(socket))));
    listed.into_iter().map(line).collect()
}

/// What there is most to say about goes first: where something is under way, what has been so for
/// longest; then what is established, by how much was done on it.
fn urgency(socket: &Socket, doing: Doing, done: u64) -> (bool, u64, u32, bool, u64) {
    let waits = doing.waits.unwrap_or_default();
    let is_busy = doing.under_way_us.is_some() || waits != Waits::Nothing;
    let is_there = socket.state == State::Established;
    let is_sending = is_there && socket.unacknowledged > 0;
    let under_way_us = doing.under_way_us.unwrap_or(0);
    (is_there && is_busy || is_sending, under_way_us, socket.unacknowledged, is_there, done)
}

impl Known<'_> {
    /// What the server knows of a connection.
    fn doing(self, socket: &Socket) -> Doing {
        let Self { stories, looks, now_us } = self;
        let waits = stories.waits(ends(socket));
        // The story of a port may be that of a connection before.
        let is_there = socket.state == State::Established;
        let since_us = stories.under_way_since(ends(socket)).filter(|_| is_there);
        let under_way_us = since_us.map(|since_us| now_us.saturating_sub(since_us));
        Doing { waits, under_way_us, before: looks.before(socket, now_us) }
    }
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
fn age_us(socket: &Socket, story: Option<&Story>, now_us: u64) -> Option<u64> {
    match socket.state {
        State::Listen => None,
        State::TimeWait => Some(u64::from(TIME_WAIT_MS.saturating_sub(socket.expires_ms)) * 1_000),
        _ => story.map(|story| now_us.saturating_sub(story.since_us)),
    }
}

fn push_socket(out: &mut Vec<u8>, socket: &Socket, wanted: &Wanted, of: Known<'_>) {
    let Known { stories, now_us, .. } = of;
    let Socket { own, peer, state, expires_ms, unread, unacknowledged, path } = socket;
    push(
        out,
        &format!("{{\"client\":\"{peer}\",\"address\":\"{own}\",\"state\":\"{}\"", state.word()),
    );
    let verdict = verdict(socket, of.doing(socket));
    match verdict.by {
        Some(by) => push(out, &format!(",\"limited_by\":\"{by}\"")),
        None => push(out, ",\"limited_by\":null"),
    }
    push(out, ",\"why\":\"");
    push_json(out, verdict.why.as_bytes());
    push(out, &format!("\",\"unread\":{unread},\"unacknowledged\":{unacknowledged}"));
    let age = known(age_us(socket, stories.between(ends(socket)), now_us));
    push(out, &format!(",\"expires_ms\":{expires_ms},\"age_us\":{age}"));
    for (name, number) in numbers(path.as_deref()) {
        push(out, &format!(",\"{name}\":{}", known(number)));
    }
    push_story(out, ends(socket), (stories, wanted), now_us);
    push(out, "}");
}

/// How much was asked on a connection, and the story of it where that is wanted.
fn push_story(out: &mut Vec<u8>, ends: Ends, (stories, wanted): (&Stories, &Wanted), now_us: u64) {
    push(
        out,
        &format!(",\"requests\":{}", known(stories.between(ends).map(|story| story.requests))),
    );
    if wanted.has_story(ends.0) {
        push(out, ",");
        stories.push(out, ends, now_us);
    }
}

/// What the kernel knows of the way to a client, as members of an object.
fn numbers(path: Option<&Path>) -> [(&'static str, Option<u64>); 11] {
    // Of a client that has said nothing, the kernel has measured how long it was silent.
    let spoken = path.filter(|path| path.received > 0);
    [
        ("rtt_us", spoken.map(|path| u64::from(path.rtt_us))),
        ("min_rtt_us", spoken.map(|path| u64::from(path.min_rtt_us)).filter(|us| *us > 0)),
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
fn push_gone(out: &mut Vec<u8>, ends: Ends, of: (&Stories, &Wanted), now_us: u64) {
    let (word, (peer, _)) = (State::Closed.word(), ends);
    push(out, &format!("{{\"client\":\"{peer}\",\"address\":null,\"state\":\"{word}\""));
    push(out, ",\"limited_by\":null,\"why\":\"over\",\"unread\":0,\"unacknowledged\":0");
    push(out, ",\"expires_ms\":0,\"age_us\":null");
    for (name, _) in numbers(None) {
        push(out, &format!(",\"{name}\":null"));
    }
    push_story(out, ends, of, now_us);
    push(out, "}");
}

/// The two ends of a connection, as its story has them.
fn ends(socket: &Socket) -> Ends {
    (canonical(socket.peer), socket.own.port())
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
    use control::lives::{Answer, UNANSWERED};
    use serde_json::{Value, json};

    pub(super) fn socket(state: State, path: Option<Path>) -> Socket {
        Socket {
            own: "127.0.0.1:80".parse().unwrap(),
            peer: "192.0.2.1:4242".parse().unwrap(),
            state,
            expires_ms: 0,
            unread: 0,
            unacknowledged: 0,
            path: path.map(Box::new),
        }
    }

    /// What is said of these sockets where that is asked.
    fn told(all: &[Socket], stories: &Stories, query: &str) -> Value {
        let ask = |socket: &Socket| {
            assert!(socket.path.is_none(), "it was known");
            Some(Box::new(Path { rtt_us: 77, received: 1, ..Path::default() }))
        };
        let known = (stories, &mut Looks::default());
        let text = sockets(all, known, (&Wanted::of(Some(query)), ask), 9_000);
        serde_json::from_slice(&text).unwrap()
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
        life.begin(1_000, ("192.0.2.1:4242".parse().unwrap(), 80));
        let stories = Stories::of(crate::example::seen(words));
        let over = Socket { expires_ms: 59_000, ..socket(State::TimeWait, None) };
        let all = [socket(State::Established, None), over, socket(State::Listen, None)];
        let age = |socket: &Socket| age_us(socket, stories.between(ends(socket)), 6_000);
        let ages = all.each_ref().map(age);
        assert_eq!(ages, [Some(5_000), Some(1_000_000), None]);
        let other =
            Socket { peer: "192.0.2.1:1".parse().unwrap(), ..socket(State::Established, None) };
        assert_eq!(age(&other), None);
    }

    #[test]
    fn what_the_kernel_has_forgotten_is_told_all_the_same_the_newest_first() {
        let (words, life) = crate::example::life();
        let end = (control::lives::Ending::ByClient, control::lives::First::Client);
        let last = 2 + GONE_MAX as u16;
        for port in 1..=last {
            let name = life.begin(u64::from(port), (SocketAddr::from(([192, 0, 2, 1], port)), 80));
            if port != 7 {
                life.end(1_000 + u64::from(port), name, end);
            }
        }
        let stories = Stories::of(crate::example::seen(words));
        // The kernel has one of them in mind still.
        let peer = SocketAddr::from(([192, 0, 2, 1], last));
        let over = Socket { peer, ..socket(State::TimeWait, None) };
        let said = told(&[over], &stories, "");
        let all = said["sockets"].as_array().unwrap();
        let clients: Vec<_> = all.iter().map(|one| one["client"].as_str().unwrap()).collect();
        let first = [last, last - 1, last - 2].map(|port| format!("192.0.2.1:{port}"));
        assert_eq!(clients[..3], first);
        assert_eq!((all.len(), &all[1]["state"]), (1 + GONE_MAX, &"CLOSED".into()));
        assert!(!clients.contains(&"192.0.2.1:7"), "it is not over");
        assert_eq!((&all[1]["rtt_us"], &all[1]["address"]), (&Value::Null, &Value::Null));
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
        let said = told(&all, &Stories::default(), "");
        let count = |at: usize| (&said["states"][at]["state"], &said["states"][at]["count"]);
        assert_eq!(count(0), (&"ESTABLISHED".into(), &1.into()));
        assert_eq!(count(1), (&"TIME_WAIT".into(), &(LISTED_MAX + 1).into()));
        assert_eq!(count(2), (&"LISTEN".into(), &1.into()));
        assert_eq!(
            (&said["sockets"][0]["unacknowledged"], &said["left_out"]),
            (&9.into(), &2.into())
        );
        assert_eq!(said["sockets"][0]["min_rtt_us"], Value::Null);
        assert_eq!(said["sockets"][0]["lost"], 0);
        // Nobody has told since when it is there; the kernel says how long it is over.
        assert_eq!(said["sockets"][0]["age_us"], Value::Null);
        assert_eq!(said["states"][1]["oldest_us"], 60_000_000);
        assert_eq!(said["sockets"][1]["client"], "192.0.2.1:4242");
        assert_eq!(said["sockets"][1]["events"], serde_json::json!([]));
    }

    /// What hangs is what somebody looks for.
    #[test]
    fn what_is_under_way_goes_first_the_longest_before_others() {
        let (words, life) = crate::example::life();
        let at = |port: u16| SocketAddr::from(([192, 0, 2, 1], port));
        let names: Vec<_> = (1..=9).map(|port| life.begin(1_000, (at(port), 80))).collect();
        // The first ones have been asked much, and are idle.
        names[..6].iter().for_each(|name| (0..9).for_each(|_| life.count(*name)));
        let shown = [(6, 5_000), (7, 2_000)].map(|(place, began_us)| {
            life.wait(names[place], Waits::Application);
            let answer = crate::example::answered(names[place], "/hangs", UNANSWERED);
            life.show(&Answer { began_us, whole_us: None, ..answer })
        });
        life.wait(names[8], Waits::Client);
        let stories = Stories::of(crate::example::seen(words));
        let established = |port| Socket { peer: at(port), ..socket(State::Established, None) };
        let all: Vec<_> = (1..=9).map(established).collect();
        let said = told(&all, &stories, "max=4");
        let listed = said["sockets"].as_array().unwrap();
        let clients: Vec<_> = listed.iter().map(|one| one["client"].as_str().unwrap()).collect();
        assert_eq!(clients[..3], ["192.0.2.1:8", "192.0.2.1:7", "192.0.2.1:9"]);
        let answer = &listed[0]["answers"][0];
        assert_eq!((&answer["path"], &answer["method"]), (&"/hangs".into(), &"GET".into()));
        assert_eq!((&answer["status"], &answer["under_way_us"]), (&Value::Null, &7_000.into()));
        assert_eq!((&listed[0]["requests"], listed[3]["answers"].clone()), (&0.into(), json!([])));
        drop(shown);
    }

    /// However many there are.
    #[test]
    fn no_more_is_asked_and_told_of_than_is_wanted() {
        let (words, life) = crate::example::life();
        let at = |port: u16| SocketAddr::from(([192, 0, 2, 1], port));
        let all: Vec<_> = (1..=50)
            .map(|port| {
                let name = life.begin(1_000, (at(port), 80));
                (0..port).for_each(|_| life.count(name));
                Socket { peer: at(port), ..socket(State::Established, None) }
            })
            .collect();
        let stories = Stories::of(crate::example::seen(words));
        let said = told(&all, &stories, "max=2&stories=192.0.2.1%3A7,odd");
        let listed = said["sockets"].as_array().unwrap();
        let requests: Vec<_> = listed.iter().map(|one| one["requests"].clone()).collect();
        // Whose story is read, and the one on which most was asked; and what the kernel knows.
        assert_eq!((requests, &said["left_out"]), (vec![7.into(), 50.into()], &48.into()));
        assert!(listed.iter().all(|one| one["rtt_us"] == 77), "{said}");
        let has_story = |one: &Value| one["events"].is_array();
        assert!(has_story(&listed[0]) && !has_story(&listed[1]), "{said}");
        assert!(told(&all, &stories, "max=9")["sockets"].as_array().unwrap().iter().all(has_story));
    }
}
