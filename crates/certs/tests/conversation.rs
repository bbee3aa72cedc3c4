//! Conversations with an authority that a script plays, by a clock that a test turns.

#![allow(clippy::unwrap_used, reason = "tests say what is wrong by panicking")]

use certs::{
    About, Account, Failure, Hands, Key, Local, Method, Object, Proof, ProofKind, Reply, Request,
    Wanted, introduce, obtain,
};
use std::time::Duration;

const CA: &str = "https://ca.example/directory";

/// What the authority is like.
#[derive(Default)]
struct Authority {
    /// Requests that it says no to as their nonce is not good, before each that it takes.
    bad_nonces: u32,
    nonces_refused: u32,
    /// Answers by the end of a URL, instead of the good ones.
    instead: Vec<(&'static str, u16, &'static str)>,
    retry_after: Option<Duration>,
    /// Whether it finds no proof, and whether none can be shown.
    is_dead: bool,
    is_unshown: bool,
    /// What was asked, shown and hidden, and how long was waited.
    asked: Vec<String>,
    shown: Vec<String>,
    waited: Duration,
}

impl Hands for Authority {
    fn exchange(&mut self, request: &Request<'_>) -> Result<Reply, String> {
        let name = request.url.rsplit('/').next().unwrap_or_default();
        self.asked.push(name.to_owned());
        let nonce = Some(format!("nonce-{}", self.asked.len()));
        if request.method == Method::Post && self.nonces_refused < self.bad_nonces {
            self.nonces_refused += 1;
            let body = br#"{"type":"urn:ietf:params:acme:error:badNonce","detail":"no"}"#.to_vec();
            return Ok(Reply { status: 400, nonce, body, ..Reply::default() });
        }
        self.nonces_refused = 0;
        if let Some((_, status, body)) = self.instead.iter().find(|(end, ..)| *end == name) {
            let (retry_after, body) = (self.retry_after, body.as_bytes().to_vec());
            return Ok(Reply { status: *status, nonce, retry_after, body, ..Reply::default() });
        }
        let body = match name {
            "directory" => {
                r#"{"newNonce":"https://ca.example/nonce","newAccount":"https://ca.example/account",
                "newOrder":"https://ca.example/new-order"}"#
            }
            "account" | "challenge" => "{}",
            "new-order" => r#"{"status":"pending","authorizations":["https://ca.example/authz"]}"#,
            "authz" if self.shown.is_empty() => {
                r#"{"status":"pending","identifier":{"value":"a.example"},"challenges":[
                {"type":"http-01","url":"https://ca.example/challenge","token":"abc"}]}"#
            }
            "authz" if self.is_dead => {
                r#"{"status":"invalid","identifier":{"value":"a.example"},
                "challenges":[{"error":{"detail":"nobody there"}}]}"#
            }
            "authz" => r#"{"status":"valid"}"#,
            "order" => r#"{"status":"invalid","error":{"detail":"not today"}}"#,
            _ => "",
        };
        let location = match name {
            "account" => Some("https://ca.example/accounts/1".to_owned()),
            "new-order" => Some("https://ca.example/order".to_owned()),
            _ => None,
        };
        Ok(Reply { status: 200, nonce, location, body: body.into(), ..Reply::default() })
    }

    fn pause(&mut self, time: Duration) {
        self.waited += time;
    }

    fn show(&mut self, proof: &Proof) -> Result<(), String> {
        if self.is_unshown {
            return Err("no room".to_owned());
        }
        self.shown.push(format!("{} {}", proof.kind.label(), proof.host));
        Ok(())
    }

    fn spread(&mut self) {
        self.shown.push(format!("spread before {}", self.asked.len()));
    }

    fn hide(&mut self, proof: &Proof) {
        self.shown.push(format!("hidden {}", proof.host));
    }
}

const NOW: i64 = 1_795_906_260;

fn ask(authority: &mut Authority, proofs: &[ProofKind]) -> (Failure, Account) {
    ask_after(None, authority, proofs)
}

/// The same of somebody who has had a certificate before.
fn ask_after(
    before: Option<&Object>,
    authority: &mut Authority,
    proofs: &[ProofKind],
) -> (Failure, Account) {
    let (hosts, profile) = (["a.example".into()], None);
    let wanted = Wanted { authority: CA, hosts: &hosts, proofs, profile, before, now: NOW };
    let mut account = Account::new(Key::generate().unwrap());
    let known = introduce(CA, &mut account, authority);
    let failure = known.and_then(|()| obtain(&wanted, &mut account, authority)).unwrap_err();
    (failure, account)
}

const HTTP: &[ProofKind] = &[ProofKind::Http];

#[test]
fn nonces_that_are_refused_are_followed_by_others() {
    for bad_nonces in [0, 1, 5] {
        let mut authority = Authority { bad_nonces, ..Authority::default() };
        let (failure, account) = ask(&mut authority, HTTP);
        assert_eq!(failure.why, "no certificate: not today");
        assert_eq!(account.id.as_deref(), Some("https://ca.example/accounts/1"));
        let challenge = authority.asked.iter().position(|name| name == "challenge").unwrap();
        let spread = format!("spread before {challenge}");
        assert_eq!(authority.shown, ["http-01 a.example", &spread, "hidden a.example"]);
    }
    let mut authority = Authority { bad_nonces: u32::MAX, ..Authority::default() };
    let (failure, _) = ask(&mut authority, HTTP);
    assert!(failure.why.contains("none of its own nonces"), "{}", failure.why);
    assert!(authority.asked.len() < 20);
}

#[test]
fn what_the_authority_says_is_what_the_operator_is_told() {
    for (end, status, body, expect) in [
        ("directory", 200, "<html>", "its directory: the authority has not answered in JSON"),
        ("directory", 503, "", "its directory: the authority answered 503"),
        ("directory", 200, "{}", "the directory of the authority has no `newAccount`"),
        ("account", 403, r#"{"detail":"no terms"}"#, "no account: no terms"),
        (
            "new-order",
            429,
            r#"{"type":"x:rateLimited","detail":"too many"}"#,
            "no order: too many (rateLimited)",
        ),
        (
            "authz",
            200,
            r#"{"status":"invalid","identifier":{"value":"a.example"},
            "challenges":[{"error":{"detail":"nobody there"}}]}"#,
            "the authority offers no way",
        ),
        (
            "authz",
            200,
            r#"{"status":"pending","wildcard":true,"identifier":{"value":"a.example"},
            "challenges":[{"type":"http-01","token":"x","url":"y"}]}"#,
            "a.example: the authority offers no way: names with `*` need `dns`",
        ),
        (
            "authz",
            200,
            r#"{"status":"pending","identifier":{"value":"a.example"},
            "challenges":[{"type":"http-01","token":"../x"}]}"#,
            "has no token",
        ),
        (
            "authz",
            200,
            r#"{"status":"pending","identifier":{"value":"a.example;reboot\n"},
            "challenges":[{"type":"http-01","token":"x","url":"y"}]}"#,
            "the authority wants a proof for \"a.example;reboot \", which nobody has asked for",
        ),
    ] {
        let wait = Some(Duration::from_secs(77));
        let instead = vec![(end, status, body)];
        let mut authority = Authority { instead, retry_after: wait, ..Authority::default() };
        let (failure, _) = ask(&mut authority, HTTP);
        assert!(failure.why.contains(expect), "{}", failure.why);
        assert_eq!(failure.wait, wait.filter(|_| status >= 400), "{body}");
    }
}

#[test]
fn a_challenge_that_is_never_looked_at_ends_in_minutes() {
    let body = r#"{"status":"pending","identifier":{"value":"a.example"},"challenges":[
        {"type":"http-01","url":"https://ca.example/challenge","token":"abc"}]}"#;
    let mut authority = Authority { instead: vec![("authz", 200, body)], ..Authority::default() };
    let (failure, _) = ask(&mut authority, HTTP);
    assert_eq!(failure.why, "a.example: not done within 300 seconds");
    assert!(authority.waited == Duration::from_secs(300) && authority.asked.len() < 60);
    assert_eq!(authority.shown.first().unwrap(), "http-01 a.example");
    assert_eq!(authority.shown.last().unwrap(), "hidden a.example");
    // It says how long it wants to be left alone between two looks: it is, though not for ever.
    for (asked, looks) in [(100, 4), (86_400, 2)] {
        let (instead, wait) = (vec![("authz", 200, body)], Some(Duration::from_secs(asked)));
        let mut authority = Authority { instead, retry_after: wait, ..Authority::default() };
        let (failure, _) = ask(&mut authority, HTTP);
        assert_eq!(failure.why, "a.example: not done within 300 seconds");
        // One to begin with.
        let found = authority.asked.iter().filter(|name| *name == "authz").count();
        assert_eq!((found, authority.waited.as_secs()), (looks + 1, 300), "{asked}");
    }
}

/// Who else asks it fares the same, or need not.
#[test]
fn it_is_known_what_a_failure_is_about() {
    for (end, status, body, expect) in [
        ("directory", 429, r#"{"type":"x:rateLimited"}"#, About::Authority),
        ("account", 429, r#"{"type":"x:rateLimited"}"#, About::Authority),
        ("new-order", 503, "", About::Authority),
        ("new-order", 429, r#"{"type":"x:rateLimited"}"#, About::Order),
        ("order", 429, r#"{"type":"x:rateLimited"}"#, About::Order),
        ("authz", 500, "", About::Authority),
    ] {
        let instead = vec![(end, status, body)];
        let (failure, _) = ask(&mut Authority { instead, ..Authority::default() }, HTTP);
        assert_eq!(failure.about, expect, "{end} {status}");
    }
    let mut authority = Authority { is_dead: true, ..Authority::default() };
    let (failure, _) = ask(&mut authority, HTTP);
    assert_eq!((failure.about, &*failure.why), (About::Proof, "a.example: nobody there"));
    let mut authority = Authority { is_unshown: true, ..Authority::default() };
    let (failure, _) = ask(&mut authority, HTTP);
    assert_eq!((failure.about, &*failure.why), (About::Proof, "a.example: no room"));
}

#[test]
fn the_preferred_way_that_is_offered_is_taken() {
    let mut authority = Authority::default();
    ask(&mut authority, &[ProofKind::Dns, ProofKind::Tls, ProofKind::Http]);
    assert_eq!(authority.shown[0], "http-01 a.example");
    let mut authority = Authority::default();
    let (failure, _) = ask(&mut authority, &[ProofKind::Dns]);
    assert_eq!(failure.why, "a.example: the authority offers no way");
    assert!(authority.shown.is_empty());
}

/// An order that replaces a certificate is placed once more, as one that replaces none, where the
/// authority finds fault with that, and for no other reason.
#[test]
fn who_wants_to_be_left_alone_is_not_asked_for_the_same_at_once() {
    let directory = r#"{"newNonce":"https://ca.example/nonce",
        "newAccount":"https://ca.example/account","newOrder":"https://ca.example/new-order",
        "renewalInfo":"https://ca.example/renewal"}"#;
    let pem = Local::make("an authority", NOW).unwrap().sign(&["a.example".into()], NOW).unwrap();
    let (window, is_early) = (None, false);
    let before = Object { authority: CA.to_owned(), issued: NOW, window, is_early, pem };
    for (status, body, wait, orders) in [
        (409, r#"{"type":"x:alreadyReplaced"}"#, None, 2),
        (404, r#"{"type":"x:malformed"}"#, None, 2),
        (429, r#"{"type":"x:rateLimited"}"#, None, 1),
        (503, r#"{"type":"x:serverInternal"}"#, Some(60), 1),
        (503, "", Some(60), 1),
        (503, "<html>", None, 1),
    ] {
        let instead = vec![("directory", 200, directory), ("new-order", status, body)];
        let retry_after = wait.map(Duration::from_secs);
        let mut authority = Authority { instead, retry_after, ..Authority::default() };
        let (failure, _) = ask_after(Some(&before), &mut authority, HTTP);
        let found = authority.asked.iter().filter(|name| *name == "new-order").count();
        assert_eq!((found, failure.wait), (orders, retry_after), "{status} {body}");
    }
}
