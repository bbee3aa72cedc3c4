//! A conversation with an authority: requests that are signed, each with a word that the authority
//! has given and takes once.

use crate::{account::Account, problem::Failure, x509};
use serde_json::Value;
use std::{net::IpAddr, time::Duration};

/// How many times a request is sent whose word the authority does not take.
const NONCES_MAX: usize = 12;

/// How long the whole of it may take.
const TIME: Duration = Duration::from_secs(300);

/// The first wait between two looks at what the authority is doing, and the longest; it may ask for
/// a longer one.
const LOOK_FIRST: Duration = Duration::from_millis(250);
const LOOK_MOST: Duration = Duration::from_secs(10);

/// What is done in the world.
pub trait Hands {
    /// Sends a request, and returns what comes back.
    ///
    /// # Errors
    /// Nothing did: why, in words.
    fn exchange(&mut self, request: &Request<'_>) -> Result<Reply, String>;

    /// Lets time pass.
    fn pause(&mut self, time: Duration);

    /// Shows what an authority looks for.
    ///
    /// # Errors
    /// It cannot be shown: why, in words.
    fn show(&mut self, proof: &Proof) -> Result<(), String>;

    /// All that an order takes is shown: waits until an authority can see it from where it looks.
    fn spread(&mut self) {}

    /// It is not looked for any more.
    fn hide(&mut self, proof: &Proof);
}

/// A request by HTTPS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request<'r> {
    /// Its method.
    pub method: Method,
    /// Where it goes.
    pub url: &'r str,
    /// Its content: JSON with a signature.
    pub body: Vec<u8>,
}

/// What is done with what is at a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// It is read.
    Get,
    /// It is asked about.
    Head,
    /// It is told something.
    Post,
}

/// An answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// Its status.
    pub status: u16,
    /// `Replay-Nonce`.
    pub nonce: Option<String>,
    /// `Location`.
    pub location: Option<String>,
    /// `Retry-After`, from now on.
    pub retry_after: Option<Duration>,
    /// Its content.
    pub body: Vec<u8>,
}

/// What shows that a host is ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The host; without `*.` where it stands for those below it.
    pub host: String,
    /// How it is shown.
    pub kind: ProofKind,
    /// What the authority calls this challenge.
    pub token: String,
    /// What is to be shown for it.
    pub authorization: String,
    /// The same for a record of DNS.
    pub record: String,
}

impl Proof {
    /// The name that an authority asks for which looks for a certificate: an address has one of DNS
    /// for that (RFC 8738 section 6).
    #[must_use]
    pub fn name(&self) -> String {
        match x509::address(&self.host) {
            None => self.host.clone(),
            Some(IpAddr::V4(address)) => {
                let [a, b, c, d] = address.octets();
                format!("{d}.{c}.{b}.{a}.in-addr.arpa")
            }
            Some(IpAddr::V6(address)) => {
                let bytes = address.octets();
                let digits = bytes.iter().rev().flat_map(|byte| [byte & 0x0f, byte >> 4]);
                let name: String = digits.map(|digit| format!("{digit:x}.")).collect();
                name + "ip6.arpa"
            }
        }
    }
}

/// How a host is shown to be ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ProofKind {
    /// By a file at port 80 (`http-01`).
    Http,
    /// By a certificate at port 443 (`tls-alpn-01`).
    Tls,
    /// By a record of DNS (`dns-01`).
    Dns,
}

impl ProofKind {
    /// What authorities call it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Http => "http-01",
            Self::Tls => "tls-alpn-01",
            Self::Dns => "dns-01",
        }
    }
}

/// A conversation.
pub(crate) struct Session<'s> {
    hands: &'s mut dyn Hands,
    pub(crate) account: &'s mut Account,
    pub(crate) directory: Value,
    nonce: Option<String>,
    left: Duration,
}

/// An answer as JSON, with what came along.
pub(crate) struct Said {
    pub(crate) content: Value,
    pub(crate) location: Option<String>,
    pub(crate) retry_after: Option<Duration>,
}

impl<'s> Session<'s> {
    /// Begins one, by asking what the authority can do.
    pub(crate) fn begin(
        url: &str,
        account: &'s mut Account,
        hands: &'s mut dyn Hands,
    ) -> Result<Self, Failure> {
        let request = Request { method: Method::Get, url, body: Vec::new() };
        let reply = hands.exchange(&request).map_err(Failure::of)?;
        let directory = parsed("its directory", &reply)?;
        Ok(Self { hands, account, directory, nonce: None, left: TIME })
    }

    /// Where it does what that name stands for.
    pub(crate) fn place(&self, name: &str) -> Result<String, Failure> {
        let place = self.directory[name].as_str().map(str::to_owned);
        place.ok_or_else(|| Failure::of(format!("the directory of the authority has no `{name}`")))
    }

    pub(crate) fn hands(&mut self) -> &mut dyn Hands {
        self.hands
    }

    /// What is at `url`, without signature.
    pub(crate) fn get(&mut self, what: &str, url: &str) -> Result<Said, Failure> {
        let request = Request { method: Method::Get, url, body: Vec::new() };
        let reply = self.hands.exchange(&request).map_err(Failure::of)?;
        said(what, reply)
    }

    /// What is at `url`, or comes of telling it `payload`, as JSON.
    pub(crate) fn ask(
        &mut self,
        what: &str,
        url: &str,
        payload: Option<&Value>,
    ) -> Result<Said, Failure> {
        said(what, self.post(what, url, payload, false)?)
    }

    /// The same as it comes, and not necessarily from somebody who is known.
    pub(crate) fn post(
        &mut self,
        what: &str,
        url: &str,
        payload: Option<&Value>,
        is_first: bool,
    ) -> Result<Reply, Failure> {
        for _ in 0..NONCES_MAX {
            let nonce = match self.nonce.take() {
                Some(nonce) => nonce,
                None => self.fresh()?,
            };
            let body = self.account.sign(url, &nonce, payload, is_first);
            let body = body.map_err(|_| Failure::of("the account's key does not sign"))?;
            let request = Request { method: Method::Post, url, body };
            let reply = self.hands.exchange(&request).map_err(Failure::of)?;
            self.nonce.clone_from(&reply.nonce);
            if (200..300).contains(&reply.status) {
                return Ok(reply);
            }
            let failure = refused(what, &reply);
            if failure.kind != "badNonce" {
                return Err(failure);
            }
        }
        Err(Failure::of(format!("{what}: the authority takes none of its own nonces")))
    }

    fn fresh(&mut self) -> Result<String, Failure> {
        let url = self.place("newNonce")?;
        let request = Request { method: Method::Head, url: &url, body: Vec::new() };
        let reply = self.hands.exchange(&request).map_err(Failure::of)?;
        let nonce = reply.nonce.clone();
        nonce.ok_or_else(|| refused("the authority gives no nonce", &reply))
    }

    /// Looks at `url` again and again, until `find` finds something in what is there.
    pub(crate) fn wait<T>(
        &mut self,
        (what, url): (&str, &str),
        find: impl Fn(&Value) -> Option<Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let mut pause = LOOK_FIRST;
        loop {
            let Said { content, retry_after, .. } = self.ask(what, url, None)?;
            if let Some(found) = find(&content) {
                return found;
            }
            if self.left.is_zero() {
                let seconds = TIME.as_secs();
                return Err(Failure::of(format!("{what}: not done within {seconds} seconds")));
            }
            let time = retry_after.map_or(pause, |asked| asked.max(pause)).min(self.left);
            self.left -= time;
            self.hands.pause(time);
            pause = (pause * 2).min(LOOK_MOST);
        }
    }
}

fn said(what: &str, reply: Reply) -> Result<Said, Failure> {
    let content = parsed(what, &reply)?;
    Ok(Said { content, location: reply.location, retry_after: reply.retry_after })
}

fn parsed(what: &str, reply: &Reply) -> Result<Value, Failure> {
    if !(200..300).contains(&reply.status) {
        return Err(refused(what, reply));
    }
    let content = serde_json::from_slice(&reply.body);
    content.map_err(|_| Failure::of(format!("{what}: the authority has not answered in JSON")))
}

fn refused(what: &str, reply: &Reply) -> Failure {
    Failure::refused(what, (reply.status, &reply.body), reply.retry_after)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The addresses of RFC 8738 section 6 and RFC 3596 section 2.5.
    #[test]
    fn an_address_is_asked_for_by_the_name_that_dns_has_for_it() {
        let six = "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.0.0.0.0.1.2.3.4.ip6.arpa";
        for (host, expect) in [
            ("a.example", "a.example"),
            ("192.0.2.1", "1.2.0.192.in-addr.arpa"),
            ("4321:0:1:2:3:4:567:89ab", six),
        ] {
            let text = String::new;
            let (token, authorization, record) = (text(), text(), text());
            let (host, kind) = (host.to_owned(), ProofKind::Tls);
            let proof = Proof { host, kind, token, authorization, record };
            assert_eq!(proof.name(), expect);
        }
    }
}
