//! Why the loops of a process cannot start, in words.

use std::{fmt, io};

/// Why the loops cannot start; the operator's to mend.
#[derive(Debug)]
pub enum StartError {
    /// The folder for compressed forms cannot be written.
    Shelf(io::Error),
    /// A log cannot be opened.
    Log(io::Error),
    /// There is no memory for the table of clients.
    Memory(io::Error),
    /// A thread cannot be started.
    Thread(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shelf(error) => {
                write!(f, "the folder of `compress-cache` cannot be written: {error}")
            }
            Self::Log(error) => write!(f, "a log cannot be opened: {error}"),
            Self::Memory(error) => write!(f, "there is no room for `clients-max`: {error}"),
            Self::Thread(error) => write!(f, "a thread cannot be started: {error}"),
        }
    }
}

impl std::error::Error for StartError {}
