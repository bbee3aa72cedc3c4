//! Finds the `gannet` that belongs to the running test, and builds it when it is not up to date.
//!
//! Cargo tells a test only about binaries of its own package. So the binary is looked for where
//! Cargo puts it, two folders above the running test, and the list of sources that Cargo writes
//! beside it (`gannet.d`) says whether it is current. That costs a few hundred `stat` calls;
//! asking Cargo itself, in each of the many test processes, would cost a second of queueing.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    time::SystemTime,
};

/// The path of the up-to-date binary.
pub fn path() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        let folder = profile_folder();
        let binary = folder.join("gannet");
        if !is_current(&binary, &folder.join("gannet.d")) {
            build(&folder);
        }
        binary
    })
}

/// The folder of the profile that the running test was built with, such as `target/debug`.
fn profile_folder() -> PathBuf {
    let test = env::current_exe().unwrap();
    let folder = test.parent().unwrap();
    let folder = if folder.ends_with("deps") { folder.parent().unwrap() } else { folder };
    folder.to_owned()
}

/// Whether the binary is newer than everything it was made of.
fn is_current(binary: &Path, dependencies: &Path) -> bool {
    let (Some(built), Ok(list)) = (modified(binary), fs::read_to_string(dependencies)) else {
        return false;
    };
    let manifests = [workspace().join("Cargo.toml"), workspace().join("Cargo.lock")];
    let sources = list.lines().flat_map(|line| line.split_whitespace().skip(1)).map(Path::new);
    sources.chain(manifests.iter().map(PathBuf::as_path)).all(|source| {
        // A source that is gone was renamed or removed: that is a change, too.
        modified(source).is_some_and(|changed| changed <= built)
    })
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

/// Has Cargo build the binary into `folder`; Cargo's own lock lets only one test at a time do so.
fn build(folder: &Path) {
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(profile) => profile,
    };
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--quiet", "--package", "gannet", "--bin", "gannet", "--profile", profile])
        .arg("--target-dir")
        .arg(folder.parent().unwrap())
        .current_dir(workspace())
        .output()
        .expect("cargo can be started");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the binary does not build:\n{errors}");
}

/// The root of the workspace.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}
