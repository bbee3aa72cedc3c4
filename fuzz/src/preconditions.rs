//! Preconditions: the order of RFC 9110 section 13.2.2, and an answer that fits the verdict.
//!
//! Each line of an input is a field line of the request; `etag` and `last-modified` are the
//! response's own.

use crate::text::{latin1, lines};
use filter::conditional::{self, Verdict};
use filter::entity_tag::EntityTag;
use message::{
    Body, Field, Fields, Length, Method, Request, Response, Shared, Status, Version, date,
    response::Line,
};

/// Pieces of preconditions.
pub const TOKENS: &[&str] = &[
    "etag: \"x\"\n",
    "etag: W/\"x\"\n",
    "last-modified: Sat, 29 Oct 1994 19:43:31 GMT\n",
    "if-match: ",
    "if-none-match: ",
    "if-modified-since: ",
    "if-unmodified-since: ",
    "*",
    "\"x\"",
    "W/\"x\"",
    "w/",
    "\"\"",
    "\"",
    ", ",
    ",",
    "\t",
    "Sat, 29 Oct 1994 19:43:30 GMT",
    "Saturday, 29-Oct-94 19:43:31 GMT",
    "Sat Oct 29 19:43:32 1994",
    "\n",
    "\u{fc}",
    "\u{7f}",
];

/// Weighs the field lines against the validators.
pub fn run(data: &[u8]) {
    let (mut etag, mut modified, mut fields) = (None, None, Vec::new());
    for line in lines(data) {
        let Some(colon) = line.iter().position(|&byte| byte == b':') else { continue };
        let Ok(name) = str::from_utf8(&line[..colon]) else { continue };
        let value = line[colon + 1..].trim_ascii();
        match name {
            "etag" => etag = str::from_utf8(value).ok(),
            "last-modified" => modified = str::from_utf8(value).ok(),
            _ => fields.push(Field { name: name.as_bytes(), value }),
        }
        check_tag(value);
    }
    let weighed = |fields: &[Field<'_>]| conditional::evaluate(&Fields::of(fields), etag, modified);
    let verdict = weighed(&fields);
    assert_eq!(verdict, slowly(&fields, etag, modified));
    let reversed: Vec<_> = fields.iter().rev().copied().collect();
    assert_eq!(weighed(&reversed), verdict, "the order of the lines matters");
    for method in ["GET", "HEAD", "POST"] {
        check_answer(Method::parse(method), &fields, (etag, modified), verdict);
    }
}

/// A tag is what it was written as, and as strong as it says.
fn check_tag(value: &[u8]) {
    let Some(tag) = EntityTag::parse(value) else { return };
    let prefix = if tag.is_weak { "W/" } else { "" };
    assert_eq!([prefix.as_bytes(), b"\"", tag.opaque, b"\""].concat(), value);
    assert!(tag.is_weakly(tag) && tag.is_strongly(tag) != tag.is_weak);
}

/// The verdict, by the numbered steps of the RFC.
fn slowly(fields: &[Field<'_>], etag: Option<&str>, modified: Option<&str>) -> Verdict {
    let values = |name: &str| {
        let lines = fields.iter().filter(|field| field.name.eq_ignore_ascii_case(name.as_bytes()));
        lines.map(|field| latin1(field.value)).collect::<Vec<_>>()
    };
    let etag = etag.map(|etag| latin1(etag.as_bytes())).filter(|etag| is_tag(etag));
    let holds = |lines: &[String], is_weak_enough: bool| {
        if let [star] = lines
            && star == "*"
        {
            return true;
        }
        let Some((etag, listed)) = etag.as_ref().zip(tags(lines)) else { return false };
        let plain = |tag: &str| tag.strip_prefix("W/").unwrap_or(tag).to_owned();
        listed.iter().any(|tag| match is_weak_enough {
            true => plain(tag) == plain(etag),
            false => tag == etag && !tag.starts_with("W/"),
        })
    };
    let is_later = |name: &str| {
        let [since] = &values(name)[..] else { return None };
        // A text that comes back as it was sent is the same moment, whatever it says.
        if Some(since) == modified.map(|text| latin1(text.as_bytes())).as_ref() {
            return Some(false);
        }
        let since = since.chars().map(|letter| letter as u8).collect::<Vec<_>>();
        Some(date::parse(modified?.as_bytes())? > date::parse(&since)?)
    };
    let (matches, others) = (values("if-match"), values("if-none-match"));
    let has_failed = match matches.is_empty() {
        true => is_later("if-unmodified-since") == Some(true),
        false => !holds(&matches, false),
    };
    let is_known = match others.is_empty() {
        true => is_later("if-modified-since") == Some(false),
        false => holds(&others, true),
    };
    match (has_failed, is_known) {
        (true, _) => Verdict::Failed,
        (false, true) => Verdict::NotModified,
        (false, false) => Verdict::Proceed,
    }
}

/// The tags in a list over several lines, commas and all; `None` if anything in it is no tag.
fn tags(lines: &[String]) -> Option<Vec<String>> {
    let mut tags = Vec::new();
    for line in lines {
        let (mut member, mut is_quoted) = (String::new(), false);
        for letter in line.chars().chain([',']) {
            is_quoted ^= letter == '"';
            if letter != ',' || is_quoted {
                member.push(letter);
                continue;
            }
            let tag = std::mem::take(&mut member);
            match tag.trim_matches([' ', '\t']) {
                "" => {}
                tag if is_tag(tag) => tags.push(tag.to_owned()),
                _ => return None,
            }
        }
        if is_quoted {
            return None;
        }
    }
    Some(tags)
}

fn is_tag(text: &str) -> bool {
    let quoted = text.strip_prefix("W/").unwrap_or(text);
    let inner = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inner.is_some_and(|inner| !inner.contains(|c: char| c <= ' ' || c == '"' || c == '\u{7f}'))
}

/// The answer says what the verdict says, and a refusal sends none of the content.
fn check_answer(
    method: Method<'_>,
    fields: &[Field<'_>],
    (etag, modified): (Option<&str>, Option<&str>),
    verdict: Verdict,
) {
    let request = Request {
        version: Version::Http11,
        method,
        host: "a",
        port: "",
        path: "/",
        query: None,
        fields: Fields::of(fields),
        length: Length::Known(0),
    };
    let mut response = Response::empty(Status::OK).with(Line::fixed("content-type", "text/plain"));
    response.body = Body::Bytes(Shared::from(b"content".to_vec()));
    let validators = [("etag", etag), ("last-modified", modified)];
    for (name, value) in validators.iter().filter_map(|(name, value)| Some((*name, (*value)?))) {
        response.lines.push(Line::new(name, value.to_owned()));
    }
    // A control character in a validator is none any more once it stands in a line.
    let told = |name| response.get(name).map(str::to_owned);
    let is_same = (told("etag").as_deref(), told("last-modified").as_deref()) == (etag, modified);
    let is_concerned = method != Method::Post;
    let answer = conditional::apply(&request, response);
    if !is_concerned {
        assert_eq!(answer.status, Status::OK);
    } else if is_same {
        let expect = match verdict {
            Verdict::Proceed => Status::OK,
            Verdict::NotModified => Status::NOT_MODIFIED,
            Verdict::Failed => Status::PRECONDITION_FAILED,
        };
        assert_eq!(answer.status, expect);
    }
    let is_whole = answer.status == Status::OK;
    assert_eq!(answer.body.is_empty(), !is_whole);
    assert_eq!(answer.get("content-type").is_some(), is_whole);
}
