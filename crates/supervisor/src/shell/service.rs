//! What systemd is told of the server, where it has started it: when it is ready, when it reloads
//! and stops, and that it gets on.

use super::Happening;
use base::text::push_printable;
use net::{
    clock,
    systemd::{self, Manager},
};
use std::process;
use tokio::{sync::mpsc::UnboundedSender, task::spawn_local, time::sleep};

/// Whoever has started this process, if that wants to know.
pub(super) struct Service(Option<Manager>);

impl Service {
    /// The one that the environment names; it is told that all is well as often as it wants.
    pub(super) fn new(happenings: &UnboundedSender<Happening>) -> Self {
        // One that cannot be told anything gives up on this process by itself.
        let manager = Manager::of_environment().ok().flatten();
        if let (Some(period), Some(_)) = (systemd::watchdog(), &manager) {
            let happenings = happenings.clone();
            spawn_local(async move {
                while happenings.send(Happening::Alive).is_ok() {
                    sleep(period).await;
                }
            });
        }
        Self(manager)
    }

    /// The server serves: what, or what has become of a reload.
    pub(super) fn ready(&self, status: &str) {
        self.tell(&format!("READY=1\nMAINPID={}", process::id()), status);
    }

    /// It reads its config again.
    pub(super) fn reloading(&self) {
        let now = clock::precise_us();
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={now}"), "reads its config again");
    }

    /// It stops.
    pub(super) fn stopping(&self) {
        self.tell("STOPPING=1", "finishes what is under way");
    }

    /// It gets on.
    pub(super) fn alive(&self) {
        self.0.iter().for_each(|manager| manager.tell("WATCHDOG=1"));
    }

    fn tell(&self, text: &str, status: &str) {
        let Some(manager) = &self.0 else { return };
        // It is one line, which ends up on a terminal.
        let mut line = Vec::new();
        push_printable(&mut line, status.lines().next().unwrap_or_default().as_bytes());
        manager.tell(&format!("{text}\nSTATUS={}", String::from_utf8_lossy(&line)));
    }
}
