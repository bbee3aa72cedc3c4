//! The three system calls of Landlock, Linux 5.13.

use rustix::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::{io, ptr};

/// Asks for the version instead of making a rule set.
const VERSION: libc::c_uint = 1;

/// The kinds of rules: what may be done beneath a folder, and at a port.
const PATH_BENEATH: libc::c_int = 1;
const NET_PORT: libc::c_int = 2;

/// To connect by TCP.
const CONNECT: u64 = 1 << 1;

/// What a rule set forbids: the kernel's `struct landlock_ruleset_attr`. Kernels that do not know
/// the last fields yet take it as long as they are zero.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Handled {
    pub(crate) files: u64,
    pub(crate) network: u64,
    pub(crate) scopes: u64,
}

/// The kernel's `struct landlock_path_beneath_attr`.
#[repr(C, packed)]
struct Beneath {
    allowed: u64,
    folder: i32,
}

/// The kernel's `struct landlock_net_port_attr`.
#[repr(C)]
struct Port {
    allowed: u64,
    port: u64,
}

/// The version of the interface that this kernel has.
///
/// # Errors
///
/// `ENOSYS` where the kernel was built without it, `EOPNOTSUPP` where it is switched off.
pub(crate) fn version() -> io::Result<u32> {
    let call = libc::SYS_landlock_create_ruleset;
    // SAFETY: with this flag the kernel takes no pointer.
    let version = unsafe { libc::syscall(call, ptr::null::<Handled>(), 0_usize, VERSION) };
    u32::try_from(version).map_err(|_| io::Error::last_os_error())
}

/// A new rule set that allows nothing of what is handled.
///
/// # Errors
///
/// When the kernel does not know all that is handled.
pub(crate) fn rule_set(handled: Handled) -> io::Result<OwnedFd> {
    let (call, size) = (libc::SYS_landlock_create_ruleset, size_of::<Handled>());
    // SAFETY: the kernel reads `size` bytes, which live until the call returns.
    let made = unsafe { libc::syscall(call, &raw const handled, size, 0) };
    match i32::try_from(made) {
        // SAFETY: the kernel has just made this descriptor, and nobody else has it.
        Ok(made) if made >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(made) }),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Allows what `allowed` says beneath `folder`.
///
/// # Errors
///
/// When it is no folder.
pub(crate) fn allow(rules: BorrowedFd<'_>, folder: BorrowedFd<'_>, allowed: u64) -> io::Result<()> {
    let beneath = Beneath { allowed, folder: folder.as_raw_fd() };
    let (call, rules) = (libc::SYS_landlock_add_rule, rules.as_raw_fd());
    // SAFETY: the kernel reads one struct, laid out as its own, which lives until the call returns.
    // Both descriptors are open as long as they are borrowed.
    done(unsafe { libc::syscall(call, rules, PATH_BENEATH, &raw const beneath, 0) })
}

/// Allows to connect to `port` by TCP.
///
/// # Errors
///
/// When the rules do not handle that.
pub(crate) fn allow_port(rules: BorrowedFd<'_>, port: u16) -> io::Result<()> {
    let port = Port { allowed: CONNECT, port: port.into() };
    let (call, rules) = (libc::SYS_landlock_add_rule, rules.as_raw_fd());
    // SAFETY: the kernel reads one struct, laid out as its own, which lives until the call returns.
    // The descriptor is open as long as it is borrowed.
    done(unsafe { libc::syscall(call, rules, NET_PORT, &raw const port, 0) })
}

/// Puts the rules around this thread and those that it starts, for good.
///
/// # Errors
///
/// When privileges can still be gained, or too many rule sets are around it already.
pub(crate) fn enter(rules: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: the call takes a descriptor, open as long as it is borrowed, and no pointer.
    done(unsafe { libc::syscall(libc::SYS_landlock_restrict_self, rules.as_raw_fd(), 0) })
}

fn done(result: libc::c_long) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structs_are_as_long_as_the_kernels() {
        assert_eq!((size_of::<Handled>(), size_of::<Beneath>()), (24, 12));
        assert_eq!(size_of::<Port>(), 16);
    }

    #[test]
    fn what_the_kernel_does_not_know_is_refused() {
        let nothing_known = Handled { files: 1 << 63, ..Handled::default() };
        assert!(rule_set(nothing_known).is_err());
    }
}
