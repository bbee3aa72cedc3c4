//! `admin`: an address that only this machine reaches, or a secret that lets others in.

use super::listen;
use crate::{
    mistake::{Mistake, quote},
    plan::{Address, Admin, Listen, Plan},
    source::{Sources, Span, Word},
    written,
};
use std::net::SocketAddr;

/// The permissions of a Unix socket where nothing else is said: who started the server connects.
const MODE_DEFAULT: u32 = 0o600;

/// The shortest token, in characters: one that nobody finds by trying.
const TOKEN_MIN: usize = 16;

/// Where the server is looked at, if anywhere; `plan` says where it listens and as whom it serves.
pub(crate) fn resolve(
    words: written::Admin,
    plan: &Plan,
    sources: &Sources,
    mistakes: &mut Vec<Mistake>,
) -> Option<Admin> {
    let written::Admin { address, mode, token } = words;
    let Some(word) = address else {
        let other = token.map(|word| word.span).or(mode.map(|word| word.span));
        if let Some(span) = other.filter(|_| mistakes.is_empty()) {
            let mistake = Mistake::new(span, "`admin` has no address", "has no effect");
            mistakes.push(mistake.help("add it: `address = \"127.0.0.1:7891\"`"));
        }
        return None;
    };
    let mode_bits = mode.as_ref().map_or(MODE_DEFAULT, |mode| mode.value);
    let path = |text: &str| sources.locate(word.span).0.path(text);
    let address = match listen::parse(&word.value, mode_bits, path).as_deref() {
        Ok([only]) => only.clone(),
        Ok(_) => {
            let help = format!("name one of this machine: \"127.0.0.1:{}\"", word.value);
            mistakes.push(refusal(&word, help));
            return None;
        }
        Err(help) => {
            mistakes.push(refusal(&word, help.clone()));
            return None;
        }
    };
    if let (Some(mode), Address::Tcp(_)) = (mode, &address) {
        let mistake = Mistake::new(mode.span, "`mode` is for Unix sockets", "has no effect");
        mistakes.push(mistake.also(word.span, "no file").help("leave it out"));
    }
    refuse_open(&word, &address, token.as_ref(), mistakes);
    refuse_taken(word.span, &address, &plan.listen, mistakes);
    let written = sources.at(word.span).to_string().into();
    let (is_implied, proxy_protocol, http2, tls) = (false, false, false, false);
    let listen = Listen { address, written, is_implied, proxy_protocol, http2, tls };
    Some(Admin { listen, token: token.map(|word| word.value.into()), user: plan.user.clone() })
}

fn refusal(word: &Word<String>, help: String) -> Mistake {
    let cause = format!("{} is not an address for `admin`", quote(&word.value));
    Mistake::new(word.span, cause, "no address").help(help)
}

/// Refuses an address that others reach without a token, and a token that can be guessed.
fn refuse_open(
    word: &Word<String>,
    address: &Address,
    token: Option<&Word<String>>,
    mistakes: &mut Vec<Mistake>,
) {
    let is_own = address.tcp().is_none_or(|address| address.ip().is_loopback());
    match token {
        None if !is_own => {
            let cause = format!("`admin` at {address} is for everybody who reaches it");
            mistakes.push(
                Mistake::new(word.span, cause, "not of this machine alone")
                    .help("use 127.0.0.1, or add a `token`"),
            );
        }
        Some(token) if token.value.chars().count() < TOKEN_MIN => {
            let cause = format!("a token has at least {TOKEN_MIN} characters");
            let mistake = Mistake::new(token.span, cause, "can be guessed");
            mistakes.push(mistake.help("make one: `head -c 24 /dev/urandom | base64`"));
        }
        Some(token)
            if token.value.chars().any(|letter| !letter.is_ascii_graphic() && letter != ' ') =>
        {
            let cause = "a token has letters, digits and signs of ASCII only";
            let mistake = Mistake::new(token.span, cause, "cannot be sent");
            mistakes.push(mistake.help("make one: `head -c 24 /dev/urandom | base64`"));
        }
        _ => {}
    }
}

/// Refuses an address at which sites are served.
fn refuse_taken(span: Span, address: &Address, listen: &[Listen], mistakes: &mut Vec<Mistake>) {
    let is_taken = |other: &&Listen| match (address, &other.address) {
        (Address::Unix { path, .. }, Address::Unix { path: other, .. }) => path == other,
        (Address::Tcp(one), Address::Tcp(other)) => overlap(*one, *other),
        _ => false,
    };
    if let Some(other) = listen.iter().find(is_taken) {
        let cause = format!("sites are served at {}", other.address);
        let mistake = Mistake::new(span, cause, "listened on twice");
        mistakes.push(mistake.help("choose another port for `admin`"));
    }
}

/// Whether a connection could come in by either.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let is_every = one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() != 0
        && one.port() == other.port()
        && (one.ip() == other.ip() || (is_every && one.is_ipv4() == other.is_ipv4()))
}
