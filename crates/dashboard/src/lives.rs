//! What has happened on each connection, as a story: from whoever came to how it ended.

use base::text::push_json;
use control::lives::{Event, What};
use std::{collections::HashMap, net::SocketAddr};

/// Events of a connection that are told: its beginning, and the newest.
const TOLD_MAX: usize = 50;

/// What has happened on connections, each by where its client is.
#[derive(Debug, Default)]
pub struct Stories(HashMap<SocketAddr, Vec<Event>>);

impl Stories {
    /// The stories in the events of loops. Of those with one client's port the newest is told.
    #[must_use]
    pub fn of(loops: impl IntoIterator<Item = Vec<Event>>) -> Self {
        let mut stories: HashMap<SocketAddr, Vec<Event>> = HashMap::new();
        for mut events in loops {
            events.sort_by_key(|event| (event.connection, event.when_us));
            for story in events.chunk_by(|one, other| one.connection == other.connection) {
                // What has begun too long ago is not known by its client any more.
                let [Event { what: What::Accepted(peer), when_us, .. }, ..] = story else {
                    continue;
                };
                let known = stories.get(peer).and_then(|known| known.first());
                if known.is_none_or(|known| known.when_us < *when_us) {
                    stories.insert(*peer, story.to_vec());
                }
            }
        }
        Self(stories)
    }

    /// Appends the story of the connection from `peer`, as a list.
    pub(crate) fn push(&self, out: &mut Vec<u8>, peer: SocketAddr) {
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let story = self.0.get(&peer).map_or(&[][..], Vec::as_slice);
        let start_us = story.first().map_or(0, |event| event.when_us);
        let skipped = story.len().saturating_sub(TOLD_MAX);
        out.push(b'[');
        for (at, event) in story.iter().enumerate().filter(|(at, _)| *at == 0 || *at > skipped) {
            let us = event.when_us.saturating_sub(start_us);
            let comma = if at > 0 { "," } else { "" };
            out.extend_from_slice(format!("{comma}{{\"us\":{us},\"what\":\"").as_bytes());
            push_json(out, words(event.what).as_bytes());
            out.extend_from_slice(b"\"}");
        }
        out.push(b']');
    }
}

fn words(what: What) -> String {
    match what {
        What::Accepted(_) => "accepted: its first bytes are there".to_owned(),
        What::Shaken { is_resumed: true } => "TLS: hands shaken, with a ticket".to_owned(),
        What::Shaken { is_resumed: false } => "TLS: hands shaken".to_owned(),
        What::Answered { status, bytes, first_us, whole_us } => format!(
            "answered {status}: {bytes} bytes, the first after {}, the last after {}",
            time(first_us),
            time(whole_us)
        ),
        What::Ended(ending) => format!("ended: {}", ending.words()),
    }
}

fn time(us: u64) -> String {
    if us < 1_000 { format!("{us} µs") } else { format!("{:.1} ms", us as f64 / 1e3) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use control::lives::Ending;

    fn event(when_us: u64, connection: u64, what: What) -> Event {
        Event { when_us, connection, what }
    }

    fn told(stories: &Stories, peer: &str) -> String {
        let mut out = Vec::new();
        stories.push(&mut out, peer.parse().unwrap());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_connection_is_told_from_its_beginning_to_its_end() {
        let peer = "192.0.2.1:4242".parse().unwrap();
        let answered = What::Answered { status: 200, bytes: 7, first_us: 30, whole_us: 1_500 };
        let stories = Stories::of([
            vec![
                event(50, 1, What::Ended(Ending::Late)),
                event(20, 1, answered),
                event(10, 1, What::Accepted(peer)),
                event(90, 2, answered),
            ],
            vec![event(5, 1, What::Accepted(peer))],
        ]);
        assert_eq!(
            told(&stories, "[::ffff:192.0.2.1]:4242"),
            "[{\"us\":0,\"what\":\"accepted: its first bytes are there\"},\
             {\"us\":10,\"what\":\"answered 200: 7 bytes, the first after 30 \\u00b5s, the last \
             after 1.5 ms\"},{\"us\":40,\"what\":\"ended: its time was over\"}]"
        );
        assert_eq!(told(&stories, "192.0.2.1:1"), "[]");
    }

    #[test]
    fn of_a_long_story_the_beginning_and_the_end_are_told() {
        let peer = "192.0.2.1:4242".parse().unwrap();
        let answered = What::Answered { status: 200, bytes: 7, first_us: 30, whole_us: 1_500 };
        let rest = (1..200).map(|at| event(at, 1, answered));
        let all = [event(0, 1, What::Accepted(peer))].into_iter().chain(rest).collect();
        let text = told(&Stories::of([all]), "192.0.2.1:4242");
        let said: serde_json::Value = serde_json::from_str(&text).unwrap();
        let said = said.as_array().unwrap();
        assert_eq!(
            (said.len(), &said[0]["us"], &said[1]["us"]),
            (TOLD_MAX, &0.into(), &151.into())
        );
    }
}
