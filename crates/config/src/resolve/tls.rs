//! TLS: the certificates of a site, and at which addresses who is served by it.

use super::{
    by_itself::{self, Who},
    context::Context,
};
use crate::{
    mistake::{Mistake, quote},
    plan::{
        Action, Authorities, Certificate, Issuer, Listen, Pem, Phrase, Place, Redirect, Route,
        Site, Tls, TlsVersion,
    },
    source::{Span, Word},
    world::{PairFault, Whose},
    written::{self, Mode},
};
use message::Status;
use std::{path::PathBuf, sync::Arc};

/// The port of TLS: at it TLS is spoken, and no URL has to name it.
pub(crate) const PORT: u16 = 443;

/// Bytes of a file at most: a chain of some 100 certificates.
const FILE_BYTES_MAX: u64 = 256 * 1024;

/// Certificates of one site at most: one for each kind of key that there is.
const CERTIFICATES_MAX: usize = 4;

/// Where a site and its `tls` are typed, for what turns out to be wrong with them at last.
pub(crate) struct Typed {
    pub(crate) key: Span,
    pub(crate) tls: Option<Span>,
    /// Whether requests that come without TLS are sent on.
    pub(crate) redirects: bool,
}

/// How a site speaks TLS; `None` where it does not. Where nothing was typed, one with a public name
/// does so if it is served at an address with TLS.
pub(crate) fn of_site(
    word: Option<&Word<written::Tls>>,
    who: &Who<'_>,
    context: &mut Context<'_>,
) -> Option<Tls> {
    let Some(word) = word else {
        let is_wanted = context.is_sound && who.is_public() && who.has_tls(context);
        return is_wanted.then(|| {
            let certificate = by_itself::certificate(who, true, who.key, context);
            of_certificates(certificate.into_iter().collect(), context.at(who.key))
        });
    };
    let words = &word.value;
    let mode = mode(words, who);
    check_effects(words, mode, context);
    if mode == Mode::Off {
        return None;
    }
    check_clear(words, context);
    let certificates = match mode {
        Mode::Auto | Mode::Internal => {
            let is_auto = mode == Mode::Auto;
            by_itself::certificate(who, is_auto, word.span, context).into_iter().collect()
        }
        Mode::Files | Mode::Off => certificates(word, context),
    };
    let client_authorities = words.client_ca.as_ref().and_then(|file| authorities(file, context));
    let min_version = words.min_version.as_ref().map_or(TlsVersion::Tls12, |word| word.value);
    let usual = of_certificates(certificates, context.at(word.span));
    Some(Tls { min_version, client_authorities, ..usual })
}

/// TLS with these certificates, everything else at its default.
fn of_certificates(certificates: Vec<usize>, place: Place) -> Tls {
    Tls {
        certificates: certificates.into(),
        min_version: TlsVersion::Tls12,
        client_authorities: None,
        plain: None,
        proof: None,
        place,
    }
}

/// Where the certificates come from.
fn mode(words: &written::Tls, who: &Who<'_>) -> Mode {
    let names_files = words.cert.is_some() || words.key.is_some();
    match &words.mode {
        Some(mode) => mode.value,
        None if !names_files && who.is_public() => Mode::Auto,
        None => Mode::Files,
    }
}

/// Refuses what was typed and has no effect.
fn check_effects(words: &written::Tls, mode: Mode, context: &mut Context<'_>) {
    let files = [&words.cert, &words.key].map(|word| word.as_ref().map(|word| word.span));
    let others = [
        words.min_version.as_ref().map(|word| word.span),
        words.client_ca.as_ref().map(|word| word.span),
        words.redirect.as_ref().map(|word| word.span),
        words.hsts.as_ref().map(|word| word.span),
    ];
    let (idle, cause, label) = match mode {
        Mode::Off => (files.iter().chain(&others).flatten().next(), "TLS is off", "off"),
        Mode::Auto | Mode::Internal => {
            (files.iter().flatten().next(), "the certificate comes by itself", "by itself")
        }
        Mode::Files => return,
    };
    if let (Some(span), Some(mode)) = (idle, &words.mode) {
        let mistake = Mistake::new(*span, cause, "has no effect");
        let help = "leave it out, or leave out `mode`";
        context.mistakes.push(mistake.also(mode.span, label).help(help));
    }
}

/// Refuses to have answered without TLS what is promised to be had with it only.
fn check_clear(words: &written::Tls, context: &mut Context<'_>) {
    let Some(redirect) = words.redirect.as_ref().filter(|redirect| !redirect.value) else { return };
    let hsts = words.hsts.as_ref().filter(|hsts| hsts.value).map(|word| word.span);
    let authorities = words.client_ca.as_ref().map(|word| word.span);
    for (promise, cause, label) in [
        (hsts, "`hsts` sends browsers to TLS, and `redirect` does not", "by TLS only"),
        (authorities, "without TLS nobody can show a certificate", "with a certificate only"),
    ] {
        let mistake = promise.map(|span| Mistake::new(span, cause, label));
        let mistake = mistake.map(|one| one.also(redirect.span, "without TLS, too"));
        context.mistakes.extend(mistake.map(|one| one.help("leave one of them out")));
    }
}

/// The numbers of the certificates that are named.
fn certificates(word: &Word<written::Tls>, context: &mut Context<'_>) -> Vec<usize> {
    let written::Tls { cert, key, .. } = &word.value;
    let (Some(certs), Some(keys)) = (cert, key) else {
        if context.is_sound {
            let missing = if cert.is_none() { "cert" } else { "key" };
            let cause = format!("`tls` names no `{missing}`");
            let help = match (cert, key) {
                (None, None) => "name files by `cert` and `key`, or say `mode = \"internal\"`",
                _ => {
                    "for example: `tls = { cert = \"/etc/ssl/fullchain.pem\", key = \
                     \"/etc/ssl/privkey.pem\" }`"
                }
            };
            context.mistakes.push(Mistake::new(word.span, cause, "not enough").help(help));
        }
        return Vec::new();
    };
    if certs.value.len() != keys.value.len() || certs.value.is_empty() {
        // Of a list that was understood in parts, the number is not known.
        if context.is_site_sound {
            let cause = "there are not as many keys as certificates";
            let mistake = Mistake::new(keys.span, cause, "these keys");
            let mistake = mistake.also(certs.span, "for these");
            context.mistakes.push(mistake.help("write them in the same order"));
        }
        return Vec::new();
    }
    if let Some(more) = certs.value.get(CERTIFICATES_MAX) {
        let cause = format!("a site has {CERTIFICATES_MAX} certificates at most");
        let mistake = Mistake::new(more.span, cause, "one too many");
        context.mistakes.push(mistake.help("name one for each kind of key: ECDSA, RSA"));
    }
    certs.value.iter().zip(&keys.value).filter_map(|pair| certificate(pair, context)).collect()
}

/// The number of the certificate in these two files, which are read and checked once.
fn certificate(
    (cert, key): (&Word<String>, &Word<String>),
    context: &mut Context<'_>,
) -> Option<usize> {
    let paths = (context.sources.path(cert), context.sources.path(key));
    if let Some(known) = context.pairs.get(&paths) {
        return *known;
    }
    let number = read("cert", cert, context).zip(read("key", key, context)).and_then(|texts| {
        let (chain, secret) = texts;
        let checked = context.world.check_pair((&paths.0, &chain), (&paths.1, &secret));
        context.own.push((paths.1.clone(), key.span));
        if let Err(PairFault { whose, cause, help }) = checked {
            match whose {
                Whose::Certificate => blame("cert", cert, (&cause, &help), context),
                Whose::Key => blame("key", key, (&cause, &help), context),
                Whose::Both => context.mistakes.push(
                    Mistake::new(key.span, cause, "this key")
                        .also(cert.span, "and this certificate")
                        .help(help),
                ),
            }
            return None;
        }
        let (chain_path, key_path) = paths.clone();
        context.certificates.push(Certificate {
            chain: chain_path,
            key: key_path,
            pem: Pem { chain, key: secret },
            place: context.at(cert.span),
            issuer: Issuer::Files,
        });
        Some(context.certificates.len() - 1)
    });
    context.pairs.insert(paths, number);
    number
}

/// The number of the authorities in that file.
fn authorities(word: &Word<String>, context: &mut Context<'_>) -> Option<usize> {
    let file = context.sources.path(word);
    if let Some(known) = context.authorities.iter().position(|known| known.file == file) {
        return Some(known);
    }
    let pem = Arc::from(read("client-ca", word, context)?);
    if let Err(fault) = context.world.check_authorities(&file, &pem) {
        blame("client-ca", word, (&fault.cause, &fault.help), context);
    }
    context.authorities.push(Authorities { file, pem, place: context.at(word.span) });
    Some(context.authorities.len() - 1)
}

fn read(name: &str, file: &Word<String>, context: &mut Context<'_>) -> Option<Vec<u8>> {
    let path = context.sources.path(file);
    match context.world.read(&path, FILE_BYTES_MAX) {
        Ok(content) => Some(content.bytes),
        Err(why) => {
            let help = match name {
                "key" => "name a file with a private key, as PEM",
                _ => "name a file with certificates, as PEM",
            };
            blame(name, file, (&why, help), context);
            None
        }
    }
}

fn blame(name: &str, file: &Word<String>, (why, help): (&str, &str), context: &mut Context<'_>) {
    let path = context.sources.path(file);
    let cause = format!("the file of `{name}` cannot be used: {why}");
    let label = format!("stands for {}", path.display());
    let help = help.to_owned();
    context.mistakes.push(Mistake::new(file.span, cause, label).help(help));
}

/// Gives each site the addresses at which it can be served: one without TLS those without.
pub(crate) fn assign(
    sites: &mut [&mut Site],
    all: &[Listen],
    of_server: &[usize],
    context: &mut Context<'_>,
) {
    if !all.iter().any(|listen| listen.tls) && sites.iter().all(|site| site.tls.is_none()) {
        return;
    }
    let is_sound = context.mistakes.is_empty();
    let speaks_tls = |number: &usize| all.get(*number).is_some_and(|listen| listen.tls);
    for (at, site) in sites.iter_mut().enumerate() {
        let Some(typed) = context.typed.get(at) else { continue };
        let own: Vec<usize> = match &site.listeners {
            Some(own) => own.to_vec(),
            None => of_server.to_vec(),
        };
        let Some(tls) = &mut site.tls else {
            let plain: Vec<_> = own.iter().copied().filter(|at| !speaks_tls(at)).collect();
            if plain.is_empty() && is_sound {
                let cause = format!("the site {} is served with TLS only", quote(&site.name));
                context.mistakes.push(Mistake::new(typed.key, cause, "it has no `tls`").help(
                    "add `tls = \"internal\"` or `tls = { cert = \"…\", key = \"…\" }`, or \
                             another address",
                ));
            }
            site.listeners = Some(plain.into());
            continue;
        };
        let secure = own.iter().filter(|at| speaks_tls(at)).filter_map(|&at| all.get(at));
        let ports: Vec<u16> =
            secure.map(|listen| listen.address.tcp().map_or(PORT, |tcp| tcp.port())).collect();
        if ports.is_empty() && is_sound {
            let span = typed.tls.unwrap_or(typed.key);
            context.mistakes.push(
                Mistake::new(span, "nothing listens with TLS for this site", "has no effect")
                    .help("add 443 to `listen`, or `tls = true` to an address in it"),
            );
        }
        if typed.redirects {
            tls.plain = Some(Box::new(to_tls(&ports, tls.place.clone())));
        }
        site.listeners = Some(own.into());
    }
    refuse_idle(sites, all, is_sound, context);
}

/// Refuses addresses with TLS at which nobody speaks it.
fn refuse_idle(sites: &[&mut Site], all: &[Listen], is_sound: bool, context: &mut Context<'_>) {
    let speaks = |site: &&mut Site, number| {
        let is_there = site.listeners.as_ref().is_some_and(|own| own.contains(&number));
        is_there && site.tls.is_some()
    };
    let mut refused = None;
    for (number, listen) in all.iter().enumerate().filter(|(_, listen)| listen.tls && is_sound) {
        let span = context.listeners.spans.get(number).copied().flatten();
        let Some(span) = span.filter(|span| refused.replace(*span) != Some(*span)) else {
            continue;
        };
        if !sites.iter().any(|site| speaks(site, number)) {
            let cause = format!("no site speaks TLS on {}", listen.address);
            context.mistakes.push(
                Mistake::new(span, cause, "has no effect")
                    .help("add `tls` to a site, or leave the address out"),
            );
        }
    }
}

/// What is done for requests that come without TLS where it is spoken on these ports.
fn to_tls(ports: &[u16], place: Place) -> Route {
    let to = match ports.first() {
        Some(&port) if port != 0 && !ports.contains(&PORT) => {
            format!("https://{{host}}:{port}{{path}}")
        }
        _ => "https://{host}{path}".to_owned(),
    };
    let status = Status::PERMANENT_REDIRECT;
    match Phrase::parse(&to) {
        Ok(to) => {
            let redirect = Redirect { to, status, keeps_query: true, place: place.clone() };
            Route::plain("/*", place, Action::Redirect(redirect))
        }
        Err(_) => Route::plain("/*", place, Action::NotFound),
    }
}

/// What makes two certificates the same one.
pub(crate) type Paths = (PathBuf, PathBuf);
