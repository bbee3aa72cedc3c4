//! A php-fpm of this process's own, for `gannet PATH`: found, set up in a private folder, started,
//! listened to, and ended.

use net::process::{self, Handle};
use std::{
    fs::{self, DirBuilder},
    io::{self, BufRead, BufReader, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

/// Where php-fpm lies.
const FOLDERS: [&str; 4] = ["/usr/local/sbin", "/usr/sbin", "/usr/local/bin", "/usr/bin"];

/// What private folders are called, before the number of the process that each is for.
const FOLDER: &str = "gannet-php-";

/// Time for its first word.
const START_TIME: Duration = Duration::from_secs(20);

/// Requests that it answers at a time.
const CHILDREN: usize = 10;

/// What to do where there is none.
pub(crate) const MISSING: &str = "there is no php-fpm here (Debian: `apt install php-fpm`)";

/// A running php-fpm. It ends when this is dropped, or when this process ends in any other way.
pub(crate) struct Fpm {
    child: Child,
    /// Its config and its socket.
    folder: PathBuf,
    /// What it is called, such as `php-fpm8.2`.
    pub(crate) name: String,
}

impl Fpm {
    /// Starts the newest one there is; as an error why there is none.
    pub(crate) fn start(root: &Path) -> Result<Self, String> {
        let program = newest(FOLDERS.iter().map(Path::new)).ok_or(MISSING)?;
        let name = program.file_name().map(|name| name.to_string_lossy().into_owned());
        let all = std::env::temp_dir();
        sweep(&all);
        let folder = all.join(format!("{FOLDER}{}", std::process::id()));
        let failed = |error: io::Error| format!("{}: {error}", folder.display());
        DirBuilder::new().mode(0o700).create(&folder).map_err(failed)?;
        let mut command = Command::new(&program);
        let config = folder.join("php-fpm.conf");
        command.args(["--nodaemonize", "--fpm-config"]).arg(&config);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        process::bind_to_parent(&mut command);
        let spawned = settings(root, &folder)
            .and_then(|text| fs::write(&config, text))
            .and_then(|()| command.spawn());
        let child = spawned.map_err(|error| {
            let _ = fs::remove_dir_all(&folder);
            format!("{}: {error}", program.display())
        })?;
        let mut fpm = Self { child, folder, name: name.unwrap_or_default() };
        fpm.listen()?;
        Ok(fpm)
    }

    /// Where it listens.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.join("socket")
    }

    /// Waits until it says that it is ready; what it complains of from then on is told.
    fn listen(&mut self) -> Result<(), String> {
        let Some(errors) = self.child.stderr.take() else { return Ok(()) };
        let (ready, told) = mpsc::channel();
        let listen = move || {
            let mut complaint = None;
            let mut is_ready = false;
            for line in BufReader::new(errors).lines().map_while(Result::ok) {
                if !is_ready && line.contains("ready to handle connections") {
                    is_ready = true;
                    let _ = ready.send(Ok(()));
                } else if is_ready && !line.contains("] NOTICE: ") {
                    // Where standard error is closed there is nobody left to tell.
                    let _ = writeln!(io::stderr(), "php-fpm: {line}");
                } else if !is_ready && (line.contains("] ERROR: ") || complaint.is_none()) {
                    complaint = Some(line);
                }
            }
            let _ = ready.send(Err(complaint.unwrap_or_default()));
        };
        thread::Builder::new().spawn(listen).map_err(|error| error.to_string())?;
        match told.recv_timeout(START_TIME) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(complaint)) => Err(format!("{} has ended: {complaint}", self.name)),
            Err(_) => Err(format!("{} does not get ready", self.name)),
        }
    }
}

impl Drop for Fpm {
    fn drop(&mut self) {
        if let Ok(handle) = Handle::of(self.child.id()) {
            handle.stop();
        }
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Removes from `all` the private folders of this user's processes that were killed.
fn sweep(all: &Path) {
    for entry in fs::read_dir(all).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix(FOLDER)?.parse::<u32>().ok());
        let is_gone = owner.is_some_and(|owner| !Path::new(&format!("/proc/{owner}")).exists());
        if is_gone && process::own_folder(&entry.path()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// What the php-fpm that runs the programs in `root` is to do, in a folder that is its own.
fn settings(root: &Path, folder: &Path) -> io::Result<String> {
    // Under root, programs are whose folder it is, never root.
    let owner = fs::metadata(root)?.uid();
    let user = match (process::is_root(), owner) {
        (false, _) => String::new(),
        (true, 0) => "user = nobody\n".to_owned(),
        (true, owner) => format!("user = {owner}\ngroup = {}\n", fs::metadata(root)?.gid()),
    };
    Ok(format!(
        "[global]\nerror_log = /proc/self/fd/2\ndaemonize = no\n\
         [www]\nlisten = {}/socket\nlisten.mode = 0600\n{user}\
         pm = ondemand\npm.max_children = {CHILDREN}\npm.process_idle_timeout = 30s\n\
         php_admin_flag[log_errors] = on\n\
         php_value[upload_max_filesize] = 64M\nphp_value[post_max_size] = 64M\n\
         php_value[opcache.revalidate_freq] = 0\n",
        folder.display()
    ))
}

/// The newest php-fpm in these folders.
fn newest<'p>(folders: impl Iterator<Item = &'p Path>) -> Option<PathBuf> {
    let entries = folders.filter_map(|folder| fs::read_dir(folder).ok()).flatten();
    let found = entries.filter_map(|entry| {
        let path = entry.ok()?.path();
        let version = version(path.file_name()?.to_str()?)?;
        Some((version, path))
    });
    found.max().map(|(_, path)| path)
}

/// The version in `php-fpm8.2`; zero where it is not said.
fn version(name: &str) -> Option<(u32, u32)> {
    let rest = name.strip_prefix("php-fpm")?;
    if rest.is_empty() {
        return Some((0, 0));
    }
    let (major, minor) = rest.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_is_taken() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let all = || [one.path(), Path::new("/nowhere"), two.path()].into_iter();
        assert_eq!(newest(all()), None);
        let add = |folder: &tempfile::TempDir, name: &str, expect: &str| {
            fs::write(folder.path().join(name), "").unwrap();
            assert_eq!(newest(all()).unwrap().file_name().unwrap(), expect);
        };
        add(&one, "php-fpm", "php-fpm");
        add(&two, "php-fpm8.2", "php-fpm8.2");
        add(&one, "php-fpm8.10", "php-fpm8.10");
        add(&one, "php-fpm7.4", "php-fpm8.10");
        add(&two, "php-fpm9.x", "php-fpm8.10");
        add(&two, "php-fpm-status", "php-fpm8.10");
    }

    #[test]
    fn what_a_killed_process_has_left_is_swept_up() {
        let all = tempfile::tempdir().unwrap();
        let (gone, here) = (u32::MAX, std::process::id());
        for owner in [gone, here] {
            DirBuilder::new()
                .mode(0o700)
                .create(all.path().join(format!("{FOLDER}{owner}")))
                .unwrap();
        }
        sweep(all.path());
        let left = fs::read_dir(all.path()).unwrap().map(|entry| entry.unwrap().file_name());
        assert_eq!(left.collect::<Vec<_>>(), [&*format!("{FOLDER}{here}")]);
    }

    #[test]
    fn programs_are_run_by_whose_they_are_and_never_by_root() {
        let root = tempfile::tempdir().unwrap();
        let text = settings(root.path(), Path::new("/private")).unwrap();
        assert!(text.contains("listen = /private/socket\nlisten.mode = 0600\n"));
        assert_eq!(text.contains("user = nobody\n"), process::is_root());
    }
}
