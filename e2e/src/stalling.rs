//! A file system whose files stall when they are looked up, opened, read or written: a dead network
//! disk.
//!
//! It speaks the kernel's FUSE protocol (linux/fuse.h, version 7.31) on `/dev/fuse`. What a name
//! begins with says what its file does:
//!
//! | name | the kernel asks in vain for |
//! |---|---|
//! | `look…` | the file's description |
//! | `open…` | leave to open it |
//! | `read…` | its first byte |
//! | `stuck…` | its second half |
//! | `write…` | what is written to it to be taken |
//! | `quick…` | nothing |
//!
//! A name that ends in `.bin` has [`Stalling::LARGE_BYTES`], any other ten.

use rustix::{
    event::{EventfdFlags, PollFd, PollFlags, eventfd, poll},
    fs::{Mode, OFlags, open},
    io::{Errno, read, write},
    mount::{MountFlags, UnmountFlags, mount, unmount},
};
use std::{
    ffi::CString,
    os::fd::{AsRawFd, OwnedFd},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
};

/// Requests of the kernel that are answered; the numbers are the protocol's.
const LOOKUP: u32 = 1;
const FORGET: u32 = 2;
const GETATTR: u32 = 3;
const OPEN: u32 = 14;
const READ: u32 = 15;
const WRITE: u32 = 16;
const RELEASE: u32 = 18;
const FLUSH: u32 = 25;
const INIT: u32 = 26;
const OPENDIR: u32 = 27;
const READDIR: u32 = 28;
const RELEASEDIR: u32 = 29;
const INTERRUPT: u32 = 36;
const BATCH_FORGET: u32 = 42;

/// The number of the root folder.
const ROOT: u64 = 1;

/// How long the kernel may believe what it is told, in seconds.
const VALID_SECONDS: u64 = 3600;

/// Bytes of the largest request, with room to spare.
const REQUEST_BYTES_MAX: usize = 64 * 1024;

/// A mounted file system; dropping it ends it.
pub struct Stalling {
    folder: PathBuf,
    state: Arc<Mutex<State>>,
    /// Written to when it is to end.
    end: Arc<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct State {
    /// The names that were looked up; the first has the number behind the root's.
    names: Vec<String>,
    /// Requests that will never be answered.
    stalled: Vec<u64>,
}

/// A request of the kernel.
struct Asked<'t> {
    code: u32,
    unique: u64,
    node: u64,
    rest: &'t [u8],
}

/// What becomes of a request.
enum Reply {
    Data(Vec<u8>),
    Error(Errno),
    /// Nothing, ever.
    Stall,
    /// Nothing, since none is expected.
    None,
}

impl Stalling {
    /// The size of a large file.
    pub const LARGE_BYTES: usize = 1024 * 1024;

    /// Mounts it over `folder`, which takes the right to mount.
    pub fn mount(folder: &Path) -> Self {
        let device = open("/dev/fuse", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty());
        let device = device.expect("there is /dev/fuse");
        let options =
            format!("fd={},rootmode=40000,user_id=0,group_id=0,allow_other", device.as_raw_fd());
        let options = CString::new(options).unwrap();
        let flags = MountFlags::NOSUID | MountFlags::NODEV;
        mount("stalling", folder, "fuse", flags, options.as_c_str())
            .expect("mounting takes root or a namespace of one's own");
        let state = Arc::new(Mutex::new(State::default()));
        let end = Arc::new(eventfd(0, EventfdFlags::CLOEXEC).unwrap());
        let thread = {
            let (state, end) = (Arc::clone(&state), Arc::clone(&end));
            thread::spawn(move || serve(&device, &end, &state))
        };
        Self { folder: folder.to_owned(), state, end, thread: Some(thread) }
    }

    /// How many requests wait in vain.
    pub fn stalled(&self) -> usize {
        self.state.lock().unwrap().stalled.len()
    }

    /// Goes away, as a dead disk does that is unmounted by force: what waits gets an error.
    pub fn end(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        write(&self.end, &1u64.to_ne_bytes()).unwrap();
        // The thread takes the device with it, and that ends what waits.
        thread.join().unwrap();
        unmount(&*self.folder, UnmountFlags::DETACH).unwrap();
    }
}

impl Drop for Stalling {
    fn drop(&mut self) {
        self.end();
    }
}

/// Answers the kernel until `end` is written to.
fn serve(device: &OwnedFd, end: &OwnedFd, state: &Mutex<State>) {
    let mut buffer = vec![0; REQUEST_BYTES_MAX];
    loop {
        let mut ready = [PollFd::new(device, PollFlags::IN), PollFd::new(end, PollFlags::IN)];
        if poll(&mut ready, None).is_err() || !ready[1].revents().is_empty() {
            return;
        }
        let Ok(length) = read(device, &mut buffer) else { continue };
        let asked = Asked {
            code: number(&buffer, 4) as u32,
            unique: wide(&buffer, 8),
            node: wide(&buffer, 16),
            rest: &buffer[40..length],
        };
        let mut state = state.lock().unwrap();
        match state.reply(&asked) {
            Reply::Data(data) => send(device, asked.unique, 0, &data),
            Reply::Error(error) => send(device, asked.unique, -error.raw_os_error(), &[]),
            Reply::Stall => state.stalled.push(asked.unique),
            Reply::None => {}
        }
        if asked.code == INTERRUPT {
            // Its process is about to die; without this it could not.
            let interrupted = wide(asked.rest, 0);
            if state.stalled.contains(&interrupted) {
                state.stalled.retain(|&unique| unique != interrupted);
                send(device, interrupted, -Errno::INTR.raw_os_error(), &[]);
            }
        }
    }
}

fn send(device: &OwnedFd, unique: u64, error: i32, data: &[u8]) {
    let length = 16 + data.len() as u32;
    let head = [length.to_ne_bytes(), error.to_ne_bytes()].concat();
    let reply = [&head, &unique.to_ne_bytes()[..], data].concat();
    // The kernel refuses a reply to what has been interrupted meanwhile.
    let _ = write(device, &reply);
}

impl State {
    fn reply(&mut self, asked: &Asked<'_>) -> Reply {
        let name = match asked.node {
            0 | ROOT => "",
            node => &*self.names[node as usize - 2],
        };
        match asked.code {
            INIT => Reply::Data(greeting()),
            LOOKUP => self.look_up(asked.rest),
            GETATTR => {
                let times = [&VALID_SECONDS.to_ne_bytes()[..], &[0; 8]].concat();
                Reply::Data([times, attributes(asked.node, name)].concat())
            }
            OPEN if name.starts_with("open") => Reply::Stall,
            // Flag 1: what is read is not to be kept in the kernel's memory.
            OPEN => Reply::Data([0, 0, 1, 0].map(u32::to_ne_bytes).concat()),
            WRITE if name.starts_with("write") => Reply::Stall,
            OPENDIR => Reply::Data(vec![0; 16]),
            READ => {
                let (offset, count) = (wide(asked.rest, 8), number(asked.rest, 16) as usize);
                let is_behind = offset >= (Self::size(name) / 2) as u64;
                if name.starts_with("read") || name.starts_with("stuck") && is_behind {
                    return Reply::Stall;
                }
                let left = Self::size(name).saturating_sub(offset as usize);
                Reply::Data(vec![b'x'; left.min(count)])
            }
            READDIR | RELEASE | RELEASEDIR | FLUSH => Reply::Data(Vec::new()),
            FORGET | BATCH_FORGET | INTERRUPT => Reply::None,
            _ => Reply::Error(Errno::NOSYS),
        }
    }

    fn look_up(&mut self, name: &[u8]) -> Reply {
        let name = String::from_utf8_lossy(name.strip_suffix(b"\0").unwrap_or(name)).into_owned();
        if name.starts_with("look") {
            return Reply::Stall;
        }
        if !["open", "read", "stuck", "write", "quick"].iter().any(|kind| name.starts_with(kind)) {
            return Reply::Error(Errno::NOENT);
        }
        let place = self.names.iter().position(|known| *known == name).unwrap_or_else(|| {
            self.names.push(name.clone());
            self.names.len() - 1
        });
        let node = place as u64 + 2;
        let numbers = [node, 0, VALID_SECONDS, VALID_SECONDS, 0];
        let numbers = numbers.map(u64::to_ne_bytes).concat();
        Reply::Data([numbers, attributes(node, &name)].concat())
    }

    fn size(name: &str) -> usize {
        if name.ends_with(".bin") { Stalling::LARGE_BYTES } else { 10 }
    }
}

/// The answer to the kernel's first request: version 7.31, lookups side by side (flag 1 << 18), and
/// nothing else beyond what every version has.
fn greeting() -> Vec<u8> {
    let mut words = [0u32; 16];
    (words[0], words[1], words[3]) = (7, 31, 1 << 18);
    // The largest write.
    words[5] = 4096;
    words.map(u32::to_ne_bytes).concat()
}

/// A description as `struct fuse_attr` has it.
fn attributes(node: u64, name: &str) -> Vec<u8> {
    let (size, mode) =
        if node == ROOT { (0, 0o40_755) } else { (State::size(name) as u64, 0o100_644u32) };
    // Last changed at any time long ago.
    let time = 1_600_000_000;
    let wide = [node, size, size.div_ceil(512), time, time, time].map(u64::to_ne_bytes).concat();
    let narrow = [0, 0, 0, mode, 1, 0, 0, 0, 4096, 0].map(u32::to_ne_bytes).concat();
    [wide, narrow].concat()
}

fn wide(bytes: &[u8], at: usize) -> u64 {
    u64::from_ne_bytes(bytes[at..at + 8].try_into().unwrap())
}

fn number(bytes: &[u8], at: usize) -> u64 {
    u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap()).into()
}
