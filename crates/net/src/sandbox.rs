//! What a process gives up before it serves: each layer of it, and whether this machine has it.
//!
//! Nothing of it can be taken back, and nothing of it reaches threads that run already: a process
//! enters its sandbox before it starts any.

mod filter;
mod walls;
#[cfg(test)]
mod tests;

pub use walls::reach;

use crate::identity;
use crate::layer::Layer;
use crate::process;
use crate::sys::seccomp;
use filter::Connects;
use rustix::fs::Mode;
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, nice, set_dumpable_behavior, setrlimit, umask,
};
use rustix::thread::set_no_new_privs;
use std::io;
use std::path::PathBuf;

/// What a process still has to reach, once it has everything else open that it needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Confinement {
    /// Folders that are read, see [`reach`], and files that are, as long as no others take their
    /// place.
    pub read: Vec<PathBuf>,
    /// Folders in which files are made, written, renamed and removed.
    pub write: Vec<PathBuf>,
    /// Ports that are connected to by TCP, at whatever address.
    pub ports: Vec<u16>,
    /// Whether streams of Unix are connected to: then their own permissions say to which, and
    /// [`crate::peer::check`] who may give orders by them.
    pub connects_unix: bool,
    /// Whether it visits whom names lead to, and keeps in its folders what it comes back with.
    pub visits: bool,
}

impl Confinement {
    /// Puts the sandbox around this process. A layer that this machine does not have is left out,
    /// and says so.
    ///
    /// # Errors
    ///
    /// When the process has more than one thread: the others would stay outside. When a layer fails
    /// that this machine has.
    pub fn enter(&self) -> io::Result<Vec<Layer>> {
        process::check_single_thread()?;
        // It is looked up once; on older kernels at /proc, which is out of reach later.
        let _ = rustix::param::page_size();
        umask(Mode::from_raw_mode(0o077));
        let nothing = |()| String::new();
        let no_core = Rlimit { current: Some(0), maximum: Some(0) };
        let private = DumpableBehavior::NotDumpable;
        let no_capabilities = identity::drop_capabilities().and_then(|is_done| match is_done {
            true => Ok(String::new()),
            false => Err(io::Error::other("some are left")),
        });
        let (unix, tcp, visits) = (self.connects_unix, !self.ports.is_empty(), self.visits);
        let layers = [
            Layer::of("no capabilities", no_capabilities),
            Layer::of("no new privileges", set_no_new_privs(true).map(nothing)),
            Layer::of("no core dumps", setrlimit(Resource::Core, no_core).map(nothing)),
            Layer::of("private memory", set_dumpable_behavior(private).map(nothing)),
            Layer::of("landlock", walls::enter(&self.read, &self.write, &self.ports)),
            Layer::of("seccomp", filter(Connects { unix, tcp, visits })),
        ];
        layers.into_iter().collect()
    }
}

/// Gives up what a process has no use for that runs an operator's programs, which no walls can be
/// around: it may reach files of its own user, but no others' and no memory.
///
/// # Errors
///
/// The kernel says no.
pub fn be_modest() -> io::Result<()> {
    umask(Mode::from_raw_mode(0o077));
    if !identity::drop_capabilities()? {
        return Err(io::Error::other("some capabilities are left"));
    }
    set_no_new_privs(true)?;
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(())
}

/// Lets others go first.
///
/// # Errors
///
/// The kernel says no.
pub fn be_nice() -> io::Result<()> {
    const NICE: i32 = 10;
    nice(NICE)?;
    Ok(())
}

/// Refuses what a worker has no use for.
fn filter(connects: Connects) -> io::Result<String> {
    let mut program = filter::program(std::process::id(), connects)
        .ok_or_else(|| io::Error::other("not on this kind of processor"))?;
    seccomp::enter(&mut program)?;
    Ok(format!("{} system calls are allowed", filter::allowed(connects)))
}
