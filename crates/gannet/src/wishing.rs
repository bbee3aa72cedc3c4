//! `gannet reload`, `upgrade`, `stop` and `status`: what an operator wants of a server that runs.

use crate::{arguments::Desk, diff, machine, status, trouble::Trouble};
use base::stable;
use control::{
    note::Note,
    wish::{Outcome, Wish},
};
use net::{process, unix};
use std::{
    env,
    io::{self, ErrorKind, Read, Write},
    net::Shutdown,
    os::{
        fd::AsFd,
        unix::{ffi::OsStrExt, net::UnixStream},
    },
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Bytes of an outcome at most.
const OUTCOME_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// The exit code where a config would change something.
const EXIT_CHANGES: u8 = 3;

/// Has a running server read its config again, and waits until it is served or refused.
pub(crate) fn reload(desk: &Desk) -> Result<ExitCode, Trouble> {
    match ask(desk, &Wish::Reload)? {
        Outcome::Done => {
            net::stream::say(format!("{}: reloaded\n", desk.file.display()).as_bytes());
            Ok(ExitCode::SUCCESS)
        }
        outcome => refused(outcome),
    }
}

/// Shows what a running server would answer otherwise if it read its config again.
pub(crate) fn compare(desk: &Desk, is_json: bool) -> Result<ExitCode, Trouble> {
    match ask(desk, &Wish::Compare)? {
        Outcome::Compared(found) => {
            net::stream::say(&if is_json { diff::json(&found) } else { diff::pretty(&found) });
            Ok(ExitCode::from(if found.changed > 0 { EXIT_CHANGES } else { 0 }))
        }
        outcome => refused(outcome),
    }
}

/// Has another program take the place of the one that a server runs, and waits until it serves.
pub(crate) fn upgrade(desk: &Desk, binary: Option<PathBuf>) -> Result<ExitCode, Trouble> {
    // The server may be in another folder.
    let failed = |error: io::Error| Trouble::new(1, format!("error: {error}"));
    let binary = binary.map(std::path::absolute).transpose().map_err(failed)?;
    match ask(desk, &Wish::Upgrade(binary))? {
        Outcome::Done => {
            net::stream::say(format!("{}: upgraded\n", desk.file.display()).as_bytes());
            Ok(ExitCode::SUCCESS)
        }
        outcome => refused(outcome),
    }
}

/// Has a running server stop, and waits until it has.
pub(crate) fn stop(desk: &Desk) -> Result<ExitCode, Trouble> {
    match ask(desk, &Wish::Stop)? {
        Outcome::Done => Ok(ExitCode::SUCCESS),
        outcome => refused(outcome),
    }
}

/// Shows how a running server is.
pub(crate) fn status(desk: &Desk, is_json: bool) -> Result<ExitCode, Trouble> {
    match ask(desk, &Wish::Status)? {
        Outcome::Status(status) => {
            let text = if is_json { dashboard::json(&status) } else { status::pretty(&status) };
            net::stream::say(&text);
            Ok(ExitCode::SUCCESS)
        }
        outcome => refused(outcome),
    }
}

/// Where the server of the config `file` is told what to do if that does not say so itself; `None`
/// where this user has no place for such.
pub(crate) fn desk_path(file: &Path) -> Option<PathBuf> {
    let folder = match process::user() {
        0 => PathBuf::from("/run/gannet"),
        user => match env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from) {
            Some(folder) if folder.is_absolute() => folder,
            _ => {
                let folder = PathBuf::from(format!("/tmp/gannet-{user}"));
                process::own_folder(&folder).then_some(folder)?
            }
        },
    };
    // Two configs of one machine have two sockets, and this program always finds its own.
    let hash = stable::hash(file.canonicalize().ok()?.as_os_str().as_bytes());
    Some(folder.join(format!("gannet-{hash:016x}.sock")))
}

/// The same for the server itself, which makes the folder; `None` where that is somebody else's.
pub(crate) fn own_desk_path(file: &Path) -> Option<PathBuf> {
    desk_path(file).filter(|path| path.parent().is_some_and(process::own_folder))
}

/// Sends a wish, and waits for what comes of it.
fn ask(desk: &Desk, wish: &Wish) -> Result<Outcome, Trouble> {
    let (path, fault) = match &desk.control {
        Some(path) => (Some(path.clone()), None),
        None => match machine::control(&desk.file) {
            Ok(named) => (named.or_else(|| desk_path(&desk.file)), None),
            Err(fault) => (desk_path(&desk.file), Some(fault)),
        },
    };
    let Some(path) = path else {
        let message = "error: there is no place for sockets: name the server's by --control PATH";
        return Err(fault.unwrap_or_else(|| Trouble::new(1, message.to_owned())));
    };
    let stream = UnixStream::connect(&path).map_err(|error| {
        let Trouble { exit_code, message } = nobody(&path, &error);
        let Some(fault) = fault else { return Trouble::new(exit_code, message) };
        let message = format!(
            "{message}\nThat is the usual place, as the config does not tell another one:\n{}",
            fault.message
        );
        Trouble::new(exit_code, message)
    })?;
    let failed = |error: io::Error| Trouble::new(1, format!("error: {}: {error}", path.display()));
    let user = unix::peer_user(stream.as_fd()).map_err(failed)?;
    if user != process::user() && user != 0 && process::user() != 0 {
        let message = format!("error: {}: another user listens there", path.display());
        return Err(Trouble::new(1, message));
    }
    let mut bytes = Vec::new();
    (&stream).write_all(&wish.encode()).map_err(failed)?;
    stream.shutdown(Shutdown::Write).map_err(failed)?;
    match (&stream).take(OUTCOME_BYTES_MAX).read_to_end(&mut bytes) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        Err(error) => return Err(failed(error)),
    }
    if bytes.is_empty() {
        let message = "error: the server has ended, or does not take orders from this user";
        return Err(Trouble::new(1, message.to_owned()));
    }
    Outcome::decode(&bytes).ok_or_else(|| {
        let message = "error: the server is of another version: restart it";
        Trouble::new(1, message.to_owned())
    })
}

fn nobody(path: &Path, error: &io::Error) -> Trouble {
    let cause = match error.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
            "no server listens there: start it by `gannet run FILE`, or name its socket by --control \
             PATH, where `control` was changed since it started"
                .to_owned()
        }
        ErrorKind::PermissionDenied => "it is for the user that the server runs as".to_owned(),
        _ => error.to_string(),
    };
    Trouble::new(1, format!("error: {}: {cause}", path.display()))
}

fn refused(outcome: Outcome) -> Result<ExitCode, Trouble> {
    Err(match outcome {
        Outcome::Refused { code, text } => Trouble::new(code, text),
        _ => Trouble::new(1, "error: the server has answered something else".to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_config_has_a_socket_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| {
            let file = folder.path().join(name);
            std::fs::write(&file, "").unwrap();
            desk_path(&file).unwrap()
        };
        assert_ne!(path("a"), path("b"));
        assert_eq!(path("a"), path("./a"));
        assert_eq!(desk_path(Path::new("/no/such/file")), None);
    }
}
