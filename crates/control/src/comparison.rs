//! What another config would change for requests that a server has had.

use crate::status::list;
use base::pack::{Packer, Unpacker};

/// Examples that are kept of one change.
pub const EXAMPLES_MAX: usize = 5;

/// Kinds of change that are told apart; of further ones only their number is told.
pub const CHANGES_MAX: usize = 100;

/// Bytes of a text at most; what is longer is cut.
const TEXT_BYTES_MAX: usize = 300;

/// What would change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// The requests that were answered by both configs.
    pub requests: u64,
    /// The time in which they came, in seconds up to now.
    pub seconds: u64,
    /// Those of them that would be answered in another way.
    pub changed: u64,
    /// Requests that were left out: those that are too long to be kept.
    pub left_out: u64,
    /// What changes, what the most requests meet first.
    pub changes: Vec<Change>,
    /// Further changes, which are not told.
    pub more: u64,
}

/// A change that some of the requests meet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// What changes, in a word: `status`, `route`, the name of a field.
    pub what: String,
    /// What it was.
    pub before: String,
    /// What it would be.
    pub after: String,
    /// Where the other config says so, if that is a place.
    pub place: String,
    /// How many of the requests meet it.
    pub count: u64,
    /// Some of them.
    pub examples: Vec<Example>,
}

/// A request that meets a change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Example {
    /// Its method and its URL.
    pub request: String,
    /// Who has sent it.
    pub client: String,
    /// What it was and would be, where that differs from request to request.
    pub values: Option<(String, String)>,
}

impl Comparison {
    pub(crate) fn pack(&self, out: &mut Packer) {
        let Self { requests, seconds, changed, left_out, changes, more } = self;
        for number in [requests, seconds, changed, left_out, more] {
            out.number(*number);
        }
        list(out, changes, |out, change| {
            let Change { what, before, after, place, count, examples } = change;
            texts(out, &[what, before, after, place]);
            out.number(*count);
            list(out, examples, |out, Example { request, client, values }| {
                texts(out, &[request, client]);
                list(out, values.as_slice(), |out, (before, after)| texts(out, &[before, after]));
            });
        });
    }

    pub(crate) fn unpack(from: &mut Unpacker<'_>) -> Option<Self> {
        let [requests, seconds, changed, left_out, more] =
            [from.number()?, from.number()?, from.number()?, from.number()?, from.number()?];
        let values = |from: &mut Unpacker<'_>| Some((from.text()?, from.text()?));
        let example = |from: &mut Unpacker<'_>| {
            let (request, client) = (from.text()?, from.text()?);
            Some(Example { request, client, values: from.list(values)?.pop() })
        };
        let changes = from.list(|from| {
            Some(Change {
                what: from.text()?,
                before: from.text()?,
                after: from.text()?,
                place: from.text()?,
                count: from.number()?,
                examples: from.list(example)?,
            })
        })?;
        Some(Self { requests, seconds, changed, left_out, changes, more })
    }
}

fn texts(out: &mut Packer, all: &[&String]) {
    for text in all {
        let end = text.floor_char_boundary(TEXT_BYTES_MAX);
        match text.get(..end).filter(|_| end < text.len()) {
            Some(cut) => out.bytes(format!("{cut}…").as_bytes()),
            None => out.bytes(text.as_bytes()),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn comparison() -> Comparison {
        let text = |text: &str| text.to_owned();
        let values = [None, Some((text("/a"), text("/b")))];
        let example = |values| Example { request: text("GET /"), client: text("::1"), values };
        let change = Change {
            what: text("status"),
            before: text("200"),
            after: text("404"),
            place: text("a.toml:1:2"),
            count: 3,
            examples: values.map(example).to_vec(),
        };
        let changes = vec![change];
        Comparison { requests: 9, seconds: 8, changed: 3, left_out: 1, changes, more: 2 }
    }

    #[test]
    fn a_long_text_is_cut() {
        let mut long = comparison();
        long.changes[0].before = "ä".repeat(500);
        let mut out = Packer::default();
        long.pack(&mut out);
        let cut = Comparison::unpack(&mut Unpacker::new(&out.finish())).unwrap();
        assert_eq!(cut.changes[0].before, format!("{}…", "ä".repeat(150)));
    }
}
