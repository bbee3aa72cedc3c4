//! Becoming another user: the calls that change all threads of the process, not just this one.

use std::io;

/// Sets the supplementary groups of the process.
///
/// # Errors
///
/// When it may not, or when there are too many.
pub(crate) fn set_groups(groups: &[u32]) -> io::Result<()> {
    // SAFETY: the kernel reads as many numbers as the slice has; they live until the call returns.
    done(unsafe { libc::setgroups(groups.len(), groups.as_ptr()) })
}

/// Sets the real, the effective and the saved group of the process.
///
/// # Errors
///
/// When it may not.
pub(crate) fn set_group(group: u32) -> io::Result<()> {
    // SAFETY: the call takes numbers only.
    done(unsafe { libc::setresgid(group, group, group) })
}

/// Sets the real, the effective and the saved user of the process.
///
/// # Errors
///
/// When it may not.
pub(crate) fn set_user(user: u32) -> io::Result<()> {
    // SAFETY: the call takes numbers only.
    done(unsafe { libc::setresuid(user, user, user) })
}

/// The real, the effective and the saved user, and the same three of the group.
pub(crate) fn ids() -> ([u32; 3], [u32; 3]) {
    let (mut users, mut groups) = ([u32::MAX; 3], [u32::MAX; 3]);
    let ([a, b, c], [d, e, f]) = (&mut users, &mut groups);
    // SAFETY: the kernel writes three numbers each, which live until the calls return.
    unsafe {
        libc::getresuid(a, b, c);
        libc::getresgid(d, e, f);
    }
    (users, groups)
}

fn done(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_one_is_already_one_may_become() {
        let ([user, ..], [group, ..]) = ids();
        assert_eq!(user, rustix::process::getuid().as_raw());
        set_group(group).and_then(|()| set_user(user)).unwrap();
        assert_eq!(ids(), ([user; 3], [group; 3]));
        let groups: Vec<u32> =
            rustix::process::getgroups().unwrap().iter().map(|group| group.as_raw()).collect();
        assert_eq!(set_groups(&groups).is_ok(), user == 0);
    }
}
