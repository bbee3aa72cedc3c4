//! The way of a request through the door: who is let in, who is refused, and what must be checked.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use access::{Done, Door, Entry, Job, Ledger, Verdicts, check};
use base::Moment;
use config::{
    Plan, World, load,
    plan::{Access, DEFAULT_SITE},
};
use control::Clients;
use message::{Exchange, Field, Fields, Length, Method, Request, Version};
use std::time::Duration;

/// Two sites with the same user and different passwords, `a` and nothing.
const CONFIG: &str = r#"
[site.default]
respond = "one"
auth.users.alice = "$2b$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe"
allow = "10.0.0.0/8"
methods = "GET"
cors = "https://app.example.com"

[site."b.example"]
respond = "two"
auth.users.alice = "$2a$06$DCq7YPn5Rq63x1Lad4cll.TV4S6ytwfsfvkgY8jIucDrjc8deX1s."
"#;

struct Nowhere;

impl World for Nowhere {}

fn access<'p>(plan: &'p Plan, host: &str) -> &'p Access {
    &plan.site(host, 0).unwrap().0.routes.rest.policy.access
}

/// What the door says to a request, in a word, and the job where there is one.
fn ask(
    access: &Access,
    (method, client, fields): (Method<'_>, &str, &[(&str, &str)]),
    door: &mut Door<'_>,
) -> (String, Option<Job>) {
    let lines: Vec<_> = fields
        .iter()
        .map(|(name, value)| Field { name: name.as_bytes(), value: value.as_bytes() })
        .collect();
    let request = Request {
        version: Version::Http11,
        method,
        host: "a",
        port: "",
        path: "/",
        query: None,
        fields: Fields::of(&lines),
        length: Length::Known(0),
    };
    let mut exchange = Exchange::new(&request, Some(client.parse().unwrap()), 0);
    match check(access, &mut exchange, door) {
        Entry::Open => (format!("open for {:?}", exchange.user), None),
        Entry::Answered(response) => (response.status.0.to_string(), None),
        Entry::Wait(job) => ("wait".to_owned(), Some(job)),
    }
}

/// `alice:a` and `alice:b`, `bob:a`.
const ALICE: (&str, &str) = ("Authorization", "Basic YWxpY2U6YQ==");
const WRONG: (&str, &str) = ("Authorization", "Basic YWxpY2U6Yg==");
const BOB: (&str, &str) = ("Authorization", "Basic Ym9iOmE=");

/// The door where nobody's limits are kept account of.
fn door<'d>(
    verdicts: &'d mut Verdicts,
    ledger: &'d mut Ledger,
    now: u64,
    done: Option<Done>,
) -> Door<'d> {
    Door { verdicts, clients: Clients::new(&[], [0; 2]), ledger, now: Moment(now), done }
}

#[test]
fn guards_are_asked_in_their_order() {
    let plan = load("t.toml", CONFIG, &Nowhere).unwrap();
    let access = access(&plan, DEFAULT_SITE);
    let mut verdicts = Verdicts::default();
    let mut check = |method, client, fields: &[(&str, &str)], expect: &str| {
        let mut ledger = Ledger::default();
        let mut door = door(&mut verdicts, &mut ledger, 0, None);
        let (seen, _) = ask(access, (method, client, fields), &mut door);
        assert_eq!(seen, expect, "{method:?} from {client} with {fields:?}");
    };
    let origin = ("Origin", "https://app.example.com");
    let preflight = [origin, ("Access-Control-Request-Method", "PUT")];
    check(Method::Get, "11.0.0.1", &[ALICE], "403");
    check(Method::Options, "11.0.0.1", &preflight, "403");
    check(Method::Options, "10.0.0.1", &preflight, "204");
    // What is no preflight but asks for the methods goes on to the next guard.
    check(Method::Options, "10.0.0.1", &[origin], "401");
    check(Method::Put, "10.0.0.1", &[ALICE], "405");
    check(Method::Get, "10.0.0.1", &[], "401");
    check(Method::Get, "10.0.0.1", &[ALICE, ALICE], "401");
    check(Method::Get, "10.0.0.1", &[ALICE], "wait");
}

#[test]
fn a_right_password_is_checked_once_and_a_wrong_one_each_time() {
    let plan = load("t.toml", CONFIG, &Nowhere).unwrap();
    let (one, other) = (access(&plan, DEFAULT_SITE), access(&plan, "b.example"));
    let mut verdicts = Verdicts::default();
    let mut check = |access, now, fields, done: Option<Done>, expect: &str| {
        let mut ledger = Ledger::default();
        let mut door = door(&mut verdicts, &mut ledger, now, done);
        let (seen, job) = ask(access, (Method::Get, "10.0.0.1", &[fields]), &mut door);
        assert_eq!(seen, expect, "{fields:?}");
        job.map(Job::run)
    };
    let wrong = check(one, 0, WRONG, None, "wait");
    check(one, 0, WRONG, wrong, "401");
    let wrong = check(one, 0, WRONG, None, "wait");
    // What was found out about one password says nothing of another.
    let right = check(one, 0, ALICE, wrong, "wait");
    check(one, 0, ALICE, right, "open for Some(\"alice\")");
    check(one, 1, ALICE, None, "open for Some(\"alice\")");
    check(one, 1, WRONG, None, "wait");
    // Nor does one list of another.
    let right = check(other, 1, ALICE, None, "wait");
    check(other, 1, ALICE, right, "401");
    // Who is not there is checked as well, by the hash of somebody whose password it even is.
    let unknown = check(one, 1, BOB, None, "wait");
    check(one, 1, BOB, unknown, "401");
    let later = Duration::from_secs(3600).as_millis() as u64;
    check(one, later, ALICE, None, "wait");
}
