//! What a process tells the supervisor that has certificates issued. It is told which config is
//! served, by a [`crate::note::Question::Renew`] with the bundle, and says what it finds whenever
//! it finds something.

use crate::note::{Note, read, short, write};
use base::pack::{Packer, Unpacker};

/// What it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// What is wrong, or was: a line for the error log.
    Said(String),
    /// What authorities are to be shown from now on goes along, sealed, under a number that is
    /// higher each time.
    Proofs(u64),
    /// What it could not put into files goes along, sealed.
    Unkept,
    /// The config that is served wants other walls around it than this one has: it ends.
    Anew,
    /// The same, and the next one runs a program of the operator's, for which the environment is.
    Program,
}

impl Note for Finding {
    fn encode(&self) -> Vec<u8> {
        match self {
            Self::Said(text) => write(0, |out| out.bytes(short(text).as_bytes())),
            Self::Proofs(number) => write(1, |out| out.number(*number)),
            Self::Unkept => write(2, |_| ()),
            Self::Anew => write(3, |_| ()),
            Self::Program => write(4, |_| ()),
        }
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        read(bytes, |tag, from| match tag {
            0 => Some(Self::Said(from.text()?)),
            1 => Some(Self::Proofs(from.number()?)),
            2 => Some(Self::Unkept),
            3 => Some(Self::Anew),
            4 => Some(Self::Program),
            _ => None,
        })
    }
}

/// What goes along with a finding: texts by name, each for a host or a path.
#[must_use]
pub fn pack(texts: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut out = Packer::default();
    out.number(texts.len() as u64);
    for (name, text) in texts {
        out.bytes(name.as_bytes());
        out.bytes(text);
    }
    out.finish()
}

/// The texts in these bytes; `None` where they are something else.
#[must_use]
pub fn unpack(bytes: &[u8]) -> Option<Vec<(String, Vec<u8>)>> {
    let mut from = Unpacker::new(bytes);
    let texts = from.list(|from| Some((from.text()?, from.bytes()?.to_vec())))?;
    from.is_empty().then_some(texts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::note::tests::check;

    #[test]
    fn findings_come_back_as_they_were() {
        let said = Finding::Said("a.example".to_owned());
        check(&[said, Finding::Proofs(3), Finding::Unkept, Finding::Anew, Finding::Program]);
        let texts = vec![("a".to_owned(), vec![0xff]), ("b".to_owned(), Vec::new())];
        let bytes = pack(&texts);
        assert_eq!(unpack(&bytes), Some(texts));
        assert_eq!(unpack(&bytes[1..]), None);
    }
}
