//! Which system calls a worker may make, as a program that the kernel asks.
//!
//! ```text
//!   other kind of processor ──► kill
//!   a call with a condition ──► its argument decides
//!   exec, ptrace ─────────────► kill
//!   clone3 ───────────────────► "no such call"
//!   on the list ──────────────► allowed, whatever its arguments
//!   newer than the list ──────► "no such call"
//!   any other ────────────────► "not permitted"
//! ```
//!
//! What is allowed by its number alone the kernel (5.11 and later) finds out once, when the filter
//! is set up, and never asks again: the calls on the path of a request have no conditions.

use crate::sys::calls::{ABSENT, ALLOWED, DEADLY, KEEPING, NEWEST, PROCESSOR};
use crate::sys::seccomp::Instruction;
use libc::c_long;

const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const KILL: u32 = libc::SECCOMP_RET_KILL_PROCESS;
const REFUSE: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM.unsigned_abs();
const NO_SUCH_CALL: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS.unsigned_abs();

/// Where things stand in what the kernel shows a program: the call's number, the kind of
/// processor, and the lower half of each argument. The upper halves never matter here: what is
/// looked at are numbers and flags of 32 bits.
const NUMBER_AT: u32 = 0;
const PROCESSOR_AT: u32 = 4;
const ARGUMENTS_AT: u32 = 16;
const ARGUMENT_BYTES: u32 = 8;

/// A call that is allowed if some of its arguments, counted from zero, are as they should be.
struct Condition {
    call: c_long,
    tests: Vec<(u32, Test)>,
}

enum Test {
    /// It is one of these.
    Is(Vec<u32>),
    /// All of these bits are set.
    Has(u32),
    /// None of these bits is set.
    HasNone(u32),
}

/// Which streams a process makes to connect to somebody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Connects {
    /// Those of Unix.
    pub(super) unix: bool,
    /// Those of TCP, to ports that Landlock allows.
    pub(super) tcp: bool,
    /// Whatever it takes to visit whom a name leads to; and it keeps what it comes back with.
    pub(super) visits: bool,
}

impl Connects {
    /// The calls that are allowed whatever their arguments, but for those with a condition.
    fn allowed(self) -> impl Iterator<Item = &'static [c_long]> {
        let keeping = self.visits.then_some(KEEPING);
        ALLOWED.iter().copied().chain(keeping)
    }
}

/// The calls with a condition, for the process of the number `process`.
fn conditions(process: u32, connects: Connects) -> Vec<Condition> {
    const STREAM: i32 = libc::SOCK_STREAM | libc::SOCK_CLOEXEC;
    let one = |call, argument, test| Condition { call, tests: vec![(argument, test)] };
    let is = |call, argument, values: &[u32]| one(call, argument, Test::Is(values.to_vec()));
    let word = i32::unsigned_abs;
    let data = || Test::HasNone(word(libc::PROT_EXEC));
    let thread = Test::Has(word(libc::CLONE_THREAD));
    let streams = [0, libc::SOCK_NONBLOCK].map(|flag| word(STREAM | flag));
    let mut conditions = vec![
        // Memory is never turned into code.
        one(libc::SYS_mmap, 2, data()),
        one(libc::SYS_mprotect, 2, data()),
        // Memory that looks like a file, which nobody can change or run.
        is(libc::SYS_memfd_create, 1, &[libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING]),
        // Threads, but no processes.
        one(libc::SYS_clone, 0, thread),
        // Sockets are not put into another mode, and no words into a terminal's input.
        is(libc::SYS_ioctl, 1, &[FIONBIO, FIONREAD, TIOCOUTQ, TCGETS, TIOCGWINSZ]),
        // A thread takes its name.
        is(libc::SYS_prctl, 0, &[word(libc::PR_SET_NAME), word(libc::PR_GET_NAME)]),
        // It aborts itself, and looks at its own limits.
        is(libc::SYS_tgkill, 0, &[process]),
        is(libc::SYS_prlimit64, 0, &[0]),
        // Both ways, it would turn a listener into a socket that can be connected.
        is(libc::SYS_shutdown, 1, &[word(libc::SHUT_WR)]),
        // A pair to wake a loop by; one that keeps messages apart could reach other sockets.
        is(libc::SYS_socketpair, 1, &streams),
    ];
    let Connects { unix, tcp, visits } = connects;
    if unix || tcp || visits {
        let families = [(unix, libc::AF_UNIX), (tcp, libc::AF_INET), (tcp, libc::AF_INET6)];
        let families = families.into_iter().filter(|(is_wanted, _)| *is_wanted);
        let families = families.map(|(_, family)| word(family)).collect();
        // A name is asked for by datagrams, and first of all which addresses this machine has.
        let visited = [libc::AF_INET, libc::AF_INET6, libc::AF_UNIX, libc::AF_NETLINK].map(word);
        conditions.push(match visits {
            true => is(libc::SYS_socket, 0, &visited),
            // No messages, by which keepers of descriptors are spoken to; and none of the protocols
            // that connect like TCP and are nothing to Landlock.
            false => Condition {
                call: libc::SYS_socket,
                tests: vec![
                    (0, Test::Is(families)),
                    (1, Test::Is(streams.to_vec())),
                    (2, Test::Is(vec![0])),
                ],
            },
        });
        // Whom to lies in memory, where no filter can look.
        conditions.push(one(libc::SYS_connect, 0, Test::Has(0)));
        // A socket that is parted from its peer could be connected so, and Landlock is not asked.
        let no_connection = || Test::HasNone(word(libc::MSG_FASTOPEN));
        conditions.push(one(libc::SYS_sendto, 3, no_connection()));
        conditions.push(one(libc::SYS_sendmsg, 2, no_connection()));
    }
    conditions
}

// The C libraries do not agree on the type of these.
const FIONBIO: u32 = libc::FIONBIO as u32;
const FIONREAD: u32 = libc::FIONREAD as u32;
const TIOCOUTQ: u32 = libc::TIOCOUTQ as u32;
const TCGETS: u32 = libc::TCGETS as u32;
const TIOCGWINSZ: u32 = libc::TIOCGWINSZ as u32;

/// The program for the process of the number `process`; `None` for a kind of processor whose calls
/// nobody has gone through.
pub(super) fn program(process: u32, connects: Connects) -> Option<Vec<Instruction>> {
    let mut program = vec![load(PROCESSOR_AT), skip_if_equal(PROCESSOR?, 1), end(KILL)];
    program.push(load(NUMBER_AT));
    for condition in conditions(process, connects) {
        let decision = decision(&condition)?;
        // No block is longer than a jump can be: each has a few instructions.
        let length = u8::try_from(decision.len()).ok()?;
        program.push(skip_unless_equal(number(condition.call)?, length));
        program.extend(decision);
    }
    let mut answer = |calls: &[c_long], action| {
        calls.iter().try_for_each(|call| {
            program.extend([skip_unless_equal(number(*call)?, 1), end(action)]);
            Some(())
        })
    };
    answer(DEADLY, KILL)?;
    answer(ABSENT, NO_SUCH_CALL)?;
    connects.allowed().try_for_each(|calls| answer(calls, ALLOW))?;
    program.extend([skip_unless_greater(NEWEST, 1), end(NO_SUCH_CALL), end(REFUSE)]);
    Some(program)
}

/// How many calls are allowed, with and without a condition.
pub(super) fn allowed(connects: Connects) -> usize {
    let conditions = conditions(0, connects);
    let other = |call: &&c_long| conditions.iter().all(|condition| condition.call != **call);
    connects.allowed().flatten().filter(other).count() + conditions.len()
}

/// What is done about a call that has `condition`.
fn decision(condition: &Condition) -> Option<Vec<Instruction>> {
    let mut block = Vec::new();
    for (argument, test) in &condition.tests {
        block.push(load(ARGUMENTS_AT + argument * ARGUMENT_BYTES));
        match test {
            Test::Is(values) => {
                // Each skips those behind it, and the end.
                for (value, rest) in values.iter().zip((1..=values.len()).rev()) {
                    block.push(skip_if_equal(*value, u8::try_from(rest).ok()?));
                }
            }
            Test::Has(bits) => block.extend([keep(*bits), skip_if_equal(*bits, 1)]),
            Test::HasNone(bits) => block.extend([keep(*bits), skip_if_equal(0, 1)]),
        }
        block.push(end(REFUSE));
    }
    block.push(end(ALLOW));
    Some(block)
}

fn number(call: c_long) -> Option<u32> {
    u32::try_from(call).ok()
}

// The instructions, as <linux/bpf_common.h> puts them together.

const LOAD: u16 = 0x20;
const KEEP: u16 = 0x54;
const IF_EQUAL: u16 = 0x15;
const IF_GREATER: u16 = 0x25;
const END: u16 = 0x06;

fn load(at: u32) -> Instruction {
    Instruction { code: LOAD, jt: 0, jf: 0, k: at }
}

fn keep(bits: u32) -> Instruction {
    Instruction { code: KEEP, jt: 0, jf: 0, k: bits }
}

fn skip_if_equal(value: u32, count: u8) -> Instruction {
    Instruction { code: IF_EQUAL, jt: count, jf: 0, k: value }
}

fn skip_unless_equal(value: u32, count: u8) -> Instruction {
    Instruction { code: IF_EQUAL, jt: 0, jf: count, k: value }
}

fn skip_unless_greater(value: u32, count: u8) -> Instruction {
    Instruction { code: IF_GREATER, jt: 0, jf: count, k: value }
}

fn end(action: u32) -> Instruction {
    Instruction { code: END, jt: 0, jf: 0, k: action }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROCESS: u32 = 4711;

    /// Puts words into a terminal, as if they had been typed there.
    const TIOCSTI: u32 = libc::TIOCSTI as u32;

    /// What the program says of a call; `None` if it would have to look at an argument for that
    /// and is not given any, as when the kernel works out what it need not ask about again.
    fn said(processor: u32, call: u32, arguments: Option<[u64; 6]>) -> Option<u32> {
        said_of(Connects::default(), processor, call, arguments)
    }

    fn said_of(
        connects: Connects,
        processor: u32,
        call: u32,
        arguments: Option<[u64; 6]>,
    ) -> Option<u32> {
        let program = program(PROCESS, connects).unwrap();
        let (mut at, mut word) = (0, 0);
        loop {
            let Instruction { code, jt, jf, k } = program[at];
            at += 1;
            match code {
                LOAD => {
                    word = match k {
                        NUMBER_AT => call,
                        PROCESSOR_AT => processor,
                        _ => arguments?[(k - ARGUMENTS_AT) as usize / 8] as u32,
                    }
                }
                KEEP => word &= k,
                IF_EQUAL => at += usize::from(if word == k { jt } else { jf }),
                IF_GREATER => at += usize::from(if word > k { jt } else { jf }),
                END => return Some(k),
                _ => panic!("{code}"),
            }
        }
    }

    fn of(call: c_long, arguments: Option<[u64; 6]>) -> Option<u32> {
        said(PROCESSOR.unwrap(), call as u32, arguments)
    }

    #[test]
    fn the_calls_of_a_request_are_allowed_without_a_look_at_their_arguments() {
        for call in [
            libc::SYS_accept4,
            libc::SYS_recvfrom,
            libc::SYS_sendto,
            libc::SYS_writev,
            libc::SYS_sendfile,
            libc::SYS_openat2,
            libc::SYS_statx,
            libc::SYS_read,
            libc::SYS_preadv2,
            libc::SYS_close,
            libc::SYS_epoll_pwait,
            libc::SYS_futex,
        ] {
            assert_eq!(of(call, None), Some(ALLOW), "{call}");
        }
        for call in ALLOWED.iter().flat_map(|calls| calls.iter()) {
            assert_eq!(of(*call, None), Some(ALLOW), "{call}: listed twice?");
        }
    }

    #[test]
    fn what_a_worker_has_no_use_for_is_refused() {
        for call in [
            libc::SYS_connect,
            libc::SYS_socket,
            libc::SYS_bind,
            libc::SYS_mount,
            libc::SYS_unshare,
            libc::SYS_setns,
            libc::SYS_bpf,
            libc::SYS_perf_event_open,
            libc::SYS_io_uring_setup,
            libc::SYS_io_uring_enter,
            libc::SYS_io_uring_register,
            libc::SYS_keyctl,
            libc::SYS_add_key,
            libc::SYS_userfaultfd,
            libc::SYS_kexec_load,
            libc::SYS_init_module,
            libc::SYS_finit_module,
            libc::SYS_process_vm_writev,
            libc::SYS_pidfd_getfd,
            libc::SYS_kill,
            libc::SYS_setuid,
            libc::SYS_fsopen,
            libc::SYS_symlinkat,
            libc::SYS_linkat,
            libc::SYS_mknodat,
            libc::SYS_open_by_handle_at,
            libc::SYS_pkey_mprotect,
            libc::SYS_personality,
        ] {
            assert_eq!(of(call, None), Some(REFUSE), "{call}");
        }
    }

    #[test]
    fn who_asks_an_application_makes_no_other_sockets() {
        let check = |connects, call: c_long, arguments: [i32; 4], expect| {
            let [first, second, third, fourth] = arguments.map(|argument| argument as u64);
            let arguments = Some([first, second, third, fourth, 0, 0]);
            let said = said_of(connects, PROCESSOR.unwrap(), call as u32, arguments);
            assert_eq!(said, Some(expect), "{call} {arguments:?} {connects:?}");
        };
        let (stream, datagram) = (libc::SOCK_STREAM | libc::SOCK_CLOEXEC, libc::SOCK_DGRAM);
        let (messages, impatient) = (libc::SOCK_SEQPACKET, stream | libc::SOCK_NONBLOCK);
        for (unix, tcp) in [(false, false), (true, false), (false, true), (true, true)] {
            let connects = Connects { unix, tcp, visits: false };
            let if_any = |is_allowed| if is_allowed { ALLOW } else { REFUSE };
            check(connects, libc::SYS_connect, [7, 0, 0, 0], if_any(unix || tcp));
            for (family, kind, protocol, expect) in [
                (libc::AF_UNIX, stream, 0, unix),
                (libc::AF_UNIX, impatient, 0, unix),
                (libc::AF_INET, stream, 0, tcp),
                (libc::AF_INET6, impatient, 0, tcp),
                (libc::AF_UNIX, datagram, 0, false),
                (libc::AF_UNIX, messages | libc::SOCK_CLOEXEC, 0, false),
                (libc::AF_INET, datagram, 0, false),
                (libc::AF_INET, stream, libc::IPPROTO_MPTCP, false),
                (libc::AF_INET6, stream, libc::IPPROTO_SCTP, false),
                (libc::AF_NETLINK, datagram, 0, false),
                (libc::AF_VSOCK, stream, 0, false),
            ] {
                let arguments = [family, kind, protocol, 0];
                check(connects, libc::SYS_socket, arguments, if_any(expect));
            }
            let opens = libc::MSG_NOSIGNAL | libc::MSG_FASTOPEN;
            check(connects, libc::SYS_sendto, [7, 0, 0, libc::MSG_NOSIGNAL], ALLOW);
            check(connects, libc::SYS_sendto, [7, 0, 0, opens], if_any(!unix && !tcp));
            check(connects, libc::SYS_sendmsg, [7, 0, opens, 0], if_any(!unix && !tcp));
        }
        let visitor = Connects { visits: true, ..Connects::default() };
        for (call, first, expect) in [
            (libc::SYS_socket, libc::AF_INET, ALLOW),
            (libc::SYS_socket, libc::AF_PACKET, REFUSE),
            (libc::SYS_linkat, 0, ALLOW),
            (libc::SYS_execve, 0, KILL),
            (libc::SYS_mount, 0, REFUSE),
        ] {
            check(visitor, call, [first, datagram, 0, 0], expect);
        }
    }

    #[test]
    fn exec_and_ptrace_kill_and_what_is_new_is_not_there() {
        for (call, expect) in [
            (libc::SYS_execve, KILL),
            (libc::SYS_execveat, KILL),
            (libc::SYS_ptrace, KILL),
            (libc::SYS_clone3, NO_SUCH_CALL),
            (c_long::from(NEWEST) + 1, NO_SUCH_CALL),
            // The other set of calls that 64-bit Intel processors have: execve, by its number.
            (0x4000_0000 | 520, NO_SUCH_CALL),
        ] {
            assert_eq!(of(call, None), Some(expect), "{call}");
        }
        // The same numbers mean other calls to a processor of another kind: 11 is execve on i386.
        assert_eq!(said(0x4000_0003, 11, None), Some(KILL));
    }

    #[test]
    fn arguments_decide_where_they_have_to() {
        let (thread, vfork) = (libc::CLONE_THREAD | libc::CLONE_VM, libc::CLONE_VFORK);
        let (read, write, run) = (libc::PROT_READ, libc::PROT_WRITE, libc::PROT_EXEC);
        let (stream, packet) = (libc::SOCK_STREAM, libc::SOCK_DGRAM);
        for (call, argument, value, expect) in [
            (libc::SYS_clone, 0, thread as u64, ALLOW),
            (libc::SYS_clone, 0, vfork as u64, REFUSE),
            (
                libc::SYS_memfd_create,
                1,
                u64::from(libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING),
                ALLOW,
            ),
            (libc::SYS_memfd_create, 1, u64::from(libc::MFD_CLOEXEC), REFUSE),
            (libc::SYS_mmap, 2, (read | write) as u64, ALLOW),
            (libc::SYS_mmap, 2, (read | run) as u64, REFUSE),
            (libc::SYS_mprotect, 2, read as u64, ALLOW),
            (libc::SYS_mprotect, 2, (read | run) as u64, REFUSE),
            (libc::SYS_ioctl, 1, u64::from(TIOCOUTQ), ALLOW),
            (libc::SYS_ioctl, 1, u64::from(FIONBIO), ALLOW),
            (libc::SYS_ioctl, 1, u64::from(TIOCSTI), REFUSE),
            (libc::SYS_prctl, 0, libc::PR_SET_NAME as u64, ALLOW),
            (libc::SYS_prctl, 0, libc::PR_SET_DUMPABLE as u64, REFUSE),
            (libc::SYS_tgkill, 0, u64::from(PROCESS), ALLOW),
            (libc::SYS_tgkill, 0, 1, REFUSE),
            (libc::SYS_prlimit64, 0, 0, ALLOW),
            (libc::SYS_prlimit64, 0, 1, REFUSE),
            (libc::SYS_socketpair, 1, (stream | libc::SOCK_CLOEXEC) as u64, ALLOW),
            (libc::SYS_socketpair, 1, packet as u64, REFUSE),
            (libc::SYS_shutdown, 1, libc::SHUT_WR as u64, ALLOW),
            (libc::SYS_shutdown, 1, libc::SHUT_RD as u64, REFUSE),
            (libc::SYS_shutdown, 1, libc::SHUT_RDWR as u64, REFUSE),
        ] {
            let mut arguments = [0; 6];
            arguments[argument] = value;
            assert_eq!(of(call, Some(arguments)), Some(expect), "{call} {value}");
            assert_eq!(of(call, None), None, "{call}");
        }
    }
}
