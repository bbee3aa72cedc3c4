//! What goes wrong, and its line in the error log: one JSON object, or one line for eyes.

use crate::record::{About, Clock, push_about, push_brief, push_member};
use base::{
    Moment,
    text::{push_decimal, push_json, push_printable},
};
use config::plan::{Place, Upstream};
use message::{Status, limits::Exceeded};
use net::clock::Wall;
use std::time::Duration;

/// Lines of one kind that a loop writes in one [`PERIOD`]; further ones are counted, and the count
/// has a line when it is over.
const LINES_MAX: u32 = 10;

const PERIOD: Duration = Duration::from_secs(1);

macro_rules! kinds {
    ($($name:ident $label:literal $level:literal $doc:literal;)*) => {
        /// The kinds of incidents.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Kind {
            $(#[doc = $doc] $name,)*
        }

        impl Kind {
            pub(crate) const ALL: &[Self] = &[$(Self::$name,)*];

            /// The name in lines, in snake case.
            const fn label(self) -> &'static str {
                match self {
                    $(Self::$name => $label,)*
                }
            }

            const fn level(self) -> &'static str {
                match self {
                    $(Self::$name => $level,)*
                }
            }
        }
    };
}

kinds! {
    Refused "refused" "notice" "A message or a request was refused: its sender's to mend.";
    TurnedAway "turned_away" "warning" "A limit of connections was reached.";
    Busy "busy" "warning" "The pool of threads has too much to do.";
    Exhausted "exhausted" "warning" "Descriptors or memory have run out.";
    Failed "failed" "error" "A request failed by a fault of ours or of this machine.";
    Stderr "stderr" "warning" "An application has written to its standard error.";
    Slow "slow" "warning" "An application has not answered yet, and should have.";
    Panicked "panicked" "error" "A fault of ours ended what was under way.";
    LogKept "log_kept" "error" "A log file could not be opened anew, so the old one is kept.";
}

/// Something that went wrong.
pub(crate) struct Incident<'i> {
    pub(crate) kind: Kind,
    /// In words.
    pub(crate) reason: &'i str,
    /// Who asked what.
    pub(crate) about: Option<About<'i>>,
    /// The status that was answered.
    pub(crate) status: Option<Status>,
    /// The setting that says so, and where it is written.
    pub(crate) setting: Option<(&'static str, &'i Place)>,
    /// The limit of messages that was gone over.
    pub(crate) limit: Option<Exceeded>,
    /// Which application it is about.
    pub(crate) application: Option<&'i Upstream>,
}

impl<'i> Incident<'i> {
    /// An incident that is no client's.
    pub(crate) fn new(kind: Kind, reason: &'i str) -> Self {
        let (about, status, setting, limit, application) = (None, None, None, None, None);
        Self { kind, reason, about, status, setting, limit, application }
    }

    /// An incident of an exchange that is answered with `status`.
    pub(crate) fn of(kind: Kind, reason: &'i str, about: About<'i>, status: Status) -> Self {
        Self { about: Some(about), status: Some(status), ..Self::new(kind, reason) }
    }

    /// Appends the line.
    pub(crate) fn write(&self, out: &mut Vec<u8>, is_pretty: bool, clock: &mut Clock, wall: Wall) {
        let Self { kind, reason, about, status, setting, limit, application } = self;
        begin(out, *kind, is_pretty, clock, wall);
        if is_pretty {
            out.extend_from_slice(b": ");
            push_printable(out, reason.as_bytes());
            if let Some(application) = application {
                push_printable(out, format!(", asked at {application}").as_bytes());
            }
            if let Some((name, place)) = setting {
                push_printable(out, format!(", says `{name}` at {place}").as_bytes());
            }
            if let Some(Exceeded { most, unit, .. }) = limit {
                push_printable(out, format!(": {most} {unit}").as_bytes());
            }
            if let Some(about) = about {
                out.extend_from_slice(b" (");
                push_brief(out, *about);
                if let Some(status) = status {
                    out.push(b' ');
                    push_decimal(out, u64::from(status.0));
                }
                out.push(b')');
            }
            out.push(b'\n');
            return;
        }
        if let Some(about) = about {
            push_about(out, *about);
        } else {
            out.push(b'"');
        }
        if let Some(status) = status {
            out.extend_from_slice(b",\"status\":");
            push_decimal(out, u64::from(status.0));
        }
        if let Some(Exceeded { most, .. }) = limit {
            out.extend_from_slice(b",\"limit\":");
            push_decimal(out, *most as u64);
        }
        push_member(out, b",\"reason\":\"", reason.as_bytes());
        if let Some(application) = application {
            push_member(out, b"\",\"application\":\"", application.to_string().as_bytes());
        }
        if let Some((name, place)) = setting {
            push_member(out, b"\",\"setting\":\"", name.as_bytes());
            push_member(out, b"\",\"place\":\"", place.to_string().as_bytes());
        }
        if let Some(Exceeded { setting, .. }) = limit {
            push_member(out, b"\",\"setting\":\"", setting.as_bytes());
        }
        out.extend_from_slice(b"\"}\n");
    }
}

/// Appends the line that stands for `count` others of this kind.
pub(crate) fn write_repeats(
    out: &mut Vec<u8>,
    (kind, count): (Kind, u64),
    is_pretty: bool,
    clock: &mut Clock,
    wall: Wall,
) {
    begin(out, kind, is_pretty, clock, wall);
    if is_pretty {
        out.extend_from_slice(b": ");
        push_decimal(out, count);
        out.extend_from_slice(b" more in the last second\n");
        return;
    }
    out.extend_from_slice(b"\",\"repeats\":");
    push_decimal(out, count);
    out.extend_from_slice(b"}\n");
}

/// Appends time, kind and level. JSON is left inside of the time's quotes.
fn begin(out: &mut Vec<u8>, kind: Kind, is_pretty: bool, clock: &mut Clock, wall: Wall) {
    if is_pretty {
        out.extend_from_slice(clock.time_of_day(wall.seconds));
        out.push(b' ');
        push_printable(out, kind.label().replace('_', " ").as_bytes());
        return;
    }
    out.extend_from_slice(b"{\"event\":\"");
    push_json(out, kind.label().as_bytes());
    push_member(out, b"\",\"level\":\"", kind.level().as_bytes());
    out.extend_from_slice(b"\",\"time\":\"");
    clock.push_time(out, wall);
}

/// What has been written of one kind lately, and how much has not.
#[derive(Clone, Copy)]
pub(crate) struct Tally {
    since: Moment,
    written: u32,
    withheld: u64,
}

impl Default for Tally {
    fn default() -> Self {
        Self { since: Moment(0), written: 0, withheld: 0 }
    }
}

impl Tally {
    /// Whether one more line may be written; counts it if not.
    pub(crate) fn admits(&mut self, now: Moment) -> bool {
        if self.withheld == 0 && now.since(self.since) >= PERIOD {
            *self = Self { since: now, written: 0, withheld: 0 };
        }
        let admits = self.written < LINES_MAX;
        if admits {
            self.written += 1;
        } else {
            self.withheld += 1;
        }
        admits
    }

    /// When lines that were withheld are told of; never while there are none.
    pub(crate) fn due(&self) -> Moment {
        if self.withheld > 0 { self.since.after(PERIOD) } else { Moment::NEVER }
    }

    /// How many lines were withheld, once their time is over.
    pub(crate) fn settle(&mut self, now: Moment) -> Option<u64> {
        (self.withheld > 0 && self.due() <= now).then(|| {
            let withheld = self.withheld;
            *self = Self { since: now, written: 0, withheld: 0 };
            withheld
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Subject;

    const WALL: Wall = Wall { seconds: 1_795_539_723, nanos: 45_600_000 };

    #[test]
    fn lines() {
        let check = |incident: Incident<'_>, json: &str, pretty: &str| {
            for (is_pretty, expect) in [(false, json), (true, pretty)] {
                let mut out = Vec::new();
                incident.write(&mut out, is_pretty, &mut Clock::default(), WALL);
                assert_eq!(String::from_utf8(out).unwrap(), format!("{expect}\n"));
            }
        };
        check(
            Incident::new(Kind::Exhausted, "Too many open files"),
            "{\"event\":\"exhausted\",\"level\":\"warning\",\"time\":\"2026-11-24T17:02:03.045Z\",\
             \"reason\":\"Too many open files\"}",
            "17:02:03 exhausted: Too many open files",
        );
        let client = Some("127.0.0.1".parse().unwrap());
        let about = About {
            client,
            id: None,
            user: None,
            certificate: None,
            subject: Subject::Refused(b"G\x1b \""),
        };
        let place = Place { file: "a.toml".into(), line: 3, column: 1 };
        let incident = Incident {
            about: Some(about),
            status: Some(Status::BAD_REQUEST),
            setting: Some(("deny", &place)),
            ..Incident::new(Kind::Refused, "no\n\"good\"")
        };
        check(
            incident,
            "{\"event\":\"refused\",\"level\":\"notice\",\"time\":\"2026-11-24T17:02:03.045Z\",\
             \"client\":\"127.0.0.1\",\"refused\":\"G\\u001b \\\"\",\"status\":400,\
             \"reason\":\"no\\u000a\\\"good\\\"\",\"setting\":\"deny\",\"place\":\"a.toml:3:1\"}",
            "17:02:03 refused: no\\x0a\"good\", says `deny` at a.toml:3:1 (127.0.0.1 G\\x1b \" 400)",
        );
        let limit = Some(Exceeded { setting: "fields-max", most: 9, unit: "fields" });
        check(
            Incident { limit, ..Incident::new(Kind::Refused, "no") },
            "{\"event\":\"refused\",\"level\":\"notice\",\"time\":\"2026-11-24T17:02:03.045Z\",\
             \"limit\":9,\"reason\":\"no\",\"setting\":\"fields-max\"}",
            "17:02:03 refused: no: 9 fields",
        );
        let about = About { subject: Subject::Hello("a.test"), ..about };
        check(
            Incident { about: Some(about), ..Incident::new(Kind::Refused, "no") },
            "{\"event\":\"refused\",\"level\":\"notice\",\"time\":\"2026-11-24T17:02:03.045Z\",\
             \"client\":\"127.0.0.1\",\"host\":\"a.test\",\"reason\":\"no\"}",
            "17:02:03 refused: no (127.0.0.1 TLS for a.test)",
        );
        let about = About { subject: Subject::Refused(b""), ..about };
        check(
            Incident { about: Some(about), ..Incident::new(Kind::Refused, "no") },
            "{\"event\":\"refused\",\"level\":\"notice\",\"time\":\"2026-11-24T17:02:03.045Z\",\
             \"client\":\"127.0.0.1\",\"refused\":\"\",\"reason\":\"no\"}",
            "17:02:03 refused: no (127.0.0.1)",
        );
    }

    #[test]
    fn repeats_are_counted() {
        let mut tally = Tally::default();
        let admitted =
            |tally: &mut Tally, now| (0..25).filter(|_| tally.admits(Moment(now))).count();
        assert_eq!(admitted(&mut tally, 5_000), 10);
        assert_eq!(tally.due(), Moment(6_000));
        assert_eq!(tally.settle(Moment(5_999)), None);
        assert_eq!(tally.settle(Moment(6_000)), Some(15));
        assert_eq!(tally.settle(Moment(8_000)), None);
        assert_eq!(admitted(&mut tally, 8_000), 10);
        let line = |is_pretty| {
            let mut out = Vec::new();
            write_repeats(&mut out, (Kind::Busy, 15), is_pretty, &mut Clock::default(), WALL);
            String::from_utf8(out).unwrap()
        };
        assert!(line(false).ends_with("17:02:03.045Z\",\"repeats\":15}\n"));
        assert_eq!(line(true), "17:02:03 busy: 15 more in the last second\n");
    }
}
