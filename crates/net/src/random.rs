//! Bytes that nobody can guess, from the kernel.

use rustix::{
    io::Errno,
    rand::{GetRandomFlags, getrandom},
};
use std::io;

/// As many random bytes as are asked for. Waits, once after the machine was started, until the
/// kernel has gathered enough of them.
///
/// # Errors
///
/// When the kernel does not give any.
pub fn bytes<const N: usize>() -> io::Result<[u8; N]> {
    crate::failpoint::call()?;
    crate::failpoint::hit("random");
    let mut bytes = [0; N];
    let mut filled = 0;
    while filled < N {
        match getrandom(&mut bytes[filled..], GetRandomFlags::empty()) {
            Ok(count) => filled += count,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_are_alike() {
        assert_ne!(bytes::<32>().unwrap(), bytes::<32>().unwrap());
        // More than the kernel is sure to give in one piece.
        assert!(bytes::<1000>().unwrap().iter().any(|&byte| byte != 0));
    }
}
