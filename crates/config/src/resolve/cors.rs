//! CORS: which origins, and what their pages may ask and read.

use super::{context::Context, policy::last};
use crate::{
    mistake::{Mistake, quote},
    plan::{Cors, Origins},
    source::Word,
    written::{Cors as Words, Policy},
};
use message::{name::is_token, response::Line};

/// The methods that a page may use without asking for them (Fetch standard, section 2.2.1).
const METHODS_DEFAULT: &str = "GET, HEAD, POST";

/// What a preflight is told of `cors`; `None` where it lets no other origin in.
pub(crate) fn preflight(cors: &Word<Words>) -> Option<Vec<Line>> {
    let Words { methods, fields, max_age, .. } = &cors.value;
    listed(&cors.value.origins)?;
    let methods = listed(methods).map_or_else(|| METHODS_DEFAULT.to_owned(), joined);
    let mut lines = vec![Line::new("access-control-allow-methods", methods)];
    if let Some(fields) = listed(fields) {
        lines.push(Line::new("access-control-allow-headers", joined(fields)));
    }
    if let Some(age) = max_age {
        lines.push(Line::new("access-control-max-age", age.value.as_secs().to_string()));
    }
    Some(lines)
}

/// The last word of `chain` on it.
pub(crate) fn of_chain(chain: &[&Policy], context: &mut Context<'_>) -> Option<Cors> {
    let cors = last(chain, |words| words.cors.as_ref())?;
    let is_own = chain.last().is_some_and(|own| own.cors.is_some());
    let resolved = resolve(cors, is_own, context)?;
    check_fields(chain, (cors, is_own), context);
    Some(resolved)
}

/// Notes fields of `chain` that `cors` sends itself: browsers take none that comes twice.
fn check_fields(
    chain: &[&Policy],
    (cors, is_own): (&Word<Words>, bool),
    context: &mut Context<'_>,
) {
    const SENT: [&str; 6] = [
        "access-control-allow-credentials",
        "access-control-allow-headers",
        "access-control-allow-methods",
        "access-control-allow-origin",
        "access-control-expose-headers",
        "access-control-max-age",
    ];
    for name in SENT {
        // The last word on a field counts, and may be that there is none.
        let said = chain.iter().enumerate().rev().find_map(|(at, words)| {
            let mut fields = words.fields.iter().flat_map(|fields| &fields.value);
            Some((at, fields.find(|field| field.name.value.eq_ignore_ascii_case(name))?))
        });
        if let Some((at, field)) = said
            && !field.values.is_empty()
            && (is_own || at + 1 == chain.len())
        {
            let cause = format!("`cors` sends {} itself", quote(&field.name.value));
            context.mistakes.push(
                Mistake::new(field.name.span, cause, "would be sent twice")
                    .also(cors.span, "says it already")
                    .help("say it in `cors`, or leave one of them out"),
            );
        }
    }
}

/// Who may read as `cors` says; `None` where that is no other origin. Mistakes are noted where the
/// words are the route's own, so that they are noted once.
fn resolve(cors: &Word<Words>, is_own: bool, context: &mut Context<'_>) -> Option<Cors> {
    let words = &cors.value;
    if is_own {
        check(words, context);
    }
    let origins = listed(&words.origins)?;
    let mut reading = Vec::new();
    if words.credentials.as_ref().is_some_and(|word| word.value) {
        reading.push(Line::fixed("access-control-allow-credentials", "true"));
    }
    if let Some(expose) = listed(&words.expose) {
        reading.push(Line::new("access-control-expose-headers", joined(expose)));
    }
    let line = |word: &Word<String>| Line::new("access-control-allow-origin", word.value.clone());
    let origins = match origins.iter().any(|word| word.value == "*") {
        true => Origins::Any,
        false => Origins::Listed(origins.iter().map(line).collect()),
    };
    Some(Cors { origins, reading, place: context.at(cors.span) })
}

/// What stands in a list, if anything does.
fn listed(list: &Option<Word<Vec<Word<String>>>>) -> Option<&[Word<String>]> {
    list.as_ref().map(|list| &*list.value).filter(|list| !list.is_empty())
}

fn joined(list: &[Word<String>]) -> String {
    list.iter().map(|word| &*word.value).collect::<Vec<_>>().join(", ")
}

fn check(words: &Words, context: &mut Context<'_>) {
    let Words { origins, methods, fields, expose, credentials, max_age } = words;
    let others = [
        ("methods", methods.as_ref().map(|word| word.span)),
        ("fields", fields.as_ref().map(|word| word.span)),
        ("expose", expose.as_ref().map(|word| word.span)),
        ("credentials", credentials.as_ref().map(|word| word.span)),
        ("max-age", max_age.as_ref().map(|word| word.span)),
    ];
    let Some(origins) = listed(origins) else {
        if let Some((name, span)) = others.iter().find_map(|(name, span)| Some((name, (*span)?))) {
            let cause = format!("`{name}` has no effect: `cors` names no origins");
            let mistake = Mistake::new(span, cause, "for nobody");
            context.mistakes.push(mistake.help("add `origins = [\"https://app.example.com\"]`"));
        }
        return;
    };
    let any = origins.iter().find(|word| word.value == "*");
    if let Some(any) = any {
        if let Some(with) = credentials.as_ref().filter(|word| word.value) {
            let cause = "credentials are not for every origin: any page could act as its visitor";
            context.mistakes.push(
                Mistake::new(with.span, cause, "not with `*`")
                    .also(any.span, "every origin")
                    .help("name the origins, or leave `credentials` out"),
            );
        }
        if let Some(other) = origins.iter().find(|word| word.value != "*") {
            let mistake = Mistake::new(other.span, "`*` stands for all origins", "has no effect");
            context.mistakes.push(mistake.also(any.span, "all").help("leave one of them out"));
        }
    } else {
        for origin in origins {
            check_origin(origin, context);
        }
    }
    let with_credentials = credentials.as_ref().is_some_and(|word| word.value);
    for (name, list) in [("methods", methods), ("fields", fields), ("expose", expose)] {
        for word in listed(list).unwrap_or_default() {
            if !is_token(word.value.as_bytes()) {
                let cause = format!("{} cannot stand in `{name}`", quote(&word.value));
                let mistake = Mistake::new(word.span, cause, "not a name");
                context.mistakes.push(mistake.help("write names, such as `PUT` or `X-Total`"));
            } else if word.value == "*" && with_credentials {
                let cause = format!("`*` in `{name}` means nothing to browsers with credentials");
                let mistake = Mistake::new(word.span, cause, "has no effect");
                context.mistakes.push(mistake.help("name them one by one"));
            }
        }
    }
}

/// An origin as browsers write it (RFC 6454 section 6.1): scheme, host in lower case, and the port
/// unless it is the scheme's own.
fn check_origin(word: &Word<String>, context: &mut Context<'_>) {
    let text = &word.value;
    let (cause, help) = if text.contains('*') {
        let cause =
            format!("{} is the origin of no page: a `*` stands for nothing in it", quote(text));
        (cause, "name each origin by itself, or write \"*\" for all".to_owned())
    } else if text == "null" {
        let cause = "the origin `null` is that of any page in a sandbox";
        (cause.to_owned(), "name an origin, such as `https://app.example.com`".to_owned())
    } else if let Some((scheme, rest)) = text.split_once("://") {
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let own = match scheme {
            "http" => ":80",
            "https" => ":443",
            _ => "\n",
        };
        let authority = rest[..end].to_ascii_lowercase();
        let authority = authority.strip_suffix(own).unwrap_or(&authority);
        let meant = format!("{}://{authority}", scheme.to_ascii_lowercase());
        if meant == *text && !authority.is_empty() && text.bytes().all(|b| b.is_ascii_graphic()) {
            return;
        }
        let cause = format!("no browser writes the origin {} so", quote(text));
        (cause, format!("write `{meant}`: no path, no capitals, and no usual port"))
    } else {
        let cause = format!("{} is not an origin", quote(text));
        (cause, format!("write `https://{text}`, or \"*\" for all"))
    };
    context.mistakes.push(Mistake::new(word.span, cause, "never matches").help(help));
}
