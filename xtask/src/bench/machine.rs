//! The machine: its cores, the tools it needs, and what a reader of the figures has to know of it.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::{Resource, Rlimit};
use rustix::thread::CpuSet;

use super::Outcome;
use crate::command::{self, finish};
use crate::release;

/// All servers run on this core, in turns.
pub(super) const SERVER_CORE: usize = 0;
/// The load and the bench itself run on this one.
pub(super) const LOAD_CORE: usize = 1;

/// Builds with `cargo build --release` and `words`.
pub(super) fn build(words: &[&str]) -> Outcome<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(root()).args(["build", "--release", "--quiet"]).args(words);
    if command.status()?.success() {
        Ok(())
    } else {
        Err(format!("{words:?} failed to build").into())
    }
}

/// The folder of the workspace.
pub(super) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_owned).unwrap_or_default()
}

/// The folder in which [`build`] leaves its programs.
pub(super) fn release() -> PathBuf {
    command::target(&root()).join("release")
}

/// The program that is measured: the one that is shipped.
pub(super) fn gannet() -> PathBuf {
    release::program(&root())
}

/// Lets this process and its children open as many descriptors as the hard limit allows.
pub(super) fn raise_descriptor_limit() -> Outcome<()> {
    let maximum = rustix::process::getrlimit(Resource::Nofile).maximum;
    Ok(rustix::process::setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?)
}

/// Keeps this thread, and the children it starts from now on, to one core.
pub(super) fn keep_to(core: usize) -> Outcome<()> {
    let mut cores = CpuSet::new();
    cores.set(core);
    rustix::thread::sched_setaffinity(None, &cores)
        .map_err(|error| format!("core {core}: {error}; the bench needs two cores").into())
}

/// What the figures were made with; prints as a list for the report.
pub(super) struct Machine {
    /// The day, as YYYY-MM-DD.
    pub(super) date: String,
    lines: Vec<(&'static str, String)>,
}

impl Machine {
    /// Looks at the machine, the tools and the sources.
    pub(super) fn look() -> Outcome<Self> {
        let cpu = fs::read_to_string("/proc/cpuinfo")?;
        let model =
            cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown");
        let cores = std::thread::available_parallelism()?;
        let load = fs::read_to_string("/proc/loadavg")?;
        let date = first_line("date", &["+%F"])?;
        let commit = first_line("git", &["rev-parse", "--short=12", "HEAD"])?;
        let is_clean = first_line("git", &["status", "--porcelain"])?.is_empty();
        let lines = vec![
            ("date", date.clone()),
            ("commit", if is_clean { commit } else { commit + " with uncommitted changes" }),
            ("processor", format!("{}, {cores} cores", model.trim_start_matches([' ', '\t', ':']))),
            ("kernel", first_line("uname", &["-sr"])?),
            ("load at start", load.split(' ').next().unwrap_or_default().into()),
            ("compiler", first_line("rustc", &["--version"])?),
            ("nginx", first_line("nginx", &["-v"])?),
            ("lighttpd", first_line("lighttpd", &["-v"])?),
            ("h2o", first_line("h2o", &["-v"])?),
            ("wrk", first_line("wrk", &["-v"])?),
            ("openssl", first_line("openssl", &["version"])?),
        ];
        Ok(Self { date, lines })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|(name, value)| writeln!(f, "- {name}: {value}"))
    }
}

/// The first line that a program prints, on whichever of its two outputs.
fn first_line(program: &str, words: &[&str]) -> Outcome<String> {
    let done = finish(Command::new(program).args(words).current_dir(root()))?;
    Ok(done.output.lines().next().unwrap_or_default().to_owned())
}
