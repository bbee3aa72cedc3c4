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

pub mod binary;
pub mod client;
pub mod clock;
pub mod dialogue;
pub mod load;
pub mod pace;
pub mod peer;
pub mod process;
pub mod response;
pub mod script;
pub mod server;
pub mod site;
pub mod stage;
pub mod stalling;
pub mod webdriver;

pub use client::{Client, Ending};
pub use load::under_load;
pub use pace::{Asker, Pace};
pub use peer::{Answer, Peer};
pub use response::Response;
pub use server::{Launch, Server, Stopped};
pub use site::Site;
pub use stage::Stage;
pub use stalling::Stalling;

use std::{
    env, thread,
    time::{Duration, Instant},
};

/// How long anything may take before a test gives up on it. Nothing ever waits that long when all
/// is well: every wait ends with the event it is for.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// How much of something a test does: `usual`, or `full` where the environment has `GANNET_FULL`,
/// as it does for the long run of all tests.
pub fn extent(usual: usize, full: usize) -> usize {
    if env::var_os("GANNET_FULL").is_some() { full } else { usual }
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
