//! Certificates that come by themselves: for which hosts, from whom, and what authorities are told
//! that look for a proof.

use super::{context::Context, issuing, key::Key};
use crate::{
    mistake::{Mistake, quote},
    plan::{
        Action, Certificate, Issuer, PROOF_PATH, Pem, Phrase, Place, Respond, Route, Wanted, Way,
        file_of,
    },
    source::Span,
};
use base::private::is_private;
use message::Status;
use std::net::IpAddr;

/// Whom a certificate would be for.
pub(crate) struct Who<'w> {
    /// Where the site is typed.
    pub(crate) key: Span,
    /// All of its hosts; none of a site for all others.
    pub(crate) hosts: Vec<Box<str>>,
    /// The addresses that it has for itself.
    pub(crate) listeners: Option<&'w [usize]>,
}

/// The folder of those that authorities issue, in the one of all that is kept.
pub(crate) const SITES: &str = "sites";

/// What a site for all other hosts is called by those who come from this machine.
const LOCAL_HOSTS: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

impl Who<'_> {
    /// Whether an authority of the world would sign for all of its hosts, and can be shown that
    /// they are ours by whoever serves them.
    pub(crate) fn is_public(&self) -> bool {
        let is_public = |host: &str| {
            let is_address = host.starts_with('[') || host.parse::<IpAddr>().is_ok();
            host.contains('.') && !host.starts_with("*.") && !is_address && !is_private(host)
        };
        !self.hosts.is_empty() && self.hosts.iter().all(|host| is_public(host))
    }

    /// Whether it is served at an address with TLS.
    pub(crate) fn has_tls(&self, context: &Context<'_>) -> bool {
        let all = &context.listeners.all;
        let speaks = |at: &usize| all.get(*at).is_some_and(|listen| listen.tls);
        match (self.listeners, context.listeners.of_server) {
            (Some(own), _) => own.iter().any(speaks),
            // The default has such an address where a site wants one.
            (None, 0) => true,
            (None, count) => (0..count).any(|at| speaks(&at)),
        }
    }
}

/// The number of the certificate that an authority of the world issues, where `is_auto` says so, or
/// else the local one.
pub(crate) fn certificate(
    who: &Who<'_>,
    is_auto: bool,
    span: Span,
    context: &mut Context<'_>,
) -> Option<usize> {
    let refusal = if is_auto { refuse_auto(who, context) } else { refuse_local(who) };
    if let Some((cause, help)) = refusal {
        let mistake = Mistake::new(span, cause, "no certificate");
        context.mistakes.push(mistake.also(who.key, "for this site").help(help));
        return None;
    }
    let hosts: Box<[Box<str>]> = match who.hosts.is_empty() {
        true => LOCAL_HOSTS.map(Into::into).into(),
        false => who.hosts.clone().into(),
    };
    let name = file_of(hosts.first().map_or("", |host| host));
    let (below, issuer) = match is_auto {
        true => (SITES, Issuer::Authority(hosts)),
        false => ("local", Issuer::Local(hosts)),
    };
    context.keeps.get_or_insert(span);
    let path = context.issuing.folder.join(below).join(name);
    let wanted = Wanted { path: &path, folder: &context.issuing.folder, issuer: &issuer };
    let bytes = match context.world.certificate(&wanted) {
        Ok(bytes) => bytes,
        Err(why) => {
            let cause = format!("no certificate can be made: {why}");
            let help = "mend that, or name the files of one by `cert` and `key`";
            context.mistakes.push(Mistake::new(span, cause, "no certificate").help(help));
            return None;
        }
    };
    context.certificates.push(Certificate {
        chain: path.clone(),
        key: path,
        pem: Pem { chain: bytes.clone(), key: bytes },
        place: context.at(span),
        issuer,
    });
    Some(context.certificates.len() - 1)
}

fn refuse_auto(who: &Who<'_>, context: &Context<'_>) -> Option<(String, String)> {
    if who.hosts.is_empty() {
        let cause = "no authority signs for all other hosts".to_owned();
        return Some((cause, "give the site a name, or say `tls = \"internal\"`".to_owned()));
    }
    let hosts = || who.hosts.iter().map(|host| &**host);
    if let Some(host) = hosts().find(|host| host.starts_with("*."))
        && !context.issuing.ways.contains(&Way::Dns)
    {
        let cause = format!("a certificate for {} needs a proof by DNS", quote(host));
        let help = "name a `dns-program` or a `dns-server` in [server.certificates]";
        return Some((cause, help.to_owned()));
    }
    let is_nobodys = |host: &&str| is_private(host) || !host.contains(['.', ':']);
    let host = hosts().find(is_nobodys).filter(|_| issuing::is_usual(&context.issuing))?;
    let cause = format!("no authority of the world signs for {}", quote(host));
    Some((cause, "say `tls = \"internal\"`, or leave the host out".to_owned()))
}

fn refuse_local(who: &Who<'_>) -> Option<(String, String)> {
    let is_whole =
        |host: &&str| host.strip_prefix("*.").is_some_and(|parent| !parent.contains('.'));
    if let Some(host) = who.hosts.iter().map(|host| &**host).find(is_whole) {
        let cause = format!("browsers take no certificate for {}", quote(host));
        return Some((cause, "name each host, as a site or in `aliases`".to_owned()));
    }
    let host = who.hosts.iter().find(|host| !is_private(host))?;
    let cause = format!("the local authority signs for private names, and {} is none", quote(host));
    let help =
        "say `tls = \"auto\"`; names below `.internal`, `.test` and `.localhost` are private";
    Some((cause, help.to_owned()))
}

/// The key of the route by which authorities are told that a host is ours, and that route.
pub(crate) fn proof(place: &Place, context: &mut Context<'_>) -> Option<(Key, Route)> {
    if !context.issuing.ways.contains(&Way::Http) {
        return None;
    }
    let account = context.world.account(&context.issuing.folder)?;
    let respond = Respond {
        status: Status::OK,
        text: Some(Phrase::parse(&format!("{{rest}}.{account}")).ok()?),
        media_type: "application/octet-stream".into(),
        place: place.clone(),
    };
    let key = format!("{PROOF_PATH}*");
    let route = Route::plain(&key, place.clone(), Action::Respond(respond));
    Some((Key::below(PROOF_PATH), route))
}
