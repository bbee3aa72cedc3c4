//! The system calls by their numbers, which differ from one kind of processor to another.

use libc::c_long;

/// How the kernel names the kind of processor that this program was built for (`AUDIT_ARCH_…`);
/// `None` for those that nobody has gone through the calls for.
pub(crate) const PROCESSOR: Option<u32> = processor();

const fn processor() -> Option<u32> {
    if cfg!(target_arch = "x86_64") {
        Some(0xC000_003E)
    } else if cfg!(target_arch = "aarch64") {
        Some(0xC000_00B7)
    } else {
        None
    }
}

/// The greatest number that a call had when these lists were made, Linux 6.18. A call that was
/// added later looks as if the kernel did not have it, so that libraries do without it.
pub(crate) const NEWEST: u32 = 469;

/// What a worker never does: who tries has been taken over.
pub(crate) const DEADLY: &[c_long] = &[libc::SYS_execve, libc::SYS_execveat, libc::SYS_ptrace];

/// What a filter cannot look into, as its arguments lie in memory: libraries do without it.
pub(crate) const ABSENT: &[c_long] = &[libc::SYS_clone3];

/// What a worker does all the time, first, and what it does now and then.
pub(crate) const ALLOWED: &[&[c_long]] = &[
    // Connections.
    &[
        libc::SYS_epoll_pwait,
        libc::SYS_recvfrom,
        libc::SYS_sendto,
        libc::SYS_writev,
        libc::SYS_read,
        libc::SYS_write,
        libc::SYS_sendfile,
        libc::SYS_accept4,
        libc::SYS_close,
        libc::SYS_epoll_ctl,
        libc::SYS_recvmsg,
        libc::SYS_sendmsg,
        libc::SYS_getsockopt,
        libc::SYS_setsockopt,
        libc::SYS_getsockname,
        libc::SYS_getpeername,
        libc::SYS_epoll_create1,
        libc::SYS_eventfd2,
        libc::SYS_ppoll,
        libc::SYS_epoll_pwait2,
        libc::SYS_pipe2,
    ],
    // Files, which Landlock has an eye on.
    &[
        libc::SYS_openat2,
        libc::SYS_statx,
        libc::SYS_preadv2,
        libc::SYS_pread64,
        libc::SYS_fstat,
        libc::SYS_newfstatat,
        libc::SYS_openat,
        libc::SYS_getdents64,
        libc::SYS_lseek,
        libc::SYS_readlinkat,
        libc::SYS_fstatfs,
        libc::SYS_fadvise64,
        libc::SYS_pwrite64,
        libc::SYS_ftruncate,
        libc::SYS_renameat2,
        libc::SYS_unlinkat,
        libc::SYS_faccessat,
        libc::SYS_faccessat2,
        libc::SYS_fcntl,
        libc::SYS_dup,
        libc::SYS_dup3,
        libc::SYS_getcwd,
        libc::SYS_close_range,
        libc::SYS_inotify_init1,
        libc::SYS_inotify_add_watch,
        libc::SYS_inotify_rm_watch,
        CACHESTAT,
    ],
    // Memory, threads and time.
    &[
        libc::SYS_futex,
        libc::SYS_munmap,
        libc::SYS_madvise,
        libc::SYS_brk,
        libc::SYS_mremap,
        libc::SYS_sched_yield,
        libc::SYS_getrandom,
        libc::SYS_clock_gettime,
        libc::SYS_getpid,
        libc::SYS_gettid,
        libc::SYS_rseq,
        libc::SYS_set_robust_list,
        libc::SYS_exit,
        libc::SYS_exit_group,
        libc::SYS_rt_sigprocmask,
        libc::SYS_rt_sigaction,
        libc::SYS_rt_sigreturn,
        libc::SYS_sigaltstack,
        libc::SYS_restart_syscall,
        libc::SYS_clock_nanosleep,
        libc::SYS_nanosleep,
        libc::SYS_sched_getaffinity,
        libc::SYS_getcpu,
        libc::SYS_membarrier,
        libc::SYS_sysinfo,
        libc::SYS_uname,
        // Who it is: libraries take it for granted that they are told.
        libc::SYS_getppid,
        libc::SYS_getuid,
        libc::SYS_geteuid,
        libc::SYS_getgid,
        libc::SYS_getegid,
    ],
    OLD,
];

/// What else a process does that visits others and keeps in files what it comes back with.
pub(crate) const KEEPING: &[c_long] = &[
    libc::SYS_bind,
    libc::SYS_sendmmsg,
    libc::SYS_recvmmsg,
    libc::SYS_memfd_create,
    libc::SYS_mkdirat,
    libc::SYS_linkat,
    libc::SYS_fsync,
    libc::SYS_flock,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_mkdir,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_link,
];

/// cachestat(2), Linux 6.5, which has this number on every architecture but alpha.
pub(crate) const CACHESTAT: c_long = 451;

/// Calls that libraries still make on this kind of processor, as it had them before their
/// successors.
#[cfg(target_arch = "x86_64")]
const OLD: &[c_long] = &[
    libc::SYS_epoll_wait,
    libc::SYS_poll,
    libc::SYS_open,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_access,
    libc::SYS_readlink,
    libc::SYS_rename,
    libc::SYS_unlink,
];

#[cfg(target_arch = "aarch64")]
const OLD: &[c_long] = &[libc::SYS_renameat];

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const OLD: &[c_long] = &[];
