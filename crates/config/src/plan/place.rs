//! Where in the config something was written.

use std::{fmt, sync::Arc};

/// A line and a character of a config file, for an answer to "who said so?".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file as it was named; what is no file, such as the command line, is named in words.
    pub file: Arc<str>,
    /// The line, counted from 1; 0 where there are no lines.
    pub line: usize,
    /// The character of the line, counted from 1.
    pub column: usize,
}

impl Place {
    /// A place without lines: the command line, a default.
    #[must_use]
    pub fn of(words: &str) -> Self {
        Self { file: words.into(), line: 0, column: 0 }
    }
}

/// `site.toml:12:3`, as editors and terminals understand it.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.file),
            line => write!(f, "{}:{line}:{}", self.file, self.column),
        }
    }
}
