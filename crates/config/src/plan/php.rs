//! PHP: which requests a program answers, and who runs it.

use super::{Files, Place};
use std::{fmt, net::SocketAddr, path::PathBuf, time::Duration};

/// Runs PHP: a program where the path names one, a file where it names that, and for all else the
/// program at the top of the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Php {
    /// The folder that programs and files lie in, and how the latter are sent.
    pub files: Files,
    /// Where no program is run, as what lies there was uploaded by somebody: a path and what is
    /// below it, or all that begins as it does before its `*`.
    pub denied: Vec<Box<str>>,
    /// Where that is written, if it is.
    pub denied_at: Option<Place>,
    /// Who runs programs.
    pub application: Application,
    /// The files that programs may have sent.
    pub sending: Option<Sending>,
    /// Time after which it is told that there is no answer yet.
    pub slow: Duration,
    /// Time that it may take for its next word.
    pub time: Duration,
    /// Bytes of content that a request may bring along.
    pub content_bytes_max: u64,
    /// Bytes of an answer that are kept for a slow client.
    pub buffer_bytes_max: u64,
    /// Requests of this process that may be with it at a time.
    pub requests_max: usize,
    /// Connections that wait for the next request, at most, in all worker processes together.
    pub keep: usize,
    /// Whether answers are kept for a moment.
    pub cache: Option<Cache>,
    /// Whose `/index.php` answers what is not there, where the folder is only a part of an
    /// application.
    pub whole: Option<Box<Self>>,
    /// Where it is written that PHP runs here.
    pub place: Place,
}

/// How long answers are kept that are the same for everybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cache {
    /// What its site is counted by: a place in [`super::Plan::labels`].
    pub label: usize,
    /// Time for which one is fresh, at most.
    pub time: Duration,
    /// Time for which it is given after that while another is on its way.
    pub stale: Duration,
    /// Bytes of memory for all of them, in each worker.
    pub bytes_max: usize,
}

/// Files that are sent when a program says so, and by no path of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sending {
    /// The folder that they lie in.
    pub files: Files,
    /// Its path on the disk, as it was typed.
    pub root: Vec<u8>,
}

/// An application that speaks FastCGI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Application {
    /// Its place among [`super::Plan::applications`].
    pub number: usize,
    /// Where it listens.
    pub address: Upstream,
}

/// Where an application listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Upstream {
    /// At a Unix socket; absolute.
    Unix(PathBuf),
    /// At an address and port.
    Tcp(SocketAddr),
}

impl Php {
    /// PHP beside these files, run by `application`, everything else at its default. What is
    /// missing the program at the top answers, so no page of the folder does.
    pub(crate) fn of(files: Files, application: Application) -> Self {
        Self {
            place: files.place.clone(),
            files: Files { has_missing_page: false, fallback: None, ..files },
            denied: Vec::new(),
            denied_at: None,
            application,
            sending: None,
            slow: Self::SLOW,
            time: Duration::from_secs(60),
            content_bytes_max: Self::CONTENT_BYTES_MAX,
            buffer_bytes_max: 256 << 20,
            requests_max: 512,
            keep: 0,
            cache: None,
            whole: None,
        }
    }

    /// Time that an answer may take without a word in the log, where nobody says how long.
    pub(crate) const SLOW: Duration = Duration::from_secs(10);

    /// Bytes of content that a request may bring along where nobody says how many.
    pub(crate) const CONTENT_BYTES_MAX: u64 = 64 << 20;

    /// The name of the program that answers where no other does, and for a folder.
    pub const INDEX: &[u8] = b"index.php";

    /// Whose `/index.php` answers what is not there: that of the application that the folder is a
    /// part of, or its own.
    #[must_use]
    pub fn front(&self) -> &Self {
        self.whole.as_deref().unwrap_or(self)
    }

    /// Whether no program at `path` may be run.
    #[must_use]
    pub fn is_denied(&self, path: &[u8]) -> bool {
        self.denied.iter().any(|denied| match denied.strip_suffix('*') {
            Some(start) => path.starts_with(start.as_bytes()),
            None => {
                let rest = path.strip_prefix(denied.trim_end_matches('/').as_bytes());
                rest.is_some_and(|rest| matches!(rest, [] | [b'/', ..]))
            }
        })
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "{}", path.display()),
            Self::Tcp(address) => write!(f, "{address}"),
        }
    }
}
