//! `cargo xtask release`: gannet, built with what loads have taught about it (docs/decisions/0041).
//!
//! ```text
//!   sources ─► a build that counts ─► loads ─► profile ─► the build that is shipped
//! ```
//!
//! Both builds have folders of their own below `target`, so that `cargo build --release` keeps
//! what it has. Loads are run again only where the build that counts has changed.

mod lessons;

use crate::{
    command::{self, finish},
    tools,
};
use std::{
    ffi::OsString,
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    process::Command,
};

/// Builds it, and says where it is.
///
/// # Errors
/// What came in the way.
pub(crate) fn run() -> Result<(), String> {
    let program = build(&command::root()?)?;
    println!("{}", program.display());
    Ok(())
}

/// The same; where it is.
///
/// # Errors
/// What came in the way.
pub(crate) fn build(root: &Path) -> Result<PathBuf, String> {
    let host = host()?;
    let profdata = tools::install_release(root, &host)?;
    let target = command::target(root);
    let (training, counts) = (target.join("training"), target.join("training/counts"));
    eprintln!("release: a build that counts (some minutes)");
    let counting = cargo((root, &host), &training, &flag("-Cprofile-generate=", &counts))?;
    let profile = counts.join("all.profdata");
    // Lessons are a part of this program.
    let own = std::env::current_exe().map_err(|error| format!("this program: {error}"))?;
    if !is_newer(&profile, &counting) || !is_newer(&profile, &own) {
        eprintln!("release: loads, for a minute");
        attempt("forget old counts", &counts, |path| match path.exists() {
            true => fs::remove_dir_all(path),
            false => Ok(()),
        })?;
        lessons::teach(&counting)?;
        let mut merge = Command::new(profdata);
        let done = finish(merge.arg("merge").arg("-o").arg(&profile).arg(&counts))?;
        if !done.is_success {
            return Err(done.output);
        }
        // What was built with another profile is of no use any more.
        let _ = fs::remove_dir_all(target.join("trained"));
    }
    // Cargo minds the words of a flag, not what lies in the file that they name.
    let mut hasher = DefaultHasher::new();
    attempt("read", &profile, |path| fs::read(path))?.hash(&mut hasher);
    let named = counts.join(format!("{:016x}.profdata", hasher.finish()));
    attempt("copy to", &named, |named| fs::copy(&profile, named))?;
    eprintln!("release: the build that is shipped (some minutes)");
    let trained = cargo((root, &host), &target.join("trained"), &flag("-Cprofile-use=", &named))?;
    let program = program(root);
    // One that runs keeps what it has.
    let _ = fs::remove_file(&program);
    attempt("put", &program, |program| fs::copy(&trained, program))?;
    Ok(program)
}

/// Where it is put.
pub(crate) fn program(root: &Path) -> PathBuf {
    command::target(root).join("trained/gannet")
}

/// Builds gannet with one more flag of the compiler than RUSTFLAGS has, in a folder of its own; the
/// flags of a config of cargo give way to these.
fn cargo((root, host): (&Path, &str), folder: &Path, flag: &OsString) -> Result<PathBuf, String> {
    // In this form a flag may have blanks in it.
    let mut flags = OsString::new();
    for flag in std::env::var("RUSTFLAGS").unwrap_or_default().split_whitespace() {
        flags.push(flag);
        flags.push("\x1f");
    }
    flags.push(flag);
    let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build.args(["build", "--release", "--locked", "--quiet", "--package", "gannet"]);
    // With a target that is named, what runs while it is built is built without the flags.
    build.args(["--target", host, "--target-dir"]).arg(folder);
    build.current_dir(root).env("CARGO_ENCODED_RUSTFLAGS", flags);
    let status = build.status().map_err(|error| format!("cargo: {error}"))?;
    match status.success() {
        true => Ok(folder.join(host).join("release/gannet")),
        false => Err("gannet failed to build".to_owned()),
    }
}

/// What the compiler calls this machine.
fn host() -> Result<String, String> {
    let told = command::output(Command::new("rustc").arg("-vV"))?;
    let host = told.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| format!("rustc does not name its host: {told}"))
}

fn flag(name: &str, path: &Path) -> OsString {
    let mut flag = OsString::from(name);
    flag.push(path);
    flag
}

fn is_newer(path: &Path, other: &Path) -> bool {
    let changed = |path: &Path| fs::metadata(path).and_then(|data| data.modified()).ok();
    changed(path) > changed(other)
}

/// Does something with a path; an error names both.
fn attempt<T>(
    what: &str,
    path: &Path,
    step: impl FnOnce(&Path) -> std::io::Result<T>,
) -> Result<T, String> {
    step(path).map_err(|error| format!("{what} {}: {error}", path.display()))
}
