//! `gannet reload`, `upgrade`, `stop` and `status`: what an operator wants of a server that runs.

use crate::{arguments::Desk, diff, machine, place, status, trouble::Trouble};
use control::{
    asked::Asked,
    note::Note,
    status::Status,
    wish::{Outcome, Wish},
};
use net::{peer, process};
use std::{
    io::{self, ErrorKind, Read, Write},
    net::Shutdown,
    os::{fd::AsFd, unix::net::UnixStream},
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Bytes of an outcome at most.
const OUTCOME_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// How often a wish is told that was not heard, as by a server that became another program.
const TRIES: u32 = 3;

/// The exit code where a config would change something.
const EXIT_CHANGES: u8 = 3;

/// Has a running server read its config again, and waits until it is served or refused.
pub(crate) fn reload(desk: &Desk) -> Result<ExitCode, Trouble> {
    served(desk, ask(desk, &Wish::Reload(named(desk)?))?, "reloaded")
}

/// Shows what a running server would answer otherwise if it read its config again.
pub(crate) fn compare(desk: &Desk, is_json: bool) -> Result<ExitCode, Trouble> {
    match ask(desk, &Wish::Compare(named(desk)?))? {
        Outcome::Compared(found) => {
            net::stream::say(&if is_json { diff::json(&found) } else { diff::pretty(&found) });
            Ok(ExitCode::from(if found.changed > 0 { EXIT_CHANGES } else { 0 }))
        }
        outcome => refused(outcome),
    }
}

/// Has another program take the place of the one that a server runs, and waits until it serves.
pub(crate) fn upgrade(desk: &Desk, binary: Option<PathBuf>) -> Result<ExitCode, Trouble> {
    if let Some(path) = binary.as_deref().filter(|path| path.extension() == Some("toml".as_ref())) {
        let path = path.display();
        let message = format!(
            "error: {path} is no program: `gannet upgrade -c {path}` has the server of that config \
             run what lies now where its program was started from"
        );
        return Err(Trouble::new(2, message));
    }
    let binary = binary.as_deref().map(full).transpose()?;
    served(desk, ask(desk, &Wish::Upgrade(binary))?, "upgraded")
}

/// Has a running server stop, and waits until it has.
pub(crate) fn stop(desk: &Desk) -> Result<ExitCode, Trouble> {
    match ask(desk, &Wish::Stop)? {
        Outcome::Done => Ok(ExitCode::SUCCESS),
        outcome => refused(outcome),
    }
}

/// How a running server is.
pub(crate) fn look(desk: &Desk) -> Result<Status, Trouble> {
    match ask(desk, &Wish::Status)? {
        Outcome::Status(status) => Ok(*status),
        outcome => refused(outcome),
    }
}

/// What runs PHP for a running server, and what it is asked.
pub(crate) fn asked(desk: &Desk) -> Result<Asked, Trouble> {
    match ask(desk, &Wish::Asked)? {
        Outcome::Asked(asked) => Ok(asked),
        outcome => refused(outcome),
    }
}

/// Says what has happened to a request, as its server knows it.
pub(crate) fn request(file: PathBuf, id: &str) -> Result<ExitCode, Trouble> {
    let desk = Desk { file: Some(file), control: None };
    let steps = match ask(&desk, &Wish::Tell(id.to_owned()))? {
        Outcome::Told(steps) => steps,
        outcome => return refused(outcome),
    };
    for (us, words) in steps {
        let when = match us {
            i64::MAX => String::new(),
            us => format!("{:+.3} ms", us as f64 / 1e3),
        };
        net::stream::say(format!("{when:>16}  {words}\n").as_bytes());
    }
    Ok(ExitCode::SUCCESS)
}

/// Shows how a running server is.
pub(crate) fn status(desk: &Desk, is_json: bool) -> Result<ExitCode, Trouble> {
    let status = look(desk)?;
    let text = if is_json { dashboard::json(&status) } else { status::pretty(&status) };
    net::stream::say(&text);
    Ok(ExitCode::SUCCESS)
}

/// The config that an operator means: none where only a socket is named.
fn file(desk: &Desk) -> Option<&Path> {
    desk.file.as_deref().or_else(|| desk.control.is_none().then_some(Path::new("gannet.toml")))
}

/// The same as a server knows it.
fn named(desk: &Desk) -> Result<Option<PathBuf>, Trouble> {
    let full = |file| place::full(file).map_err(|error| Trouble::new(1, format!("error: {error}")));
    file(desk).map(full).transpose()
}

/// A path as a server knows it, which may be in another folder.
fn full(path: &Path) -> Result<PathBuf, Trouble> {
    place::full(path).map_err(|error| Trouble::new(1, format!("error: {error}")))
}

/// Says what was done, of the file that it was done with.
fn served(desk: &Desk, outcome: Outcome, what: &str) -> Result<ExitCode, Trouble> {
    let Outcome::Served(read) = outcome else { return refused(outcome) };
    let file = file(desk).unwrap_or(&read);
    net::stream::say(format!("{}: {what}\n", file.display()).as_bytes());
    Ok(ExitCode::SUCCESS)
}

/// Sends a wish, and waits for what comes of it.
fn ask(desk: &Desk, wish: &Wish) -> Result<Outcome, Trouble> {
    let (path, fault) = match &desk.control {
        Some(path) => (Some(path.clone()), None),
        None => {
            let file = file(desk).unwrap_or(Path::new("gannet.toml"));
            match machine::control(file) {
                Ok(named) => (named.or_else(|| place::usual_path(file)), None),
                Err(fault) => (place::usual_path(file), Some(fault)),
            }
        }
    };
    let Some(path) = path else {
        let message = "error: there is no place for sockets: name the server's by --control PATH";
        return Err(fault.unwrap_or_else(|| Trouble::new(1, message.to_owned())));
    };
    let stream = UnixStream::connect(&path).map_err(|error| {
        let Trouble { exit_code, message } = nobody(&path, &error);
        let Some(fault) = fault else { return Trouble::new(exit_code, message) };
        let message = format!(
            "{}\nSo the server was looked for at its usual place:\n{message}",
            fault.message.trim_end()
        );
        Trouble::new(exit_code, message)
    })?;
    let (mut told, mut tries) = (tell(&path, &stream, wish)?, 1);
    while told.is_none()
        && tries < TRIES
        && let Ok(stream) = UnixStream::connect(&path)
    {
        (told, tries) = (tell(&path, &stream, wish)?, tries + 1);
    }
    let Some(bytes) = told else {
        let message = "error: the server has ended, or does not take orders from this user";
        return Err(Trouble::new(1, message.to_owned()));
    };
    Outcome::decode(&bytes).ok_or_else(|| {
        let message = "error: the server is of another version: restart it";
        Trouble::new(1, message.to_owned())
    })
}

/// Tells a wish to whoever listens at `path`; returns the answer, and `None` where the wish may be
/// told again as nobody has heard it, or nothing comes of hearing it twice.
fn tell(path: &Path, stream: &UnixStream, wish: &Wish) -> Result<Option<Vec<u8>>, Trouble> {
    let failed = |error: io::Error| Trouble::new(1, format!("error: {}: {error}", path.display()));
    let user = peer::user(stream.as_fd()).map_err(failed)?;
    if user != process::user() && user != 0 && process::user() != 0 {
        let message = format!("error: {}: another user listens there", path.display());
        return Err(Trouble::new(1, message));
    }
    let is_cut = |error: &io::Error| {
        matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset)
    };
    let talk = || {
        let (mut stream, mut bytes) = (stream, Vec::new());
        stream.write_all(&wish.encode())?;
        stream.shutdown(Shutdown::Write)?;
        stream.take(OUTCOME_BYTES_MAX).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    match talk() {
        Ok(bytes) => Ok((!bytes.is_empty()).then_some(bytes)),
        Err(error) if is_cut(&error) => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

fn nobody(path: &Path, error: &io::Error) -> Trouble {
    let cause = match error.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
            "no server listens there: start it by `gannet run FILE`, which also goes on with workers \
             that have outlived it, or name its socket by --control PATH, where `control` was \
             changed since it started"
                .to_owned()
        }
        ErrorKind::PermissionDenied => "it is for the user that the server runs as".to_owned(),
        _ => error.to_string(),
    };
    Trouble::new(1, format!("error: {}: {cause}", path.display()))
}

fn refused<T>(outcome: Outcome) -> Result<T, Trouble> {
    Err(match outcome {
        Outcome::Refused { code, text } => Trouble::new(code, text),
        _ => Trouble::new(1, "error: the server has answered something else".to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_that_was_not_heard_is_told_again() {
        let folder = tempfile::tempdir().unwrap();
        let control = folder.path().join("s");
        let server = std::os::unix::net::UnixListener::bind(&control).unwrap();
        let desk = Desk { file: None, control: Some(control) };
        std::thread::scope(|scope| {
            let asking = scope.spawn(|| ask(&desk, &Wish::Reload(None)));
            for _ in 1..TRIES {
                drop(server.accept().unwrap());
            }
            let (mut stream, _) = server.accept().unwrap();
            let mut heard = Vec::new();
            stream.read_to_end(&mut heard).unwrap();
            assert_eq!(Wish::decode(&heard), Some(Wish::Reload(None)));
            stream.write_all(&Outcome::Done.encode()).unwrap();
            drop(stream);
            assert_eq!(asking.join().unwrap().ok(), Some(Outcome::Done));
            let asking = scope.spawn(|| ask(&desk, &Wish::Stop));
            for _ in 0..TRIES {
                drop(server.accept().unwrap());
            }
            let Err(fault) = asking.join().unwrap() else { panic!("nobody has answered") };
            assert!(fault.message.contains("the server has ended"), "{}", fault.message);
        });
    }

    #[test]
    fn each_config_has_a_socket_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| {
            let file = folder.path().join(name);
            std::fs::write(&file, "").unwrap();
            place::desk_path(&file).unwrap()
        };
        assert_ne!(path("a"), path("b"));
        assert_eq!(path("a"), path("./a"));
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(folder.path(), &link).unwrap();
        assert_ne!(path("a"), path("link/a"), "it may lead elsewhere tomorrow");
    }
}
