//! Asking an authority for a certificate (RFC 8555 section 7), and when it wants it to be renewed
//! (RFC 9773).

use crate::{
    account::{Account, encode},
    key::Key,
    object::Object,
    problem::{Failure, harmless},
    session::{Hands, Proof, ProofKind, Said, Session},
    x509,
};
use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Value, json};
use std::time::Duration;
use tls::{
    Pair,
    der::{Facts, instant},
};

/// Challenges of one order at most: as many names as authorities put into a certificate.
const NAMES_MAX: usize = 100;

/// What is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted<'w> {
    /// The directory of the authority.
    pub authority: &'w str,
    /// The hosts, the first of which gives it its name.
    pub hosts: &'w [Box<str>],
    /// How they are shown to be ours, the preferred way first.
    pub proofs: &'w [ProofKind],
    /// What kind of certificate it is to be, in the words of the authority.
    pub profile: Option<&'w str>,
    /// What was issued before.
    pub before: Option<&'w Object>,
    /// The time, in seconds since 1970.
    pub now: i64,
}

/// Has an authority know an account, and notes in it what it is called there.
///
/// # Errors
/// It does not take it.
pub fn introduce(
    authority: &str,
    account: &mut Account,
    hands: &mut dyn Hands,
) -> Result<(), Failure> {
    register(&mut Session::begin(authority, account, hands)?)
}

/// Obtains a certificate for an account that the authority knows.
///
/// # Errors
/// There is none: why, and how long to leave the authority alone.
pub fn obtain(
    wanted: &Wanted<'_>,
    account: &mut Account,
    hands: &mut dyn Hands,
) -> Result<Object, Failure> {
    if wanted.hosts.len() > NAMES_MAX {
        return Err(Failure::of(format!("no certificate has more than {NAMES_MAX} names")));
    }
    let mut session = Session::begin(wanted.authority, account, hands)?;
    issue(&mut session, wanted).map_err(Failure::of_order)
}

/// Has a certificate issued by somebody who is there.
fn issue(session: &mut Session<'_>, wanted: &Wanted<'_>) -> Result<Object, Failure> {
    let order = match place(session, wanted) {
        // Whoever set up the authority anew has forgotten who this is.
        Err(failure) if failure.kind == "accountDoesNotExist" => {
            register(session)?;
            place(session, wanted)?
        }
        order => order?,
    };
    let url = order.location.ok_or_else(|| Failure::of("the authority does not say where"))?;
    let mut proofs = Vec::new();
    let proved = prove(session, wanted, &order.content, &mut proofs);
    for proof in &proofs {
        session.hands().hide(proof);
    }
    proved?;
    let (key, chain) = finalize(session, wanted, &url)?;
    let pem = key.pem() + &chain;
    let authority = wanted.authority.to_owned();
    let before = wanted.before.and_then(Object::term);
    let is_early = before.is_some_and(|term| term.is_new(wanted.now));
    let object = Object { authority, issued: wanted.now, window: None, is_early, pem };
    check(&object, wanted)?;
    // Where it cannot be asked now, it is asked later.
    let window = window(session, &object).ok().and_then(|wish| wish.window);
    Ok(Object { window, ..object })
}

/// What an authority wishes for a certificate that it has issued.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// Within which times it is to be renewed; nothing where it does not say.
    pub window: Option<(i64, i64)>,
    /// How long the authority is not to be asked again.
    pub wait: Option<Duration>,
}

/// When an authority wants a certificate that it has issued to be renewed.
///
/// # Errors
/// It cannot be asked.
pub fn renewal(
    authority: &str,
    object: &Object,
    account: &mut Account,
    hands: &mut dyn Hands,
) -> Result<Wish, Failure> {
    let mut session = Session::begin(authority, account, hands)?;
    window(&mut session, object)
}

/// Has the authority that has issued a certificate take it back, as its key is no secret any more:
/// who has that key may ask for it, whoever else he is (RFC 8555 section 7.6).
///
/// # Errors
/// It does not.
pub fn revoke(object: &Object, hands: &mut dyn Hands) -> Result<(), Failure> {
    const KEY_COMPROMISE: u8 = 1;
    let broken = || Failure::of("the file holds no certificate with its key");
    let key = Key::from_pem(object.pem.as_bytes()).map_err(|_| broken())?;
    let certificate = tls::certificate_in(object.pem.as_bytes()).ok_or_else(broken)?;
    let mut account = Account::new(key);
    let mut session = Session::begin(&object.authority, &mut account, hands)?;
    let url = session.place("revokeCert")?;
    let wish = json!({ "certificate": encode(certificate), "reason": KEY_COMPROMISE });
    match session.post("not revoked", &url, Some(&wish), true) {
        Err(failure) if failure.kind != "alreadyRevoked" => Err(failure),
        _ => Ok(()),
    }
}

fn window(session: &mut Session<'_>, object: &Object) -> Result<Wish, Failure> {
    let Ok(place) = session.place("renewalInfo") else { return Ok(Wish::default()) };
    let Some(Facts { number, issuer_key: Some(key), .. }) = object.facts() else {
        return Ok(Wish::default());
    };
    let url = format!("{}/{}.{}", place.trim_end_matches('/'), encode(key), encode(number));
    let Said { content, retry_after: wait, .. } = session.get("when to renew", &url)?;
    let time = |name: &str| instant(content["suggestedWindow"][name].as_str()?);
    let window = time("start").zip(time("end")).filter(|(start, end)| start <= end);
    Ok(Wish { window, wait })
}

/// Has the authority know the account.
fn register(session: &mut Session<'_>) -> Result<(), Failure> {
    let needs = session.directory["meta"]["externalAccountRequired"].as_bool() == Some(true);
    if needs && session.account.external.is_none() {
        let why = "the authority takes only accounts that it has given a key: name it by `eab-id` and `eab-key`";
        return Err(Failure::of(why));
    }
    let url = session.place("newAccount")?;
    let wish = session.account.registration(&url);
    let wish = wish.ok_or_else(|| Failure::of("`eab-key` is not base64"))?;
    let reply = session.post("no account", &url, Some(&wish), true)?;
    session.account.id = reply.location;
    match session.account.id {
        Some(_) => Ok(()),
        None => Err(Failure::of("no account: the authority does not say where it is")),
    }
}

/// Places an order.
fn place(session: &mut Session<'_>, wanted: &Wanted<'_>) -> Result<Said, Failure> {
    let url = session.place("newOrder")?;
    let identifier = |host: &str| match x509::address(host) {
        Some(address) => json!({ "type": "ip", "value": address.to_string() }),
        None => json!({ "type": "dns", "value": host }),
    };
    let identifiers: Vec<Value> = wanted.hosts.iter().map(|host| identifier(host)).collect();
    let mut order = json!({ "identifiers": identifiers });
    if let Some(profile) = wanted.profile {
        order["profile"] = Value::from(profile);
    }
    let replaced = wanted.before.filter(|before| before.authority == wanted.authority);
    let replaced = replaced.filter(|_| session.directory["renewalInfo"].is_string());
    if let Some(Facts { number, issuer_key: Some(key), .. }) = replaced.and_then(Object::facts) {
        order["replaces"] = Value::from(format!("{}.{}", encode(key), encode(number)));
        match session.ask("no order", &url, Some(&order)) {
            // It need not know what another one has issued, and replaces each but once.
            Err(failure) if is_of_order(&failure) => {
                order.as_object_mut().map(|order| order.remove("replaces"));
            }
            ordered => return ordered,
        }
    }
    session.ask("no order", &url, Some(&order))
}

/// Whether an authority finds fault with what an order says: else another one fares the same, or
/// comes too soon.
fn is_of_order(failure: &Failure) -> bool {
    let others = ["", "rateLimited", "accountDoesNotExist"];
    failure.wait.is_none() && !others.contains(&&*failure.kind)
}

/// Shows that all hosts of an order are ours. What is shown is put down in `shown`.
fn prove(
    session: &mut Session<'_>,
    wanted: &Wanted<'_>,
    order: &Value,
    shown: &mut Vec<Proof>,
) -> Result<(), Failure> {
    let urls = order["authorizations"].as_array().into_iter().flatten();
    let urls: Vec<&str> = urls.filter_map(Value::as_str).take(NAMES_MAX).collect();
    let mut waiting = Vec::new();
    for url in urls {
        let content = session.ask("no authorization", url, None)?.content;
        if content["status"] == "valid" {
            continue;
        }
        let host = wanted_host(wanted, content["identifier"]["value"].as_str())?;
        let (proof, challenge) = choose(session.account, wanted, &content, &host)?;
        let failed = |why: String| Failure::of(format!("{host}: {why}")).of_proof();
        let is_shown = session.hands().show(&proof).map_err(failed);
        // Some of it may be there where not all is.
        shown.push(proof);
        is_shown?;
        waiting.push((host, url, challenge));
    }
    if !waiting.is_empty() {
        session.hands().spread();
    }
    for (host, _, challenge) in &waiting {
        session.ask(host, challenge, Some(&json!({})))?;
    }
    for (host, url, _) in &waiting {
        session.wait((host, url), |content| match content["status"].as_str() {
            Some("valid") => Some(Ok(())),
            Some("pending") => None,
            _ => Some(Err(Failure::problem(host, fault(content)).of_proof())),
        })?;
    }
    Ok(())
}

/// The host that an authority wants a proof of, which is one that was asked for: nothing else that
/// it says gets to name servers, or to a program of the operator's.
fn wanted_host(wanted: &Wanted<'_>, found: Option<&str>) -> Result<String, Failure> {
    let found = found.unwrap_or_default();
    let is_it = |host: &&str| match (x509::address(host), x509::address(found)) {
        (None, None) => host.eq_ignore_ascii_case(found),
        (host, found) => host == found,
    };
    let mut hosts = wanted.hosts.iter().map(|host| host.strip_prefix("*.").unwrap_or(host));
    hosts.find(is_it).map(|host| host.trim_matches(['[', ']']).to_owned()).ok_or_else(|| {
        let found = harmless(found);
        Failure::of(format!(
            "the authority wants a proof for {found:?}, which nobody has asked for"
        ))
    })
}

/// The challenge that is taken up, and where the authority is told so.
fn choose(
    account: &Account,
    wanted: &Wanted<'_>,
    content: &Value,
    host: &str,
) -> Result<(Proof, String), Failure> {
    let all = || content["challenges"].as_array().into_iter().flatten();
    let of = |kind: &&ProofKind| all().any(|one| one["type"] == kind.label());
    let is_below = content["wildcard"].as_bool() == Some(true);
    // Only a record of DNS speaks for all names below one.
    let mut usable = wanted.proofs.iter().filter(|kind| !is_below || **kind == ProofKind::Dns);
    let Some(kind) = usable.find(of) else {
        let way_out = if is_below { ": names with `*` need `dns`" } else { "" };
        return Err(Failure::of(format!("{host}: the authority offers no way{way_out}")));
    };
    let challenge = all().find(|one| one["type"] == kind.label()).unwrap_or(&Value::Null);
    let text = |name: &str| challenge[name].as_str().unwrap_or_default().to_owned();
    let token = text("token");
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if token.is_empty() || !token.bytes().all(is_token) {
        return Err(Failure::of(format!("{host}: the authority's challenge has no token")));
    }
    let authorization = account.authorization(&token);
    let record = encode(digest(&SHA256, authorization.as_bytes()));
    let (host, kind) = (host.to_owned(), *kind);
    Ok((Proof { host, kind, token, authorization, record }, text("url")))
}

/// The problem of the challenge that has failed.
fn fault(content: &Value) -> &Value {
    let mut all = content["challenges"].as_array().into_iter().flatten();
    all.find(|one| one["error"].is_object()).map_or(&Value::Null, |one| &one["error"])
}

/// Has the certificate issued: its key and its chain.
fn finalize(
    session: &mut Session<'_>,
    wanted: &Wanted<'_>,
    url: &str,
) -> Result<(Key, String), Failure> {
    const WHAT: &str = "no certificate";
    let failed = |order: &Value| Err(Failure::problem(WHAT, &order["error"]));
    let place = session.wait((WHAT, url), |order| match order["status"].as_str() {
        Some("ready") => Some(Ok(order["finalize"].as_str().unwrap_or_default().to_owned())),
        Some("pending") => None,
        _ => Some(failed(order)),
    })?;
    let key = Key::generate().map_err(|error| Failure::of(error.to_string()))?;
    let request = x509::request(wanted.hosts, &key);
    let request = request.map_err(|error| Failure::of(error.to_string()))?;
    session.ask(WHAT, &place, Some(&json!({ "csr": encode(request) })))?;
    let place = session.wait((WHAT, url), |order| match order["status"].as_str() {
        Some("valid") => Some(Ok(order["certificate"].as_str().unwrap_or_default().to_owned())),
        Some("ready" | "processing") => None,
        _ => Some(failed(order)),
    })?;
    let chain = session.post(WHAT, &place, None, false)?.body;
    let chain = String::from_utf8(chain).map_err(|_| Failure::of("the chain is no PEM"))?;
    Ok((key, certificates(&chain)))
}

/// The certificates of a PEM text, without what is said around them.
fn certificates(text: &str) -> String {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    const END: &str = "-----END CERTIFICATE-----";
    let (mut out, mut is_inside) = (String::new(), false);
    for line in text.lines().map(str::trim) {
        is_inside |= line == BEGIN;
        if is_inside {
            out.push_str(line);
            out.push('\n');
        }
        is_inside &= line != END;
    }
    out
}

/// What the authority has issued is what was wanted.
fn check(object: &Object, wanted: &Wanted<'_>) -> Result<(), Failure> {
    let pem = object.pem.as_bytes();
    let pair = Pair::load(pem, pem);
    let pair = pair.map_err(|why| Failure::of(format!("what was issued cannot be used: {why}")))?;
    if !object.covers(wanted.hosts) {
        return Err(Failure::of("what was issued is for other hosts"));
    }
    if Object::read(object.write().as_bytes()).as_ref() != Some(object) {
        return Err(Failure::of("what was issued cannot be kept"));
    }
    // A clock that is wrong here is no reason to refuse what is there.
    match pair.facts().is_some_and(|facts| facts.until < facts.from) {
        true => Err(Failure::of("what was issued never holds")),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_around_certificates_is_not_kept() {
        let pem = |label: &str| format!("-----BEGIN {label}-----\nabc=\n-----END {label}-----\n");
        let one = pem("CERTIFICATE");
        for (text, expect) in [
            (one.clone(), one.clone()),
            (format!("Subject: a\n{one}\nIssuer: b\n{one}# end"), one.repeat(2)),
            (one.replace('\n', "\r\n"), one.clone()),
            (format!("{}{one}", pem("TRUST ME")), one.clone()),
            ("no PEM".to_owned(), String::new()),
        ] {
            assert_eq!(certificates(&text), expect, "{text}");
        }
    }
}
