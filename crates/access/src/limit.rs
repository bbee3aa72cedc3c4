//! Who may enter by how often they ask.

use crate::{Door, Pace};
use config::plan::Limit;
use control::clients::{Room, Taken};
use message::{Exchange, Response, Status, response::Line};

/// 429 with the whole seconds to wait (RFC 6585 section 4). A client without an address, on a Unix
/// socket, is another server of this machine, which speaks for many: it is not limited.
pub(crate) fn check(
    limit: &Limit,
    exchange: &Exchange<'_>,
    door: &mut Door<'_>,
) -> Option<Response> {
    let client = exchange.client?;
    if door.ledger.charged.contains(&limit.number) {
        return None;
    }
    door.ledger.charged.push(limit.number);
    let wait = match door.clients.take(limit.number, client, limit.bucket, 1, door.now) {
        Taken::Given(Room::Found) => return None,
        Taken::Given(Room::None) => {
            door.ledger.pace = Pace::Uncounted;
            return None;
        }
        Taken::Refused(wait) => wait,
    };
    if limit.is_dry_run {
        door.ledger.pace = Pace::BeyondOnTrial;
        return None;
    }
    door.ledger.pace = Pace::Beyond;
    let seconds = wait.as_millis().div_ceil(1_000).max(1).to_string();
    let retry = Line::new("retry-after", seconds);
    Some(Response::empty(Status::TOO_MANY_REQUESTS).with(retry))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Ledger, Verdicts};
    use base::{Bucket, Moment};
    use config::plan::Place;
    use control::Clients;
    use message::{Fields, Length, Method, Request, Version};
    use std::{
        net::{IpAddr, Ipv4Addr},
        num::NonZero,
        sync::atomic::AtomicU64,
        time::Duration,
    };

    const CLIENT: Option<IpAddr> = Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)));

    fn request() -> Request<'static> {
        Request {
            version: Version::Http11,
            method: Method::Get,
            host: "a.example",
            port: "",
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

    /// What the limit says to a request that comes at this moment, and has this ledger.
    fn ask(
        limit: &Limit,
        client: Option<IpAddr>,
        clients: Clients,
        moment: u64,
        ledger: &mut Ledger,
    ) -> Option<Response> {
        let request = request();
        let exchange = Exchange::new(&request, client, 0);
        let (verdicts, now) = (&mut Verdicts::default(), Moment(moment));
        let mut door = Door { verdicts, clients, ledger, now, done: None };
        super::check(limit, &exchange, &mut door)
    }

    /// The `Retry-After` of each request that comes at one of these moments; 0 where it may enter.
    fn check(limit: &Limit, moments: &[u64], expect: &[u32]) {
        let clients = table();
        let ask = |&moment: &u64| {
            let mut ledger = Ledger::default();
            let refusal = ask(limit, CLIENT, clients, moment, &mut ledger);
            assert_eq!(refusal.is_some(), ledger.pace == Pace::Beyond);
            let retry = refusal.as_ref().and_then(|refusal| refusal.get("retry-after"));
            retry.map_or(0, |seconds| seconds.parse().unwrap())
        };
        let found: Vec<u32> = moments.iter().map(ask).collect();
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
        for expect in [Pace::Within, Pace::BeyondOnTrial] {
            let mut ledger = Ledger::default();
            assert!(ask(&limit(1, 1, 1, true), CLIENT, clients, 1_000, &mut ledger).is_none());
            assert_eq!(ledger.pace, expect);
        }
    }

    #[test]
    fn a_request_is_charged_once_however_often_it_is_asked_after() {
        let (clients, mut ledger) = (table(), Ledger::default());
        for _ in 0..10 {
            assert!(ask(&limit(1, 1, 1, false), CLIENT, clients, 1_000, &mut ledger).is_none());
        }
    }

    #[test]
    fn clients_without_an_address_are_not_limited() {
        let clients = table();
        for _ in 0..10 {
            let mut ledger = Ledger::default();
            assert!(ask(&limit(1, 1, 1, false), None, clients, 1_000, &mut ledger).is_none());
        }
    }
}
