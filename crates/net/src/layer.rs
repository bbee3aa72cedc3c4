//! What a process has given up, for the lines that say so at its start.

use std::{fmt, io};

/// One thing that a process has given up, or could not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// What it is called at the start.
    pub name: &'static str,
    /// What came of it.
    pub state: State,
}

/// Whether a layer is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It is, with more to say about it, or nothing.
    On(String),
    /// It is not, and why.
    Unavailable(String),
}

impl Layer {
    /// The layer `name` by what came of it.
    pub(crate) fn of(name: &'static str, outcome: Result<String, impl Into<io::Error>>) -> Self {
        let state = match outcome {
            Ok(detail) => State::On(detail),
            Err(error) => State::Unavailable(error.into().to_string()),
        };
        Self { name, state }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.state {
            State::On(detail) if detail.is_empty() => write!(out, "{}: on", self.name),
            State::On(detail) => write!(out, "{}: on, {detail}", self.name),
            State::Unavailable(why) => write!(out, "{}: not available: {why}", self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_say_what_they_are() {
        for (outcome, expect) in [
            (Ok(String::new()), "x: on"),
            (Ok("ABI 7".to_owned()), "x: on, ABI 7"),
            (Err(io::Error::other("no")), "x: not available: no"),
        ] {
            assert_eq!(Layer::of("x", outcome).to_string(), expect);
        }
    }
}
