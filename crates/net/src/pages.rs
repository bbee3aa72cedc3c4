//! Memory that goes back to the kernel as soon as it is let go.
//!
//! The C library's allocator keeps large blocks for later, and may then not find them again: with
//! the 19 MiB that one password takes, glibc 2.36 grew by more than a gigabyte in 160 checks.
#![allow(unsafe_code, reason = "the standard library takes all memory from the allocator")]

use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};
use std::{
    io::{self, ErrorKind},
    ptr::{self, NonNull},
    slice,
};

/// Bytes of the smallest page that Linux has; a mapping begins at such an address.
const PAGE_BYTES: usize = 4096;

/// So many values in memory of their own.
pub struct Pages<T> {
    start: NonNull<T>,
    count: usize,
}

impl<T: Copy> Pages<T> {
    /// `count` times `value`.
    ///
    /// # Errors
    ///
    /// There is not so much memory, or it would be none.
    pub fn filled(count: usize, value: T) -> io::Result<Self> {
        const { assert!(align_of::<T>() <= PAGE_BYTES, "more than the kernel aligns to") };
        let bytes = count.checked_mul(size_of::<T>()).ok_or(ErrorKind::OutOfMemory)?;
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a mapping where the kernel chooses touches no memory that is there already.
        let start = unsafe { mmap_anonymous(ptr::null_mut(), bytes, access, MapFlags::PRIVATE) }?;
        let start = NonNull::new(start.cast::<T>()).ok_or(ErrorKind::OutOfMemory)?;
        for at in 0..count {
            // SAFETY: the mapping has room for `count` values, is aligned for them as was asserted,
            // and nobody else knows of it.
            unsafe { start.add(at).write(value) };
        }
        Ok(Self { start, count })
    }
}

impl<T> AsMut<[T]> for Pages<T> {
    fn as_mut(&mut self) -> &mut [T] {
        // SAFETY: all values were written when the mapping was made, and it lives as long as
        // `self`, which is borrowed for as long as the slice.
        unsafe { slice::from_raw_parts_mut(self.start.as_ptr(), self.count) }
    }
}

impl<T> Drop for Pages<T> {
    fn drop(&mut self) {
        let bytes = self.count * size_of::<T>();
        // SAFETY: it is the whole mapping, and no reference into it outlives `self`. The values are
        // `Copy`, so there is nothing to drop.
        let unmapped = unsafe { munmap(self.start.as_ptr().cast(), bytes) };
        debug_assert!(unmapped.is_ok(), "{unmapped:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_there_and_can_be_changed() {
        let mut pages = Pages::filled(1000, [7u64; 128]).unwrap();
        assert!(pages.as_mut().iter().all(|value| *value == [7; 128]));
        pages.as_mut()[999][127] = 8;
        assert_eq!((pages.as_mut().len(), pages.as_mut()[999][127]), (1000, 8));
    }

    #[test]
    fn what_cannot_be_had_is_an_error() {
        let is_refused = |count| Pages::filled(count, 0u64).is_err();
        assert!(is_refused(0) && is_refused(usize::MAX) && is_refused(usize::MAX / 16));
    }
}
