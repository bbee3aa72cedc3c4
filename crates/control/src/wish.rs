//! What an operator wants of a running server, and what comes of it: one wish and one outcome over
//! a connection.

use crate::note::{Note, read, short, write};
use base::pack::{Packer, Unpacker};
use std::path::PathBuf;

/// What an operator wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// That the config is read again, and served.
    Reload,
    /// That the server stops.
    Stop,
    /// To know how it is.
    Status,
    /// That another program takes the place of the one that runs: the one at that path, or else
    /// the one that lies now where that one was started from.
    Upgrade(Option<PathBuf>),
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
    Status(Status),
}

/// How a server is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// The version of its program.
    pub version: String,
    /// The process that watches the workers.
    pub pid: u64,
    /// Seconds since it has started.
    pub seconds: u64,
    /// The generations of workers, the oldest first.
    pub generations: Vec<Generation>,
    /// Connections that are open now.
    pub connections: u64,
    /// Workers that were started in the place of one that had died.
    pub restarts: u64,
    /// The last reload, if there was any.
    pub reload: Option<Reload>,
    /// What was counted since the start, by name.
    pub counted: Vec<(String, u64)>,
}

/// A generation of workers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Generation {
    /// Its number; each config that is loaded has one more.
    pub number: u64,
    /// What it does, in a word.
    pub phase: String,
    /// Its workers.
    pub workers: Vec<Worker>,
}

/// A worker process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Worker {
    /// Its process.
    pub pid: u64,
    /// Its event loops.
    pub loops: u64,
    /// The requests that it has answered.
    pub requests: u64,
}

/// A reload that is over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reload {
    /// Seconds since then.
    pub seconds: u64,
    /// Why it failed; nothing where it did not.
    pub fault: Option<String>,
}

impl Note for Wish {
    fn encode(&self) -> Vec<u8> {
        match self {
            Self::Reload => write(0, |_| ()),
            Self::Stop => write(1, |_| ()),
            Self::Status => write(2, |_| ()),
            Self::Upgrade(None) => write(3, |_| ()),
            Self::Upgrade(Some(path)) => {
                write(4, |out| out.bytes(path.as_os_str().as_encoded_bytes()))
            }
        }
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        read(bytes, |tag, from| {
            Some(match tag {
                0 => Self::Reload,
                1 => Self::Stop,
                2 => Self::Status,
                3 => Self::Upgrade(None),
                4 => Self::Upgrade(Some(from.path()?)),
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
        }
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        read(bytes, |tag, from| {
            Some(match tag {
                0 => Self::Done,
                1 => Self::Refused { code: from.byte()?, text: from.text()? },
                2 => Self::Status(Status::unpack(from)?),
                _ => return None,
            })
        })
    }
}

impl Status {
    fn pack(&self, out: &mut Packer) {
        out.bytes(self.version.as_bytes());
        [self.pid, self.seconds, self.connections, self.restarts]
            .into_iter()
            .for_each(|number| out.number(number));
        out.number(self.generations.len() as u64);
        for Generation { number, phase, workers } in &self.generations {
            out.number(*number);
            out.bytes(phase.as_bytes());
            out.number(workers.len() as u64);
            for Worker { pid, loops, requests } in workers {
                [pid, loops, requests].into_iter().for_each(|&number| out.number(number));
            }
        }
        out.byte(u8::from(self.reload.is_some()));
        if let Some(Reload { seconds, fault }) = &self.reload {
            out.number(*seconds);
            out.byte(u8::from(fault.is_some()));
            fault.iter().for_each(|fault| out.bytes(short(fault).as_bytes()));
        }
        out.number(self.counted.len() as u64);
        for (name, count) in &self.counted {
            out.bytes(name.as_bytes());
            out.number(*count);
        }
    }

    fn unpack(from: &mut Unpacker<'_>) -> Option<Self> {
        let version = from.text()?;
        let [pid, seconds, connections, restarts] =
            [from.number()?, from.number()?, from.number()?, from.number()?];
        let worker = |from: &mut Unpacker<'_>| {
            let [pid, loops, requests] = [from.number()?, from.number()?, from.number()?];
            Some(Worker { pid, loops, requests })
        };
        let generations = from.list(|from| {
            let (number, phase) = (from.number()?, from.text()?);
            Some(Generation { number, phase, workers: from.list(worker)? })
        })?;
        let reload = match from.flag()? {
            false => None,
            true => {
                let seconds = from.number()?;
                let fault = if from.flag()? { Some(from.text()?) } else { None };
                Some(Reload { seconds, fault })
            }
        };
        let counted = from.list(|from| Some((from.text()?, from.number()?)))?;
        Some(Self { version, pid, seconds, generations, connections, restarts, reload, counted })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::note::tests::check;

    #[test]
    fn wishes_and_outcomes_come_back_as_they_were() {
        let other = Wish::Upgrade(Some("/other/gannet".into()));
        check(&[Wish::Reload, Wish::Stop, Wish::Status, Wish::Upgrade(None), other]);
        let worker = Worker { pid: 12, loops: 2, requests: 9 };
        let generation =
            Generation { number: 3, phase: "serving".to_owned(), workers: vec![worker] };
        let status = Status {
            version: "1".to_owned(),
            pid: 7,
            generations: vec![generation],
            reload: Some(Reload { seconds: 8, fault: Some("why".to_owned()) }),
            counted: vec![("requests".to_owned(), 9)],
            ..Status::default()
        };
        check(&[
            Outcome::Done,
            Outcome::Refused { code: 2, text: "no".to_owned() },
            Outcome::Status(status),
        ]);
    }
}
