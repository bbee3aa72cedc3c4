//! A filter of system calls, put around this thread and those that it starts.

use std::io;

pub(crate) use libc::sock_filter as Instruction;

/// Has the kernel ask `program` about each system call from now on, for good.
///
/// # Errors
///
/// When the kernel has no filters, takes this one for faulty, or privileges can still be gained.
pub(crate) fn enter(program: &mut [Instruction]) -> io::Result<()> {
    let length = u16::try_from(program.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let filter = libc::sock_fprog { len: length, filter: program.as_mut_ptr() };
    // Before Linux 5.16 a filter would otherwise slow down the processor for the sake of code that
    // nobody trusts: there is none in this process.
    let flags = libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW;
    let (call, mode) = (libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER);
    // SAFETY: the kernel reads as many instructions as the slice has, which lives until the call
    // returns, and checks that they end and stay within what they are given.
    let result = unsafe { libc::syscall(call, mode, flags, &raw const filter) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::child::{self, Ending};

    #[test]
    fn a_program_is_taken_and_a_faulty_one_is_not() {
        let end = |action| Instruction { code: 6, jt: 0, jf: 0, k: action };
        let tried = |mut program: Vec<Instruction>| {
            child::run(&[], || {
                rustix::thread::set_no_new_privs(true).unwrap();
                u8::from(enter(&mut program).is_ok())
            })
        };
        assert_eq!(tried(vec![end(libc::SECCOMP_RET_ALLOW)]).unwrap(), Ending::Code(1));
        assert_eq!(tried(vec![]).unwrap(), Ending::Code(0));
        // The child cannot even say what came of it.
        let killed = tried(vec![end(libc::SECCOMP_RET_KILL_PROCESS)]).unwrap();
        assert_eq!(killed, Ending::Signal(libc::SIGSYS));
    }
}
