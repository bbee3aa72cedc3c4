//! What this process itself puts down in the error log.

use crate::machine::Note;
use base::{
    Date,
    text::{push_json, push_printable},
};
use net::clock::Wall;

/// What is said of a file of certificates that was broken.
const WELL: &str = "is well again: it holds what was used all the while";

/// The line for `note`: one JSON object, or for eyes.
pub(crate) fn line(note: &Note, is_pretty: bool, wall: Wall) -> Vec<u8> {
    let (event, level, reason) = words(note);
    let date = Date::of(wall.seconds).to_string();
    let mut out = Vec::new();
    if is_pretty {
        out.extend_from_slice(date.get(11..).unwrap_or_default().as_bytes());
        out.push(b' ');
        out.extend_from_slice(event.replace('_', " ").as_bytes());
        out.extend_from_slice(b": ");
        for (number, line) in reason.trim_end().lines().enumerate() {
            if number > 0 {
                out.push(b'\n');
            }
            push_printable(&mut out, line.as_bytes());
        }
        out.push(b'\n');
        return out;
    }
    out.extend_from_slice(format!("{{\"event\":\"{event}\",\"level\":\"{level}\"").as_bytes());
    let millis = wall.nanos / 1_000_000;
    out.extend_from_slice(format!(",\"time\":\"{date}.{millis:03}Z\",\"reason\":\"").as_bytes());
    push_json(&mut out, reason.trim_end().as_bytes());
    out.extend_from_slice(b"\"}\n");
    out
}

/// What the event is called, how grave it is, and what there is to say of it.
fn words(note: &Note) -> (&'static str, &'static str, String) {
    match note {
        Note::Reloaded => {
            ("reloaded", "notice", "the config was read again and is served".to_owned())
        }
        Note::NotReloaded(_, why) => ("not_reloaded", "error", why.clone()),
        Note::Died(id, how) => ("worker_died", "error", format!("worker {id} {how}")),
        Note::NotStarted(id, why) => {
            ("worker_not_started", "error", format!("worker {id} cannot serve: {why}"))
        }
        Note::Hung(id, how) => ("worker_hung", "error", format!("worker {id} hangs: {how}")),
        Note::CutOff(id, requests) => {
            let all = requests.join(", ");
            ("cut_off", "error", format!("worker {id} is gone and had not finished: {all}"))
        }
        Note::Killed(id) => {
            ("worker_killed", "error", format!("worker {id} did not do what it was told"))
        }
        Note::Adopted => (
            "adopted",
            "warning",
            "the process that watched the workers was killed: this one goes on with them"
                .to_owned(),
        ),
        Note::Deaf(why) => ("no_control", "warning", why.clone()),
        Note::Unseen(why) => ("no_admin", "error", why.clone()),
        Note::Spans(why) => ("spans", "warning", why.clone()),
        Note::Upgraded => (
            "upgraded",
            "notice",
            format!("gannet {} has taken the place of the one before", env!("CARGO_PKG_VERSION")),
        ),
        Note::Certificate(Ok(name)) => ("renewed", "notice", format!("{name} is used from now on")),
        Note::Certificate(Err(text)) => ("certificate", "error", text.clone()),
        Note::Warned(text) => ("warning", "warning", text.clone()),
        Note::Whole(file) => ("certificate", "notice", format!("{file} {WELL}")),
        Note::PhpDied(site, how) => ("php_died", "error", format!("php-fpm of {site} {how}")),
        Note::PhpSaid(site, text) => ("php", "warning", format!("php-fpm of {site}: {text}")),
        Note::NotUpgraded(why) => ("not_upgraded", "error", why.clone()),
        Note::TakenBack => (
            "taken_back",
            "error",
            "its workers died again and again: the config before is served".to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let wall = Wall { seconds: 1_795_539_723, nanos: 45_600_000 };
        let line = |note, is_pretty| String::from_utf8(line(&note, is_pretty, wall)).unwrap();
        assert_eq!(
            line(Note::NotReloaded(2, "a\n \"b\"\n".to_owned()), false),
            "{\"event\":\"not_reloaded\",\"level\":\"error\",\"time\":\"2026-11-24T17:02:03.045Z\",\
             \"reason\":\"a\\u000a \\\"b\\\"\"}\n"
        );
        assert_eq!(
            line(Note::Died(3, "was ended by signal 9".to_owned()), true),
            "17:02:03 worker died: worker 3 was ended by signal 9\n"
        );
        let requests = ["GET a/\x1b".to_owned(), "POST b/".to_owned()].to_vec();
        assert_eq!(
            line(Note::CutOff(3, requests), true),
            "17:02:03 cut off: worker 3 is gone and had not finished: GET a/\\x1b, POST b/\n"
        );
        assert_eq!(
            line(Note::NotReloaded(2, "a\n\x1b".to_owned()), true),
            "17:02:03 not reloaded: a\n\\x1b\n"
        );
    }
}
