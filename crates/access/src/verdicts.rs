//! What a loop has found out about passwords: those that were right a short while ago.
//!
//! A verdict is kept under a number that is made of user, password and list of users by two keyed
//! hashes of 64 bits, whose keys no other process has: who sees the number learns nothing of the
//! password, and who does not know the keys cannot find another password with the same number.
//! Only right passwords are kept, so nobody without one can make this grow.

use crate::credentials::Credentials;
use base::Moment;
use config::plan::Users;
use foldhash::HashMap;
use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

/// How long a verdict holds; then the password is checked anew.
const VERDICT_TIME: Duration = Duration::from_secs(5 * 60);

/// Verdicts that a loop keeps.
const VERDICTS_MAX: usize = 4096;

/// The right passwords of the last minutes.
pub struct Verdicts {
    secrets: [Secret; 2],
    until: HashMap<Key, Moment>,
    /// Whether every password is taken for a right one.
    trusts_all: bool,
}

/// What stands for a user with a password in a list of users.
pub type Key = [u64; 2];

/// The key of one hash.
struct Secret {
    state: RandomState,
    /// Comes before all else that is hashed: the standard library makes the keys of one thread by
    /// counting, which alone would leave the two hashes akin.
    salt: u64,
}

impl Secret {
    fn new() -> Self {
        Self { state: RandomState::new(), salt: RandomState::new().hash_one(0) }
    }

    fn hash(&self, users: &Users, text: &str) -> u64 {
        self.state.hash_one((self.salt ^ users.id as u64, text))
    }
}

impl Default for Verdicts {
    fn default() -> Self {
        let until = HashMap::default();
        Self { secrets: [Secret::new(), Secret::new()], until, trusts_all: false }
    }
}

impl Verdicts {
    /// Verdicts that let everybody in who brings any password: for who asks what would be
    /// answered, and serves nobody.
    #[must_use]
    pub fn of_all() -> Self {
        Self { trusts_all: true, ..Self::default() }
    }

    pub(crate) fn key(&self, users: &Users, credentials: &Credentials) -> Key {
        self.secrets.each_ref().map(|secret| secret.hash(users, credentials.text()))
    }

    /// A number that nobody outside can foresee, always the same for one user.
    pub(crate) fn number(&self, users: &Users, credentials: &Credentials) -> u64 {
        self.secrets[0].hash(users, credentials.user())
    }

    /// Whether the password was found to be right a short while ago.
    pub(crate) fn is_right(&self, key: &Key, now: Moment) -> bool {
        self.trusts_all || self.until.get(key).is_some_and(|&until| now < until)
    }

    /// Keeps that a password is right. Where there is no room, what is over goes first, and then
    /// all of it: to check a password anew costs little now and then.
    pub(crate) fn note(&mut self, key: Key, now: Moment) {
        if self.until.len() >= VERDICTS_MAX {
            self.until.retain(|_, until| now < *until);
            if self.until.len() >= VERDICTS_MAX {
                self.until.clear();
            }
        }
        self.until.insert(key, now.after(VERDICT_TIME));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_holds_for_minutes() {
        let mut verdicts = Verdicts::default();
        let (key, now) = ([1, 2], Moment(7));
        assert!(!verdicts.is_right(&key, now));
        verdicts.note(key, now);
        let end = now.after(VERDICT_TIME);
        assert!(verdicts.is_right(&key, now) && verdicts.is_right(&key, Moment(end.0 - 1)));
        assert!(!verdicts.is_right(&key, end));
        assert!(!verdicts.is_right(&[1, 3], now) && !verdicts.is_right(&[0, 2], now));
    }

    #[test]
    fn there_are_never_too_many() {
        let mut verdicts = Verdicts::default();
        let half = VERDICTS_MAX as u64 / 2;
        (0..half).for_each(|number| verdicts.note([number, 0], Moment(0)));
        let later = Moment(0).after(VERDICT_TIME);
        (0..=half).for_each(|number| verdicts.note([number, 1], later));
        assert_eq!(verdicts.until.len() as u64, half + 1, "what is over went");
        (0..2 * half).for_each(|number| verdicts.note([number, 2], later));
        assert!(verdicts.until.len() <= VERDICTS_MAX);
        assert!(verdicts.is_right(&[2 * half - 1, 2], later), "the last is always there");
    }
}
