//! Room for content that is read from elsewhere, which a loop lends again and again: to have the
//! allocator find it for each piece costs page faults. What is sent in a [`Shared`] comes back by
//! itself.
//!
//! [`Shared`]: crate::Shared

use std::cell::RefCell;

/// Bytes of one: so many are still in the processor's nearest memory when they are sent.
pub const BYTES: usize = 32 * 1024;

/// So many are kept by a loop for those who come next.
const KEPT: usize = 8;

thread_local! {
    static ROOMS: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// One of them, with nothing in it.
#[must_use]
pub fn take() -> Vec<u8> {
    let kept = ROOMS.with_borrow_mut(Vec::pop);
    kept.unwrap_or_else(|| Vec::with_capacity(BYTES))
}

/// Takes one back, if it is one.
pub fn give_back(mut room: Vec<u8>) {
    if room.capacity() == BYTES {
        room.clear();
        // Where the thread ends, so does the room.
        let _ = ROOMS.try_with(|rooms| {
            let mut rooms = rooms.borrow_mut();
            if rooms.len() < KEPT {
                rooms.push(room);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Shared;

    #[test]
    fn a_room_is_lent_again_once_nobody_sends_what_is_in_it() {
        let mut room = take();
        room.push(b'x');
        let place = room.as_ptr();
        let shared = Shared::from(room);
        let part = shared.slice(0..1);
        drop(shared);
        let other = take();
        assert_ne!(other.as_ptr(), place, "it is still being sent");
        drop(part);
        let room = take();
        assert!(room.is_empty() && room.as_ptr() == place);
        let all: Vec<_> = (0..20).map(|_| take()).collect();
        all.into_iter().for_each(give_back);
        give_back(Vec::with_capacity(BYTES + 1));
        assert_eq!(ROOMS.with_borrow(Vec::len), KEPT);
    }
}
