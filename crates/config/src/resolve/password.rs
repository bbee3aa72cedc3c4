//! Passwords: the realm, its users, and the hashes of theirs, from the config and from a file.

use super::{context::Context, fields, policy::last};
use crate::{
    mistake::{Mistake, quote},
    plan::{Hash, HashError, Password, Users},
    source::Word,
    written::{Auth, Policy},
};
use foldhash::HashMap;
use message::response::Line;
use std::{str, sync::Arc};

/// The realm where none is named.
const REALM_DEFAULT: &str = "restricted";

/// Bytes of a file of passwords: some 10,000 users.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Faulty lines of one file that are shown; a file with more of them has one cause anyway.
const LINES_SHOWN_MAX: usize = 10;

/// A user and the hash of the password.
type User = (Box<str>, Hash);

/// Who may enter by password as `auth` says; `None` where it is empty, which lets all in.
///
/// What several routes inherit is resolved once, and so read and complained of once.
pub(crate) fn resolve(auth: &Word<Auth>, context: &mut Context<'_>) -> Option<Password> {
    if let Some(known) = context.passwords.get(&auth.span) {
        return known.clone();
    }
    let resolved = password(auth, context);
    context.passwords.insert(auth.span, resolved.clone());
    resolved
}

/// Notes a `cache-control` by which caches on the way would show to everybody what is behind a
/// password (RFC 9111 section 3.5). Where both are inherited it was noted before.
pub(crate) fn check_caching(chain: &[&Policy], context: &mut Context<'_>) {
    let auth = last(chain, |words| words.auth.as_ref());
    let caching = fields::caching(chain);
    let is_own = chain.last().is_some_and(|own| {
        own.auth.is_some() || own.cache_control.is_some() || own.fields.is_some()
    });
    let (Some(auth), Some((_, value, span)), true) = (auth, caching, is_own) else { return };
    let asks = auth.value.users.is_some() || auth.value.file.is_some();
    let mut directives = value.split(',').map(|directive| directive.trim_ascii());
    let is_for_all = |directive: &str| {
        let name = directive.split('=').next().unwrap_or_default();
        ["public", "s-maxage"].iter().any(|shared| name.eq_ignore_ascii_case(shared))
    };
    if let Some(directive) = directives.find(|directive| asks && is_for_all(directive)) {
        let cause = format!("{} lets caches show to all what is for some", quote(directive));
        context.mistakes.push(
            Mistake::new(span, cause, "for everybody")
                .also(auth.span, "for these alone")
                .help("say `private` where a password is asked for, or leave it out"),
        );
    }
}

fn password(auth: &Word<Auth>, context: &mut Context<'_>) -> Option<Password> {
    let Auth { realm, users, file } = &auth.value;
    if users.as_ref().is_none_or(|users| users.value.is_empty()) && file.is_none() {
        let said = realm.as_ref().map(|word| word.span).or(users.as_ref().map(|word| word.span));
        if let Some(span) = said {
            let mistake = Mistake::new(span, "`auth` names no users", "nobody could enter");
            context.mistakes.push(mistake.help(
                "add `users` or `file`; `auth = {}` lets everybody in where a site asks for a \
                 password",
            ));
        }
        return None;
    }
    let mut list = Vec::new();
    for (name, hash) in users.iter().flat_map(|users| &users.value) {
        if let Some(cause) = Users::name_fault(&name.value) {
            let mistake = Mistake::new(name.span, cause, "no user's name");
            context.mistakes.push(mistake.help("for example: `alice`"));
        }
        match Hash::parse(&hash.value) {
            Ok(hash) => list.push((name.value.as_str().into(), hash)),
            Err(error) => {
                let cause = format!("the password of {} {error}", quote(&name.value));
                let mistake = Mistake::new(hash.span, cause, "not a hash that is taken");
                context.mistakes.push(mistake.help(way_out(&error)));
            }
        }
    }
    if let Some(file) = file {
        read(file, &mut list, context);
    }
    let realm = realm.as_ref().map_or(REALM_DEFAULT, |word| &word.value);
    let challenge = format!("Basic realm=\"{}\", charset=\"UTF-8\"", quoted_string(realm));
    Some(Password {
        challenge: Line::new("www-authenticate", challenge),
        users: Arc::new(Users::new(context.passwords.len(), list)),
        place: context.at(auth.span),
    })
}

/// What some editors put before a text in UTF-8.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Adds the users of a file of lines `USER:HASH`; empty lines and those that begin with `#` are
/// left out.
fn read(file: &Word<String>, list: &mut Vec<User>, context: &mut Context<'_>) {
    let path = context.sources.path(file);
    let text = match context.world.read(&path, FILE_BYTES_MAX) {
        Ok(content) => {
            context.own.push((path, file.span));
            content.bytes
        }
        Err(cause) => {
            let label = format!("stands for {}", path.display());
            let cause = format!("the file of passwords cannot be read: {cause}");
            let help = "make it with `gannet hash-password USER`, a line for each user";
            context.mistakes.push(Mistake::new(file.span, cause, label).help(help));
            return;
        }
    };
    let known = |(name, _): &User| (name.as_bytes().to_vec(), 0);
    let mut seen: HashMap<Vec<u8>, usize> = list.iter().map(known).collect();
    let mut wrong = 0;
    let before = list.len();
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&text);
    for (at, line) in text.split(|&byte| byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.trim_ascii().is_empty() || line.starts_with(b"#") {
            continue;
        }
        let number = at + 1;
        let name = line.split(|&byte| byte == b':').next().unwrap_or_default();
        let found = match *seen.entry(name.to_vec()).or_insert(number) {
            0 => Err(("is for a user who stands in `users`, too".to_owned(), None)),
            first if first < number => {
                Err((format!("is for the user of line {first} again"), None))
            }
            _ => user(line),
        };
        match found {
            Ok(user) => list.push(user),
            Err((cause, help)) => {
                wrong += 1;
                if wrong > LINES_SHOWN_MAX {
                    continue;
                }
                let cause = format!("{}:{number}: this line {cause}", file.value);
                let mistake = Mistake::new(file.span, cause, "in this file");
                context.mistakes.push(mistake.help(help.unwrap_or("leave it out")));
            }
        }
    }
    if list.len() == before && wrong == 0 {
        let mistake = Mistake::new(file.span, "this file names no users", "nobody in it");
        context.mistakes.push(mistake.help("add a line with `gannet hash-password USER >> FILE`"));
    }
}

/// The user that a line is for; or what is wrong with it, and the way out.
fn user(line: &[u8]) -> Result<User, (String, Option<&'static str>)> {
    let plain = |cause: &str| (cause.to_owned(), Some("write `USER:HASH`"));
    let line = str::from_utf8(line).map_err(|_| plain("is not UTF-8"))?;
    let (name, hash) = line.split_once(':').ok_or_else(|| plain("has no `:` behind a user"))?;
    // As Apache does: what follows a second colon is a comment.
    let hash = hash.split(':').next().unwrap_or_default();
    if let Some(cause) = Users::name_fault(name) {
        return Err(plain(&format!("has a faulty name: {cause}")));
    }
    let hash = Hash::parse(hash).map_err(|error| (error.to_string(), Some(way_out(&error))))?;
    Ok((name.into(), hash))
}

fn way_out(error: &HashError) -> &'static str {
    match error {
        HashError::Weak(_) | HashError::Malformed(_) => {
            "make a new one with `gannet hash-password USER`"
        }
        HashError::Costly(_) => "make one that costs less with `gannet hash-password`",
    }
}

/// The inside of a quoted string (RFC 9110 section 5.6.4).
fn quoted_string(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}
