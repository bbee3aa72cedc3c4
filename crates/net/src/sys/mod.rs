//! The calls that rustix does not have, each behind a safe function.
#![allow(unsafe_code, reason = "no safe wrapper of these calls exists")]

pub(crate) mod calls;
pub(crate) mod child;
pub(crate) mod landlock;
pub(crate) mod seccomp;
pub(crate) mod user;

use rustix::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use rustix::process::Signal;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::AtomicU64;

/// `PIDFD_SIGNAL_PROCESS_GROUP`.
const SIGNAL_GROUP: libc::c_uint = 1 << 2;

/// What the kernel reads: `struct cachestat_range`.
#[repr(C)]
struct CacheRange {
    offset: u64,
    length: u64,
}

/// What the kernel writes: `struct cachestat`, in pages.
#[repr(C)]
#[derive(Default)]
struct CacheCount {
    cached: u64,
    dirty: u64,
    writeback: u64,
    evicted: u64,
    recently_evicted: u64,
}

/// How many pages of the `length` bytes from `offset` on are in the page cache.
///
/// # Errors
///
/// `ENOSYS` before Linux 6.5, `EOPNOTSUPP` where the file system keeps its pages elsewhere.
pub(crate) fn pages_cached(file: BorrowedFd<'_>, offset: u64, length: u64) -> io::Result<u64> {
    let range = CacheRange { offset, length };
    let mut count = CacheCount::default();
    // SAFETY: both structs are laid out as the kernel's and live until the call returns; the
    // descriptor is open as long as it is borrowed.
    let result = unsafe {
        libc::syscall(calls::CACHESTAT, file.as_raw_fd(), &raw const range, &raw mut count, 0)
    };
    if result == 0 { Ok(count.cached) } else { Err(io::Error::last_os_error()) }
}

/// Parts that one call takes at most.
const PARTS: usize = 33;

/// Takes what has come by `turns`, so many bytes to the end of `content` and so many to `between`;
/// what comes behind the last of them goes to `between`. How many bytes came in all and how many of
/// them there, and whether there was room for more.
///
/// # Errors
///
/// `EAGAIN` when nothing has come, else what happened to the peer.
pub(crate) fn receive_by_turns(
    socket: BorrowedFd<'_>,
    (content, between): (&mut Vec<u8>, &mut [u8]),
    turns: impl Iterator<Item = (usize, usize)>,
) -> io::Result<(usize, usize, bool)> {
    let mut parts = [libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }; PARTS];
    let (mut room, mut aside) = (content.spare_capacity_mut(), between);
    let (mut pairs, mut room_bytes) = (0, aside.len());
    for ((bytes, gap_bytes), pair) in turns.zip(parts.chunks_exact_mut(2)) {
        if gap_bytes > aside.len() {
            break;
        }
        let (piece, more) = room.split_at_mut(bytes.min(room.len()));
        let (gap, rest) = aside.split_at_mut(gap_bytes);
        pair[0] = libc::iovec { iov_base: piece.as_mut_ptr().cast(), iov_len: piece.len() };
        pair[1] = libc::iovec { iov_base: gap.as_mut_ptr().cast(), iov_len: gap.len() };
        room_bytes += piece.len();
        (room, aside, pairs) = (more, rest, pairs + 1);
    }
    parts[2 * pairs] = libc::iovec { iov_base: aside.as_mut_ptr().cast(), iov_len: aside.len() };
    // SAFETY: all of a message may be zero: it has no name then, no parts and nothing beside them.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = parts.as_mut_ptr();
    message.msg_iovlen = (2 * pairs + 1) as _;
    // SAFETY: the kernel writes to the parts only. Each is a piece of its own of `between` or of
    // the room behind `content`, both of which are borrowed for longer than the call takes.
    let received = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, 0) };
    let received = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
    let (mut left, mut content_bytes) = (received, 0);
    for pair in parts[..2 * pairs].chunks_exact(2) {
        let filled = left.min(pair[0].iov_len);
        content_bytes += filled;
        left = left.saturating_sub(filled + pair[1].iov_len);
    }
    // SAFETY: the pieces follow each other from the end of `content` on, and the kernel fills one
    // after the other: so many bytes of them are there now.
    unsafe { content.set_len(content.len() + content_bytes) };
    Ok((received, received - content_bytes, received < room_bytes))
}

/// Lets go of a mapping of code at `start`; what is run again of it is there again.
///
/// # Errors
///
/// There is no such mapping.
pub(crate) fn let_go_of_code(start: usize, bytes: usize) -> io::Result<()> {
    let start = std::ptr::without_provenance_mut(start);
    // SAFETY: the caller found there a private mapping of a file that nobody can write to, so that
    // its pages are the file's own: whoever reads one next gets the same bytes.
    let result = unsafe { libc::madvise(start, bytes, libc::MADV_DONTNEED) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Has the kernel keep a connection to itself until its first bytes are there, or until about
/// `seconds` have passed.
///
/// # Errors
///
/// When it is not a TCP socket.
pub(crate) fn defer_accept(socket: BorrowedFd<'_>, seconds: libc::c_int) -> io::Result<()> {
    let length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the kernel reads one integer, which lives until the call returns.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_DEFER_ACCEPT,
            (&raw const seconds).cast(),
            length,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// How many bytes of what was written to a TCP socket its peer has not acknowledged yet.
///
/// # Errors
///
/// When it is not a connected socket.
pub(crate) fn unacknowledged(socket: BorrowedFd<'_>) -> io::Result<u64> {
    let mut count: libc::c_int = 0;
    // SAFETY: the kernel writes one integer, which lives until the call returns.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut count) };
    if result == 0 { Ok(u64::from(count.unsigned_abs())) } else { Err(io::Error::last_os_error()) }
}

/// Whether anything keeps the clock right, as far as the kernel was told.
pub(crate) fn is_synchronized() -> bool {
    let mut about = std::mem::MaybeUninit::<libc::timex>::zeroed();
    // SAFETY: the kernel reads and writes one such struct, which lives until the call returns; as
    // its modes are 0 it changes nothing of the clock.
    let state = unsafe { libc::adjtimex(about.as_mut_ptr()) };
    state >= 0 && state != libc::TIME_ERROR
}

/// Bytes of what the kernel knows of a TCP socket that are asked for: those up to the last figure
/// that anybody reads here.
pub(crate) const TCP_INFO_BYTES: usize = 192;

/// What the kernel knows of a TCP socket (`struct tcp_info` of <linux/tcp.h>, which the C library
/// has only the beginning of); what an older kernel does not know is 0.
///
/// # Errors
///
/// When it is another kind of socket.
pub(crate) fn tcp_info(socket: BorrowedFd<'_>) -> io::Result<[u8; TCP_INFO_BYTES]> {
    let mut info = [0_u8; TCP_INFO_BYTES];
    let mut length = TCP_INFO_BYTES as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes, which is the size of what it is given.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            info.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if result == 0 { Ok(info) } else { Err(io::Error::last_os_error()) }
}

/// Sends a signal to the group that a process leads, or has led, however soon its number is
/// somebody else's.
///
/// # Errors
///
/// `EINVAL` before Linux 6.9, `ESRCH` where nobody is left.
pub(crate) fn signal_group(leader: BorrowedFd<'_>, signal: Signal) -> io::Result<()> {
    let (signal, nothing) = (signal.as_raw(), std::ptr::null::<libc::siginfo_t>());
    // SAFETY: the kernel is given numbers, a descriptor that is open as long as it is borrowed, and
    // no address.
    let result = unsafe {
        let leader = leader.as_raw_fd();
        libc::syscall(libc::SYS_pidfd_send_signal, leader, signal, nothing, SIGNAL_GROUP)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Has the parent trace this process.
///
/// # Errors
///
/// When it may not.
pub(crate) fn trace_me() -> io::Result<()> {
    // SAFETY: this order takes no pointer.
    let result = unsafe { libc::ptrace(libc::PTRACE_TRACEME) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Puts this process into a user namespace of its own, in which it would be root.
///
/// # Errors
///
/// When it may not.
pub(crate) fn leave_user_namespace() -> io::Result<()> {
    // SAFETY: the call takes no pointer and leaves memory and descriptors as they are.
    let result = unsafe { libc::unshare(libc::CLONE_NEWUSER) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// `count` words of memory, all 0, which are never given back.
///
/// # Errors
///
/// When there is not so much address space.
pub(crate) fn shared_words(count: usize) -> io::Result<&'static [AtomicU64]> {
    if count == 0 {
        return Ok(&[]);
    }
    let bytes = count.checked_mul(size_of::<AtomicU64>()).ok_or(io::ErrorKind::OutOfMemory)?;
    let access = libc::PROT_READ | libc::PROT_WRITE;
    // Children of this process share it, too. Pages are only set aside when they are touched.
    let kind = libc::MAP_SHARED | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: a new mapping at an address of the kernel's choice touches no other memory.
    let start = unsafe { libc::mmap(std::ptr::null_mut(), bytes, access, kind, -1, 0) };
    if start == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the mapping is that long, starts at a page, is zeroed, and is never unmapped. Who
    // else may hold it sees it through atomics, too.
    Ok(unsafe { std::slice::from_raw_parts(start.cast::<AtomicU64>(), count) })
}

/// The first `count` words of memory behind a descriptor, which are never given back and are in no
/// core dump.
///
/// # Errors
///
/// When there is not so much address space, or it cannot be mapped.
pub(crate) fn mapped_words(
    memory: BorrowedFd<'_>,
    count: usize,
) -> io::Result<&'static [AtomicU64]> {
    if count == 0 {
        return Ok(&[]);
    }
    let bytes = count.checked_mul(size_of::<AtomicU64>()).ok_or(io::ErrorKind::OutOfMemory)?;
    let access = libc::PROT_READ | libc::PROT_WRITE;
    let (anywhere, whole) = (std::ptr::null_mut(), 0);
    // SAFETY: a new mapping at an address of the kernel's choice touches no other memory.
    let start =
        unsafe { libc::mmap(anywhere, bytes, access, libc::MAP_SHARED, memory.as_raw_fd(), whole) };
    if start == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: what is asked is about the mapping that was just made, and changes nothing in it.
    if unsafe { libc::madvise(start, bytes, libc::MADV_DONTDUMP) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the caller has seen to it that the memory is that long and never shrinks; the mapping
    // starts at a page and is never unmapped. Other processes see it through atomics, too.
    Ok(unsafe { std::slice::from_raw_parts(start.cast::<AtomicU64>(), count) })
}

/// Who is at the other end of a connected Unix socket: who has listened, to whoever has connected.
/// The process is zero where this one cannot see it. (rustix takes it for granted that there is
/// no zero.)
///
/// # Errors
///
/// When it is no Unix socket, or not connected.
pub(crate) fn peer(socket: BorrowedFd<'_>) -> io::Result<libc::ucred> {
    let mut peer = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut length = size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes, which is the size of what it is given, and
    // any bytes are a valid `ucred`.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut peer).cast(),
            &raw mut length,
        )
    };
    if result == 0 { Ok(peer) } else { Err(io::Error::last_os_error()) }
}

/// The process at the other end of such a socket: one that has ended is still that one.
///
/// # Errors
///
/// `ENOPROTOOPT` before Linux 6.5. The process has ended, and the kernel no longer says more.
pub(crate) fn peer_process(socket: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let mut process: libc::c_int = -1;
    let mut length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes, which is the size of what it is given.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERPIDFD,
            (&raw mut process).cast(),
            &raw mut length,
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    if process < 0 {
        return Err(io::ErrorKind::NotFound.into());
    }
    // SAFETY: the kernel has just made this descriptor, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(process) })
}

/// A child that has ended and that nobody has waited for yet, which stays so. (rustix does not tell
/// its number.)
///
/// # Errors
///
/// When there are no children.
pub(crate) fn ended_child() -> io::Result<Option<u32>> {
    let mut about = std::mem::MaybeUninit::<libc::siginfo_t>::zeroed();
    let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    // SAFETY: the kernel writes at most one such struct, which lives until the call returns.
    let result = unsafe { libc::waitid(libc::P_ALL, 0, about.as_mut_ptr(), options) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: all zeroes are a valid struct of this kind, and so is what the kernel has written
    // over them; of an ended child its number is set, and else zero.
    let pid = unsafe { about.assume_init().si_pid() };
    Ok(Some(pid.unsigned_abs()).filter(|&pid| pid != 0))
}

/// The addresses of all network interfaces that are up, in the order of the kernel.
pub(crate) fn interface_addresses() -> Vec<IpAddr> {
    let mut list = std::ptr::null_mut();
    // SAFETY: getifaddrs writes one pointer, to a list that it owns until freeifaddrs.
    if unsafe { libc::getifaddrs(&raw mut list) } != 0 {
        return Vec::new();
    }
    let mut addresses = Vec::new();
    let mut next = list;
    // SAFETY: `next` is null or an entry of the list, which is freed only below.
    while let Some(entry) = unsafe { next.as_ref() } {
        if entry.ifa_flags & libc::IFF_UP.unsigned_abs() != 0 {
            // SAFETY: the address of an entry is null or a whole socket address.
            addresses.extend(unsafe { ip(entry.ifa_addr) });
        }
        next = entry.ifa_next;
    }
    // SAFETY: the list came from getifaddrs and nothing borrows from it any more.
    unsafe { libc::freeifaddrs(list) };
    addresses
}

/// # Safety
///
/// `address` is null or points to a whole socket address of the family it names.
unsafe fn ip(address: *const libc::sockaddr) -> Option<IpAddr> {
    // SAFETY: promised by the caller; the casts follow the family, and are read unaligned as a
    // `sockaddr` promises less alignment than what it stands for.
    unsafe {
        match i32::from(address.as_ref()?.sa_family) {
            libc::AF_INET => {
                let address = address.cast::<libc::sockaddr_in>().read_unaligned();
                Some(Ipv4Addr::from(address.sin_addr.s_addr.to_ne_bytes()).into())
            }
            libc::AF_INET6 => {
                let address = address.cast::<libc::sockaddr_in6>().read_unaligned();
                Some(Ipv6Addr::from(address.sin6_addr.s6_addr).into())
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::fd::AsFd;

    #[test]
    fn pages_just_written_are_cached() {
        // In memory, as not every file system that a test may run on keeps its own pages.
        let memory = rustix::fs::memfd_create(c"pages", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
        let mut file = std::fs::File::from(memory);
        file.write_all(&[7; 100_000]).unwrap();
        match pages_cached(file.as_fd(), 0, 100_000) {
            Ok(pages) => assert!(pages >= 100_000 / rustix::param::page_size() as u64),
            // Older kernels say so, and `file::is_resident` then probes.
            Err(error) => assert_eq!(error.raw_os_error(), Some(libc::ENOSYS)),
        }
    }

    #[test]
    fn loopback_is_among_the_interfaces() {
        assert!(interface_addresses().contains(&Ipv4Addr::LOCALHOST.into()));
    }
}
