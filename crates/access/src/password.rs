//! Who may enter by password.
//!
//! ```text
//!   credentials ─none─► 401
//!        │ some
//!        ▼
//!     verdict ─right─► open
//!        │ none
//!        ▼
//!       Job ─► pool ─► Done ─right─► verdict kept, open
//!                        └─wrong─► 401
//! ```
//!
//! Jobs with the same key come to the same, so whoever has them done needs to do but one of those
//! that come at a time.
//!
//! To hash a password takes milliseconds on purpose, so it is never done on a loop. An unknown user
//! costs as much as a known one on every way through here, so the clock tells nobody who there is.

use crate::{
    Door, Entry,
    credentials::Credentials,
    verdicts::{Key, Verdicts},
};
use config::plan::{Password, Users};
use message::{Exchange, Response, Status, response::Line};
use std::{fmt, sync::Arc};

/// A password to be checked, for the pool.
pub struct Job {
    users: Arc<Users>,
    credentials: Credentials,
    /// Whose hash is checked where there is no such user.
    number: u64,
    key: Key,
}

/// A password that was checked.
#[derive(Clone, Copy)]
pub struct Done {
    key: Key,
    /// `None` where there was no memory to find out.
    is_right: Option<bool>,
}

impl Job {
    fn new(password: &Password, credentials: Credentials, key: Key, verdicts: &Verdicts) -> Self {
        let users = Arc::clone(&password.users);
        let number = verdicts.number(&users, &credentials);
        Self { users, credentials, number, key }
    }

    /// What is the same for all who bring this user and this password to this list of users, and
    /// for nobody else.
    #[must_use]
    pub const fn key(&self) -> Key {
        self.key
    }

    /// Checks it; that takes milliseconds, or a second where the hash is costly.
    #[must_use]
    pub fn run(self) -> Done {
        let Self { users, credentials, number, key } = self;
        net::failpoint::hit("hash");
        let password = credentials.password().as_bytes();
        let is_right = match users.hash(credentials.user(), number) {
            Some((hash, is_known)) => {
                crate::hash::matches(hash, password).map(|matches| is_known && matches)
            }
            None => Some(false),
        };
        Done { key, is_right }
    }
}

/// Without the password.
impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Job(the password of {:?})", self.credentials.user())
    }
}

/// 401 without the right credentials (RFC 9110 section 15.5.2).
pub(crate) fn check(
    password: &Password,
    exchange: &mut Exchange<'_>,
    door: &mut Door<'_>,
) -> Entry {
    let refuse = || {
        let refusal = Response::empty(Status::UNAUTHORIZED).with(password.challenge.clone());
        Entry::Answered(refusal)
    };
    let Some(credentials) = Credentials::of(&exchange.request.fields) else { return refuse() };
    let key = door.verdicts.key(&password.users, &credentials);
    if !door.verdicts.is_right(&key, door.now) {
        match door.done.take_if(|done| done.key == key) {
            Some(Done { is_right: Some(true), .. }) => door.verdicts.note(key, door.now),
            Some(Done { is_right: Some(false), .. }) => return refuse(),
            Some(Done { is_right: None, .. }) => {
                let busy = Response::empty(Status::SERVICE_UNAVAILABLE);
                return Entry::Answered(busy.with(Line::fixed("retry-after", "1")));
            }
            None => return Entry::Wait(Job::new(password, credentials, key, door.verdicts)),
        }
    }
    exchange.user = Some(credentials.user().into());
    Entry::Open
}
