//! The notes that the processes of a server pass each other, as bytes. Descriptors go along with
//! some of them: each note says which.
//!
//! ```text
//!   supervisor ── Question ──► check      once: what is this config?
//!              ── Question ──► check      once: what would it change?
//!              ── Question ──► trial      once: could you do what I do?
//!              ◄── Verdict ───
//!   supervisor ── Question ──► certs      again and again: these are served now
//!              ◄── Finding ───
//!   supervisor ── Order ─────► worker     Begin, Logs…, Resolve │ Listeners…, Serve │ Drain
//!              ◄── Report ────                         Ready ◄──┘             └─► Parted
//! ```

use base::pack::{Packer, Unpacker};
use std::path::PathBuf;

/// The form of all notes; another one is refused.
const VERSION: u8 = 1;

/// Bytes of a text at most; the rest of a longer one is left out.
pub const TEXT_BYTES_MAX: usize = 48 * 1024;

/// What the supervisor asks of a process that looks at something for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// Whether this file can be served.
    Check {
        /// The file as it was named.
        file: PathBuf,
        /// Whether mistakes are shown in colours.
        is_painted: bool,
    },
    /// What this file would change for the requests of late. Along with it go the bundle that is
    /// served, and the slots of workers with requests.
    Compare {
        /// The file as it was named.
        file: PathBuf,
    },
    /// Whether this program could take the place of the one that asks.
    Try {
        /// The config that it would serve.
        file: PathBuf,
        /// The descriptor of what it would find, which was left to it as all others were.
        state: u64,
    },
    /// Whether the files of its certificates hold other ones by now. Along with it goes the bundle,
    /// and what could not be put into files, if there is such.
    Renew,
}

/// What a process says that looks at something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It can be served, or the program can serve. Along with it go the bundle and the blueprint,
    /// both sealed, if a config was asked about.
    Fine,
    /// It can be served, and this is what it would change: along with it goes what whoever asked
    /// is to be told, sealed.
    Compared,
    /// It cannot.
    Refused {
        /// What `gannet check` would end with.
        code: u8,
        /// What `gannet check` would say.
        text: String,
    },
    /// So it is with the certificates. Along with it goes what is known of each, sealed, then the
    /// bundle with those that are new, if any are.
    Renewed {
        /// The new ones.
        renewed: Vec<String>,
        /// What is wrong with some.
        troubles: Vec<String>,
        /// After how many seconds one will hold that is refused now; [`u64::MAX`] where none will.
        wait: u64,
    },
}

/// What the supervisor tells a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// What to be: the first note. Along with it go the bundle, the table of clients, the seats for
    /// its connections, the rows for counters, the trails of its loops, the rows for sites and
    /// routes, the slots for its last requests, the rings for the lives of its connections, and the
    /// keys of tickets.
    Begin {
        /// How many loops to run.
        loops: usize,
        /// Which of the workers of its generation it is.
        place: usize,
        /// The seed of the table of clients.
        seed: [u64; 2],
    },
    /// Log files, for the targets of those numbers, which go along.
    Logs(Vec<usize>),
    /// A log file that could not be opened anew, and why.
    LogKept(usize, String),
    /// All log files of a reopening have been named.
    Reopen,
    /// Certificates are others by now: those in the bundle that goes along.
    Certificates,
    /// What authorities are shown that look for a proof: all that goes along, sealed, under a
    /// number that is higher each time. Told to the process that has found it, it is shown by now.
    Proofs(u64),
    /// By what goes along spans are handed to who sends them.
    Spans,
    /// Everything has been given: resolve the plan and get ready.
    Resolve,
    /// Sockets for a loop, which go along.
    Listeners {
        /// The number of the loop.
        slot: usize,
        /// The place of each socket's address in the plan.
        numbers: Vec<usize>,
    },
    /// All sockets have been given: accept.
    Serve,
    /// Another worker serves: accept nobody, finish what is under way, and end.
    Drain,
    /// The server stops: finish what is under way within the stop time, and end.
    Stop,
    /// Cut off what is under way, and end.
    StopAtOnce,
}

/// What a worker tells the supervisor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// It can serve, and has given up so much: a line for each layer of its sandbox.
    Ready(Vec<String>),
    /// It cannot, and ends.
    Failed(String),
    /// It accepts nobody any more.
    Parted,
    /// It shows the proofs of that number.
    Proves(u64),
}

/// A note of one kind.
pub trait Note: Sized {
    /// The note as bytes.
    fn encode(&self) -> Vec<u8>;

    /// The note in `bytes`; `None` where there is none of this kind and version.
    fn decode(bytes: &[u8]) -> Option<Self>;
}

impl Note for Question {
    fn encode(&self) -> Vec<u8> {
        match self {
            Self::Check { file, is_painted } => write(0, |out| {
                out.bytes(file.as_os_str().as_encoded_bytes());
                out.byte(u8::from(*is_painted));
            }),
            Self::Try { file, state } => write(1, |out| {
                out.bytes(file.as_os_str().as_encoded_bytes());
                out.number(*state);
            }),
            Self::Compare { file } => {
                write(2, |out| out.bytes(file.as_os_str().as_encoded_bytes()))
            }
            Self::Renew => write(3, |_| ()),
        }
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        read(bytes, |tag, from| match tag {
            0 => Some(Self::Check { file: from.path()?, is_painted: from.flag()? }),
            1 => Some(Self::Try { file: from.path()?, state: from.number()? }),
            2 => Some(Self::Compare { file: from.path()? }),
            3 => Some(Self::Renew),
            _ => None,
        })
    }
}

impl Note for Verdict {
    fn encode(&self) -> Vec<u8> {
        match self {
            Self::Fine => write(0, |_| ()),
            Self::Refused { code, text } => write(1, |out| {
                out.byte(*code);
                out.bytes(short(text).as_bytes());
            }),
            Self::Compared => write(2, |_| ()),
            Self::Renewed { renewed, troubles, wait } => write(3, |out| {
                for list in [renewed, troubles] {
                    let list = few(list);
                    out.number(list.len() as u64);
                    list.iter().for_each(|text| out.bytes(text.as_bytes()));
                }
                out.number(*wait);
            }),
        }
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        read(bytes, |tag, from| match tag {
            0 => Some(Self::Fine),
            2 => Some(Self::Compared),
            1 => Some(Self::Refused { code: from.byte()?, text: from.text()? }),
            3 => Some(Self::Renewed {
                renewed: from.list(Unpacker::text)?,
                troubles: from.list(Unpacker::text)?,
                wait: from.number()?,
            }),
            _ => None,
        })
    }
}

impl Note for Order {
    fn encode(&self) -> Vec<u8> {
        let numbers = |out: &mut Packer, list: &[usize]| {
            out.number(list.len() as u64);
            list.iter().for_each(|&number| out.number(number as u64));
        };
        match self {
            Self::Begin { loops, place, seed } => write(0, |out| {
                out.number(*loops as u64);
                out.number(*place as u64);
                seed.iter().for_each(|&half| out.number(half));
            }),
            Self::Logs(targets) => write(1, |out| numbers(out, targets)),
            Self::LogKept(target, why) => write(2, |out| {
                out.number(*target as u64);
                out.bytes(short(why).as_bytes());
            }),
            Self::Reopen => write(3, |_| ()),
            Self::Resolve => write(4, |_| ()),
            Self::Listeners { slot, numbers: list } => write(5, |out| {
                out.number(*slot as u64);
                numbers(out, list);
            }),
            Self::Serve => write(6, |_| ()),
            Self::Drain => write(7, |_| ()),
            Self::Stop => write(8, |_| ()),
            Self::StopAtOnce => write(9, |_| ()),
            Self::Certificates => write(10, |_| ()),
            Self::Proofs(number) => write(11, |out| out.number(*number)),
            Self::Spans => write(12, |_| ()),
        }
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        read(bytes, |tag, from| {
            Some(match tag {
                0 => {
                    let (loops, place) = (from.count()?, from.count()?);
                    Self::Begin { loops, place, seed: [from.number()?, from.number()?] }
                }
                1 => Self::Logs(from.list(Unpacker::count)?),
                2 => Self::LogKept(from.count()?, from.text()?),
                3 => Self::Reopen,
                4 => Self::Resolve,
                5 => {
                    let slot = from.count()?;
                    Self::Listeners { slot, numbers: from.list(Unpacker::count)? }
                }
                6 => Self::Serve,
                7 => Self::Drain,
                8 => Self::Stop,
                9 => Self::StopAtOnce,
                10 => Self::Certificates,
                11 => Self::Proofs(from.number()?),
                12 => Self::Spans,
                _ => return None,
            })
        })
    }
}

impl Note for Report {
    fn encode(&self) -> Vec<u8> {
        match self {
            Self::Ready(layers) => write(0, |out| {
                out.number(layers.len() as u64);
                layers.iter().for_each(|layer| out.bytes(layer.as_bytes()));
            }),
            Self::Failed(text) => write(1, |out| out.bytes(short(text).as_bytes())),
            Self::Parted => write(2, |_| ()),
            Self::Proves(number) => write(3, |out| out.number(*number)),
        }
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        read(bytes, |tag, from| match tag {
            0 => Some(Self::Ready(from.list(Unpacker::text)?)),
            1 => Some(Self::Failed(from.text()?)),
            2 => Some(Self::Parted),
            3 => Some(Self::Proves(from.number()?)),
            _ => None,
        })
    }
}

pub(crate) fn write(tag: u8, rest: impl FnOnce(&mut Packer)) -> Vec<u8> {
    let mut out = Packer::default();
    out.byte(VERSION);
    out.byte(tag);
    rest(&mut out);
    out.finish()
}

pub(crate) fn read<T>(
    bytes: &[u8],
    note: impl FnOnce(u8, &mut Unpacker<'_>) -> Option<T>,
) -> Option<T> {
    let mut from = Unpacker::new(bytes);
    if from.byte()? != VERSION {
        return None;
    }
    let tag = from.byte()?;
    let note = note(tag, &mut from)?;
    from.is_empty().then_some(note)
}

/// As much of `text` as a note has room for.
pub(crate) fn short(text: &str) -> &str {
    text.get(..text.floor_char_boundary(TEXT_BYTES_MAX)).unwrap_or(text)
}

/// As many of `list` as a note has room for, and how many are left out.
fn few(list: &[String]) -> Vec<String> {
    const BYTES_MAX: usize = TEXT_BYTES_MAX / 2 - 100;
    let mut bytes = 0;
    let fits = |text: &&String| {
        bytes += text.len() + size_of::<u64>();
        bytes <= BYTES_MAX
    };
    let mut few: Vec<_> = list.iter().take_while(fits).cloned().collect();
    if few.len() < list.len() {
        few.push(format!("{} more", list.len() - few.len()));
    }
    few
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::fmt::Debug;

    /// Each note comes back as it was, and nothing shorter or longer is taken for one.
    pub(crate) fn check<N: Note + Debug + PartialEq>(notes: &[N]) {
        for note in notes {
            let mut bytes = note.encode();
            assert_eq!(N::decode(&bytes).as_ref(), Some(note));
            for end in 0..bytes.len() {
                assert_eq!(N::decode(&bytes[..end]), None, "{note:?} cut at {end}");
            }
            bytes.push(0);
            assert_eq!(N::decode(&bytes), None, "{note:?} and more");
            bytes.pop();
            bytes[0] = VERSION + 1;
            assert_eq!(N::decode(&bytes), None, "{note:?} of another version");
        }
        assert_eq!(N::decode(&[VERSION, 99]), None);
    }

    #[test]
    fn notes_come_back_as_they_were() {
        check(&[
            Question::Check { file: "/a b.toml".into(), is_painted: true },
            Question::Try { file: "/a b.toml".into(), state: 7 },
            Question::Compare { file: "/a b.toml".into() },
            Question::Renew,
        ]);
        let (renewed, troubles) = (vec!["a".to_owned()], vec!["b".to_owned(), String::new()]);
        check(&[
            Verdict::Fine,
            Verdict::Compared,
            Verdict::Refused { code: 2, text: "no".to_owned() },
            Verdict::Renewed { renewed, troubles, wait: 7 },
        ]);
        check(&[
            Report::Ready(vec!["no core dumps: on".to_owned()]),
            Report::Failed("no room".to_owned()),
            Report::Parted,
            Report::Proves(4),
        ]);
        check(&[
            Order::Begin { loops: 2, place: 1, seed: [3, u64::MAX] },
            Order::Logs(vec![0, 7]),
            Order::LogKept(1, "why".to_owned()),
            Order::Reopen,
            Order::Resolve,
            Order::Listeners { slot: 1, numbers: vec![0, 2] },
            Order::Serve,
            Order::Certificates,
            Order::Proofs(3),
            Order::Spans,
            Order::Drain,
            Order::Stop,
            Order::StopAtOnce,
        ]);
    }

    #[test]
    fn of_many_texts_some_are_told_and_how_many_are_not() {
        let troubles = vec!["x".repeat(1000); 1000];
        let note = Verdict::Renewed { renewed: Vec::new(), troubles, wait: 0 }.encode();
        assert!(note.len() < 64 * 1024);
        let Some(Verdict::Renewed { troubles, .. }) = Verdict::decode(&note) else {
            panic!("no note");
        };
        assert_eq!(troubles.last().unwrap(), &format!("{} more", 1001 - troubles.len()));
    }

    #[test]
    fn a_long_text_is_cut_at_a_character() {
        let text = "ä".repeat(TEXT_BYTES_MAX);
        let Some(Report::Failed(cut)) = Report::decode(&Report::Failed(text).encode()) else {
            panic!("no note");
        };
        assert!(cut.len() == TEXT_BYTES_MAX && cut.ends_with('ä'));
    }
}
