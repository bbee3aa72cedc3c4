//! How many bytes a process holds of something, for all its loops.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

/// All that is held of it.
#[derive(Clone, Debug, Default)]
pub struct Held(Arc<AtomicUsize>);

/// What one holds of it, until it is dropped.
#[derive(Debug, Default)]
pub struct Share {
    all: Held,
    bytes: usize,
}

impl Held {
    /// How many bytes that are.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.load(Relaxed)
    }

    /// Somebody's share, of so many bytes at first.
    #[must_use]
    pub fn share(&self, bytes: usize) -> Share {
        let mut share = Share { all: self.clone(), bytes: 0 };
        share.add(bytes);
        share
    }
}

impl Share {
    /// How many bytes it is.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// All that is held, by whomever.
    #[must_use]
    pub const fn all(&self) -> &Held {
        &self.all
    }

    /// So many bytes more.
    pub fn add(&mut self, bytes: usize) {
        self.bytes += bytes;
        self.all.0.fetch_add(bytes, Relaxed);
    }

    /// So many bytes less, of those that it has.
    pub fn remove(&mut self, bytes: usize) {
        self.bytes -= bytes;
        self.all.0.fetch_sub(bytes, Relaxed);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.remove(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_what_the_shares_are() {
        let all = Held::default();
        let (mut one, other) = (all.share(7), all.share(0));
        one.add(5);
        one.remove(2);
        assert_eq!((one.bytes(), other.bytes(), other.all().bytes()), (10, 0, 10));
        drop(one);
        assert_eq!(all.bytes(), 0);
    }
}
