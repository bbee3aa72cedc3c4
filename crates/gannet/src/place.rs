//! Where the sockets of a server's own are.

use base::stable;
use net::process;
use std::{
    env,
    fs::{self, Permissions},
    io,
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    path::{self, Path, PathBuf},
};

/// The folder of sockets of servers that root starts, which makes it, or a unit file as `contrib`
/// has one.
pub(crate) const SYSTEM: &str = "/run/gannet";

/// Where the server of the config `file` is told what to do if that does not say so itself; `None`
/// where this user has no place for such.
pub(crate) fn desk_path(file: &Path) -> Option<PathBuf> {
    let folder = match process::user() {
        0 => PathBuf::from(SYSTEM),
        user => match env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from) {
            Some(folder) if folder.is_absolute() => folder,
            _ => {
                let folder = PathBuf::from(format!("/tmp/gannet-{user}"));
                process::own_folder(&folder).then_some(folder)?
            }
        },
    };
    Some(folder.join(name(file)?))
}

/// The name of that socket: two configs of one machine have two, and this program always finds its
/// own, wherever links in the path lead by then.
fn name(file: &Path) -> Option<String> {
    let hash = stable::hash(full(file).ok()?.as_os_str().as_bytes());
    Some(format!("gannet-{hash:016x}.sock"))
}

/// Where servers of the config `file` are told what to do that others have started, or this user in
/// another session: each has a folder of its own for that.
pub(crate) fn elsewhere(file: &Path) -> Vec<PathBuf> {
    let real = file.canonicalize().ok();
    let names = [Some(file), real.as_deref()].map(|file| file.and_then(name));
    let mut all: Vec<_> =
        names.iter().flatten().flat_map(|name| net::unix::listening(name)).collect();
    all.dedup();
    all
}

/// The same for a server that may have been started by the path that links in this one lead to, or
/// by systemd, which tells the server its folder and nobody else.
pub(crate) fn usual_path(file: &Path) -> Option<PathBuf> {
    let written = desk_path(file);
    let real = file.canonicalize().ok();
    let names = [Some(file), real.as_deref()].map(|file| file.and_then(name));
    let own = written.as_deref().and_then(Path::parent);
    let folders = [own, Some(Path::new(SYSTEM))].into_iter().flatten();
    let all = folders.flat_map(|folder| names.iter().flatten().map(move |name| folder.join(name)));
    let found = all.into_iter().find(|path| path.exists());
    found.or(written)
}

/// The same for the server itself, which makes the folder; `None` where that is somebody else's.
pub(crate) fn own_desk_path(file: &Path) -> Option<PathBuf> {
    let path = desk_path(file)?;
    let folder = path.parent().filter(|folder| process::own_folder(folder))?;
    if process::is_root() {
        // Workers, who are another user, go through it to the sockets of php-fpm. Whoever may not
        // connect to one finds that out there.
        let _ = fs::set_permissions(folder, Permissions::from_mode(0o711));
    }
    Some(path)
}

/// A path from the root, with the links that lead to the folder this process is in.
pub(crate) fn full(path: &Path) -> io::Result<PathBuf> {
    let is_here = |folder: &PathBuf| {
        let same = || Some(folder.canonicalize().ok()? == env::current_dir().ok()?);
        folder.is_absolute() && same() == Some(true)
    };
    // A shell knows by which links it has come there.
    let here = env::var_os("PWD").map(PathBuf::from).filter(is_here).unwrap_or_default();
    path::absolute(here.join(path))
}
