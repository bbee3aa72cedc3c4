//! `gannet reload`, `upgrade`, `stop` and `status`: what an operator wants of a server that runs.

use crate::{arguments::Desk, diff, machine, place, servers, status, trouble::Trouble};
use base::text::shell_word;
use control::{
    asked::Asked,
    note::Note,
    status::Status,
    wish::{Outcome, Wish},
};
use net::{identity, peer, process};
use std::{
    io::{self, ErrorKind, Read, Write},
    net::Shutdown,
    os::{
        fd::AsFd,
        unix::{fs::MetadataExt, net::UnixStream},
    },
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

/// How a running server is, for who has typed that verb.
pub(crate) fn look(desk: &Desk, verb: &str) -> Result<Status, Trouble> {
    match ask_by(desk, &Wish::Status, verb)? {
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
    let desk = Desk { file: Some(file), config: None, control: None };
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
    let status = look(desk, "status")?;
    let text = if is_json { dashboard::json(&status) } else { status::pretty(&status) };
    net::stream::say(&text);
    Ok(ExitCode::SUCCESS)
}

/// The config that an operator means: none where only a socket is named.
fn file(desk: &Desk) -> Option<&Path> {
    desk.named().or_else(|| desk.control.is_none().then_some(Path::new("gannet.toml")))
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
    ask_by(desk, wish, verb(wish))
}

fn ask_by(desk: &Desk, wish: &Wish, verb: &str) -> Result<Outcome, Trouble> {
    let (path, stream) = connect(desk, verb)?;
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

/// What is typed to have a wish told, before the name of a config.
fn verb(wish: &Wish) -> &'static str {
    match wish {
        Wish::Reload(_) => "reload",
        Wish::Compare(_) => "reload --diff",
        Wish::Upgrade(_) => "upgrade -c",
        Wish::Stop => "stop",
        Wish::Status => "status",
        Wish::Asked => "status --php",
        Wish::Tell(_) => "explain ID --live -c",
    }
}

/// A connection to the server that an operator means, and where it listens.
fn connect(desk: &Desk, verb: &str) -> Result<(PathBuf, UnixStream), Trouble> {
    if let Some(path) = &desk.control {
        let stream = UnixStream::connect(path);
        let stream = stream.map_err(|error| nobody(path, &error, (None, verb)))?;
        return Ok((path.clone(), stream));
    }
    let file = file(desk).unwrap_or(Path::new("gannet.toml"));
    let (path, fault) = match machine::control(file) {
        Ok(named) => (named.or_else(|| place::usual_path(file)), None),
        Err(fault) => (place::usual_path(file), Some(fault)),
    };
    let Some(path) = path else {
        let message = "error: there is no place for sockets: name the server's by --control PATH";
        return Err(fault.unwrap_or_else(|| Trouble::new(1, message.to_owned())));
    };
    let error = match UnixStream::connect(&path) {
        Ok(stream) => return Ok((path, stream)),
        Err(error) => error,
    };
    if let Some(found) = elsewhere(file, verb)? {
        return Ok(found);
    }
    let Trouble { exit_code, message } = nobody(&path, &error, (Some(file), verb));
    let Some(fault) = fault else { return Err(Trouble::new(exit_code, message)) };
    if desk.named().is_none() && !file.exists() {
        let message = format!(
            "error: there is no {} here: name the config file of a server behind the verb\n{}",
            file.display(),
            servers::named(verb)
        );
        return Err(Trouble::new(exit_code, message));
    }
    let message = format!(
        "{}\nSo the server was looked for at its usual place:\n{message}",
        fault.message.trim_end()
    );
    Err(Trouble::new(exit_code, message))
}

/// A connection to a server of `file` that listens where those of another user or session do. Root
/// asks one of another user where the file is that user's as well: anybody can listen by that name.
fn elsewhere(file: &Path, verb: &str) -> Result<Option<(PathBuf, UnixStream)>, Trouble> {
    let mut denied = Ok(None);
    for path in place::elsewhere(file) {
        let stream = match UnixStream::connect(&path) {
            Ok(stream) => stream,
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                denied = Err(nobody(&path, &error, (Some(file), verb)));
                continue;
            }
            Err(_) => continue,
        };
        let user = peer::user(stream.as_fd()).ok();
        let owner = file.metadata().ok().map(|found| found.uid());
        if user == Some(process::user()) || process::user() == 0 && user.is_some() && user == owner
        {
            return Ok(Some((path, stream)));
        }
        let whose = user.map(identity::name).unwrap_or_default();
        let message = format!(
            "error: {}: a server of {whose} says that it serves that, though the file is not theirs: \
             if you trust it, `gannet {} --control {}`",
            file.display(),
            verb.trim_end_matches(" -c"),
            shell_word(&path.to_string_lossy())
        );
        return Err(Trouble::new(1, message));
    }
    denied
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

/// Why nobody is asked who listens at `path`, for the config `file`; and who runs instead.
fn nobody(path: &Path, error: &io::Error, (file, verb): (Option<&Path>, &str)) -> Trouble {
    let shown = path.display();
    let message = match error.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => format!(
            "{shown}: no server listens there: start it by `gannet run FILE`, which also goes on with \
             workers that have outlived it, or name its socket by --control PATH, where `control` was \
             changed since it started\n{}",
            servers::named(verb)
        ),
        ErrorKind::PermissionDenied => {
            let full = file.and_then(|file| place::full(file).ok());
            let shown = file.unwrap_or(path).display();
            format!("{shown}: {}", servers::of_another(path, full.as_deref(), verb))
        }
        _ => format!("{shown}: {error}"),
    };
    Trouble::new(1, format!("error: {message}"))
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
        let desk = Desk { file: None, config: None, control: Some(control) };
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
