//! `gannet hash-password [USER]`: what a config keeps instead of a password.

use crate::trouble::Trouble;
use config::plan::Users;
use net::terminal::{self, Silence};
use std::io::{self, ErrorKind, IsTerminal};

/// The exit code of what Ctrl-C has ended.
const INTERRUPTED: u8 = 130;

/// Reads a password, twice and unseen from a terminal or a line from a pipe, and says its hash;
/// for a user as a line of a file of passwords.
pub(crate) fn hash(user: Option<&str>) -> Result<(), Trouble> {
    if let Some(fault) = user.and_then(Users::name_fault) {
        return Err(Trouble::new(2, format!("error: {fault}")));
    }
    let password = read()?;
    let fault = match str::from_utf8(&password) {
        Err(_) => Some("is not UTF-8, so no browser could send it"),
        Ok("") => Some("is empty"),
        Ok(text) if text.chars().any(char::is_control) => {
            Some("holds a control character, so no browser could send it")
        }
        Ok(_) => None,
    };
    if let Some(fault) = fault {
        return Err(Trouble::new(2, format!("error: the password {fault}")));
    }
    let salt = net::random::bytes()
        .map_err(|error| Trouble::new(1, format!("error: there is no randomness: {error}")))?;
    let hash = access::hash(&password, salt).ok_or_else(|| {
        Trouble::new(1, "error: there is no memory to hash a password".to_owned())
    })?;
    let user = user.map(|user| format!("{user}:")).unwrap_or_default();
    net::stream::say(format!("{user}{hash}\n").as_bytes());
    Ok(())
}

fn read() -> Result<Vec<u8>, Trouble> {
    let trouble = |error: io::Error| match error.kind() {
        ErrorKind::Interrupted => Trouble::new(INTERRUPTED, String::new()),
        ErrorKind::UnexpectedEof => Trouble::new(2, "error: there was no password".to_owned()),
        _ => Trouble::new(1, format!("error: no password could be read: {error}")),
    };
    if !io::stdin().is_terminal() {
        return terminal::piped_line().map_err(trouble);
    }
    let mut silence = Silence::begin().map_err(trouble)?;
    let password = silence.ask("Password: ").map_err(trouble)?;
    let again = silence.ask("Once more: ").map_err(trouble)?;
    match password == again {
        true => Ok(password),
        false => Err(Trouble::new(2, "error: the two differ: try again".to_owned())),
    }
}
