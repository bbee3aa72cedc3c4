//! Connections to applications that wait for the next request, where a site wants that.
//!
//! Each of them holds a child of php-fpm, of which there are few. So they are there for all loops
//! of a process, and whoever asks next takes one, or closes it for a child to be free: nobody waits
//! for a child that does nothing. Of several worker processes each has its part of what the site
//! allows. None waits for long, or once its process drains.

use crate::socket::Socket;
use base::Moment;
use config::plan::Php;
use std::{
    os::fd::OwnedFd,
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

    /// One that waits, and the id of the request that goes by it next. The application may have
    /// closed it by now.
    pub(crate) fn take(&self, php: &Php) -> Option<(OwnedFd, u16)> {
        if php.keep == 0 {
            return None;
        }
        let Idle { descriptor, id, .. } = self.of(php.application.number)?.pop()?;
        Some((descriptor, id))
    }

    /// Has one wait for the next request, if it may; whether it does.
    pub(crate) fn put(&self, php: &Php, link: Link, now: Moment) -> bool {
        let (place, all) = self.0.part;
        let most = php.keep / all + usize::from(place < php.keep % all);
        let Some(mut idle) = self.of(php.application.number) else { return false };
        // Whoever ends this looks for those that wait behind that.
        if idle.len() >= most || self.0.is_over.load(Relaxed) {
            return false;
        }
        let (Some(id), Ok(descriptor)) = (link.id.checked_add(1), link.socket.into_descriptor())
        else {
            return false;
        };
        idle.push(Idle { descriptor, id, until: now.after(IDLE_TIME) });
        true
    }

    /// Closes those that have waited for long enough.
    pub(crate) fn sweep(&self, now: Moment) {
        for number in 0..self.0.idle.len() {
            self.of(number).iter_mut().for_each(|idle| idle.retain(|one| now < one.until));
        }
    }

    /// Closes all; from now on none waits.
    pub(crate) fn end(&self) {
        self.0.is_over.store(true, Relaxed);
        for number in 0..self.0.idle.len() {
            self.of(number).iter_mut().for_each(|idle| idle.clear());
        }
    }

    /// Whether none waits.
    pub(crate) fn is_empty(&self) -> bool {
        (0..self.0.idle.len()).all(|number| self.of(number).is_none_or(|idle| idle.is_empty()))
    }

    fn of(&self, number: usize) -> Option<MutexGuard<'_, Vec<Idle>>> {
        Some(self.0.idle.get(number)?.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
