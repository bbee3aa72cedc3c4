//! `gannet reload --diff`: what a config would change, for people or for programs.

use crate::{greeting::counted, status};
use base::text::{push_json, push_printable};
use control::comparison::{Change, Comparison, Example};

/// Examples of each change that people are shown; programs get all that there are.
const EXAMPLES_SHOWN: usize = 3;

/// What changes at most of one kind before it is only counted.
const VALUE_WIDTH: usize = 48;

/// For people.
pub(crate) fn pretty(comparison: &Comparison) -> Vec<u8> {
    let Comparison { requests, seconds, changed, left_out, changes, more } = comparison;
    let mut out = Vec::new();
    let asked = count(*requests, "request", "requests");
    let time = status::time((*seconds).max(1));
    let said = match (requests, changed) {
        (0, _) => "no requests yet to compare with: the config can be served".to_owned(),
        (_, 0) => format!("{asked} of the last {time}: all would be answered as before"),
        (all, changed) if all == changed => {
            format!("{asked} of the last {time}: all would be answered otherwise")
        }
        _ => format!("{asked} of the last {time}: {changed} would be answered otherwise"),
    };
    out.extend_from_slice(said.as_bytes());
    out.push(b'\n');
    let mut kind = "";
    for change in changes {
        if change.what != kind {
            kind = &change.what;
            out.push(b'\n');
            push_printable(&mut out, kind.as_bytes());
            out.push(b'\n');
        }
        push_change(&mut out, change);
    }
    let rest =
        [(*more, "further change", "further changes"), (*left_out, "request was", "requests were")];
    let [more, left_out] = rest.map(|(number, one, several)| count(number, one, several));
    if comparison.more > 0 {
        out.extend_from_slice(format!("\n{more}: too many to tell\n").as_bytes());
    }
    if comparison.left_out > 0 {
        let text = format!("\n{left_out} left out: too long to be kept, or no time was left\n");
        out.extend_from_slice(text.as_bytes());
    }
    if *changed > 0 {
        out.extend_from_slice(
            b"\nnothing is changed yet: `gannet reload` without --diff does it\n",
        );
    }
    out
}

fn count(number: u64, one: &str, several: &str) -> String {
    counted(usize::try_from(number).unwrap_or(usize::MAX), one, several)
}

fn push_change(out: &mut Vec<u8>, change: &Change) {
    let Change { before, after, place, count, examples, .. } = change;
    out.extend_from_slice(format!("  {count:>5}  ").as_bytes());
    let start = out.len();
    if !(before.is_empty() && after.is_empty()) {
        push_values(out, before, after);
        out.extend_from_slice(b"  ");
    }
    if !place.is_empty() {
        let width = String::from_utf8_lossy(&out[start..]).chars().count();
        out.extend(std::iter::repeat_n(b' ', VALUE_WIDTH.saturating_sub(width)));
        push_printable(out, place.as_bytes());
    }
    let end = out.trim_ascii_end().len();
    out.truncate(end);
    out.push(b'\n');
    for Example { request, client, values } in examples.iter().take(EXAMPLES_SHOWN) {
        out.extend_from_slice(b"         ");
        push_printable(out, request.as_bytes());
        out.extend_from_slice(b" from ");
        push_printable(out, client.as_bytes());
        if let Some((before, after)) = values {
            out.extend_from_slice(b": ");
            push_values(out, before, after);
        }
        out.push(b'\n');
    }
}

fn push_values(out: &mut Vec<u8>, before: &str, after: &str) {
    push_printable(out, before.as_bytes());
    out.extend_from_slice(" → ".as_bytes());
    push_printable(out, after.as_bytes());
}

/// For programs.
pub(crate) fn json(comparison: &Comparison) -> Vec<u8> {
    let Comparison { requests, seconds, changed, left_out, changes, more } = comparison;
    let mut out = format!(
        "{{\"requests\":{requests},\"seconds\":{seconds},\"changed\":{changed},\
         \"left_out\":{left_out},\"changes\":["
    )
    .into_bytes();
    for (at, change) in changes.iter().enumerate() {
        let Change { what, before, after, place, count, examples } = change;
        out.extend_from_slice(if at > 0 { b",{" } else { b"{" });
        let texts = [("what", what), ("before", before), ("after", after), ("place", place)];
        push_texts(&mut out, &texts);
        out.extend_from_slice(format!("\"count\":{count},\"examples\":[").as_bytes());
        for (at, Example { request, client, values }) in examples.iter().enumerate() {
            out.extend_from_slice(if at > 0 { b",{" } else { b"{" });
            let (before, after) = values.as_ref().map_or((before, after), |(was, is)| (was, is));
            push_texts(&mut out, &[("request", request), ("client", client)]);
            push_texts(&mut out, &[("before", before), ("after", after)]);
            out.pop();
            out.push(b'}');
        }
        out.extend_from_slice(b"]}");
    }
    out.extend_from_slice(format!("],\"more\":{more}}}\n").as_bytes());
    out
}

/// Appends members, each with a comma behind it.
fn push_texts(out: &mut Vec<u8>, members: &[(&str, &String)]) {
    for (name, value) in members {
        out.extend_from_slice(format!("\"{name}\":\"").as_bytes());
        push_json(out, value.as_bytes());
        out.extend_from_slice(b"\",");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comparison() -> Comparison {
        let text = |text: &str| text.to_owned();
        let example = |request: &str, values: Option<(&str, &str)>| Example {
            request: text(request),
            client: text("192.0.2.1"),
            values: values.map(|(before, after)| (text(before), text(after))),
        };
        let change = |what: &str, values: (&str, &str), place: &str, examples| Change {
            what: text(what),
            before: text(values.0),
            after: text(values.1),
            place: text(place),
            count: 3,
            examples,
        };
        let own = example("GET http://a/\u{1b}", Some(("none", "/b")));
        let changes = vec![
            change("route", ("/*", "/a/*"), "a.toml:1:2", vec![example("GET http://a/", None)]),
            change("location", ("", ""), "", vec![own]),
        ];
        Comparison { requests: 9, seconds: 61, changed: 3, left_out: 1, changes, more: 2 }
    }

    #[test]
    fn changes_are_for_people_or_for_programs() {
        let place =
            format!("{}a.toml:1:2", " ".repeat(VALUE_WIDTH - "/* → /a/*  ".chars().count()));
        assert_eq!(
            String::from_utf8(pretty(&comparison())).unwrap(),
            format!(
                "9 requests of the last 1m 1s: 3 would be answered otherwise\n\nroute\n      \
                 3  /* → /a/*  {place}\n         GET http://a/ from 192.0.2.1\n\nlocation\n      \
                 3\n         GET http://a/\\x1b from 192.0.2.1: none → /b\n\n2 further changes: \
                 too many to tell\n\n1 request was left out: too long to be kept, or no time was \
                 left\n\nnothing is changed yet: `gannet reload` without --diff does it\n"
            )
        );
        assert_eq!(
            String::from_utf8(json(&comparison())).unwrap(),
            "{\"requests\":9,\"seconds\":61,\"changed\":3,\"left_out\":1,\"changes\":[{\"what\":\
             \"route\",\"before\":\"/*\",\"after\":\"/a/*\",\"place\":\"a.toml:1:2\",\"count\":3,\
             \"examples\":[{\"request\":\"GET http://a/\",\"client\":\"192.0.2.1\",\"before\":\
             \"/*\",\"after\":\"/a/*\"}]},{\"what\":\"location\",\"before\":\"\",\"after\":\"\",\
             \"place\":\"\",\"count\":3,\"examples\":[{\"request\":\"GET http://a/\\u001b\",\
             \"client\":\"192.0.2.1\",\"before\":\"none\",\"after\":\"/b\"}]}],\"more\":2}\n"
        );
    }

    #[test]
    fn it_is_said_that_nothing_changes() {
        let none = Comparison { requests: 1, seconds: 5, ..Comparison::default() };
        let text = |comparison: &Comparison| String::from_utf8(pretty(comparison)).unwrap();
        assert_eq!(text(&none), "1 request of the last 5s: all would be answered as before\n");
        assert!(text(&Comparison::default()).starts_with("no requests yet"));
        let all = Comparison { requests: 2, changed: 2, ..Comparison::default() };
        assert!(text(&all).contains("all would be answered otherwise"));
    }
}
