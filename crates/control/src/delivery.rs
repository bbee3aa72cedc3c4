//! The notes between a supervisor and the process that sends spans to a collector.
//!
//! ```text
//!   supervisor ── Errand ───► spans      Begin │ Finish
//!              ◄── Delivery ──                 Spans… Said…
//! ```

use crate::note::{Note, read, short, write};

/// What the supervisor wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Errand {
    /// That spans are sent there: the first note. Along with it goes what they come by.
    Begin(Vec<u8>),
    /// That it sends what it has, and ends.
    Finish,
}

/// What the process says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// What has become of so many spans.
    Spans {
        /// The collector has these.
        sent: u64,
        /// Nobody will have these.
        dropped: u64,
    },
    /// What is wrong, or no longer is: a line for the error log.
    Said(String),
}

impl Note for Errand {
    fn encode(&self) -> Vec<u8> {
        match self {
            Self::Begin(what) => write(0, |out| out.bytes(what)),
            Self::Finish => write(1, |_| ()),
        }
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        read(bytes, |tag, from| match tag {
            0 => Some(Self::Begin(from.bytes()?.to_vec())),
            1 => Some(Self::Finish),
            _ => None,
        })
    }
}

impl Note for Delivery {
    fn encode(&self) -> Vec<u8> {
        match self {
            Self::Spans { sent, dropped } => write(0, |out| {
                out.number(*sent);
                out.number(*dropped);
            }),
            Self::Said(text) => write(1, |out| out.bytes(short(text).as_bytes())),
        }
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        read(bytes, |tag, from| match tag {
            0 => Some(Self::Spans { sent: from.number()?, dropped: from.number()? }),
            1 => Some(Self::Said(from.text()?)),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::note::tests::check;

    #[test]
    fn what_is_wanted_and_said_comes_back_as_it_was() {
        check(&[Errand::Begin(vec![1, 2]), Errand::Finish]);
        check(&[Delivery::Spans { sent: 3, dropped: 4 }, Delivery::Said("why".to_owned())]);
    }
}
