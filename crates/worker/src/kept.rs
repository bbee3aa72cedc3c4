//! Connections to applications that wait for the next request, where a site wants that.
//!
//! Each of them holds a child of php-fpm, of which there are few. So they are there for all loops
//! of a process, and whoever asks next takes one, or closes it for a child to be free: nobody waits
//! for a child that does nothing. Of several worker processes each has its part of what the site
//! allows. None waits for long, or once its process drains.

use crate::socket::Socket;
use base::Moment;
use config::plan::Php;
use fastcgi::FIRST_ID;
use net::socket;
use std::{
    os::fd::{AsFd, OwnedFd},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

/// How long one waits: a php-fpm that begins anew waits for its children as long as they have one.
const IDLE_TIME: Duration = Duration::from_millis(250);

/// A connection to an application, and the id of the request that goes by it.
pub(crate) struct Link {
    pub(crate) socket: Socket,
    pub(crate) id: u16,
}

impl Link {
    /// Whether a request was answered by it before.
    pub(crate) fn is_used(&self) -> bool {
        self.id > FIRST_ID
    }
}

/// Those of a process that wait.
#[derive(Clone)]
pub(crate) struct Kept(Arc<Shared>);

struct Shared {
    /// By the numbers of applications; the one that was used last is at the end.
    idle: Vec<Mutex<Vec<Idle>>>,
    /// Which of how many worker processes this is.
    part: (usize, usize),
    /// Whether none is to wait any more.
    is_over: AtomicBool,
}

struct Idle {
    descriptor: OwnedFd,
    id: u16,
    until: Moment,
}

impl Kept {
    /// None yet, to so many applications, in this one of so many processes.
    pub(crate) fn new(count: usize, part: (usize, usize)) -> Self {
        let idle = (0..count).map(|_| Mutex::default()).collect();
        Self(Arc::new(Shared { idle, part, is_over: AtomicBool::new(false) }))
    }

    /// One that waits, and the id of the request that goes by it next; those that the application
    /// has closed by now are left out, and those by which it says what nobody has asked for.
    pub(crate) fn take(&self, php: &Php) -> Option<(OwnedFd, u16)> {
        loop {
            let Idle { descriptor, id, .. } = self.of(php.application.number)?.pop()?;
            if socket::is_quiet(descriptor.as_fd()) {
                return Some((descriptor, id));
            }
        }
    }

    /// Has one wait for the next request, if it may; until when it does. `asked` requests are with
    /// the application, the one that has just been answered among them.
    pub(crate) fn put(
        &self,
        php: &Php,
        link: Link,
        (asked, now): (usize, Moment),
    ) -> Option<Moment> {
        let most = share(php.keep, self.0.part);
        // With more than so many, some may wait for a child, and have come before the next request.
        if asked > 2 * most {
            return None;
        }
        let mut idle = self.of(php.application.number)?;
        // Whoever ends this looks for those that wait behind that.
        if idle.len() >= most || self.0.is_over.load(Relaxed) {
            return None;
        }
        let id = link.id.checked_add(1)?;
        let (descriptor, until) = (link.socket.into_descriptor().ok()?, now.after(IDLE_TIME));
        idle.push(Idle { descriptor, id, until });
        Some(until)
    }

    /// Closes those that have waited for long enough; when the next of them will have.
    pub(crate) fn sweep(&self, now: Moment) -> Moment {
        let mut next = Moment::NEVER;
        for number in 0..self.0.idle.len() {
            let Some(mut idle) = self.of(number) else { continue };
            idle.retain(|one| now < one.until);
            next = idle.iter().fold(next, |next, one| next.min(one.until));
        }
        next
    }

    /// Closes all; from now on none waits.
    pub(crate) fn end(&self) {
        self.0.is_over.store(true, Relaxed);
        for number in 0..self.0.idle.len() {
            self.of(number).iter_mut().for_each(|idle| idle.clear());
        }
    }

    fn of(&self, number: usize) -> Option<MutexGuard<'_, Vec<Idle>>> {
        Some(self.0.idle.get(number)?.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// How many of `keep` connections the process keeps that is this one of so many.
fn share(keep: usize, (place, all): (usize, usize)) -> usize {
    keep / all + usize::from(place < keep % all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use config::{Plan, World, plan::Action};
    use std::{cell::Cell, io::Write, os::unix::net::UnixStream};
    use tokio::runtime::Builder;

    struct Anywhere;

    impl World for Anywhere {}

    fn php(keep: usize) -> Php {
        let text =
            format!("[site.default]\nroot = '/srv'\nphp = {{ socket = '/x', keep = {keep} }}");
        let plan: Plan = config::load("t.toml", text, &Anywhere).unwrap();
        match &plan.sites[0].routes.rest.policy.action {
            Action::Php(php) => (**php).clone(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn all_processes_together_keep_as_many_as_may_be() {
        for keep in 0..20 {
            for all in 1..7 {
                let shares = (0..all).map(|place| share(keep, (place, all)));
                assert_eq!(shares.sum::<usize>(), keep, "{all}");
            }
        }
    }

    #[test]
    fn one_waits_while_it_may_and_is_of_use() {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let _inside = runtime.enter();
        let (php, now) = (php(5), Moment(1_000));
        let kept = Kept::new(1, (1, 2));
        let asked = Cell::new(1);
        // Whether it waits, and its other end.
        let put = |id| {
            let (own, peer) = UnixStream::pair().unwrap();
            own.set_nonblocking(true).unwrap();
            let (socket, _) = Socket::of_application(own.into(), b"", false).unwrap();
            (kept.put(&php, Link { socket, id }, (asked.get(), now)).is_some(), peer)
        };
        let taken = || kept.take(&php).map(|(_, id)| id);
        let peers = [put(1), put(7), put(1)];
        assert_eq!(peers.map(|(waits, _)| waits), [true, true, false], "two of five are its part");
        assert_eq!(taken(), None, "their other ends are closed");
        let _peers = [put(1), put(7)];
        // The last one first, each with the number of what goes by it next.
        assert_eq!([taken(), taken(), taken()], [Some(8), Some(2), None]);
        assert!(!put(u16::MAX).0, "its numbers are used up");
        asked.set(4);
        assert!(put(1).0, "as many as all may have, for two of them");
        assert_eq!(taken(), None, "its other end is closed");
        asked.set(5);
        assert!(!put(1).0, "somebody may wait for its child");
        asked.set(1);
        let (_, mut says) = put(1);
        says.write_all(b"x").unwrap();
        assert_eq!(taken(), None, "nobody has asked for that");
        let _peers = [put(1), put(1)];
        let until = now.after(IDLE_TIME);
        assert_eq!([kept.sweep(now), kept.sweep(until)], [until, Moment::NEVER]);
        assert_eq!(taken(), None, "none waits for long");
        let _peers = [put(1), put(1)];
        kept.end();
        assert!(taken().is_none() && !put(1).0, "none waits when it is over");
    }
}
