//! What a process has given up, for the lines that say so at its start.

use std::{
    fmt,
    io::{self, ErrorKind},
};

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
    ///
    /// # Errors
    ///
    /// It failed, and not because this machine does not have it.
    pub(crate) fn of(
        name: &'static str,
        outcome: Result<String, impl Into<io::Error>>,
    ) -> io::Result<Self> {
        let state = match outcome.map_err(Into::into) {
            Ok(detail) => State::On(detail),
            Err(error) if is_lack(&error) => State::Unavailable(error.to_string()),
            Err(error) => return Err(io::Error::new(error.kind(), format!("{name}: {error}"))),
        };
        Ok(Self { name, state })
    }
}

/// Whether a kernel says so, or a container, that has no such thing, or we ourselves.
fn is_lack(error: &io::Error) -> bool {
    use ErrorKind::{InvalidInput, Other, PermissionDenied, Unsupported};
    matches!(error.kind(), InvalidInput | Other | PermissionDenied | Unsupported)
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
            assert_eq!(Layer::of("x", outcome).unwrap().to_string(), expect);
        }
    }

    #[test]
    fn what_fails_is_not_what_is_lacking() {
        for (errno, is_lacking) in [
            (libc::ENOSYS, true),
            (libc::EOPNOTSUPP, true),
            (libc::EINVAL, true),
            (libc::EPERM, true),
            (libc::EACCES, true),
            (libc::EMFILE, false),
            (libc::ENFILE, false),
            (libc::ENOMEM, false),
        ] {
            let outcome = Layer::of("x", Err(io::Error::from_raw_os_error(errno)));
            assert_eq!(outcome.is_ok(), is_lacking, "{errno}");
            assert!(outcome.err().is_none_or(|error| error.to_string().starts_with("x: ")));
        }
    }
}
