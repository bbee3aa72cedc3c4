//! Black-box tests of the real binary: a harness that starts it, clients that send raw bytes.
//!
//! ```no_run
//! let server = e2e::Server::start(&["./site"]);
//! let answer = e2e::Client::connect(server.addr()).get("/").unwrap();
//! assert_eq!(answer.status, 200);
//! server.stop();
//! ```
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test harness says what is wrong by panicking"
)]

pub mod application;
pub mod authority;
pub mod binary;
pub mod collector;
pub mod client;
pub mod clock;
pub mod comparison;
pub mod database;
pub mod dialogue;
pub mod disk;
pub mod frames;
pub mod front;
pub mod issuing;
pub mod link;
pub mod load;
pub mod look;
pub mod manager;
pub mod name_server;
pub mod pace;
pub mod php;
pub mod place;
pub mod peer;
pub mod process;
pub mod response;
pub mod script;
pub mod secure;
pub mod secure_place;
pub mod server;
pub mod site;
pub mod sites;
pub mod stage;
pub mod stalling;
pub mod unit;
pub mod visitor;
pub mod webdriver;
pub mod wordpress;

pub use application::Application;
pub use client::{Client, Ending};
pub use database::Database;
pub use link::Link;
pub use load::under_load;
pub use manager::Manager;
pub use pace::{Asker, Pace};
pub use peer::{Answer, Peer};
pub use php::Php;
pub use place::Place;
pub use response::Response;
pub use server::{Launch, Server, Stopped};
pub use site::Site;
pub use sites::Sites;
pub use stage::Stage;
pub use stalling::Stalling;
pub use unit::Unit;
pub use wordpress::Wordpress;

use std::{
    env,
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt, chown},
    path::Path,
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// How long anything may take before a test gives up on it. Nothing ever waits that long when all
/// is well: every wait ends with the event it is for.
pub const PATIENCE: Duration = Duration::from_secs(45);

/// A folder for a test, which the user that serves can read: not root, where that runs the tests.
pub fn folder() -> TempDir {
    let for_all = Permissions::from_mode(0o755);
    tempfile::Builder::new().permissions(for_all).tempdir().unwrap()
}

/// A user who may do nothing.
pub const NOBODY: u32 = 65534;

/// A folder of the user whom [`Launch::as_nobody`] has the server run by.
pub fn folder_of_nobody() -> TempDir {
    let folder = folder();
    if rustix::process::geteuid().is_root() {
        chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    }
    folder
}

/// Gives `folder` to the user that serves where root runs the tests: the first of those that gannet
/// takes, too.
pub fn give_to_server(folder: &Path) {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let number = |name: &str| {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        line.split(':').nth(2)?.parse::<u32>().ok()
    };
    let user = ["www-data", "nobody"].iter().find_map(|name| number(name)).unwrap_or(NOBODY);
    chown(folder, Some(user), None).unwrap();
}

/// How much of something a test does: `usual`, or `full` where the environment has `GANNET_FULL`,
/// as it does for the long run of all tests.
pub fn extent(usual: usize, full: usize) -> usize {
    if env::var_os("GANNET_FULL").is_some() { full } else { usual }
}

/// How long a test goes on that looks for what piles up: so many seconds as a rule, so many at
/// length, and the minutes of the environment's `GANNET_SOAK_MINUTES` where it has that.
pub fn soak_time(usual: usize, full: usize) -> Duration {
    let minutes = env::var("GANNET_SOAK_MINUTES").ok().and_then(|minutes| minutes.parse().ok());
    let seconds = minutes.map_or(extent(usual, full) as u64, |minutes: u64| minutes * 60);
    Duration::from_secs(seconds)
}

/// Whether `is_so` comes true before patience runs out. For what the server does by itself, without
/// telling anybody, and only for that.
pub fn eventually(mut is_so: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    while !is_so() {
        if start.elapsed() > PATIENCE {
            return false;
        }
        thread::sleep(Duration::from_millis(10));
    }
    true
}
