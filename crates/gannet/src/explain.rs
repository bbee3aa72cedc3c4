//! `gannet explain URL`: what would be answered, and why.

use crate::{arguments::Explain, machine::load_by, trouble::Trouble, value::Client};
use base::text::{push_json, push_printable};
use config::{
    Plan,
    plan::{Listen, Place},
};
use std::borrow::Cow;
use worker::{Asked, Explanation};

/// The ports of URLs that name none, without TLS and with it.
const PORTS_DEFAULT: [u16; 2] = [80, 443];

/// Where the places stand in a line.
const COLUMN: usize = 62;

/// Says what a server with this config would answer, and which line of it is the reason.
pub(crate) fn explain(arguments: &Explain) -> Result<(), Trouble> {
    let plan: &'static Plan =
        Box::leak(Box::new(load_by(arguments.config(), "name a config file by `-c FILE`")?));
    let url = Url::parse(&arguments.url)?;
    let fields = fields(arguments, &url)?;
    let listener = listener(plan, arguments.from, &url, fields[0].1)?;
    let bytes = request(&arguments.method, &url, &fields);
    let client = match arguments.from {
        Client::Address(address) => Some(address),
        Client::Unix => None,
    };
    let asked = Asked { bytes: &bytes, client, listener };
    let explanation = worker::explain(plan, &asked).map_err(|cause| {
        let help = "name a URL such as http://example.com/path, and fields as \"Name: value\"";
        Trouble::new(2, format!("error: {cause}: {help}"))
    })?;
    let listen =
        plan.listen.get(listener).map(|listen| (listen.address.to_string(), &*listen.written));
    let mut out = Vec::new();
    match arguments.json {
        true => json(&mut out, &explanation, listen),
        false => words(&mut out, &explanation, listen),
    }
    net::stream::say(&out);
    Ok(())
}

/// The parts of the URL that was named.
struct Url<'u> {
    /// The host, and the port if there is one.
    authority: &'u str,
    /// Whether TLS is spoken.
    is_tls: bool,
    /// The port, where one is named.
    port: Option<u16>,
    /// The path and the query, with the slash that is not typed where there is nothing else.
    target: Cow<'u, str>,
}

impl<'u> Url<'u> {
    fn parse(url: &'u str) -> Result<Self, Trouble> {
        let refuse = |cause: &str| Err(no_url(url, cause));
        if url == "*" {
            return Ok(Self {
                authority: "localhost",
                is_tls: false,
                port: None,
                target: Cow::Borrowed(url),
            });
        }
        let (rest, is_tls) = match url.split_once("://") {
            Some(("http", rest)) => (rest, false),
            Some(("https", rest)) => (rest, true),
            Some((scheme, _)) => return refuse(&format!("{scheme} is not served")),
            None => (url, false),
        };
        let rest = rest.split_once('#').map_or(rest, |(rest, _)| rest);
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        let behind_host = authority.rsplit_once(']').map_or(authority, |(_, behind)| behind);
        let port = match behind_host.rsplit_once(':') {
            None => None,
            Some((_, port)) => match port.parse() {
                Ok(port) => Some(port),
                Err(_) => return refuse("it has no sound port"),
            },
        };
        let slash = if target.starts_with('/') { "" } else { "/" };
        Ok(Self { authority, is_tls, port, target: Cow::Owned(format!("{slash}{target}")) })
    }
}

fn no_url(url: &str, cause: &str) -> Trouble {
    let help = "name one such as http://example.com/path?query";
    Trouble::new(2, format!("error: {url:?}: {cause}: {help}"))
}

/// The fields that a client would send, Host first: as it is typed, or else that of the URL.
fn fields<'a>(arguments: &'a Explain, url: &Url<'a>) -> Result<Vec<(&'a str, &'a str)>, Trouble> {
    let split = |field: &'a String| match field.split_once(':') {
        Some((name, value)) => Ok((name, value.trim())),
        None => {
            let message = format!("error: {field:?} is no field: write \"Name: value\"");
            Err(Trouble::new(2, message))
        }
    };
    let mut fields = arguments.fields.iter().map(split).collect::<Result<Vec<_>, _>>()?;
    match fields.iter().position(|(name, _)| name.eq_ignore_ascii_case("host")) {
        Some(at) => fields[..=at].rotate_right(1),
        None if url.authority.is_empty() => {
            return Err(no_url(&arguments.url, "a URL has a host"));
        }
        None => fields.insert(0, ("Host", url.authority)),
    }
    Ok(fields)
}

/// The bytes that a client would send.
fn request(method: &str, url: &Url<'_>, fields: &[(&str, &str)]) -> Vec<u8> {
    let mut head = format!("{method} {} HTTP/1.1\r\n", url.target);
    fields.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
    head.push_str("\r\n");
    head.into_bytes()
}

/// The listener that the request comes in by: of the Unix sockets, or of those with that port (the
/// usual one or else any where none is named) and with TLS or without as the URL says, the first at
/// which its host is served, or else the first.
fn listener(plan: &Plan, from: Client, url: &Url<'_>, host: &str) -> Result<usize, Trouble> {
    let (port, is_tls) = (url.port, url.is_tls);
    let is_port = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    let host =
        host.rsplit_once(':').map_or(host, |(name, port)| if is_port(port) { name } else { host });
    let may_be = |listen: &Listen| match (from, listen.address.tcp()) {
        (Client::Unix, address) => address.is_none(),
        (Client::Address(_), address) => {
            let port = port.unwrap_or(PORTS_DEFAULT[usize::from(is_tls)]);
            listen.tls == is_tls && address.is_some_and(|at| at.port() == port)
        }
    };
    let all = plan.listen.iter().enumerate().filter(|(_, listen)| may_be(listen));
    let all: Vec<_> = all.map(|(at, _)| at).collect();
    let served = all.iter().find(|&&at| plan.site(host, at).is_some());
    match (served.or(all.first()), from, port) {
        (Some(&at), _, _) => Ok(at),
        (None, Client::Address(_), None) => {
            let is_like = |at: &usize| plan.listen[*at].tls == is_tls;
            let first = (0..plan.listen.len()).find(is_like);
            first.ok_or_else(|| unheard(plan, if is_tls { "with TLS" } else { "without TLS" }))
        }
        (None, Client::Unix, _) => Err(unheard(plan, "at a Unix socket")),
        (None, Client::Address(_), Some(port)) => {
            let tls = if is_tls { " with TLS" } else { "" };
            Err(unheard(plan, &format!("at port {port}{tls}")))
        }
    }
}

/// Nobody listens there.
fn unheard(plan: &Plan, there: &str) -> Trouble {
    let listen: Vec<_> = plan.listen.iter().map(|listen| listen.address.to_string()).collect();
    let listen = listen.join(", ");
    Trouble::new(2, format!("error: nobody listens {there}: this config does at {listen}"))
}

fn words(out: &mut Vec<u8>, explanation: &Explanation, listen: Option<(String, &str)>) {
    let mut line = |what: &str, text: &str, place: &str| {
        let start = out.len();
        out.extend_from_slice(format!("{what:<12} ").as_bytes());
        push_printable(out, text.as_bytes());
        if !place.is_empty() {
            let mut width = out.len() - start;
            // What is long has its place below, in the column of the others.
            if width > COLUMN - 2 {
                out.push(b'\n');
                width = 0;
            }
            out.extend(std::iter::repeat_n(b' ', COLUMN - width));
            push_printable(out, place.as_bytes());
        }
        out.push(b'\n');
    };
    if let Some((address, written)) = listen {
        line("listener", &address, written);
    }
    for step in &explanation.steps {
        line(step.what, &step.text, &place(step.place.as_ref()));
    }
    line("answer", &explanation.status, "");
    for field in &explanation.fields {
        let text = format!("{}: {}", field.name, field.value);
        let place = match &field.place {
            Some(place) => format!("{} {place}", field.origin),
            None => field.origin.to_owned(),
        };
        line("", &text, &place);
    }
}

fn place(place: Option<&Place>) -> String {
    place.map(Place::to_string).unwrap_or_default()
}

fn json(out: &mut Vec<u8>, explanation: &Explanation, listen: Option<(String, &str)>) {
    let mut first = true;
    out.push(b'{');
    if let Some((address, written)) = listen {
        out.extend_from_slice(b"\"listener\":");
        object(out, &[("address", &address), ("place", written)]);
        first = false;
    }
    out.extend_from_slice(if first { b"\"steps\":[" } else { b",\"steps\":[" });
    for (at, step) in explanation.steps.iter().enumerate() {
        out.extend_from_slice(if at > 0 { b"," } else { b"" });
        let place = place(step.place.as_ref());
        object(out, &[("what", step.what), ("text", &step.text), ("place", &place)]);
    }
    out.extend_from_slice(b"],\"status\":\"");
    push_json(out, explanation.status.as_bytes());
    out.extend_from_slice(b"\",\"fields\":[");
    for (at, field) in explanation.fields.iter().enumerate() {
        out.extend_from_slice(if at > 0 { b"," } else { b"" });
        let place = place(field.place.as_ref());
        let members = [
            ("name", &*field.name),
            ("value", &field.value),
            ("origin", field.origin),
            ("place", &place),
        ];
        object(out, &members);
    }
    out.extend_from_slice(b"]}\n");
}

/// Appends an object of texts, without those that are empty.
fn object(out: &mut Vec<u8>, members: &[(&str, &str)]) {
    out.push(b'{');
    let mut separator = "";
    for (name, value) in members.iter().filter(|(_, value)| !value.is_empty()) {
        out.extend_from_slice(format!("{separator}\"{name}\":\"").as_bytes());
        push_json(out, value.as_bytes());
        out.push(b'"');
        separator = ",";
    }
    out.push(b'}');
}
