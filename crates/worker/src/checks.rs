//! Passwords that are being checked on the pool: one check for all who come with the same name and
//! password before it is done.
//!
//! A client that begins with many requests at once, as over HTTP/2, has them all wait for one
//! check, which takes one place in the line.

use access::{Done, Key};
use std::{
    cell::RefCell,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

/// The checks that are under way for one loop. There are never more of them than may wait.
#[derive(Default)]
pub(crate) struct Checks(RefCell<Vec<(Key, Weak<Check>)>>);

/// Who waits for what comes of one; `None` once they have been told.
pub(crate) struct Check(Mutex<Option<Vec<Box<dyn Waiter>>>>);

/// Somebody who waits.
pub(crate) trait Waiter: Send {
    /// Whether nobody does any more.
    fn has_left(&self) -> bool;

    /// Tells what has come of it.
    fn tell(self: Box<Self>, done: Done);
}

impl Checks {
    /// Has somebody wait for the check of `key` that is under way; where none is, what is to be
    /// told once it is done.
    pub(crate) fn join(&self, key: Key, waiter: Box<dyn Waiter>) -> Option<Arc<Check>> {
        let mut under_way = self.0.borrow_mut();
        under_way.retain(|(_, check)| check.strong_count() > 0);
        let same = under_way.iter().find(|(of, _)| *of == key);
        let waiter = match same.and_then(|(_, check)| check.upgrade()) {
            Some(check) => check.add(waiter)?,
            None => waiter,
        };
        // One that was done just now is nobody's to wait for any more.
        under_way.retain(|(of, _)| *of != key);
        let check = Arc::new(Check(Mutex::new(Some(vec![waiter]))));
        under_way.push((key, Arc::downgrade(&check)));
        Some(check)
    }
}

impl Check {
    /// Has one more wait, who is given back where it is too late.
    fn add(&self, waiter: Box<dyn Waiter>) -> Option<Box<dyn Waiter>> {
        let mut waiters = self.lock();
        let Some(waiters) = &mut *waiters else { return Some(waiter) };
        // Who has left meanwhile is not kept for ever.
        if waiters.len() == waiters.capacity() {
            waiters.retain(|waiter| !waiter.has_left());
        }
        waiters.push(waiter);
        None
    }

    /// Tells all who wait.
    pub(crate) fn tell(&self, done: Done) {
        let waiters = self.lock().take();
        waiters.into_iter().flatten().for_each(|waiter| waiter.tell(done));
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<Box<dyn Waiter>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether somebody is there.
    struct Somebody(bool);

    impl Waiter for Somebody {
        fn has_left(&self) -> bool {
            !self.0
        }

        fn tell(self: Box<Self>, _: Done) {}
    }

    fn begins(checks: &Checks, key: Key) -> Option<Arc<Check>> {
        checks.join(key, Box::new(Somebody(true)))
    }

    #[test]
    fn one_check_is_begun_for_all_who_bring_the_same() {
        let checks = Checks::default();
        let first = begins(&checks, [1, 1]);
        assert!(first.is_some() && begins(&checks, [1, 1]).is_none());
        let other = begins(&checks, [1, 2]);
        assert!(other.is_some() && begins(&checks, [1, 1]).is_none());
        // The pool took none of it, or has lost it.
        drop(first);
        assert!(begins(&checks, [1, 1]).is_some() && begins(&checks, [1, 2]).is_none());
    }

    #[test]
    fn who_comes_when_it_is_done_begins_another() {
        let checks = Checks::default();
        let check = begins(&checks, [1, 1]).unwrap();
        check.lock().take();
        let again = begins(&checks, [1, 1]);
        assert!(again.is_some() && begins(&checks, [1, 1]).is_none());
    }

    #[test]
    fn who_has_left_is_not_kept() {
        let checks = Checks::default();
        let check = begins(&checks, [1, 1]).unwrap();
        for _ in 0..1000 {
            assert!(checks.join([1, 1], Box::new(Somebody(false))).is_none());
        }
        assert!(begins(&checks, [1, 1]).is_none());
        let left = check.lock().take().unwrap();
        assert!(left.len() < 16 && left.iter().filter(|one| !one.has_left()).count() == 2);
    }
}
