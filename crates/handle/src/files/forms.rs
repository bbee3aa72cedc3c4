//! The compressed forms of files that were made on the fly: kept for all loops, within a bound.
//!
//! A form is known by what its file was when it was made (device, inode, size and times), so it
//! needs no path, and that of a file which has changed is never asked for again. Each is made once,
//! however many ask for it meanwhile. The lock is taken only where a loop does not hold the form
//! itself.

use foldhash::{HashMap, HashSet};
use message::Coding;
use net::Stat;
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Bytes of files that may be on their way into a form at a time, waiting for the pool or under
/// way; beyond that, files are sent as they are.
const MAKING_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Of the bound on all forms one file may be this part at most: one that is larger is not
/// compressed, since its form would push out too many others.
const PART_MAX: usize = 4;

/// Bytes of book-keeping for a form: its places in the table and in the line, and its allocations.
const SLOT_BYTES: usize = 2 * size_of::<(Key, Form)>() + 2 * size_of::<Key>() + 64;

/// Which form of which file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) stat: Stat,
    pub(super) coding: Coding,
}

/// The forms of one process.
#[derive(Debug)]
pub struct Forms {
    state: Mutex<State>,
    bytes_max: usize,
}

#[derive(Debug, Default)]
struct State {
    forms: HashMap<Key, Form>,
    /// The keys of `forms`, the next to go in front.
    line: VecDeque<Key>,
    bytes: usize,
    making: HashSet<Key>,
    making_bytes: u64,
}

#[derive(Debug)]
struct Form {
    /// `None` where the file is not worth it: its form would hardly be smaller.
    bytes: Option<Arc<Vec<u8>>>,
    was_used: bool,
}

/// What there is of a form.
pub(super) enum Asked {
    Made(Arc<Vec<u8>>),
    /// There is no use in making it.
    Worthless,
    /// It is being made for somebody else, or too much is.
    Busy,
    /// Whoever asked is to make it.
    Yours(Ticket),
}

/// The right to make a form; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Ticket {
    forms: Arc<Forms>,
    key: Key,
}

impl Forms {
    /// No forms yet, and never more than `bytes_max` bytes of them.
    #[must_use]
    pub fn new(bytes_max: usize) -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), bytes_max })
    }

    /// Whether the form of a file of `size` bytes would be kept.
    pub(super) fn takes(&self, size: u64) -> bool {
        size <= (self.bytes_max / PART_MAX) as u64
    }

    /// The form, or who is to make it.
    pub(super) fn ask(self: &Arc<Self>, key: Key) -> Asked {
        let mut state = self.lock();
        if let Some(form) = state.forms.get_mut(&key) {
            form.was_used = true;
            return form.bytes.clone().map_or(Asked::Worthless, Asked::Made);
        }
        let size = key.stat.size;
        let is_too_much = state.making_bytes > 0 && state.making_bytes + size > MAKING_BYTES_MAX;
        if is_too_much || !state.making.insert(key) {
            return Asked::Busy;
        }
        state.making_bytes += size;
        Asked::Yours(Ticket { forms: Arc::clone(self), key })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket {
    pub(super) fn key(&self) -> Key {
        self.key
    }

    /// Keeps what was made for the next who ask; `None` says that it was not worth it.
    pub(super) fn keep(self, bytes: Option<Arc<Vec<u8>>>) {
        self.forms.lock().insert(self.key, bytes, self.forms.bytes_max);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut state = self.forms.lock();
        state.making.remove(&self.key);
        state.making_bytes -= self.key.stat.size;
    }
}

impl State {
    fn insert(&mut self, key: Key, bytes: Option<Arc<Vec<u8>>>, bytes_max: usize) {
        let form = Form { bytes, was_used: false };
        if form.memory_bytes() > bytes_max || self.forms.contains_key(&key) {
            return;
        }
        self.bytes += form.memory_bytes();
        while self.bytes > bytes_max && self.drop_one() {}
        self.forms.insert(key, form);
        self.line.push_back(key);
    }

    /// Drops the form in front of the line; one that was used since it last stood there goes to the
    /// end instead, once.
    fn drop_one(&mut self) -> bool {
        while let Some(key) = self.line.pop_front() {
            match self.forms.get_mut(&key) {
                Some(form) if form.was_used => {
                    form.was_used = false;
                    self.line.push_back(key);
                }
                _ => {
                    let form = self.forms.remove(&key);
                    self.bytes -= form.map_or(0, |form| form.memory_bytes());
                    return true;
                }
            }
        }
        false
    }
}

impl Form {
    fn memory_bytes(&self) -> usize {
        SLOT_BYTES + self.bytes.as_ref().map_or(0, |bytes| bytes.capacity())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use net::{Identity, Kind, Time};

    fn key(inode: u64, size: u64) -> Key {
        let identity = Identity { device: 1, inode };
        let (modified, changed) = (Time { seconds: 1, nanos: 0 }, Time { seconds: 1, nanos: 0 });
        let stat = Stat { kind: Kind::File, size, identity, modified, changed };
        Key { stat, coding: Coding::Gzip }
    }

    fn made(forms: &Arc<Forms>, key: Key) -> &'static str {
        match forms.ask(key) {
            Asked::Made(_) => "made",
            Asked::Worthless => "worthless",
            Asked::Busy => "busy",
            Asked::Yours(_) => "yours",
        }
    }

    fn keep(forms: &Arc<Forms>, key: Key, bytes: Option<usize>) {
        let Asked::Yours(ticket) = forms.ask(key) else { panic!("{key:?} is there already") };
        ticket.keep(bytes.map(|bytes| Arc::new(vec![0; bytes])));
    }

    #[test]
    fn one_makes_it_and_the_others_need_not_wait() {
        let forms = Forms::new(1 << 20);
        let ticket = forms.ask(key(1, 1000));
        assert!(matches!(ticket, Asked::Yours(_)));
        assert_eq!(made(&forms, key(1, 1000)), "busy");
        assert_eq!(made(&forms, key(2, 1000)), "yours");
        let other = Key { coding: Coding::Zstd, ..key(1, 1000) };
        assert_eq!(made(&forms, other), "yours");
        // Whoever has the ticket may fail: the next one gets it.
        drop(ticket);
        keep(&forms, key(1, 1000), Some(100));
        assert_eq!(made(&forms, key(1, 1000)), "made");
        keep(&forms, key(3, 1000), None);
        assert_eq!(made(&forms, key(3, 1000)), "worthless");
        assert_eq!(forms.lock().making_bytes, 0);
    }

    #[test]
    fn much_under_way_is_busy_and_one_of_any_size_is_not() {
        let forms = Forms::new(1 << 30);
        let huge = forms.ask(key(1, 1 << 30));
        assert!(matches!(huge, Asked::Yours(_)));
        assert_eq!(made(&forms, key(2, 1000)), "busy");
        drop(huge);
        let half = forms.ask(key(1, MAKING_BYTES_MAX / 2));
        assert_eq!(made(&forms, key(2, MAKING_BYTES_MAX / 2)), "yours");
        assert_eq!(made(&forms, key(2, MAKING_BYTES_MAX / 2 + 1)), "busy");
        drop(half);
    }

    #[test]
    fn the_bound_is_kept_and_what_is_used_stays_longest() {
        let forms = Forms::new(10 * (1000 + SLOT_BYTES));
        for number in 0..1000 {
            keep(&forms, key(number, 4000), Some(1000));
            assert_eq!(made(&forms, key(0, 4000)), "made", "{number}");
            let state = forms.lock();
            assert!(state.bytes <= forms.bytes_max && state.forms.len() == state.line.len());
            let bytes: usize = state.forms.values().map(Form::memory_bytes).sum();
            assert_eq!(state.bytes, bytes);
        }
        assert_eq!(made(&forms, key(998, 4000)), "made");
        assert_eq!(made(&forms, key(900, 4000)), "yours");
        assert!(forms.takes(2500) && !forms.takes(1 << 20));
    }
}
