//! Response fields: what a site and its routes add, replace and take away.

use super::{
    context::Context,
    key::Key,
    policy::{check_rest, last},
    security,
};
use crate::{
    kind::FieldWords,
    mistake::{Mistake, quote},
    plan::{FieldEdits, Origin},
    source::Span,
    written::{Policy, Security},
};
use message::{Prepared, name::is_token, response::Line};

/// Whether a field of that name, in any case, has a meaning of its own in answers, so that an id
/// cannot be its value.
pub(super) fn has_meaning(name: &str) -> bool {
    const MEANING: [&str; 12] = [
        "accept-ranges",
        "allow",
        "cache-control",
        "etag",
        "expires",
        "last-modified",
        "location",
        "retry-after",
        "set-cookie",
        "trailer",
        "vary",
        "www-authenticate",
    ];
    let name = name.to_ascii_lowercase();
    let is_one = RESERVED.contains(&&*name) || MEANING.contains(&&*name);
    is_one || name.starts_with("content-") || name.starts_with("access-control-")
}

/// Fields that the server itself writes, since a message depends on them.
const RESERVED: [&str; 7] = [
    "connection",
    "content-length",
    "date",
    "keep-alive",
    "server",
    "transfer-encoding",
    "upgrade",
];

/// Fields without which a message means something else (RFC 9110, sections 8.4, 10.2.1, 10.2.2,
/// 11.6.1, 12.5.5 and 14.4): one that the server itself writes is never taken away.
const NEEDED: [&str; 6] =
    ["allow", "content-encoding", "content-range", "location", "vary", "www-authenticate"];

/// Fields that preconditions are weighed by, before any field is added.
const VALIDATORS: [&str; 2] = ["etag", "last-modified"];

/// The fields that `chain` comes to.
pub(crate) fn resolve(chain: &[&Policy], key: &Key, context: &mut Context<'_>) -> FieldEdits {
    let mut said = said(chain, key, context);
    let mut edits = FieldEdits::default();
    let mut lines = Vec::new();
    let security = last(chain, |words| words.security.as_ref());
    if let Some(word) = security.filter(|word| word.value == Security::Strict) {
        let is_said = |name: &str| said.iter().any(|(other, _)| other == name);
        for (name, value) in security::STRICT.into_iter().filter(|(name, _)| !is_said(name)) {
            lines.push(Line::fixed(name, value));
            let place = context.at(word.span);
            edits.origins.push(Origin { name: name.into(), setting: "security", place });
            edits.replaced.push(name.into());
        }
    }
    let hsts = chain.iter().rev().find_map(|words| words.hsts);
    if let Some(span) = hsts.filter(|_| !said.iter().any(|(name, _)| name == security::HSTS.0)) {
        let (name, value) = security::HSTS;
        lines.push(Line::fixed(name, value));
        edits.origins.push(Origin { name: name.into(), setting: "hsts", place: context.at(span) });
        edits.replaced.push(name.into());
    }
    // Of the two ways to say how long caches may keep it, the later word counts.
    let caching = caching(chain);
    let is_superseded = matches!(caching, Some((Caching::Setting, ..)));
    said.retain(|(name, _)| !(is_superseded && name == "cache-control"));
    for (name, field) in said {
        // What a wider route has said of it is forgotten by now; what the server says stays.
        if field.values.is_empty() && NEEDED.contains(&&*name) {
            continue;
        }
        // Which forms there are is the server's to say: another reason is added to its own.
        if name != "vary" {
            edits.replaced.push(name.as_str().into());
        }
        let place = context.at(field.name.span);
        edits.origins.push(Origin { name: name.as_str().into(), setting: "fields", place });
        for value in &field.values {
            let Some(phrase) = context.phrase(&field.name.value, value) else { continue };
            match phrase.literal() {
                Some(text) => lines.push(Line::new(name.clone(), text.to_owned())),
                None => edits.phrases.push((name.as_str().into(), phrase)),
            }
        }
    }
    edits.standing = (!lines.is_empty()).then(|| Prepared::new(lines.clone()));
    if let Some((Caching::Setting, value, span)) = caching.filter(|(_, value, _)| !value.is_empty())
    {
        let name: Box<str> = "cache-control".into();
        lines.push(Line::new("cache-control", value.to_owned()));
        let place = context.at(span);
        edits.origins.push(Origin { name: name.clone(), setting: "cache-control", place });
        edits.replaced.push(name);
    }
    edits.found = (!lines.is_empty()).then(|| Prepared::new(lines));
    if let Some(own) = chain.last()
        && let (Some(word), Some(fields)) = (&own.cache_control, &own.fields)
        && let Some(other) =
            fields.value.iter().find(|field| field.name.value.eq_ignore_ascii_case("cache-control"))
    {
        context.mistakes.push(
            Mistake::new(other.name.span, "`cache-control` is said twice", "again here")
                .also(word.span, "first here")
                .help("leave one of them out"),
        );
    }
    edits
}

/// The last word of `chain` on each name, which counts, with the name in lower case.
fn said<'w>(
    chain: &[&'w Policy],
    key: &Key,
    context: &mut Context<'_>,
) -> Vec<(String, &'w FieldWords)> {
    let own = chain.len();
    let mut said: Vec<(String, &FieldWords)> = Vec::new();
    for (at, words) in chain.iter().enumerate() {
        for field in words.fields.iter().flat_map(|fields| &fields.value) {
            let name = field.name.value.to_ascii_lowercase();
            let known = said.iter_mut().find(|(other, _)| *other == name);
            if at + 1 == own {
                check(field, known.is_some(), key, context);
            }
            match known {
                Some((_, known)) => *known = field,
                None => said.push((name, field)),
            }
        }
    }
    said
}

/// How it is said for how long caches may keep something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Caching {
    /// By the setting of that name: what is found is meant.
    Setting,
    /// Among the fields: every answer is meant.
    Field,
}

/// The last word of `chain` on caches: how it is said, what, and where.
pub(super) fn caching<'w>(chain: &[&'w Policy]) -> Option<(Caching, &'w str, Span)> {
    chain.iter().rev().find_map(|words| {
        let setting = words.cache_control.as_ref();
        let setting = setting.map(|word| (Caching::Setting, word.value.as_str(), word.span));
        let mut fields = words.fields.iter().flat_map(|fields| &fields.value);
        let field = fields.find(|field| field.name.value.eq_ignore_ascii_case("cache-control"));
        let field = field.map(|field| {
            let value = field.values.first();
            let span = value.map_or(field.name.span, |value| value.span);
            (Caching::Field, value.map_or("", |value| &value.value), span)
        });
        setting.or(field)
    })
}

/// Notes what cannot be the name or the value of a field (RFC 9110 sections 5.1 and 5.5).
fn check(field: &FieldWords, is_inherited: bool, key: &Key, context: &mut Context<'_>) {
    let name = &field.name.value;
    check_own(field, is_inherited, context);
    if !is_token(name.as_bytes()) {
        let cause = format!("{} is not the name of a field", quote(name));
        let mistake = Mistake::new(field.name.span, cause, "not a field name");
        context.mistakes.push(mistake.help("for example: `X-Frame-Options`"));
    }
    if RESERVED.contains(&&*name.to_ascii_lowercase()) {
        let cause = format!("gannet writes {} itself", quote(name));
        context
            .mistakes
            .push(Mistake::new(field.name.span, cause, "reserved").help("leave it out"));
    }
    for value in &field.values {
        if let Some(phrase) = context.phrase(name, value) {
            check_rest(&phrase, name, value, key, context);
        }
    }
}

/// Notes what contradicts a field that the server itself writes.
fn check_own(field: &FieldWords, is_inherited: bool, context: &mut Context<'_>) {
    let (name, span) = (&field.name.value, field.name.span);
    let is_removed = field.values.is_empty();
    let lower = name.to_ascii_lowercase();
    if is_removed && !is_inherited && NEEDED.contains(&&*lower) {
        let cause = format!("{} is sent only where HTTP requires it", quote(name));
        let mistake = Mistake::new(span, cause, "cannot be taken away");
        context.mistakes.push(mistake.help("leave it out"));
    }
    if !is_removed && VALIDATORS.contains(&&*lower) {
        let cause =
            format!("gannet makes {} itself, to compare it with what clients hold", quote(name));
        let mistake = Mistake::new(span, cause, "would never match");
        context.mistakes.push(mistake.help("leave it out; an empty text takes it away"));
    }
    if let Some(word) = &context.request_id
        && word.value.as_ref().is_some_and(|id| id.eq_ignore_ascii_case(name))
    {
        let cause = format!("`request-id` sends {} itself", quote(name));
        let label = if is_removed { "has no effect" } else { "would be sent twice" };
        let mistake = Mistake::new(span, cause, label).also(word.span, "says it already");
        context.mistakes.push(mistake.help("leave one of them out"));
    }
}
