//! Trying, from within, what a sandbox must not let happen.
//!
//! Each attempt is made by a child of its own, as some of them end it.

use crate::identity::User;
use crate::process::Handle;
use crate::sandbox::Confinement;
use crate::sys::child::{self, Ending};
use crate::{peer, store, sys, unix};
use rustix::io::Errno;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// What was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// In a few words.
    pub what: String,
    /// Why it failed; `None` where it did not, and the sandbox has a hole.
    pub refusal: Option<String>,
}

/// What children that were confined say of themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Findings {
    /// A line for each layer.
    pub layers: Vec<String>,
    /// All that was tried.
    pub attempts: Vec<Attempt>,
}

/// Something to try.
type Deed = (String, Box<dyn Fn() -> io::Result<()>>);

/// Has children become `user`, if there is one, confine themselves, and try to break out; one of
/// them tries to read `secret`, and one to leave a file in `root`. For a process that has no
/// threads.
///
/// # Errors
///
/// In words, when they could not be started or confined.
pub fn run(
    confinement: &Confinement,
    user: Option<&User>,
    (secret, root): (&Path, Option<&Path>),
) -> Result<Findings, String> {
    let confine = || confine(confinement, user);
    let layers = told(confine)?.lines().map(str::to_owned).collect();
    // It stays open, so that nothing but a wall can be in the way.
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    let port = listener.local_addr().map_err(|error| error.to_string())?;
    let tried = deeds(port, secret, root).into_iter().map(|deed| attempt(deed, confine));
    let mut attempts = tried.collect::<Result<Vec<_>, _>>()?;
    attempts.push(order(confine)?);
    Ok(Findings { layers, attempts })
}

/// Has a child for each of these paths confine itself, and try to read what is there. For a process
/// that has no threads.
///
/// # Errors
///
/// In words, when they could not be started.
pub fn read(confinement: &Confinement, paths: &[&Path]) -> Result<Vec<Attempt>, String> {
    let tried = |path: &&Path| attempt(reading(path), || confine(confinement, None));
    paths.iter().map(tried).collect()
}

/// Becomes `user`, if there is one, and puts the walls around this process; a line for each layer.
fn confine(confinement: &Confinement, user: Option<&User>) -> Result<String, String> {
    let user = user.map(User::become_user).transpose().map_err(|error| error.to_string())?;
    let layers = confinement.enter().map_err(|error| error.to_string())?;
    let layers: Vec<_> = user.iter().chain(&layers).map(ToString::to_string).collect();
    Ok(layers.join("\n"))
}

/// Has a child that has confined itself do something.
fn attempt(
    (what, deed): Deed,
    confine: impl Fn() -> Result<String, String>,
) -> Result<Attempt, String> {
    let ending = child::run(&[], || match confine() {
        Ok(_) => code(deed()),
        Err(_) => u8::MAX,
    });
    let refusal = refusal(ending.map_err(|error| error.to_string())?);
    Ok(Attempt { what, refusal })
}

fn reading(path: &Path) -> Deed {
    let (what, path) = (format!("read {}", path.display()), path.to_owned());
    (what, Box::new(move || File::open(&path).map(drop)))
}

fn deeds(port: SocketAddr, secret: &Path, root: Option<&Path>) -> Vec<Deed> {
    let mut deeds: Vec<Deed> = vec![
        reading(secret),
        // Where it succeeds, the shell takes the child's place and ends well.
        (
            "run a shell".to_owned(),
            Box::new(|| Err(Command::new("/bin/sh").arg("-c").arg(":").exec())),
        ),
        (
            "connect to a port of this machine".to_owned(),
            Box::new(move || TcpStream::connect(port).map(drop)),
        ),
        ("trace a process".to_owned(), Box::new(sys::trace_me)),
        ("make a user namespace".to_owned(), Box::new(sys::leave_user_namespace)),
    ];
    if let Some(root) = root {
        let file = root.join(format!(".gannet-selftest-{}", std::process::id()));
        deeds.push((
            format!("write a file in {}", root.display()),
            Box::new(move || File::create_new(&file).and_then(|_| fs::remove_file(&file))),
        ));
    }
    deeds
}

/// Has a child that has confined itself give this process an order, as an operator does.
fn order(confine: impl Fn() -> Result<String, String>) -> Result<Attempt, String> {
    let path = std::env::temp_dir().join(format!(".gannet-selftest-{}", std::process::id()));
    let (desk, _file) = unix::listen(&path, 0o666)
        .map_err(|error| format!("no socket at {}: {error:?}", path.display()))?;
    // Where nobody hears it any more, the child finds the socket closed.
    let hear = move |child| drop(hear(&desk, child, |pid| pid == child));
    let ending = child::run_beside(&[], hear, || match confine() {
        Ok(_) => code(give_order(&path)),
        Err(_) => u8::MAX,
    });
    let refusal = refusal(ending.map_err(|error| error.to_string())?);
    Ok(Attempt { what: "give the server an order".to_owned(), refusal })
}

/// Answers the orders of those who may give some, as long as that child is there.
fn hear(desk: &UnixListener, child: u32, is_servant: impl Fn(u32) -> bool) -> io::Result<()> {
    let process = Handle::of(child)?;
    while !process.has_ended() {
        store::wait(&[desk.as_fd(), process.as_fd()], None)?;
        let Ok((mut asker, _)) = desk.accept() else { continue };
        if peer::check(asker.as_fd(), &is_servant).is_ok() {
            asker.write_all(b"done")?;
        }
    }
    Ok(())
}

fn give_order(path: &Path) -> io::Result<()> {
    let mut desk = UnixStream::connect(path)?;
    // It is not said why nobody listens.
    Ok(desk.read_exact(&mut [0]).map_err(|_| Errno::ACCESS)?)
}

/// What `work` says in a child.
fn told(work: impl FnOnce() -> Result<String, String>) -> Result<String, String> {
    let (mut told, teller) = io::pipe().map_err(|error| error.to_string())?;
    // A pipe holds more than the few lines that are said, so nobody waits for a reader.
    let ending = child::run(&[teller.as_fd()], || {
        let outcome = work();
        let is_done = outcome.is_ok();
        let (Ok(words) | Err(words)) = outcome;
        u8::from((&teller).write_all(words.as_bytes()).is_err() || !is_done)
    });
    let ending = ending.map_err(|error| error.to_string())?;
    drop(teller);
    let mut words = String::new();
    told.read_to_string(&mut words).map_err(|error| error.to_string())?;
    match ending {
        Ending::Code(0) => Ok(words),
        _ if words.is_empty() => Err(format!("the child has ended: {ending:?}")),
        _ => Err(words),
    }
}

/// What a child ends with: 0 for a deed done, else the number of the error.
fn code(outcome: io::Result<()>) -> u8 {
    match outcome {
        Ok(()) => 0,
        Err(error) => {
            error.raw_os_error().and_then(|number| u8::try_from(number).ok()).unwrap_or(u8::MAX)
        }
    }
}

fn refusal(ending: Ending) -> Option<String> {
    match ending {
        Ending::Code(0) => None,
        Ending::Code(number) => Some(io::Error::from_raw_os_error(i32::from(number)).to_string()),
        Ending::Signal(libc::SIGSYS) => Some("the kernel has ended the process".to_owned()),
        Ending::Signal(number) => Some(format!("the process has ended by signal {number}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_confined_process_does_nothing_of_it() {
        for connects_unix in [false, true] {
            let root = tempfile::tempdir().unwrap();
            let read = vec![root.path().to_owned()];
            let confinement = Confinement { read, connects_unix, ..Confinement::default() };
            let found =
                run(&confinement, None, (Path::new("/etc/shadow"), Some(root.path()))).unwrap();
            assert!(found.layers.iter().any(|layer| layer.starts_with("seccomp: on")), "{found:?}");
            assert_eq!(found.attempts.len(), 7);
            for Attempt { what, refusal } in &found.attempts {
                let refusal = refusal.as_deref().unwrap_or_else(|| panic!("{what} succeeds"));
                let expect = match what.as_str() {
                    "run a shell" | "trace a process" => "the kernel has ended",
                    "make a user namespace" | "connect to a port of this machine" => {
                        "not permitted"
                    }
                    "give the server an order" if !connects_unix => "not permitted",
                    // Without Landlock only root, who is not asked to give up anything here, can.
                    _ => "ermission denied",
                };
                assert!(refusal.contains(expect), "{what}: {refusal}");
            }
        }
    }

    /// What is tried are deeds that can be done: a free process does each one that it may.
    #[test]
    fn a_free_process_does_what_its_user_may() {
        let root = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        for (what, deed) in
            deeds(listener.local_addr().unwrap(), Path::new("/etc/shadow"), Some(root.path()))
        {
            let depends = what == "read /etc/shadow" || what == "make a user namespace";
            let ending = child::run(&[], || code(deed())).unwrap();
            assert!(depends || refusal(ending).is_none(), "{what}: {ending:?}");
        }
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
        let path = root.path().join("desk");
        let (desk, _file) = unix::listen(&path, 0o600).unwrap();
        let hear = move |child| drop(hear(&desk, child, |_| false));
        let ending = child::run_beside(&[], hear, || code(give_order(&path))).unwrap();
        assert_eq!(ending, Ending::Code(0));
    }

    #[test]
    fn it_is_said_why_nobody_could_be_confined() {
        let user = User { name: "toor".to_owned(), number: 0, group: 0, groups: vec![] };
        let why = run(&Confinement::default(), Some(&user), (Path::new("/etc/shadow"), None))
            .unwrap_err();
        assert!(why.contains("name another user"), "{why}");
    }
}
