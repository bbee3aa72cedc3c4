//! Who may enter by how often they ask.

use crate::{Tools, Verdict};
use config::plan::Limit;
use control::clients::{Room, Taken};
use message::{Exchange, Response, Status, response::Line};

/// 429 with the whole seconds to wait (RFC 6585 section 4). A client without an address, on a Unix
/// socket, is another server of this machine, which speaks for many: it is not limited.
pub(crate) fn check(limit: &Limit, exchange: &Exchange<'_>, tools: &mut Tools) -> Option<Response> {
    let client = exchange.client?;
    if tools.charged.contains(&limit.number) {
        return None;
    }
    tools.charged.push(limit.number);
    let wait = match tools.clients.take(limit.number, client, limit.bucket, 1, tools.now) {
        Taken::Given(Room::Found) => return None,
        Taken::Given(Room::None) => {
            tools.verdict = Verdict::Uncounted;
            return None;
        }
        Taken::Refused(wait) => wait,
    };
    if limit.is_dry_run {
        tools.verdict = Verdict::BeyondOnTrial;
        return None;
    }
    tools.verdict = Verdict::Beyond;
    let seconds = wait.as_millis().div_ceil(1_000).max(1).to_string();
    let retry = Line::new("retry-after", seconds);
    Some(Response::empty(Status::TOO_MANY_REQUESTS).with(retry))
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::{Bucket, Moment};
    use config::plan::Place;
    use control::Clients;
    use message::{Fields, Length, Method, Request, Version};
    use std::{num::NonZero, sync::atomic::AtomicU64, time::Duration};

    fn request() -> Request<'static> {
        Request {
            version: Version::Http11,
            method: Method::Get,
            host: "a.example",
            path: "/",
            query: None,
            fields: Fields::of(&[]),
            length: Length::Known(0),
        }
    }

    fn limit(count: u64, period_s: u64, burst: u64, is_dry_run: bool) -> Limit {
        let count = NonZero::new(count).unwrap();
        let bucket = Bucket::new(count, Duration::from_secs(period_s), burst);
        Limit { number: 1, bucket, text: "".into(), is_dry_run, place: Place::of("here") }
    }

    fn table() -> Clients {
        let words: Vec<_> = (0..Clients::words(64)).map(|_| AtomicU64::new(0)).collect();
        Clients::new(words.leak(), [1, 2])
    }

    /// The `Retry-After` of each request that comes at one of these moments; 0 where it may enter.
    fn check(limit: &Limit, moments: &[u64], expect: &[u32]) {
        let clients = table();
        let request = request();
        let exchange = Exchange::new(&request, "192.0.2.1".parse().ok(), 0);
        let found: Vec<u32> = moments
            .iter()
            .map(|&moment| {
                let mut tools = Tools::new(clients, Moment(moment));
                let refusal = super::check(limit, &exchange, &mut tools);
                assert_eq!(refusal.is_some(), tools.verdict == Verdict::Beyond);
                let retry = refusal.as_ref().and_then(|refusal| refusal.get("retry-after"));
                retry.map_or(0, |seconds| seconds.parse().unwrap())
            })
            .collect();
        assert_eq!(found, expect, "{limit:?}");
    }

    #[test]
    fn who_asks_too_often_is_told_when_to_ask_again() {
        check(&limit(20, 1, 2, false), &[1_000, 1_000, 1_000, 1_049, 1_050], &[0, 0, 1, 1, 0]);
        check(&limit(6, 60, 1, false), &[1_000, 1_000, 5_500, 10_999, 11_000], &[0, 10, 6, 1, 0]);
        check(&limit(1, 3_600, 1, false), &[0, 1], &[0, 3_600]);
    }

    #[test]
    fn a_limit_on_trial_refuses_nobody_and_tells() {
        let clients = table();
        let request = request();
        let exchange = Exchange::new(&request, "192.0.2.1".parse().ok(), 0);
        for expect in [Verdict::Within, Verdict::BeyondOnTrial] {
            let mut tools = Tools::new(clients, Moment(1_000));
            assert!(super::check(&limit(1, 1, 1, true), &exchange, &mut tools).is_none());
            assert_eq!(tools.verdict, expect);
        }
    }

    #[test]
    fn a_request_is_charged_once_however_often_it_is_rewritten() {
        let request = request();
        let exchange = Exchange::new(&request, "192.0.2.1".parse().ok(), 0);
        let mut tools = Tools::new(table(), Moment(1_000));
        for _ in 0..10 {
            assert!(super::check(&limit(1, 1, 1, false), &exchange, &mut tools).is_none());
        }
    }

    #[test]
    fn clients_without_an_address_are_not_limited() {
        let request = request();
        let exchange = Exchange::new(&request, None, 0);
        let clients = table();
        for _ in 0..10 {
            let mut tools = Tools::new(clients, Moment(1_000));
            assert!(super::check(&limit(1, 1, 1, false), &exchange, &mut tools).is_none());
        }
    }
}
