//! `gannet reload`, `upgrade`, `stop` and `status`: what an operator wants of a server that runs.

use crate::{arguments::Desk, greeting::counted, machine, trouble::Trouble};
use base::{stable, text::push_json};
use control::{
    note::Note,
    wish::{Generation, Outcome, Reload, Status, Wish},
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
const OUTCOME_BYTES_MAX: u64 = 1024 * 1024;

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
            net::stream::say(&if is_json { json(&status) } else { pretty(&status).into_bytes() });
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
    let plan = machine::load(&desk.file);
    let path = match (&desk.control, &plan) {
        (Some(path), _) => Some(path.clone()),
        (None, Ok(plan)) => plan.control.clone().or_else(|| desk_path(&desk.file)),
        (None, Err(_)) => desk_path(&desk.file),
    };
    let Some(path) = path else {
        let message = "error: there is no place for sockets: name the server's by --control PATH";
        return Err(plan.err().unwrap_or_else(|| Trouble::new(1, message.to_owned())));
    };
    let stream = match UnixStream::connect(&path) {
        Ok(stream) => stream,
        // What is wrong with the config may be all that there is to say.
        Err(error) => return Err(plan.err().unwrap_or_else(|| nobody(&path, &error))),
    };
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
            "no server listens there: start it by `gannet run FILE`, or name another socket by \
             --control PATH"
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

fn pretty(status: &Status) -> String {
    let Status { version, pid, seconds, generations, connections, restarts, reload, counted: all } =
        status;
    let count = |count: u64, one, several| {
        counted(usize::try_from(count).unwrap_or(usize::MAX), one, several)
    };
    let total = |name: &str| all.iter().find(|(known, _)| known == name).map_or(0, |(_, n)| *n);
    let mut text = format!("gannet {version}, pid {pid}, up {}\n", time(*seconds));
    for Generation { number, phase, workers } in generations {
        text.push_str(&format!("  generation {number}, {phase}\n"));
        for worker in workers {
            text.push_str(&format!(
                "    worker {}: {}, {}\n",
                worker.pid,
                count(worker.loops, "loop", "loops"),
                count(worker.requests, "request", "requests")
            ));
        }
    }
    text.push_str(&format!(
        "  {} now; since the start {}, {}, {}\n",
        count(*connections, "connection", "connections"),
        count(total("connections"), "connection", "connections"),
        count(total("requests"), "request", "requests"),
        count(*restarts, "restart", "restarts")
    ));
    match reload {
        None => {}
        Some(Reload { seconds, fault: None }) => {
            text.push_str(&format!("  reloaded {} ago\n", time(*seconds)));
        }
        Some(Reload { seconds, fault: Some(fault) }) => {
            text.push_str(&format!("  not reloaded {} ago:\n{fault}\n", time(*seconds)));
        }
    }
    text
}

/// A stretch of time in its two largest units.
fn time(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m {}s", seconds % 60),
        (0, ..) => format!("{hours}h {minutes}m"),
        _ => format!("{days}d {hours}h"),
    }
}

fn json(status: &Status) -> Vec<u8> {
    let Status { version, pid, seconds, generations, connections, restarts, reload, counted } =
        status;
    let mut out = b"{\"version\":\"".to_vec();
    push_json(&mut out, version.as_bytes());
    out.extend_from_slice(format!("\",\"pid\":{pid},\"seconds\":{seconds}").as_bytes());
    out.extend_from_slice(b",\"generations\":[");
    for (at, Generation { number, phase, workers }) in generations.iter().enumerate() {
        let comma = if at > 0 { "," } else { "" };
        let workers: Vec<_> = workers
            .iter()
            .map(|worker| {
                let [pid, loops, requests] = [worker.pid, worker.loops, worker.requests];
                format!("{{\"pid\":{pid},\"loops\":{loops},\"requests\":{requests}}}")
            })
            .collect();
        out.extend_from_slice(
            format!(
                "{comma}{{\"number\":{number},\"phase\":\"{phase}\",\"workers\":[{}]}}",
                workers.join(",")
            )
            .as_bytes(),
        );
    }
    out.extend_from_slice(
        format!("],\"connections_now\":{connections},\"restarts\":{restarts}").as_bytes(),
    );
    if let Some(Reload { seconds, fault }) = reload {
        let is_done = fault.is_none();
        out.extend_from_slice(
            format!(",\"reload\":{{\"seconds\":{seconds},\"done\":{is_done}").as_bytes(),
        );
        if let Some(fault) = fault {
            out.extend_from_slice(b",\"reason\":\"");
            push_json(&mut out, fault.as_bytes());
            out.push(b'"');
        }
        out.push(b'}');
    }
    for (name, count) in counted {
        out.extend_from_slice(b",\"");
        push_json(&mut out, name.as_bytes());
        out.extend_from_slice(format!("\":{count}").as_bytes());
    }
    out.extend_from_slice(b"}\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use control::wish::Worker;

    fn status() -> Status {
        let worker = Worker { pid: 12, loops: 2, requests: 9 };
        let phase = "serving".to_owned();
        Status {
            version: "1.2".to_owned(),
            pid: 7,
            seconds: 3_700,
            generations: vec![Generation { number: 3, phase, workers: vec![worker] }],
            connections: 1,
            restarts: 2,
            reload: Some(Reload { seconds: 61, fault: Some("a \"b\"".to_owned()) }),
            counted: vec![("requests".to_owned(), 9)],
        }
    }

    #[test]
    fn a_status_is_for_people_or_for_programs() {
        assert_eq!(
            pretty(&status()),
            "gannet 1.2, pid 7, up 1h 1m\n  generation 3, serving\n    worker 12: 2 loops, 9 \
             requests\n  1 connection now; since the start 0 connections, 9 requests, 2 restarts\n  \
             not reloaded 1m 1s ago:\na \"b\"\n"
        );
        assert_eq!(
            String::from_utf8(json(&status())).unwrap(),
            "{\"version\":\"1.2\",\"pid\":7,\"seconds\":3700,\"generations\":[{\"number\":3,\
             \"phase\":\"serving\",\"workers\":[{\"pid\":12,\"loops\":2,\"requests\":9}]}],\
             \"connections_now\":1,\"restarts\":2,\"reload\":{\"seconds\":61,\"done\":false,\
             \"reason\":\"a \\\"b\\\"\"},\"requests\":9}\n"
        );
    }

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
