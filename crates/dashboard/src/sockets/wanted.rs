//! Which connections somebody wants to see, as the query of their address says.

use super::{Known, LISTED_MAX, canonical, ends, verdict::verdict};
use crate::lives::Stories;
use control::lives::{Answered, Ends, SLOW_US};
use net::diag::{Socket, State};
use std::net::SocketAddr;

/// What a query may have.
const NAMES: [&str; 7] = ["client", "state", "limit", "site", "answers", "max", "stories"];

/// What limits connections, and what answers may be, in a query.
const LIMITS: [&str; 4] = ["client", "network", "application", "server"];
const ANSWERS: [&str; 2] = ["failed", "slow"];

/// Which connections somebody wants to see. What is empty is wanted of none in particular.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// A part of the address of the client.
    client: String,
    /// The state, by its name.
    state: String,
    /// What limits it.
    limit: String,
    /// A part of the name of a site that was asked on it.
    site: String,
    /// What was answered on it: `failed` or `slow`.
    answers: String,
    /// How many are listed at most.
    max: Option<usize>,
    /// Whose stories are told, by their clients; those of all where nothing is said.
    stories: Option<Vec<SocketAddr>>,
}

impl Wanted {
    /// Those that a query asks for (URL Standard, section 5.1); all where there is none.
    #[must_use]
    pub fn of(query: Option<&str>) -> Self {
        let mut wanted = Self::default();
        for part in query.unwrap_or_default().split('&') {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let place = match name {
                "client" => &mut wanted.client,
                "state" => &mut wanted.state,
                "limit" => &mut wanted.limit,
                "site" => &mut wanted.site,
                "answers" => &mut wanted.answers,
                "max" => {
                    wanted.max = value.parse().ok();
                    continue;
                }
                "stories" => {
                    let value = decoded(value);
                    wanted.stories =
                        Some(value.split(',').filter_map(|one| one.parse().ok()).collect());
                    continue;
                }
                _ => continue,
            };
            *place = decoded(value);
        }
        wanted
    }

    /// What a query asks for that there is not, if anything.
    #[must_use]
    pub fn fault(query: Option<&str>) -> Option<String> {
        let is_number = |text: &str| text.parse::<usize>().is_ok();
        let are_clients = |text: &str| text.split(',').all(|one| one.parse::<SocketAddr>().is_ok());
        for part in query.unwrap_or_default().split('&').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let value = decoded(value);
            let states: Vec<_> = State::ALL.iter().map(|state| state.word()).collect();
            let (is_known, there_is) = match name {
                "client" | "site" => (true, String::new()),
                "state" => (states.contains(&&*value), states.join(", ")),
                "limit" => (LIMITS.contains(&&*value), LIMITS.join(", ")),
                "answers" => (ANSWERS.contains(&&*value), ANSWERS.join(", ")),
                "max" => (is_number(&value), "a number".to_owned()),
                "stories" => (are_clients(&value), "192.0.2.1:4242,…".to_owned()),
                _ => return Some(format!("there is no {name}, but: {}\n", NAMES.join(", "))),
            };
            if !value.is_empty() && !is_known {
                return Some(format!("there is no {name}={value}, but: {there_is}\n"));
            }
        }
        None
    }

    /// How many are listed at most.
    pub(super) fn most(&self) -> usize {
        self.max.map_or(LISTED_MAX, |max| max.min(LISTED_MAX))
    }

    /// Whether what the kernel knows of the way to each client decides what is wanted.
    #[must_use]
    pub fn needs_paths(&self) -> bool {
        !self.limit.is_empty()
    }

    /// Whether the story of the connection from `peer` is told.
    pub(super) fn has_story(&self, peer: SocketAddr) -> bool {
        self.stories.is_none() || self.names(peer)
    }

    /// Whether that is asked for by its client.
    pub(super) fn names(&self, peer: SocketAddr) -> bool {
        self.stories.as_ref().is_some_and(|all| all.contains(&canonical(peer)))
    }

    /// Whether this one is wanted.
    pub(super) fn has(&self, socket: &Socket, known: Known<'_>) -> bool {
        let Known { stories, now_us, .. } = known;
        self.has_client(ends(socket), stories)
            && (self.state.is_empty() || self.state == socket.state.word())
            && (self.limit.is_empty()
                || verdict(socket, known.doing(socket)).by == Some(&self.limit))
            && self.has_answers(ends(socket), stories, now_us)
    }

    /// Whether the client is there, or a balancer has said so.
    fn has_client(&self, ends: Ends, stories: &Stories) -> bool {
        self.client.is_empty()
            || ends.0.to_string().contains(&self.client)
            || stories.is_of(ends, &self.client)
    }

    /// Whether what was answered is such as is wanted, or what is under way.
    fn has_answers(&self, ends: Ends, stories: &Stories, now_us: u64) -> bool {
        if self.site.is_empty() && self.answers.is_empty() {
            return true;
        }
        let answers = stories.answers(ends);
        let is_of_site =
            |answer: &Answered| String::from_utf8_lossy(&answer.site).contains(&self.site);
        let is_bad = |answer: &Answered| match &*self.answers {
            "failed" => answer.status >= 400 || !answer.reason.is_empty(),
            "slow" => {
                let us = answer.whole_us.or(answer.under_way_us(now_us));
                answer.first_us.max(us.unwrap_or(0)) >= SLOW_US
            }
            _ => true,
        };
        (self.site.is_empty() || answers.iter().any(is_of_site))
            && (self.answers.is_empty() || answers.iter().any(is_bad))
    }

    /// Whether one is wanted that is over, with these ends.
    pub(super) fn has_gone(&self, ends: Ends, stories: &Stories, now_us: u64) -> bool {
        self.has_client(ends, stories)
            && (self.state.is_empty() || self.state == State::Closed.word())
            && self.limit.is_empty()
            && self.has_answers(ends, stories, now_us)
    }
}

/// A value without its escapes; what is no escape stands for itself.
fn decoded(value: &str) -> String {
    let mut out = Vec::new();
    let mut rest = value.as_bytes();
    while let [byte, more @ ..] = rest {
        let escaped = more.first_chunk::<2>().and_then(|digits| {
            let digits = str::from_utf8(digits).ok()?;
            u8::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with('+'))
        });
        rest = more;
        match (byte, escaped) {
            (b'%', Some(byte)) => {
                out.push(byte);
                rest = more.get(2..).unwrap_or_default();
            }
            (b'+', _) => out.push(b' '),
            _ => out.push(*byte),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Looks, tests::socket},
        *,
    };

    #[test]
    fn a_query_says_what_is_wanted() {
        assert_eq!(Wanted::of(None), Wanted::default());
        assert_eq!(Wanted::of(Some("client=&state=&other=1&limit")), Wanted::default());
        let wanted = Wanted::of(Some("client=%5b%3A%3A1%5D&state=TIME_WAIT&site=a+b%&answers=%+4"));
        let Wanted { client, state, limit, site, answers, .. } = &wanted;
        assert_eq!((&**client, &**state, &**limit), ("[::1]", "TIME_WAIT", ""));
        assert_eq!((&**site, &**answers), ("a b%", "% 4"));
        for (query, expect) in [("", 1_000), ("max=7", 7), ("max=9999", 1_000), ("max=-1", 1_000)] {
            assert_eq!(Wanted::of(Some(query)).most(), expect, "{query}");
        }
    }

    /// A script with a word misspelled would take that for nobody.
    #[test]
    fn what_there_is_not_is_not_asked_for() {
        for query in [
            "",
            "client=&limit=&state=&site=&answers=&max=0&stories=",
            "client=x&state=TIME_WAIT&limit=server&site=%&answers=slow",
            "max=9999&stories=192.0.2.1%3A1%2C%5B%3A%3A1%5D:2",
        ] {
            assert_eq!(Wanted::fault(Some(query)), None, "{query}");
        }
        for (query, fault) in [
            ("stat=TIME_WAIT", "there is no stat, but: client, state, limit, site, answers"),
            ("max=1&limit=clientt", "there is no limit=clientt, but: client, network, appl"),
            ("state=XX", "there is no state=XX, but: "),
            ("answers=bad", "there is no answers=bad, but: failed, slow\n"),
            ("max=-1", "there is no max=-1, but: a number\n"),
            ("stories=192.0.2.1", "there is no stories=192.0.2.1, but: 192.0.2.1:4242,…\n"),
        ] {
            let found = Wanted::fault(Some(query)).unwrap();
            assert!(found.starts_with(fault), "{found}");
        }
    }

    #[test]
    fn connections_are_told_apart_by_each_of_these() {
        let (words, life) = crate::example::life();
        let ends = ("192.0.2.1:4242".parse().unwrap(), 80);
        let name = life.begin(10, ends);
        life.answer(&crate::example::answered(name, "/a", 404));
        let stories = Stories::of(crate::example::seen(words));
        let known = Known { stories: &stories, looks: &Looks::default(), now_us: 50 };
        let socket = socket(State::CloseWait, None);
        for (query, expect) in [
            ("", true),
            ("client=192.0.2.1", true),
            ("client=192.0.2.2", false),
            ("state=CLOSE_WAIT", true),
            ("state=TIME_WAIT", false),
            ("limit=server", true),
            ("limit=client", false),
            ("site=a+site", true),
            ("site=a.example", false),
            ("answers=failed", true),
            ("answers=slow", false),
            ("answers=failed&site=site&state=CLOSE_WAIT&client=4242", true),
            ("answers=failed&site=site&state=ESTABLISHED", false),
        ] {
            assert_eq!(Wanted::of(Some(query)).has(&socket, known), expect, "{query}");
        }
    }
}
