//! Two sites whose programs PHP runs, with a php-fpm and, where root runs the tests, a user each.

use crate::{Place, Response, Server, eventually, place, process::Process, stage};
use rustix::process::geteuid;
use serde_json::Value;
use std::{
    fs::{self, Permissions},
    ops::Deref,
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
};

/// Says who answers and what that can reach, and does what it is told.
pub const SHOW: &str = "<?php
$file = $_GET['file'] ?? '';
$socket = $_GET['socket'] ?? '';
$errors = fopen('php://stderr', 'w');
for ($count = 0; $count < ($_GET['say'] ?? 0); $count++) {
    fwrite($errors, 'What a program has to say may be much, and nobody needs to know it all.' . PHP_EOL);
}
if (isset($_GET['wait'])) {
    touch('begun');
}
while (isset($_GET['wait']) && !file_exists($_GET['wait'])) {
    usleep(1000);
}
echo json_encode(['version' => PHP_MAJOR_VERSION . '.' . PHP_MINOR_VERSION,
    'user' => posix_geteuid(), 'master' => posix_getppid(),
    'limit' => ini_get('memory_limit'), 'ini' => ini_get($_GET['ini'] ?? ''),
    'set' => ini_set('memory_limit', '1G'),
    'file' => $file === '' ? null : @file_get_contents($file),
    'socket' => $socket !== '' && @stream_socket_client('unix://' . $socket)]);
";

/// The hosts of the two.
pub const HOSTS: [&str; 2] = ["a.example", "b.example"];

/// Users of every Debian, each with a group of its own.
pub const USERS: [(&str, u32, u32); 2] = [("games", 5, 60), ("news", 9, 9)];

/// The sites, in the folders `a` and `b` beside the config.
pub struct Sites(Place);

impl Deref for Sites {
    type Target = Place;

    fn deref(&self) -> &Place {
        &self.0
    }
}

impl Sites {
    /// Makes both.
    #[expect(clippy::new_without_default, reason = "it writes files; that is no default value")]
    pub fn new() -> Self {
        let sites = Self(Place::new(&config("32M")));
        for (name, (_, user, group)) in ["a", "b"].into_iter().zip(USERS) {
            let root = sites.path(name);
            fs::create_dir(&root).unwrap();
            for (file, text) in [("index.php", SHOW), ("style.css", "p {}"), ("own.txt", name)] {
                fs::write(root.join(file), text).unwrap();
                fs::set_permissions(root.join(file), Permissions::from_mode(0o640)).unwrap();
            }
            fs::set_permissions(&root, Permissions::from_mode(0o750)).unwrap();
            if geteuid().is_root() {
                let all = fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path());
                all.chain([root.clone()]).for_each(|path| {
                    chown(path, Some(user), Some(group)).unwrap();
                });
            }
        }
        sites
    }

    /// Has the first site have that limit of memory.
    pub fn limit(&self, memory: &str) {
        self.write(&config(memory));
    }

    /// How often the error log speaks of `event`.
    pub fn count(&self, event: &str) -> usize {
        self.errors(event).len()
    }
}

fn config(limit: &str) -> String {
    let user = if geteuid().is_root() { "user = 'news', " } else { "" };
    let text = place::config("workers = 2\nthreads = 1", "", "");
    let text =
        text.replace("'ROOT'", &format!("'a'\nphp = {{ ini = {{ memory_limit = '{limit}' }} }}"));
    format!("{text}[site.'b.example']\nroot = 'b'\nphp = {{ {user}workers = 2 }}\n")
}

/// The answer of `host` to a GET.
pub fn get(server: &Server, host: &str, target: &str) -> Response {
    stage::get(server.addr(), host, target)
}

/// What the program of `host` says.
pub fn show(server: &Server, host: &str, query: &str) -> Value {
    let answer = get(server, host, &format!("/shown?{query}"));
    serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("{}", answer.text()))
}

/// The process that has started the one that answers for `host`.
pub fn master(server: &Server, host: &str) -> Process {
    let mut found = 1;
    // One whose master was killed finishes what it is at.
    let is_found = || {
        found = show(server, host, "")["master"].as_u64().unwrap() as u32;
        found != 1
    };
    assert!(eventually(is_found));
    Process(found)
}

/// The same of both.
pub fn masters(server: &Server) -> [Process; 2] {
    HOSTS.map(|host| master(server, host))
}

/// The sockets of a server's php-fpms.
pub fn sockets(server: &Server) -> Vec<PathBuf> {
    let all = fs::read_to_string("/proc/net/unix").unwrap();
    let paths = all.lines().filter_map(|line| line.split_once('/').map(|(_, path)| path));
    let own =
        paths.filter(|path| path.contains("-php-")).map(|path| PathBuf::from(format!("/{path}")));
    let mut own: Vec<_> = own.filter(|path| path.exists()).collect();
    own.sort();
    own.dedup();
    // By others it says how it is; and other tests have some, too.
    own.retain(|path| path.extension().is_some_and(|end| end == "sock"));
    own.retain(|path| is_held(server.started(), path));
    own
}

/// All processes that run PHP for the `site` of that name, whichever server has started them.
pub fn fpms(site: &str) -> Vec<Process> {
    let head = format!("\n[{site}]\n");
    let is_its = |path: &Path| {
        let target = fs::read_link(path).unwrap_or_default();
        target.to_string_lossy().contains("memfd:gannet-php")
            && fs::read_to_string(path).is_ok_and(|config| config.contains(&head))
    };
    let runs = |process: &Process| {
        let held = fs::read_dir(format!("/proc/{}/fd", process.0));
        held.is_ok_and(|mut held| held.any(|entry| entry.is_ok_and(|one| is_its(&one.path()))))
    };
    Process::all().filter(|one| one.name().starts_with("php-fpm") && runs(one)).collect()
}

/// Whether a process holds the socket that listens at `path`.
fn is_held(process: Process, path: &Path) -> bool {
    let all = fs::read_to_string("/proc/net/unix").unwrap();
    let nodes = all.lines().filter(|line| line.ends_with(path.to_str().unwrap()));
    let nodes: Vec<_> = nodes.filter_map(|line| line.split_whitespace().nth(6)).collect();
    let held = fs::read_dir(format!("/proc/{}/fd", process.0)).unwrap();
    let held = held.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    let held: Vec<_> = held.map(|target| target.to_string_lossy().into_owned()).collect();
    nodes.iter().any(|node| held.contains(&format!("socket:[{node}]")))
}
