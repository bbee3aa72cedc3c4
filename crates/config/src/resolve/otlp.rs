//! `otlp`: a collector that can be reached by its URL, of spans that there are.

use crate::{
    mistake::{Mistake, quote},
    plan::{Otlp, Plan, Secret},
    source::Word,
    written,
};
use message::name::is_token;

/// The path at which collectors take spans.
const PATH: &str = "/v1/traces";

/// What this server is called where nothing else is said.
const SERVICE: &str = "gannet";

/// Fields that are written anyway, since a request depends on them.
const RESERVED: [&str; 6] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "transfer-encoding",
];

/// Where spans are sent, if anywhere; `plan` says whether there are any, and as whom it serves.
pub(crate) fn resolve(
    words: written::Otlp,
    plan: &Plan,
    mistakes: &mut Vec<Mistake>,
) -> Option<Otlp> {
    let written::Otlp { endpoint, fields, service } = words;
    let Some(word) = endpoint else {
        let other = fields.map(|word| word.span).or(service.map(|word| word.span));
        if let Some(span) = other.filter(|_| mistakes.is_empty()) {
            let mistake = Mistake::new(span, "`otlp` has no endpoint", "has no effect");
            mistakes.push(mistake.help("add it: `endpoint = \"http://127.0.0.1:4318\"`"));
        }
        return None;
    };
    if plan.trace.is_none() && mistakes.is_empty() {
        let mistake = Mistake::new(word.span, "no exchange is traced", "nothing to send");
        mistakes.push(mistake.help("add `request-id = true` and `trace = \"1/1\"` to [server]"));
    }
    let url = url(&word).map_err(|mistake| mistakes.push(mistake));
    let mut all = Vec::new();
    for field in fields.map(|word| word.value).unwrap_or_default() {
        let (name, span) = (&field.name.value, field.name.span);
        if !is_token(name.as_bytes()) {
            let cause = format!("{} is not the name of a field", quote(name));
            let mistake = Mistake::new(span, cause, "not a field name");
            mistakes.push(mistake.help("for example: `Authorization`"));
        }
        if RESERVED.contains(&&*name.to_ascii_lowercase()) {
            let cause = format!("gannet writes {} itself", quote(name));
            mistakes.push(Mistake::new(span, cause, "reserved").help("leave it out"));
        }
        all.extend(field.values.into_iter().map(|value| (name.clone(), Secret(value.value))));
    }
    let service = service.map_or_else(|| SERVICE.to_owned(), |word| word.value);
    Some(Otlp { url: url.ok()?, fields: all, service, user: plan.user.clone() })
}

/// The URL that spans are sent to, of a collector that was typed.
fn url(word: &Word<String>) -> Result<String, Mistake> {
    let typed = &*word.value;
    let cause = format!("{} is not the URL of a collector", quote(typed));
    let no_url = |help: String| Mistake::new(word.span, cause, "not a URL").help(help);
    let Some((scheme, rest)) = typed.split_once("://") else {
        return Err(no_url(format!("did you mean \"http://{typed}\"?")));
    };
    if !matches!(scheme, "http" | "https") {
        return Err(no_url("spans are sent by \"http://\" or \"https://\"".to_owned()));
    }
    let authority = rest.split('/').next().unwrap_or_default();
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let is_port = |port: &str| port.parse::<u16>().is_ok_and(|port| port > 0);
    let is_plain = rest.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#@".contains(&byte));
    if host.is_empty() || !is_plain || !port.is_none_or(is_port) {
        return Err(no_url("for example: `endpoint = \"http://127.0.0.1:4318\"`".to_owned()));
    }
    let base = typed.trim_end_matches('/');
    Ok(if base.ends_with(PATH) { base.to_owned() } else { format!("{base}{PATH}") })
}
