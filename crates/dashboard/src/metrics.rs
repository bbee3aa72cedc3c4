//! The figures as programs gather them: OpenMetrics 1.0, or the text that Prometheus had before.
//!
//! What has a name that somebody could choose is bounded: sites and routes by the labels of the
//! config, workers by those that are there.

mod families;
mod php;

use control::{
    Counter,
    latency::{ENDS_US, Latency},
    status::Status,
};

/// How the figures are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// OpenMetrics.
    Open,
    /// The older text.
    Plain,
}

/// What a family of figures does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It goes up and down.
    Gauge,
    /// It only goes up, and begins at 0 where the server is started anew.
    Counter,
    /// It counts times by their length.
    Histogram,
}

/// Figures of one name.
#[derive(Clone, Copy)]
pub(crate) struct Family {
    /// The name, without what is added for its kind.
    pub(crate) name: &'static str,
    /// What they do.
    kind: Kind,
    /// What they are, in a sentence.
    help: &'static str,
    /// Writes them down.
    put: fn(&Status, &mut Samples<'_>),
}

impl Format {
    /// What clients are told that they get.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Open => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Plain => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// All families but those of counters.
pub(crate) fn families() -> impl Iterator<Item = &'static Family> {
    families::FAMILIES.iter().chain(php::FAMILIES)
}

/// All figures of a server.
#[must_use]
pub fn metrics(status: &Status, format: Format) -> Vec<u8> {
    let mut out = Vec::new();
    for Family { name, kind, help, put } in families() {
        begin(&mut out, (name, *kind, help), format);
        put(status, &mut Samples { out: &mut out, name });
    }
    for counter in counters() {
        let name = counter_name(counter);
        let Some((_, count)) = status.counted.iter().find(|(known, _)| known == counter.label())
        else {
            continue;
        };
        begin(&mut out, (&name, Kind::Counter, counter.doc()), format);
        Samples { out: &mut out, name: &name }.count(&[], *count);
    }
    if format == Format::Open {
        out.extend_from_slice(b"# EOF\n");
    }
    out
}

/// What is counted that is a family by itself: one that is in another unit has its own.
pub(crate) fn counters() -> impl Iterator<Item = Counter> {
    Counter::ALL.iter().copied().filter(|counter| *counter != Counter::LagUs)
}

/// The name of the family of a counter.
pub(crate) fn counter_name(counter: Counter) -> String {
    format!("gannet_{}", counter.label())
}

fn begin(out: &mut Vec<u8>, (name, kind, help): (&str, Kind, &str), format: Format) {
    let (word, ending) = match kind {
        Kind::Gauge => ("gauge", ""),
        // Of old, the ending was a part of the name.
        Kind::Counter if format == Format::Plain => ("counter", "_total"),
        Kind::Counter => ("counter", ""),
        Kind::Histogram => ("histogram", ""),
    };
    for (what, text) in [("HELP", help), ("TYPE", word)] {
        out.extend_from_slice(format!("# {what} {name}{ending} {text}\n").as_bytes());
    }
}

/// Where the figures of one family are written.
struct Samples<'s> {
    out: &'s mut Vec<u8>,
    name: &'s str,
}

/// What tells a figure from others of its family.
type Labels<'l> = [(&'l str, &'l str)];

impl Samples<'_> {
    fn gauge(&mut self, labels: &Labels<'_>, value: impl ToString) {
        self.put("", labels, None, &value.to_string());
    }

    fn count(&mut self, labels: &Labels<'_>, value: impl ToString) {
        self.put("_total", labels, None, &value.to_string());
    }

    fn latency(&mut self, labels: &Labels<'_>, latency: &Latency) {
        let mut sum = 0u64;
        for (at, count) in latency.counts.iter().enumerate() {
            sum = sum.wrapping_add(*count);
            let end = ENDS_US.get(at).map_or_else(|| "+Inf".to_owned(), |&us| seconds(us));
            self.put("_bucket", labels, Some(("le", &end)), &sum.to_string());
        }
        self.put("_sum", labels, None, &seconds(latency.sum_us));
        self.put("_count", labels, None, &sum.to_string());
    }

    fn put(&mut self, ending: &str, labels: &Labels<'_>, last: Option<(&str, &str)>, value: &str) {
        self.out.extend_from_slice(self.name.as_bytes());
        self.out.extend_from_slice(ending.as_bytes());
        for (at, (name, text)) in labels.iter().chain(&last).enumerate() {
            self.out.push(if at == 0 { b'{' } else { b',' });
            self.out.extend_from_slice(name.as_bytes());
            self.out.extend_from_slice(b"=\"");
            push_escaped(self.out, text);
            self.out.push(b'"');
        }
        if !labels.is_empty() || last.is_some() {
            self.out.push(b'}');
        }
        self.out.push(b' ');
        self.out.extend_from_slice(value.as_bytes());
        self.out.push(b'\n');
    }
}

/// Appends the value of a label.
fn push_escaped(out: &mut Vec<u8>, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'\n' => out.extend_from_slice(b"\\n"),
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            _ => out.push(byte),
        }
    }
}

/// So many microseconds, in seconds.
fn seconds(us: u64) -> String {
    let text = format!("{}.{:06}", us / 1_000_000, us % 1_000_000);
    let text = text.trim_end_matches('0');
    if text.ends_with('.') { format!("{text}0") } else { text.to_owned() }
}

#[cfg(test)]
mod tests;
