//! What is known of each connection and has happened on it, as a story: from whoever came to how it
//! ended.

use crate::json::known;
use base::text::{push_json, push_printable};
use control::lives::{
    Answered, Ends, Event, First, Known, Name, Seen, UNANSWERED, Waits, Way, What,
};
use foldhash::{HashMap, HashMapExt};
use std::{collections::hash_map::Entry, net::SocketAddr};

/// Answers of a connection that are told: the newest.
const TOLD_MAX: usize = 50;

/// The stories of connections, each by its two ends.
#[derive(Debug, Default)]
pub struct Stories {
    of_ends: HashMap<Ends, Story>,
    /// What has happened on the connections of each loop, and what was answered on them: by
    /// connection, and then in the order of time.
    loops: Vec<(Vec<Event>, Vec<Answered>)>,
}

/// What is known of a connection.
#[derive(Debug)]
pub(crate) struct Story {
    pub(crate) since_us: u64,
    pub(crate) requests: u64,
    /// Unknown of one that is over.
    waits: Option<Waits>,
    /// Its loop, and what it is called there.
    at: usize,
    name: Name,
}

impl Stories {
    /// The stories in what was found of loops. Of those with the same two ends the newest is told.
    #[must_use]
    pub fn of(found: Vec<Seen>) -> Self {
        let count = found.iter().map(|seen| seen.known.len()).sum();
        let mut of_ends = HashMap::with_capacity(count);
        let mut loops = Vec::new();
        for (at, mut seen) in found.into_iter().enumerate() {
            seen.events.sort_by_key(|event| (event.connection, event.when_us));
            for one in &seen.known {
                let Known { connection: name, ends, since_us, requests, waits } = *one;
                add(&mut of_ends, ends, Story { since_us, requests, waits: Some(waits), at, name });
            }
            // Those that are over, or had no place; the others are there.
            for events in seen.events.chunk_by(|one, other| one.connection == other.connection) {
                if let Some((ends, since_us, requests)) = beginning(events) {
                    let name = events[0].connection;
                    add(&mut of_ends, ends, Story { since_us, requests, waits: None, at, name });
                }
            }
            let mut answers = seen.take_answers();
            answers.sort_by_key(|answer| (answer.connection, answer.began_us));
            loops.push((seen.events, answers));
        }
        Self { of_ends, loops }
    }

    /// Where the ends were of the connections that have ended of late, and when they did.
    pub(crate) fn ended(&self) -> HashMap<Ends, u64> {
        let mut all = HashMap::new();
        for event in self.loops.iter().flat_map(|(events, _)| events) {
            if let What::Ended { ends, .. } = event.what
                && self.between(ends).is_some_and(|story| story.name == event.connection)
            {
                all.insert(ends, event.when_us);
            }
        }
        all
    }

    /// What has happened on a connection.
    fn events(&self, story: &Story) -> &[Event] {
        let (events, _) = &self.loops[story.at];
        run(events, story.name, |event| event.connection)
    }

    /// What was answered on the connection with these ends, as far as that is known.
    pub(crate) fn answers(&self, ends: Ends) -> &[Answered] {
        let Some(story) = self.between(ends) else { return &[] };
        let (_, answers) = &self.loops[story.at];
        run(answers, story.name, |answer| answer.connection)
    }

    /// Since when a request is under way on the connection with these ends: the oldest of those, if
    /// there is any that is shown.
    pub(crate) fn under_way_since(&self, ends: Ends) -> Option<u64> {
        let open = self.answers(ends).iter().filter(|answer| answer.whole_us.is_none());
        open.map(|answer| answer.began_us).min()
    }

    /// Whether a balancer has named a client of the connection with these ends, with that in its
    /// address.
    pub(crate) fn is_of(&self, ends: Ends, part: &str) -> bool {
        let events = self.between(ends).map(|story| self.events(story)).unwrap_or_default();
        events.iter().any(|event| match event.what {
            What::Introduced(client) => client.to_string().contains(part),
            _ => false,
        })
    }

    /// What the connection with these ends waits for, as the server knows.
    pub(crate) fn waits(&self, ends: Ends) -> Option<Waits> {
        self.between(ends)?.waits
    }

    /// What is known of the connection with these ends.
    pub(crate) fn between(&self, (peer, port): Ends) -> Option<&Story> {
        self.of_ends.get(&(SocketAddr::new(peer.ip().to_canonical(), peer.port()), port))
    }

    /// Appends the story of the connection with these ends, as members of an object, where it is
    /// `now_us` since the machine started.
    pub(crate) fn push(&self, out: &mut Vec<u8>, ends: Ends, now_us: u64) {
        let story = self.between(ends);
        let since_us = story.map_or(0, |story| story.since_us);
        push(out, "\"events\":[");
        let events = story.map(|story| self.events(story)).unwrap_or_default();
        for (at, event) in events.iter().enumerate() {
            let us = event.when_us.saturating_sub(since_us);
            let comma = if at > 0 { "," } else { "" };
            push(out, &format!("{comma}{{\"us\":{us},\"what\":\""));
            push_json(out, words(event.what).as_bytes());
            push(out, "\"}");
        }
        push(out, "],\"answers\":[");
        let answers = self.answers(ends);
        let (older, newest) = answers.split_at(answers.len().saturating_sub(TOLD_MAX));
        // What hangs is told however much was answered since.
        let hanging = older.iter().filter(|answer| answer.whole_us.is_none()).take(TOLD_MAX);
        for (at, answer) in hanging.chain(newest).enumerate() {
            push(out, if at > 0 { ",{" } else { "{" });
            let age = known(answer.under_way_us(now_us));
            let us = answer.began_us.saturating_sub(since_us);
            push(out, &format!("\"us\":{us},\"under_way_us\":{age},"));
            push_answer(out, answer);
            push(out, "}");
        }
        push(out, "]");
    }
}

fn add(stories: &mut HashMap<Ends, Story>, ends: Ends, story: Story) {
    match stories.entry(ends) {
        Entry::Vacant(place) => _ = place.insert(story),
        Entry::Occupied(mut place) if place.get().since_us < story.since_us => {
            place.insert(story);
        }
        Entry::Occupied(_) => {}
    }
}

/// Those of one connection among what stands in the order of connections.
fn run<T>(all: &[T], name: Name, name_of: impl Fn(&T) -> Name) -> &[T] {
    let start = all.partition_point(|one| name_of(one) < name);
    let rest = &all[start..];
    &rest[..rest.partition_point(|one| name_of(one) == name)]
}

/// What has happened to the request with that id, and on its connection, if it is among what was
/// found of a loop: each with the microseconds since it was there.
#[must_use]
pub fn told(seen: &Seen, id: &[u8]) -> Option<Vec<(i64, String)>> {
    let is_it = |answer: &&Answered| answer.asked[4] == id && !id.is_empty();
    // A proxy may give the same id twice: the newest is meant.
    let answer = seen.all_answers().filter(is_it).max_by_key(|answer| answer.number)?;
    let Answered { connection, stream, began_us, status, .. } = answer;
    let Answered { bytes, first_us, whole_us, trace, .. } = answer;
    let since = |us: u64| i64::try_from(us).unwrap_or(i64::MAX) - began_us.cast_signed();
    let own = seen.events.iter().filter(|event| event.connection == *connection);
    let mut steps: Vec<_> = own.map(|event| (since(event.when_us), words(event.what))).collect();
    if let Some(known) = seen.known.iter().find(|known| known.connection == *connection) {
        let Known { ends: (peer, _), since_us, requests, .. } = known;
        let unit = if *requests == 1 { "answer" } else { "answers" };
        let requests = format!("the connection came from {peer}; {requests} {unit} so far");
        steps.push((since(*since_us), requests));
    }
    let [method, host, path, ..] = answer.asked.each_ref().map(|text| printable(text));
    let lane = if *stream > 0 { format!(" on stream {stream}") } else { String::new() };
    let client = answer.client.map_or_else(|| "a Unix socket".to_owned(), |ip| ip.to_string());
    // What was refused before it was a request has nothing of these.
    steps.push((
        0,
        match method.is_empty() {
            true => format!("what came{lane} is no request, from {client}"),
            false => format!("the request is there{lane}: {method} {host}{path}, from {client}"),
        },
    ));
    if *trace > 0 {
        steps.push((0, format!("it belongs to the trace {trace:032x}")));
    }
    steps.push(match *status {
        UNANSWERED => (i64::MAX, "its answer is still to come".to_owned()),
        status => (first_us.cast_signed(), format!("its first byte is sent: status {status}")),
    });
    let why = match printable(&answer.reason) {
        why if why.is_empty() => why,
        why => format!("; {why}"),
    };
    match whole_us {
        Some(us) => {
            steps.push((us.cast_signed(), format!("its last byte is sent: {bytes} bytes{why}")));
        }
        None if *status == UNANSWERED => {}
        None => steps.push((i64::MAX, "its end is still to come".to_owned())),
    }
    steps.sort_by_key(|(us, _)| *us);
    Some(steps)
}

fn printable(text: &[u8]) -> String {
    let mut out = Vec::new();
    push_printable(&mut out, text);
    String::from_utf8_lossy(&out).into_owned()
}

/// Where the ends of a connection are on which this has happened, since when it is there, and how
/// much was answered on it; as far as that is known.
fn beginning(events: &[Event]) -> Option<(Ends, u64, u64)> {
    let ended = events.iter().find_map(|event| match event.what {
        What::Ended { ends, since_us, requests, .. } => Some((ends, since_us, u64::from(requests))),
        _ => None,
    });
    let accepted = events.iter().find_map(|event| match event.what {
        What::Accepted(ends) => Some((ends, event.when_us, 0)),
        _ => None,
    });
    ended.or(accepted)
}

/// Appends what is known of an answer, as members of an object.
pub(crate) fn push_answer(out: &mut Vec<u8>, answer: &Answered) {
    let Answered { stream, status, bytes, first_us, whole_us, .. } = answer;
    let Answered { client, asked, trace, reason, .. } = answer;
    let is_answered = *status != UNANSWERED;
    let first = known(Some(*first_us).filter(|_| is_answered));
    let status = known(Some(u64::from(*status)).filter(|_| is_answered));
    let whole = known(*whole_us);
    push(out, &format!("\"stream\":{stream},\"status\":{status},\"bytes\":{bytes},"));
    push(out, &format!("\"first_us\":{first},\"whole_us\":{whole}"));
    let client = client.map_or_else(|| "unix".to_owned(), |ip| ip.to_canonical().to_string());
    let [method, host, path, referrer, id, query] = asked;
    let trace = if *trace > 0 { format!("{trace:032x}") } else { String::new() };
    push(out, &format!(",\"tls\":{}", answer.is_secure));
    for (name, text) in [
        ("client", client.as_bytes()),
        ("method", method),
        ("site", &answer.site),
        ("host", host),
        ("path", path),
        ("query", query),
        ("referrer", referrer),
        ("id", id),
        ("trace", trace.as_bytes()),
        ("reason", reason),
    ] {
        push(out, &format!(",\"{name}\":\""));
        push_json(out, text);
        push(out, "\"");
    }
}

fn push(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

fn words(what: What) -> String {
    match what {
        What::Accepted(_) => "accepted: this server has it from now on".to_owned(),
        What::Silent => "its client has said nothing yet".to_owned(),
        What::Arrived(us) => format!(
            "from the handshake of TCP to its first bytes: {}, a round trip and the client's own time",
            time(us)
        ),
        What::Introduced(client) => format!("the balancer says that the client is {client}"),
        What::Shaken { is_resumed, version, suite } => {
            let how = if is_resumed { "with a ticket" } else { "in full" };
            format!("hands shaken {how}: {}, {}", version_name(version), suite_name(suite))
        }
        What::Way(way) => way_words(way),
        What::Ended { ending, first: First::Nobody, .. } => format!("ended: {}", ending.words()),
        What::Ended { ending, first, .. } => {
            format!("ended: {}; {}", ending.words(), first.words())
        }
    }
}

fn way_words(way: Way) -> String {
    let Way { rtt_us, min_rtt_us, segments, again, lost, busy_ms, .. } = way;
    let mut text = format!(
        "a round trip takes {}, {} at best; {segments} segments sent",
        time(rtt_us),
        time(min_rtt_us)
    );
    if again > 0 || lost > 0 {
        text += &format!(", {again} of them again, {lost} held to be lost");
    }
    for (limited_ms, why) in [
        (way.rwnd_limited_ms, "the client had no room"),
        (way.sndbuf_limited_ms, "the send buffer was full"),
    ] {
        if limited_ms > 0 {
            text += &format!("; for {limited_ms} of {busy_ms} ms {why}");
        }
    }
    text
}

fn version_name(version: u16) -> String {
    match version {
        0x0303 => "TLS 1.2".to_owned(),
        0x0304 => "TLS 1.3".to_owned(),
        other => format!("version {other:#06x}"),
    }
}

/// The names of the suites that are spoken here (RFC 8446 appendix B.4, RFC 5289, RFC 7905).
fn suite_name(suite: u16) -> String {
    let name = match suite {
        0x1301 => "AES-128-GCM",
        0x1302 => "AES-256-GCM",
        0x1303 => "ChaCha20-Poly1305",
        0xc02b => "ECDHE-ECDSA AES-128-GCM",
        0xc02c => "ECDHE-ECDSA AES-256-GCM",
        0xc02f => "ECDHE-RSA AES-128-GCM",
        0xc030 => "ECDHE-RSA AES-256-GCM",
        0xcca8 => "ECDHE-RSA ChaCha20-Poly1305",
        0xcca9 => "ECDHE-ECDSA ChaCha20-Poly1305",
        other => return format!("suite {other:#06x}"),
    };
    name.to_owned()
}

fn time(us: u32) -> String {
    if us < 1_000 { format!("{us} µs") } else { format!("{:.1} ms", f64::from(us) / 1e3) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::{answered, life, seen};
    use control::lives::{Answer, Ending, Life};

    fn told(stories: &Stories, peer: &str) -> serde_json::Value {
        let ends = (peer.parse().unwrap(), 80);
        let mut out = b"{".to_vec();
        stories.push(&mut out, ends, 100);
        out.push(b'}');
        let mut said: serde_json::Value = serde_json::from_slice(&out).unwrap();
        said["requests"] = stories.between(ends).map(|story| story.requests).into();
        said
    }

    fn begin(life: &Life, when_us: u64) -> Name {
        life.begin(when_us, ("192.0.2.1:4242".parse().unwrap(), 80))
    }

    #[test]
    fn a_connection_is_told_from_its_beginning_to_its_end() {
        let (words, life) = life();
        let name = begin(&life, 10);
        life.put(10, name, What::Arrived(1_250));
        life.put(15, name, What::Shaken { is_resumed: true, version: 0x304, suite: 0x1302 });
        life.answer(&answered(name, "/a", 200));
        life.count(name);
        let way = Way { rtt_us: 1_500, min_rtt_us: 900, segments: 9, again: 1, ..Way::default() };
        life.put(40, name, What::Way(Way { rwnd_limited_ms: 3, busy_ms: 5, ..way }));
        life.end(50, name, (Ending::Late, First::Server));
        let said = told(&Stories::of(seen(words)), "[::ffff:192.0.2.1]:4242");
        let events: Vec<_> = said["events"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["what"].as_str().unwrap())
            .collect();
        assert_eq!(
            events,
            [
                "accepted: this server has it from now on",
                "from the handshake of TCP to its first bytes: 1.2 ms, a round trip and the client's \
                 own time",
                "hands shaken with a ticket: TLS 1.3, AES-256-GCM",
                "a round trip takes 1.5 ms, 900 µs at best; 9 segments sent, 1 of them again, 0 \
                 held to be lost; for 3 of 5 ms the client had no room",
                "ended: its time was over; this server's FIN went first"
            ]
        );
        assert_eq!((&said["requests"], &said["events"][4]["us"]), (&1.into(), &40.into()));
        assert_eq!(
            (&said["answers"][0]["path"], &said["answers"][0]["us"]),
            (&"/a".into(), &10.into())
        );
        assert_eq!(told(&Stories::default(), "192.0.2.1:1")["requests"], serde_json::Value::Null);
    }

    #[test]
    fn a_busy_connection_keeps_its_story_and_tells_its_newest_answers() {
        let (words, life) = life();
        let name = begin(&life, 10);
        for at in 0..10_001 {
            life.count(name);
            life.answer(&answered(name, &format!("/{at}"), 200));
            // Others come and go.
            life.end(
                20,
                life.begin(20, ("192.0.2.2:1".parse().unwrap(), 80)),
                (Ending::Late, First::Client),
            );
        }
        let said = told(&Stories::of(seen(words)), "192.0.2.1:4242");
        let answers = said["answers"].as_array().unwrap();
        assert_eq!((&said["requests"], answers.len()), (&10_001.into(), TOLD_MAX));
        // Another one from the same port is another story.
        let other = life.begin(25, ("192.0.2.1:4242".parse().unwrap(), 443));
        life.put(26, other, What::Shaken { is_resumed: true, version: 0x304, suite: 0x1302 });
        let said = told(&Stories::of(seen(words)), "192.0.2.1:4242");
        assert_eq!(
            (&said["requests"], said["events"].as_array().unwrap().len()),
            (&10_001.into(), 0)
        );
        // Between two ends the newest connection is told.
        life.end(30, name, (Ending::ByClient, First::Client));
        begin(&life, 40);
        let said = told(&Stories::of(seen(words)), "192.0.2.1:4242");
        assert_eq!((&said["requests"], said["events"].as_array().unwrap().len()), (&0.into(), 1));
    }

    #[test]
    fn what_has_happened_to_a_request_is_told_step_by_step() {
        let (words, life) = life();
        let name = begin(&life, 10);
        let [method, host, path, referrer, _, query] = answered(name, "/a", 200).asked;
        let asked = [method, host, path, referrer, b"3f0b", query];
        let answered = answered(name, "/a", 502);
        let answer = Answer { asked, whole_us: None, stream: 5, trace: 0xbeef, ..answered };
        let begun = life.answer(&answer);
        let found = |id: &[u8]| super::told(&seen(words)[0], id);
        assert_eq!((found(b"other"), found(b"")), (None, None));
        assert_eq!(found(b"3f0b").unwrap().pop().unwrap().1, "its end is still to come");
        let over =
            Answer { bytes: 9, first_us: 5, whole_us: Some(70), reason: "cut off", ..answer };
        life.finish(begun, &over);
        life.end(200, name, (Ending::Broken, First::Cut));
        let steps = found(b"3f0b").unwrap();
        let expect = [
            (-10, "accepted: this server has it from now on"),
            (0, "the request is there on stream 5: GET a.example/a, from 192.0.2.1"),
            (0, "it belongs to the trace 0000000000000000000000000000beef"),
            (5, "its first byte is sent: status 502"),
            (70, "its last byte is sent: 9 bytes; cut off"),
            (180, "ended: an answer could not be sent; this server cut it off with a RST"),
        ];
        assert_eq!(steps, expect.map(|(us, words)| (us, words.to_owned())));
    }

    #[test]
    fn terms_of_tls_have_their_names_or_numbers() {
        assert_eq!(
            (version_name(0x303), version_name(1)),
            ("TLS 1.2".into(), "version 0x0001".into())
        );
        assert_eq!(
            (suite_name(0xc02f), suite_name(0)),
            ("ECDHE-RSA AES-128-GCM".into(), "suite 0x0000".into())
        );
    }
}
