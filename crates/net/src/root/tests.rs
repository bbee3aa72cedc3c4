//! Real folders with every kind of link, file and accident in them, and what `find` makes of each.

use super::*;
use crate::file;
use rustix::fs::{CWD, RenameFlags, mkfifoat, renameat_with};
use rustix::process::geteuid;
use rustix::thread::set_thread_res_uid;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::thread;
use tempfile::TempDir;

const BOTH: [Patience; 2] = [Patience::Now, Patience::Wait];

/// `site` is served, links may lead into `shared` and `more`, and `secret` is nobody's business.
struct Ground {
    folder: TempDir,
    root: Root,
}

impl Ground {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        let path = folder.path().canonicalize().unwrap();
        for tree in ["site/sub", "shared/sub", "more", "secret"] {
            fs::create_dir_all(path.join(tree)).unwrap();
        }
        for name in ["site/a", "site/sub/b", "shared/c", "shared/sub/d", "more/e", "secret/f"] {
            fs::write(path.join(name), name).unwrap();
        }
        // A second name of the folder, as when /home is a link to another disk.
        symlink(&path, path.join("alias")).unwrap();
        let links = [path.join("shared"), path.join("alias/more")];
        let root = Root::open(&path.join("alias/site"), &links).unwrap();
        assert!(root.is_quick(), "the folder for temporary files lies on a slow file system");
        Self { folder, root }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join(name)
    }

    /// Makes a link at `name`; a target that starts with `~` is absolute, below the ground.
    fn link(&self, name: &str, target: &str) {
        let target = match target.strip_prefix("~/") {
            Some(below) => self.path(below),
            None => target.into(),
        };
        symlink(target, self.path(name)).unwrap();
    }

    /// The content that is found, `"/"` for a directory, or the name of the error.
    fn outcome(&self, path: &str, patience: Patience) -> String {
        match self.root.find(path.as_bytes(), patience) {
            Ok(found) if found.stat.kind == Kind::Directory => "/".to_owned(),
            Ok(found) => content(&found),
            Err(FindError::Failed(error)) => error.to_string(),
            Err(error) => format!("{error:?}"),
        }
    }

    /// Both who can wait and who cannot must come to `expect`, but the latter may send on to the
    /// former.
    fn check(&self, path: &str, expect: &str) {
        assert_eq!(self.outcome(path, Patience::Wait), expect, "{path}");
        let now = self.outcome(path, Patience::Now);
        assert!(now == expect || now == "WouldBlock", "{path}: {now} at once, not {expect}");
    }
}

fn content(found: &Found) -> String {
    let mut buffer = [0; 64];
    let count = file::read(found.file.as_fd(), &mut buffer, 0).unwrap();
    String::from_utf8_lossy(&buffer[..count]).into_owned()
}

#[test]
fn files_and_directories() {
    let ground = Ground::new();
    ground.check("/a", "site/a");
    ground.check("/sub/b", "site/sub/b");
    ground.check("/", "/");
    ground.check("/sub", "/");
    ground.check("/sub/", "/");
    for path in ["/a/", "/a/b", "/sub/b/", "/none", "/none/", "/none/b", "/sub/none"] {
        ground.check(path, "NotFound");
    }
    ground.check(&format!("/{}", "n".repeat(255)), "NotFound");
    ground.check(&format!("/{}", "n".repeat(256)), "NotFound");
    ground.check(&"/n".repeat(4096), "NotFound");
    ground.check("/a\0", "NotFound");
    ground.check("/a\0/b", "NotFound");
    // Paths that are not in normal form never come here; if they did, nothing would leak.
    ground.check("", "/");
    ground.check("//a", "site/a");
    ground.check("//etc/passwd", "NotFound");
    ground.check("/../secret/f", "NotFound");
    ground.check("/sub/../../secret/f", "NotFound");
}

#[test]
fn a_warm_file_is_found_at_once_and_described_truly() {
    let ground = Ground::new();
    let waited = ground.root.find(b"/a", Patience::Wait).unwrap();
    let found = ground.root.find(b"/a", Patience::Now).unwrap();
    assert_eq!(found.stat, waited.stat);
    assert!(found.is_quick && waited.is_quick);
    assert_eq!((found.stat.kind, found.stat.size), (Kind::File, 6));
    assert_eq!(ground.root.stat(b"/a").unwrap(), found.stat);
    fs::write(ground.path("site/a"), "site/A").unwrap();
    fs::File::options()
        .write(true)
        .open(ground.path("site/a"))
        .unwrap()
        .set_modified(std::time::UNIX_EPOCH)
        .unwrap();
    assert_ne!(ground.root.stat(b"/a").unwrap(), found.stat);
    fs::remove_file(ground.path("site/a")).unwrap();
    assert!(matches!(ground.root.stat(b"/a"), Err(FindError::NotFound)));
}

#[test]
fn links() {
    let ground = Ground::new();
    let outside = ground.path("secret/f");
    for (name, target, expect) in [
        ("site/inside", "sub/b", "site/sub/b"),
        ("site/inside-directory", "sub", "/"),
        ("site/sub/up", "../a", "site/a"),
        ("site/absolute", "~/site/sub/b", "site/sub/b"),
        ("site/itself", "~/site", "/"),
        ("site/typed", "~/alias/site/a", "site/a"),
        ("site/climbs-and-returns", "../site/a", "site/a"),
        ("site/sub/climbs-through-nothing", "../../none/../site/a", "site/a"),
        ("site/tree", "~/shared/c", "shared/c"),
        ("site/tree-itself", "../shared/", "/"),
        ("site/tree-climbing", "../shared/sub/d", "shared/sub/d"),
        ("site/tree-by-typed-name", "~/alias/more/e", "more/e"),
        ("site/tree-left-again", "~/shared/../secret/f", "NotFound"),
        ("shared/back", "~/site/a", "site/a"),
        ("site/there-and-back", "~/shared/back", "site/a"),
        ("shared/on", "../more/e", "more/e"),
        ("site/chain", "~/shared/on", "more/e"),
        ("shared/out", "../secret/f", "NotFound"),
        ("site/chain-out", "~/shared/out", "NotFound"),
        ("site/outside", "~/secret/f", "NotFound"),
        ("site/outside-climbing", "../secret/f", "NotFound"),
        ("site/outside-prefix", "~/site-a", "NotFound"),
        ("site/etc", "/etc/passwd", "NotFound"),
        ("site/machine", "/", "NotFound"),
        ("site/climbs-to-the-top", "../../../../../../../../../etc/passwd", "NotFound"),
        ("site/dangling", "none", "NotFound"),
        ("site/dangling-absolute", "~/site/none", "NotFound"),
        ("site/loop", "loop", "NotFound"),
        ("site/loop-absolute", "~/site/loop-absolute", "NotFound"),
        ("site/loop-1", "~/shared/loop-2", "NotFound"),
        ("shared/loop-2", "~/site/loop-1", "NotFound"),
        ("site/process", "/proc/self/cwd", "NotFound"),
    ] {
        ground.link(name, target);
        if let Some(path) = name.strip_prefix("site") {
            ground.check(path, expect);
        }
    }
    ground.check("/outside/", "NotFound");
    ground.check("/absolute/", "NotFound");
    ground.check("/inside-directory/b", "site/sub/b");
    ground.check("/itself/itself/tree-itself/sub/d", "shared/sub/d");
    ground.check("/machine/etc/passwd", "NotFound");
    ground.check(&format!("/machine{}", outside.display()), "NotFound");
    ground.check(&format!("/machine{}", ground.path("site/a").display()), "site/a");
    for (path, expect) in [
        ("/outside", Some("secret/f")),
        ("/chain-out", Some("secret/f")),
        ("/tree", None),
        ("/a", None),
        ("/none", None),
        ("/outside/none", None),
        ("/dangling-absolute", None),
    ] {
        let found = ground.root.outside(path.as_bytes());
        assert_eq!(found, expect.map(|name| ground.path(name)), "{path}");
    }
}

#[test]
fn forty_links_are_followed_and_no_more() {
    let ground = Ground::new();
    ground.link("site/1", "~/site/a");
    for number in 2..=41 {
        ground.link(&format!("site/{number}"), &format!("~/site/{}", number - 1));
    }
    ground.check("/40", "site/a");
    ground.check("/41", "NotFound");
}

#[test]
fn what_is_neither_file_nor_directory_is_not_found_and_never_waited_for() {
    let ground = Ground::new();
    mkfifoat(CWD, ground.path("site/fifo"), Mode::from_raw_mode(0o644)).unwrap();
    let _socket = UnixListener::bind(ground.path("site/socket")).unwrap();
    for path in ["/fifo", "/fifo/", "/socket"] {
        ground.check(path, "NotFound");
    }
    let devices = Root::open(Path::new("/dev"), &[]).unwrap();
    for patience in BOTH {
        let outcome = devices.find(b"/null", patience);
        assert!(matches!(outcome, Err(FindError::NotFound | FindError::WouldBlock)));
    }
}

/// Runs `work` as somebody who may not do everything, which the superuser may.
fn as_ordinary_user(work: impl FnOnce() + Send) {
    thread::scope(|scope| {
        scope.spawn(|| {
            if geteuid().is_root() {
                let nobody = rustix::fs::Uid::from_raw(65534);
                set_thread_res_uid(nobody, nobody, nobody).unwrap();
            }
            work();
        });
    });
}

#[test]
fn what_may_not_be_read_is_denied() {
    let ground = Ground::new();
    for name in ["site/a", "site/sub"] {
        fs::set_permissions(ground.path(name), fs::Permissions::from_mode(0o000)).unwrap();
    }
    as_ordinary_user(|| {
        ground.check("/a", "Denied");
        ground.check("/sub", "Denied");
        ground.check("/sub/b", "Denied");
    });
    fs::set_permissions(ground.path("site/sub"), fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn the_error_names_the_part_of_the_path_that_is_at_fault() {
    let ground = Ground::new();
    let check = |name: &str, component: &str, reason: &str| {
        let error = Root::open(&ground.path(name), &[]).err().unwrap();
        assert_eq!(error.component, ground.path(component), "{name}");
        let text = error.to_string();
        assert!(text.contains(reason), "{text}");
        let named = text.matches(ground.path(name).to_str().unwrap()).count();
        assert!(named == 1 || reason == "may not enter", "{text}");
    };
    check("none", "none", "does not exist");
    check("site/none/deeper", "site/none", "does not exist");
    check("site/a", "site/a", "is not a folder");
    check("site/a/deeper", "site/a", "is not a folder");
    ground.link("astray", "site/none");
    check("astray", "site/none", "does not exist");
    ground.link("shared/link", "../site/sub");
    fs::set_permissions(ground.path("site"), fs::Permissions::from_mode(0o600)).unwrap();
    as_ordinary_user(|| {
        check("site", "site", "may not enter");
        check("site/sub", "site", "may not enter");
        // The folder that is closed is the one that a link leads through, not where it stands.
        check("shared/link", "site", "may not enter");
    });
    fs::set_permissions(ground.path("site"), fs::Permissions::from_mode(0o755)).unwrap();
}

/// Whatever a thread swaps meanwhile, only what lies inside is ever opened.
fn race(prepare: impl Fn(&Ground), path: &str) {
    let ground = Ground::new();
    fs::write(ground.path("secret/b"), "outside").unwrap();
    ground.link("site/other", "../secret");
    prepare(&ground);
    ground.check(path, "site/sub/b");
    let (here, there) = (ground.path("site/sub"), ground.path("site/other"));
    let swap = || renameat_with(CWD, &here, CWD, &there, RenameFlags::EXCHANGE).unwrap();
    swap();
    ground.check(path, "NotFound");
    thread::scope(|scope| {
        let swaps = scope.spawn(|| (0..10_000).for_each(|_| swap()));
        while !swaps.is_finished() {
            for patience in BOTH {
                let outcome = ground.outcome(path, patience);
                let is_sound = matches!(&*outcome, "site/sub/b" | "NotFound" | "WouldBlock");
                assert!(is_sound, "{path}: {outcome} for {patience:?}");
            }
        }
    });
}

#[test]
fn a_directory_swapped_for_a_link_leads_nobody_outside() {
    race(|_| {}, "/sub/b");
    race(|ground| ground.link("site/entry", "~/site/sub"), "/entry/b");
    race(|ground| ground.link("site/entry", "../site/./sub/../sub"), "/entry/b");
}

#[test]
fn a_root_stays_the_folder_that_was_opened() {
    let ground = Ground::new();
    fs::rename(ground.path("site"), ground.path("old")).unwrap();
    fs::rename(ground.path("secret"), ground.path("site")).unwrap();
    ground.check("/a", "site/a");
    ground.check("/f", "NotFound");
}

#[test]
fn a_root_that_may_stall_sends_everything_to_the_pool() {
    // /proc stands for all that is not known to be quick.
    let root = Root::open(Path::new("/proc"), &[]).unwrap();
    assert!(!root.is_quick());
    assert!(matches!(root.find(b"/version", Patience::Now), Err(FindError::WouldBlock)));
    let found = root.find(b"/version", Patience::Wait).unwrap();
    assert!(content(&found).starts_with("Linux version") && !found.is_quick);
}

#[test]
fn a_listing_shows_what_could_be_found() {
    let ground = Ground::new();
    ground.link("site/inside", "sub/b");
    ground.link("site/tree", "~/shared/sub");
    ground.link("site/outside", "~/secret/f");
    ground.link("site/dangling", "none");
    mkfifoat(CWD, ground.path("site/fifo"), Mode::from_raw_mode(0o644)).unwrap();
    fs::write(ground.path("site/.hidden"), "").unwrap();

    let listing = ground.root.list(b"/", 100).unwrap();
    let mut lines: Vec<_> = listing
        .entries
        .iter()
        .map(|entry| {
            let name = String::from_utf8_lossy(&entry.name);
            match entry.stat.kind {
                Kind::Directory => format!("{name}/"),
                _ => format!("{name} {}", entry.stat.size),
            }
        })
        .collect();
    lines.sort();
    assert_eq!(lines, [".hidden 0", "a 6", "inside 10", "sub/", "tree/"]);
    assert_eq!(listing.more, 0);

    let part = ground.root.list(b"/", 3).unwrap();
    assert!(part.more > 0 && part.entries.len() <= 3);
    assert_eq!(ground.root.list(b"/sub/", 1).unwrap().more, 0);
    assert_eq!(ground.root.list(b"/tree", 1).unwrap().entries[0].name, b"d");
    for path in ["/a", "/none", "/outside"] {
        assert!(matches!(ground.root.list(path.as_bytes(), 9), Err(FindError::NotFound)));
    }
}
