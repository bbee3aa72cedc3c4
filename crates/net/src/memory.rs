//! Memory that all loops share, and later all processes.

use crate::sys;
use std::{io, sync::atomic::AtomicU64};

/// `count` words, all 0, at the beginning of a page. They cost memory only once they are touched,
/// and stay until the process ends.
///
/// # Errors
///
/// The machine has no such amount of address space to give.
pub fn shared_words(count: usize) -> io::Result<&'static [AtomicU64]> {
    sys::shared_words(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering;

    #[test]
    fn words_are_zero_and_keep_what_is_put_there() {
        let words = shared_words(100_000).unwrap();
        assert!(words.len() == 100_000 && words.as_ptr().addr().is_multiple_of(4096));
        assert!(words.iter().all(|word| word.load(Ordering::Relaxed) == 0));
        words[99_999].store(7, Ordering::Relaxed);
        std::thread::spawn(|| assert_eq!(words[99_999].load(Ordering::Relaxed), 7)).join().unwrap();
        assert_eq!(shared_words(0).unwrap().len(), 0);
    }

    #[test]
    fn more_than_there_is_is_refused() {
        assert!(shared_words(usize::MAX).is_err());
        assert!(shared_words(usize::MAX / 8).is_err());
    }
}
