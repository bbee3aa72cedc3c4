//! What an operator wants of a running server, and what comes of it: one wish and one outcome over
//! a connection.

use crate::{
    asked::Asked,
    comparison::Comparison,
    note::{Note, read, short, write},
    status::Status,
};
use std::path::PathBuf;

/// What an operator wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// That the config is read again, and served: of a server that reads that file, where one is
    /// named.
    Reload(Option<PathBuf>),
    /// To know what the config, read again, would change for the requests of late; the same.
    Compare(Option<PathBuf>),
    /// That the server stops.
    Stop,
    /// To know how it is.
    Status,
    /// That another program takes the place of the one that runs: the one at that path, or else
    /// the one that lies now where that one was started from.
    Upgrade(Option<PathBuf>),
    /// To know what has happened to the request with that id.
    Tell(String),
    /// To know what runs PHP, and what it is asked.
    Asked,
}

/// What comes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is done.
    Done,
    /// It is not.
    Refused {
        /// What the program is to end with.
        code: u8,
        /// Why, in words.
        text: String,
    },
    /// How the server is.
    Status(Box<Status>),
    /// What the config would change.
    Compared(Comparison),
    /// That file was read, and is served.
    Served(PathBuf),
    /// What has happened to a request and on its connection: microseconds since the request was
    /// there, which it was not yet where they are below zero, and words.
    Told(Vec<(i64, String)>),
    /// What runs PHP, and what it is asked.
    Asked(Asked),
}

impl Note for Wish {
    fn encode(&self) -> Vec<u8> {
        match self {
            Self::Reload(None) => write(0, |_| ()),
            Self::Stop => write(1, |_| ()),
            Self::Status => write(2, |_| ()),
            Self::Upgrade(None) => write(3, |_| ()),
            Self::Upgrade(Some(path)) => {
                write(4, |out| out.bytes(path.as_os_str().as_encoded_bytes()))
            }
            Self::Compare(None) => write(5, |_| ()),
            Self::Reload(Some(file)) => {
                write(6, |out| out.bytes(file.as_os_str().as_encoded_bytes()))
            }
            Self::Compare(Some(file)) => {
                write(7, |out| out.bytes(file.as_os_str().as_encoded_bytes()))
            }
            Self::Tell(id) => write(8, |out| out.bytes(id.as_bytes())),
            Self::Asked => write(9, |_| ()),
        }
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        read(bytes, |tag, from| {
            Some(match tag {
                0 => Self::Reload(None),
                1 => Self::Stop,
                2 => Self::Status,
                3 => Self::Upgrade(None),
                4 => Self::Upgrade(Some(from.path()?)),
                5 => Self::Compare(None),
                6 => Self::Reload(Some(from.path()?)),
                7 => Self::Compare(Some(from.path()?)),
                8 => Self::Tell(from.text()?),
                9 => Self::Asked,
                _ => return None,
            })
        })
    }
}

impl Note for Outcome {
    fn encode(&self) -> Vec<u8> {
        match self {
            Self::Done => write(0, |_| ()),
            Self::Refused { code, text } => write(1, |out| {
                out.byte(*code);
                out.bytes(short(text).as_bytes());
            }),
            Self::Status(status) => write(2, |out| status.pack(out)),
            Self::Compared(comparison) => write(3, |out| comparison.pack(out)),
            Self::Served(file) => write(4, |out| out.bytes(file.as_os_str().as_encoded_bytes())),
            Self::Told(steps) => write(5, |out| {
                out.number(steps.len() as u64);
                for (us, words) in steps {
                    out.number(us.cast_unsigned());
                    out.bytes(words.as_bytes());
                }
            }),
            Self::Asked(asked) => write(6, |out| asked.pack(out)),
        }
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        read(bytes, |tag, from| {
            Some(match tag {
                0 => Self::Done,
                1 => Self::Refused { code: from.byte()?, text: from.text()? },
                2 => Self::Status(Status::unpack(from)?.into()),
                3 => Self::Compared(Comparison::unpack(from)?),
                4 => Self::Served(from.path()?),
                5 => Self::Told(
                    from.list(|from| Some((from.number()?.cast_signed(), from.text()?)))?,
                ),
                6 => Self::Asked(Asked::unpack(from)?),
                _ => return None,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{comparison, note::tests::check, status};

    #[test]
    fn wishes_and_outcomes_come_back_as_they_were() {
        let other = Wish::Upgrade(Some("/other/gannet".into()));
        let rest = [Wish::Stop, Wish::Status, Wish::Upgrade(None), other];
        let file = || Some("/a/gannet.toml".into());
        check(&[Wish::Reload, Wish::Compare].map(|of| of(None)));
        check(&[Wish::Reload, Wish::Compare].map(|of| of(file())));
        check(&rest);
        check(&[Wish::Tell("3f0b".to_owned())]);
        check(&[
            Outcome::Done,
            Outcome::Told(vec![(-7, "came".to_owned()), (i64::MAX, String::new())]),
            Outcome::Served("/a/gannet.toml".into()),
            Outcome::Refused { code: 2, text: "no".to_owned() },
            Outcome::Status(status::tests::status().into()),
            Outcome::Compared(comparison::tests::comparison()),
        ]);
    }
}
