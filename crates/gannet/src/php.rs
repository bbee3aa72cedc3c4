//! The php-fpms of this machine: which there are, whom they run as, and one of this process's own
//! for `gannet PATH`.

use base::stable;
use config::plan::{Pool, PoolUser};
use net::{
    identity::{self, User},
    process::{self, Handle},
    store,
    unix::{self, SocketFile, UnixError},
};
use std::{
    fs::{self, DirBuilder},
    io::{self, BufRead, BufReader, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::{DirBuilderExt, MetadataExt},
    },
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Sender},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};
use supervisor::fpm::{self, MISSING, Word};

/// The oldest php-fpm that says how it is by a socket of its own.
const OLDEST: (u32, u32) = (8, 0);

/// Where php-fpm lies.
const FOLDERS: [&str; 4] = ["/usr/local/sbin", "/usr/sbin", "/usr/local/bin", "/usr/bin"];

/// Applications as Debian packages them, and for whom: only that user reads what they keep secret,
/// and writes what they write.
const PACKAGES: [&str; 4] =
    ["/usr/share/wordpress", "/usr/share/phpmyadmin", "/usr/share/mediawiki", "/var/lib/mediawiki"];
const PACKAGES_USER: &str = "www-data";

/// What private folders are called, before a number of each; and their sockets.
const FOLDER: &str = "gannet-php-";
const SOCKET: &str = "socket";

/// One in which nobody listens after that time belongs to nobody any more.
const BEGIN_TIME: Duration = Duration::from_secs(60);

/// Time for its first word.
const START_TIME: Duration = Duration::from_secs(20);

/// One that has lived so long was healthy: the next one is started after the first of these waits.
const HEALTHY_TIME: Duration = Duration::from_secs(2);

/// The first and the longest wait; those of ones that die young get longer.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Time to end when it was told to; one that is stopped hears nothing of that.
const END_TIME: Duration = Duration::from_secs(5);

/// The php-fpm of that version, or else the newest.
pub(crate) fn find(version: Option<&str>) -> Result<PathBuf, String> {
    let all = installed(FOLDERS.iter().map(Path::new));
    choose(all, version)
}

fn choose(mut all: Vec<((u32, u32), PathBuf)>, wanted: Option<&str>) -> Result<PathBuf, String> {
    // Of what is called php-fpm and no more, nobody knows the version.
    all.retain(|(version, _)| *version >= OLDEST || *version == (0, 0));
    all.sort();
    let Some(wanted) = wanted else {
        return all.pop().map(|(_, path)| path).ok_or_else(|| MISSING.to_owned());
    };
    let number = version(&format!("php-fpm{wanted}"));
    let Some(number) = number else {
        return Err(format!("`{wanted}` is no version of PHP: write it as `8.2`"));
    };
    let found = all.iter().position(|(version, _)| *version == number);
    found.map(|at| all.swap_remove(at).1).ok_or_else(|| {
        if number < OLDEST {
            return format!(
                "php-fpm {wanted} is too old for this server to start: name 8.0 or a newer one, or \
                 one that runs already by `socket`"
            );
        }
        let names: Vec<_> = all.iter().map(|(_, path)| name(path)).collect();
        let others = match names.as_slice() {
            [] => String::new(),
            names => format!("name another version, as there is {}, or ", names.join(", ")),
        };
        let (major, minor) = number;
        format!(
            "there is no php-fpm {major}.{minor} here: {others}install it (Debian: `apt install \
             php{major}.{minor}-fpm`)"
        )
    })
}

/// A number that changes with the program and with the settings that come with it: after an upgrade
/// of PHP, or a new extension, a reload has another one run.
pub(crate) fn stamp(program: &Path) -> u64 {
    let version = name(program).trim_start_matches("php-fpm").to_owned();
    let debian = Path::new("/etc/php").join(version).join("fpm");
    let others = ["/etc/php.ini", "/etc/php.d", "/usr/local/etc/php", "/usr/local/etc/php/conf.d"];
    let others = others.iter().map(PathBuf::from);
    let all = [program.to_owned(), debian.join("php.ini"), debian.join("conf.d")].into_iter();
    let look = |path: PathBuf| {
        let found = fs::metadata(path).ok()?;
        Some([found.ino().to_le_bytes(), found.mtime().to_le_bytes(), found.size().to_le_bytes()])
    };
    let looks: Vec<_> = all.chain(others).filter_map(look).flatten().flatten().collect();
    stable::hash(&looks)
}

/// Whom programs in the folder `root` run as: the user `name`, or else whoever it belongs to where
/// this process is root. `None` stands for the user of this process.
pub(crate) fn runner(name: Option<&str>, root: &Path) -> Result<Option<PoolUser>, String> {
    let (own, is_root) = (process::user(), process::is_root());
    let found = |name: &str| User::find(name).map_err(|error| error.to_string());
    let owner = || fs::metadata(root).map(|of| of.uid()).map_err(|error| error.to_string());
    let user = match (name, is_root) {
        (None, false) => return Ok(None),
        (Some(name), false) => match found(name)?.number {
            number if number == own => return Ok(None),
            _ => {
                return Err(format!(
                    "only root runs PHP as another user, and this is user {own}: start the server \
                     as root, or leave `user` out"
                ));
            }
        },
        (Some(name), true) => {
            let user = found(name)?;
            // A number that no list knows is somebody where something is theirs.
            if identity::known(user.number).is_none() && user.number != owner()? {
                return Err(format!(
                    "no user has the number {name}: name one that is there, or give that number \
                     the folder (chown)"
                ));
            }
            user
        }
        (None, true) => {
            let owner = owner()?;
            if owner == 0 {
                return Err(format!(
                    "{} is root's, who never runs PHP: say who does, such as `php = {{ user = \
                     \"www-data\" }}`, or give the folder to somebody (chown)",
                    root.display()
                ));
            }
            found(&owner.to_string())?
        }
    };
    let User { name, number, group, groups } = user;
    if number == 0 || group == 0 {
        return Err(format!("`{name}` has root's number or group: PHP is never run as root"));
    }
    Ok(Some(PoolUser { name, number, group, groups }))
}

/// The name of the user whom the programs of `pool` run as.
pub(crate) fn user_of(pool: &Pool) -> String {
    let user = pool.user.as_ref().map(|user| user.name.clone());
    user.unwrap_or_else(|| identity::name(process::user()))
}

/// Whom to name for programs in `root` where nobody else is: where the folder is root's, nobody in
/// particular runs what lies in it, unless Debian has made it for somebody.
pub(crate) fn to_name(root: &Path) -> Option<&'static str> {
    runner(None, root).err()?;
    let is_packaged = PACKAGES.iter().any(|package| root.starts_with(package));
    let is_there = || User::find(PACKAGES_USER).is_ok();
    Some(if is_packaged && is_there() { PACKAGES_USER } else { "nobody" })
}

/// A running php-fpm of this process's own. One that dies is replaced. It ends when this is
/// dropped, or when this process ends in any other way.
pub(crate) struct Fpm {
    shared: Arc<Shared>,
    watch: Option<JoinHandle<()>>,
    /// What it is called, such as `php-fpm8.2`.
    pub(crate) name: String,
}

struct Shared {
    pool: Pool,
    /// The private folder of its socket.
    folder: PathBuf,
    /// The file has to be dropped before the socket.
    _file: SocketFile,
    socket: OwnedFd,
    /// The process, and whether none is to follow.
    now: Mutex<(Option<Arc<Handle>>, bool)>,
}

impl Fpm {
    /// Starts the newest one there is; as an error why there is none.
    pub(crate) fn start(root: &Path) -> Result<Self, String> {
        let program = find(None)?;
        let name = name(&program);
        let user = runner(to_name(root), root)?;
        let all = std::env::temp_dir();
        sweep(&all);
        // No number of a process: another one, in another container, may have the same.
        let number = net::random::bytes().map(u64::from_le_bytes).map_err(|e| e.to_string())?;
        let folder = all.join(format!("{FOLDER}{number:016x}"));
        let failed = |error: io::Error| format!("{}: {error}", folder.display());
        DirBuilder::new().mode(0o700).create(&folder).map_err(failed)?;
        let path = folder.join(SOCKET);
        let group = process::group();
        let (socket, file) = unix::listen_for_program(&path, Some(group)).map_err(|error| {
            let _ = fs::remove_dir_all(&folder);
            let why = match error {
                UnixError::Failed(error) => error.to_string(),
                UnixError::Taken(_) | UnixError::NoSocket => "somebody else uses it".to_owned(),
            };
            format!("{}: {why}", path.display())
        })?;
        let pool = Pool::quick(program, user, (path, group));
        let now = Mutex::default();
        let shared = Arc::new(Shared { pool, folder, _file: file, socket, now });
        let (ready, told) = mpsc::channel();
        let own = Arc::clone(&shared);
        let watch = thread::Builder::new().spawn(move || own.watch(&ready));
        let watch = Some(watch.map_err(|error| error.to_string())?);
        let fpm = Self { shared, watch, name };
        match told.recv_timeout(START_TIME) {
            Ok(Ok(())) => Ok(fpm),
            Ok(Err(why)) => Err(format!("{} {why}", fpm.name)),
            Err(_) => Err(format!("{} does not get ready", fpm.name)),
        }
    }

    /// Whom its programs run as.
    pub(crate) fn user(&self) -> String {
        user_of(&self.shared.pool)
    }

    /// Where it listens.
    pub(crate) fn socket(&self) -> PathBuf {
        self.shared.pool.socket.clone()
    }
}

impl Shared {
    /// Starts one after the other; each ends with the thread that does this.
    fn watch(&self, ready: &Sender<Result<(), String>>) {
        let (mut pause, mut has_been_ready) = (PAUSE_MIN, false);
        loop {
            let start = Instant::now();
            let failed = |error| (format!("cannot be started: {error}"), false);
            let (how, was_ready) = self.run(ready).unwrap_or_else(failed);
            has_been_ready |= was_ready;
            if self.now.lock().unwrap_or_else(PoisonError::into_inner).1 {
                return;
            }
            if !has_been_ready {
                let _ = ready.send(Err(how));
                return;
            }
            tell(&format!("{how}: another one is started"));
            pause = match start.elapsed() < HEALTHY_TIME {
                true => (pause * 2).min(PAUSE_MAX),
                false => PAUSE_MIN,
            };
            thread::park_timeout(pause);
        }
    }

    /// Starts one and waits until it has ended: how, and whether it was ready before.
    fn run(&self, ready: &Sender<Result<(), String>>) -> io::Result<(String, bool)> {
        let (mut child, errors) = fpm::start(&self.pool, self.socket.as_fd(), None, true)?;
        let handle = Handle::of(child.id()).map(Arc::new).ok();
        {
            let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
            now.0.clone_from(&handle);
            if now.1 {
                now.0.iter().for_each(|handle| handle.stop());
            }
        }
        let (ready, heard) = (ready.clone(), Arc::new(Heard::default()));
        let own = Arc::clone(&heard);
        let listening = thread::Builder::new().spawn(move || own.listen(errors, &ready));
        if let Some(handle) = &handle {
            let _ = store::wait(&[handle.as_fd()], None);
            // What it has started may still take requests, and holds the pipe until it has ended.
            handle.quit_group();
        }
        let ended = child.wait()?;
        let is_ready = || heard.is_ready.load(Ordering::Relaxed);
        if let (Ok(listening), false) = (listening, is_ready()) {
            let _ = listening.join();
        }
        let complaint = heard.complaint.lock().unwrap_or_else(PoisonError::into_inner).take();
        let how = match complaint.filter(|_| !is_ready()) {
            Some(complaint) => format!("has ended: {complaint}"),
            None => format!("has ended ({ended})"),
        };
        Ok((how, is_ready()))
    }
}

/// What one has said so far.
#[derive(Default)]
struct Heard {
    is_ready: AtomicBool,
    complaint: Mutex<Option<String>>,
}

impl Heard {
    fn listen(&self, errors: OwnedFd, ready: &Sender<Result<(), String>>) {
        let lines = BufReader::new(fs::File::from(errors)).lines();
        let mut ear = fpm::Ear::default();
        for line in lines.map_while(Result::ok) {
            match ear.meaning(&line) {
                Some(Word::Ready) => {
                    self.is_ready.store(true, Ordering::Relaxed);
                    let _ = ready.send(Ok(()));
                }
                Some(Word::Said(text)) if self.is_ready.load(Ordering::Relaxed) => tell(&text),
                Some(Word::Said(text)) => {
                    let complaint = self.complaint.lock();
                    complaint.unwrap_or_else(PoisonError::into_inner).get_or_insert(text);
                }
                None => {}
            }
        }
    }
}

/// Says something that php-fpm has said, or that concerns it.
fn tell(text: &str) {
    // Where standard error is closed there is nobody left to tell.
    let _ = writeln!(io::stderr(), "php-fpm: {text}");
}

impl Drop for Fpm {
    fn drop(&mut self) {
        let last = {
            let mut now = self.shared.now.lock().unwrap_or_else(PoisonError::into_inner);
            now.1 = true;
            now.0.clone()
        };
        if let Some(handle) = last {
            handle.stop();
            if !handle.ends_within(END_TIME) {
                handle.kill_group();
            }
        }
        if let Some(watch) = self.watch.take() {
            watch.thread().unpark();
            let _ = watch.join();
        }
        let _ = fs::remove_dir_all(&self.shared.folder);
    }
}

/// Removes from `all` the private folders of this user's processes that were killed.
fn sweep(all: &Path) {
    for entry in fs::read_dir(all).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let is_one = name.to_str().is_some_and(|name| name.starts_with(FOLDER));
        if is_one && is_left(&entry.path()) && process::own_folder(&entry.path()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Whether nobody listens in that folder, nor is about to.
fn is_left(folder: &Path) -> bool {
    let age = fs::metadata(folder)
        .and_then(|found| found.modified()?.elapsed().map_err(io::Error::other));
    let is_old = age.is_ok_and(|age| age >= BEGIN_TIME);
    is_old
        && unix::connect_at_once(&folder.join(SOCKET)).is_err_and(|error| {
            matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
        })
}

/// The php-fpms in these folders, each with its version.
fn installed<'p>(folders: impl Iterator<Item = &'p Path>) -> Vec<((u32, u32), PathBuf)> {
    let entries = folders.filter_map(|folder| fs::read_dir(folder).ok()).flatten();
    let found = entries.filter_map(|entry| {
        let path = entry.ok()?.path();
        Some((version(path.file_name()?.to_str()?)?, path))
    });
    found.collect()
}

fn name(program: &Path) -> String {
    program.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The version in `php-fpm8.2`, or, as Alpine has it, `php-fpm82`; zero where it is not said.
fn version(name: &str) -> Option<(u32, u32)> {
    let rest = name.strip_prefix("php-fpm")?;
    if rest.is_empty() {
        return Some((0, 0));
    }
    let (major, minor) = rest.split_once('.').or_else(|| rest.split_at_checked(1))?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs::File, os::unix::net::UnixListener, time::SystemTime};

    #[test]
    fn the_newest_is_taken_or_the_one_that_is_wanted() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let all = || installed([one.path(), Path::new("/nowhere"), two.path()].into_iter());
        let find = |wanted| choose(all(), wanted).map(|path| name(&path));
        assert_eq!(find(None).unwrap_err(), MISSING);
        let add = |folder: &tempfile::TempDir, name: &str, expect: &str| {
            fs::write(folder.path().join(name), "").unwrap();
            assert_eq!(find(None).unwrap(), expect);
        };
        fs::write(one.path().join("php-fpm7.3"), "").unwrap();
        assert_eq!(find(None).unwrap_err(), MISSING);
        assert!(find(Some("7.3")).unwrap_err().contains("too old"));
        add(&one, "php-fpm", "php-fpm");
        add(&two, "php-fpm8.2", "php-fpm8.2");
        add(&one, "php-fpm8.10", "php-fpm8.10");
        add(&one, "php-fpm7.4", "php-fpm8.10");
        add(&two, "php-fpm9.x", "php-fpm8.10");
        add(&two, "php-fpm9", "php-fpm8.10");
        add(&two, "php-fpm811", "php-fpm811");
        add(&two, "php-fpm-status", "php-fpm811");
        assert_eq!(find(Some("8.2")).unwrap(), "php-fpm8.2");
        let why = find(Some("8.3")).unwrap_err();
        assert!(
            why.contains("php-fpm8.10")
                && why.contains("php-fpm811")
                && why.contains("`apt install php8.3-fpm`"),
            "{why}"
        );
        assert!(find(Some("83")).unwrap_err().contains("`apt install php8.3-fpm`"));
        for wanted in ["8", "8.2.36", "php8.2"] {
            let why = format!("`{wanted}` is no version of PHP: write it as `8.2`");
            assert_eq!(find(Some(wanted)), Err(why));
        }
    }

    #[test]
    fn what_a_killed_process_has_left_is_swept_up() {
        let all = tempfile::tempdir().unwrap();
        let names = ["left", "empty", "young", "used"];
        let folder = |name: &str| all.path().join(format!("{FOLDER}{name}"));
        let mut listening = Vec::new();
        for name in names {
            DirBuilder::new().mode(0o700).create(folder(name)).unwrap();
            if name != "empty" {
                let listener = UnixListener::bind(folder(name).join(SOCKET)).unwrap();
                listening.extend((name == "used").then_some(listener));
            }
            let age = if name == "young" { Duration::ZERO } else { 2 * BEGIN_TIME };
            let made = File::open(folder(name)).unwrap();
            made.set_modified(SystemTime::now() - age).unwrap();
        }
        sweep(all.path());
        assert_eq!(names.map(|name| folder(name).exists()), [false, false, true, true]);
    }

    #[test]
    fn programs_are_run_by_whose_they_are_and_never_by_root() {
        let root = tempfile::tempdir().unwrap();
        let number =
            |name: Option<&str>| runner(name, root.path()).map(|user| user.map(|user| user.number));
        if !process::is_root() {
            assert_eq!(number(None), Ok(None));
            let own = process::user().to_string();
            assert_eq!(number(Some(&own)), Ok(None));
            assert!(number(Some("4242")).unwrap_err().contains("only root"));
            return;
        }
        assert!(number(None).unwrap_err().contains("is root's"));
        std::os::unix::fs::chown(root.path(), Some(4242), Some(0)).unwrap();
        assert_eq!(number(None), Ok(Some(4242)));
        assert_eq!(number(Some("4242")), Ok(Some(4242)));
        assert!(number(Some("4243")).unwrap_err().contains("no user has the number 4243"));
        for root in ["root", "0"] {
            assert!(number(Some(root)).unwrap_err().contains("never run as root"));
        }
        assert!(number(Some("nobody knows")).unwrap_err().contains("no user"));
    }
}
