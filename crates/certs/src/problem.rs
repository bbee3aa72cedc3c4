//! What an authority says where it says no (RFC 7807), and what else can go wrong.

use serde_json::Value;
use std::time::Duration;

/// Characters of what somebody else has to say at most.
const WORDS_MAX: usize = 300;

/// Why there is no certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failure {
    /// In words, without a full stop.
    pub why: String,
    /// How long the authority wants to be left alone.
    pub wait: Option<Duration>,
    /// What it is about.
    pub about: About,
    /// What kind of problem it was, in the words of RFC 8555 section 6.7, where the authority has
    /// said so.
    pub(crate) kind: String,
}

/// What a failure is about, as far as that is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum About {
    /// The authority, or the way to it: whoever else asks it fares the same.
    #[default]
    Authority,
    /// This certificate was asked for too often; that need not be so of others.
    Order,
    /// A host could not be shown to be ours in the way that was taken.
    Proof,
}

impl Failure {
    /// For a reason of our own.
    pub fn of(why: impl Into<String>) -> Self {
        Self { why: why.into(), ..Self::default() }
    }

    /// Of somebody who wants to be left alone for so long.
    pub fn paused(why: impl Into<String>, wait: Duration) -> Self {
        Self { wait: Some(wait), ..Self::of(why) }
    }

    /// Of an answer that is none of success: its status and its content, and how long the
    /// authority wants to be left alone.
    pub(crate) fn refused(
        what: &str,
        (status, body): (u16, &[u8]),
        wait: Option<Duration>,
    ) -> Self {
        let problem: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        let (kind, words) = words(&problem);
        let why = match words.is_empty() {
            true => format!("{what}: the authority answered {status}"),
            false => format!("{what}: {words}"),
        };
        Self { why, wait, kind, ..Self::default() }
    }

    /// Of a problem inside an answer.
    pub(crate) fn problem(what: &str, problem: &Value) -> Self {
        let (kind, words) = words(problem);
        let words = if words.is_empty() { "the authority does not say why" } else { &words };
        Self { why: format!("{what}: {words}"), kind, ..Self::default() }
    }

    /// The same, about a proof.
    pub(crate) fn of_proof(self) -> Self {
        Self { about: About::Proof, ..self }
    }

    /// The same, of what was said of an order.
    pub(crate) fn of_order(self) -> Self {
        match (self.about, &*self.kind) {
            (About::Authority, "rateLimited") => Self { about: About::Order, ..self },
            _ => self,
        }
    }
}

/// The kind of a problem, and all that is said about it.
fn words(problem: &Value) -> (String, String) {
    let text = |value: &Value, name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let kind = text(problem, "type").rsplit(':').next().unwrap_or_default().to_owned();
    let mut words = text(problem, "detail");
    let parts = problem["subproblems"].as_array().into_iter().flatten();
    for part in parts {
        let host = text(&part["identifier"], "value");
        words.push_str(&format!("; {host}: {}", text(part, "detail")));
    }
    let words = match (words.is_empty(), kind.is_empty()) {
        (false, false) => format!("{words} ({kind})"),
        (true, _) => kind.clone(),
        _ => words,
    };
    (kind, harmless(&words))
}

/// The words of somebody else as they may stand in a line.
pub(crate) fn harmless(words: &str) -> String {
    words.chars().map(|c| if c.is_control() { ' ' } else { c }).take(WORDS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, body: &str) -> Failure {
        let wait = Some(Duration::from_secs(5));
        Failure::refused("no order", (status, body.as_bytes()), wait)
    }

    #[test]
    fn it_is_said_what_the_authority_says() {
        for (body, expect) in [
            ("", "no order: the authority answered 429"),
            ("{}", "no order: the authority answered 429"),
            (r#"{"type":"urn:ietf:params:acme:error:rateLimited"}"#, "no order: rateLimited"),
            (
                r#"{"type":"urn:x:rateLimited","detail":"too\nmany"}"#,
                "no order: too many (rateLimited)",
            ),
            (
                r#"{"type":"a:compound","detail":"two","subproblems":[{"identifier":{"value":"a"},
                "detail":"no"},{"identifier":{"value":"b"},"detail":"no!"}]}"#,
                "no order: two; a: no; b: no! (compound)",
            ),
        ] {
            let failure = refused(429, body);
            assert_eq!(failure.why, expect);
            assert_eq!(failure.wait, Some(Duration::from_secs(5)));
        }
        let long = format!(r#"{{"detail":"{}"}}"#, "x".repeat(5000));
        assert!(refused(400, &long).why.len() < 400);
    }
}
