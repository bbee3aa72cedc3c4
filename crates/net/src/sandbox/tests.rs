//! What a confined process can still do, and what it cannot: each in a child of its own.

use super::*;
use crate::changes::Watcher;
use crate::layer::State;
use crate::shelf::Shelf;
use crate::sys::child::{self, Ending};
use crate::{Patience, Root};
use std::fs::{self, File};
use std::io::{Read, Seek, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::{panic, process, thread};

/// Has a child confine itself and check something.
fn inside(confinement: &Confinement, kept: &[BorrowedFd<'_>], check: impl FnOnce()) -> Ending {
    let ending = child::run(kept, || {
        // The words of a failure would stay in the child: they go straight to standard error.
        panic::set_hook(Box::new(|info| {
            let _ = rustix::io::write(rustix::stdio::stderr(), format!("{info}\n").as_bytes());
        }));
        let layers = confinement.enter().unwrap();
        for layer in layers {
            let is_on = matches!(layer.state, State::On(_));
            assert!(is_on || layer.name == "landlock", "{layer}");
        }
        check();
        0
    });
    ending.unwrap()
}

fn has_landlock() -> bool {
    crate::sys::landlock::version().is_ok()
}

fn confined(read: &Path, write: &Path) -> Confinement {
    Confinement {
        read: vec![read.to_owned()],
        write: vec![write.to_owned()],
        ..Confinement::default()
    }
}

fn errno<T>(outcome: io::Result<T>) -> Option<i32> {
    outcome.err().and_then(|error| error.raw_os_error())
}

#[test]
fn what_serving_needs_still_works() {
    let (root, shelf) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::create_dir(root.path().join("folder")).unwrap();
    fs::write(root.path().join("folder/page.html"), "page").unwrap();
    let mut log = tempfile::tempfile().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let ending =
        inside(&confined(root.path(), shelf.path()), &[log.as_fd(), listener.as_fd()], || {
            // Files: beneath a root, at once and by the pool; from another thread, through a pipe.
            let opened = Root::open(root.path(), &[]).unwrap();
            let found = thread::Builder::new().name("pool".to_owned()).spawn(move || {
                let found = opened.find(b"/folder/page.html", Patience::Wait).unwrap();
                assert!(opened.find(b"/folder/", Patience::Wait).is_ok());
                assert!(opened.is_in_place());
                found
            });
            let found = found.unwrap().join().unwrap();
            let (mut told, teller) = io::pipe().unwrap();
            assert_eq!(rustix::fs::sendfile(&teller, &found.file, None, 4).unwrap(), 4);
            crate::sealed::bytes(c"page", b"page").unwrap();
            drop(teller);
            let mut page = String::new();
            told.read_to_string(&mut page).unwrap();
            assert_eq!(page, "page");
            assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
            // What is kept on disk, changes, logs, random numbers, memory for all.
            let shelf = Shelf::open(shelf.path(), 1 << 20).unwrap();
            shelf.write("a", &[b"form"]).unwrap();
            assert_eq!(shelf.read("a", 1 << 20).unwrap(), b"form");
            assert!(Watcher::new(root.path(), |_| true).is_ok());
            (&log).write_all(b"a line\nand a pa").unwrap();
            log.set_len(7).unwrap();
            assert!(crate::random::bytes::<16>().is_ok());
            crate::memory::shared_words(1 << 20).unwrap();
            drop(vec![7_u8; 64 << 20]);
            // A connection.
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_nonblocking(true).unwrap();
            stream.set_nodelay(true).unwrap();
            stream.write_all(b"hello").unwrap();
            assert!(crate::sys::unacknowledged(stream.as_fd()).is_ok());
            assert_eq!(errno(stream.read(&mut [0; 8])), Some(libc::EAGAIN));
        });
    assert_eq!(ending, Ending::Code(0));
    let mut hello = [0; 5];
    client.read_exact(&mut hello).unwrap();
    log.rewind().unwrap();
    assert_eq!((hello, io::read_to_string(log).unwrap().as_str()), (*b"hello", "a line\n"));
}

#[test]
fn a_panic_is_caught_and_an_abort_aborts() {
    let here = Confinement::default();
    let caught = inside(&here, &[], || {
        panic::set_hook(Box::new(|_| ()));
        assert!(panic::catch_unwind(|| panic!("it is caught")).is_err());
        let backtrace = std::backtrace::Backtrace::force_capture().to_string();
        assert!(!backtrace.is_empty());
    });
    assert_eq!(caught, Ending::Code(0));
    assert_eq!(inside(&here, &[], || process::abort()), Ending::Signal(libc::SIGABRT));
}

#[test]
fn only_the_folders_that_were_named_are_reached() {
    if !has_landlock() {
        return;
    }
    let (root, shelf, other) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let files = [root.path(), shelf.path(), other.path()].map(|folder| folder.join("file"));
    files.iter().for_each(|file| fs::write(file, "old").unwrap());
    symlink(other.path(), root.path().join("link")).unwrap();
    fs::write(shelf.path().join("second"), "").unwrap();
    let ending = inside(&confined(root.path(), shelf.path()), &[], || {
        let [served, kept, strange] = &files;
        let denied = Some(libc::EACCES);
        assert_eq!(fs::read(served).unwrap(), b"old");
        for outcome in [
            File::options().write(true).open(served).map(drop),
            fs::write(served, "new"),
            fs::remove_file(served),
            fs::rename(served, root.path().join("renamed")),
            File::create_new(root.path().join("new")).map(drop),
            fs::read(strange).map(drop),
            fs::read(root.path().join("link/file")).map(drop),
            fs::read_dir(other.path()).map(drop),
            fs::read("/etc/passwd").map(drop),
            fs::read("/proc/self/environ").map(drop),
        ] {
            assert_eq!(errno(outcome), denied);
        }
        fs::write(kept, "new").unwrap();
        fs::rename(kept, shelf.path().join("second")).unwrap();
        fs::remove_file(shelf.path().join("second")).unwrap();
        File::create_new(shelf.path().join("third")).unwrap();
    });
    assert_eq!(ending, Ending::Code(0));
    // What is made is for nobody else.
    let made = fs::metadata(shelf.path().join("third")).unwrap();
    assert_eq!(made.permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read(root.path().join("file")).unwrap(), b"old");
}

/// The folder around a root is what has to be named, so that a site can be built anew.
#[test]
fn a_root_that_is_replaced_is_within_reach() {
    let all = tempfile::tempdir().unwrap();
    let (root, next) = (all.path().join("current"), all.path().join("releases"));
    for release in ["1", "2"] {
        fs::create_dir_all(next.join(release)).unwrap();
        fs::write(next.join(release).join("page"), release).unwrap();
    }
    symlink("releases/1", &root).unwrap();
    let confinement = Confinement { read: reach(&root), ..Confinement::default() };
    let (mut asked, ask) = io::pipe().unwrap();
    let (answer, mut answering) = io::pipe().unwrap();
    let turner = thread::spawn({
        let root = root.clone();
        move || {
            asked.read_exact(&mut [0]).unwrap();
            fs::remove_file(&root).unwrap();
            symlink("releases/2", &root).unwrap();
            answering.write_all(&[0]).unwrap();
        }
    });
    let (around, has_walls) = (all.path(), has_landlock());
    let ending = inside(&confinement, &[ask.as_fd(), answer.as_fd()], || {
        assert_eq!(fs::read(root.join("page")).unwrap(), b"1");
        (&ask).write_all(&[0]).unwrap();
        (&answer).read_exact(&mut [0]).unwrap();
        assert_eq!(fs::read(root.join("page")).unwrap(), b"2");
        assert_eq!(errno(fs::read_dir(around)).is_some(), has_walls);
    });
    // If the child has not come so far, nobody waits for its word.
    drop(ask);
    turner.join().unwrap();
    assert_eq!(ending, Ending::Code(0));
}

#[test]
fn nothing_can_be_had_back() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let ending = inside(&Confinement::default(), &[listener.as_fd()], || {
        let refused = Some(libc::EPERM);
        // It could be connected to anybody then, by what is sent.
        let shut = rustix::net::shutdown(&listener, rustix::net::Shutdown::Read);
        assert_eq!(errno(shut.map_err(io::Error::from)), refused);
        assert_eq!(errno(TcpListener::bind("127.0.0.1:0")), refused);
        assert_eq!(errno(std::os::unix::net::UnixDatagram::pair()), refused);
        assert_eq!(errno(process::Command::new("/bin/true").spawn()), refused);
        assert_eq!(
            errno(set_dumpable_behavior(DumpableBehavior::Dumpable).map_err(io::Error::from)),
            refused
        );
        let parent = rustix::process::getppid().unwrap();
        let signal = rustix::process::kill_process(parent, rustix::process::Signal::URG);
        assert_eq!(errno(signal.map_err(io::Error::from)), refused);
        assert_eq!(rustix::process::getrlimit(Resource::Core).maximum, Some(0));
        let elsewhere = std::env::temp_dir().join("gannet-folder");
        assert_eq!(errno(fs::create_dir(elsewhere)), refused);
    });
    assert_eq!(ending, Ending::Code(0));
}

/// Root that confines itself has no more power over files than anybody else.
#[test]
fn no_capability_is_left() {
    let root = tempfile::tempdir().unwrap();
    let closed = root.path().join("closed");
    fs::write(&closed, "").unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
    let confinement = Confinement { read: vec![root.path().to_owned()], ..Confinement::default() };
    let ending = inside(&confinement, &[], || {
        assert_eq!(errno(File::open(&closed)), Some(libc::EACCES));
    });
    assert_eq!(ending, Ending::Code(0));
}

/// It would go on in a part of its sandbox, and nobody would be the wiser.
#[test]
fn a_process_that_cannot_be_confined_is_told() {
    if !has_landlock() {
        return;
    }
    let ending = child::run(&[], || {
        let none = Rlimit { current: Some(0), maximum: Some(0) };
        setrlimit(Resource::Nofile, none).unwrap();
        let refused = Confinement::default().enter().unwrap_err();
        u8::from(refused.to_string().starts_with("landlock: "))
    });
    assert_eq!(ending.unwrap(), Ending::Code(1));
}

#[test]
fn a_process_with_threads_stays_as_it_is() {
    let ending = child::run(&[], || {
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let thread = thread::spawn(move || ended.recv().is_err());
        let refused = Confinement::default().enter().unwrap_err();
        drop(end);
        let is_free = fs::read("/etc/passwd").is_ok();
        let is_told = refused.to_string().contains("2 threads");
        u8::from(thread.join().unwrap() && is_free && is_told)
    });
    assert_eq!(ending.unwrap(), Ending::Code(1));
}
