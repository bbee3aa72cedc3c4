//! Whom a process serves as: a user of this machine, and giving up root for it.

use crate::layer::{Layer, State};
use crate::process;
use crate::sys::user;
use rustix::io::Errno;
use rustix::process::{geteuid, getgroups};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, remove_capability_from_bounding_set,
    set_capabilities,
};
use std::{fmt, fs, io, path::PathBuf};

/// Where the users and the groups of this machine are written.
const USERS: &str = "/etc/passwd";
const GROUPS: &str = "/etc/group";

/// A user of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The name, or the number that it was asked for by.
    pub name: String,
    /// Its number.
    pub number: u32,
    /// The number of its own group.
    pub group: u32,
    /// The groups that it belongs to beside that.
    pub groups: Vec<u32>,
}

/// Why a process does not serve as a user.
#[derive(Debug)]
pub enum IdentityError {
    /// There is no such user.
    Unknown(String),
    /// The list of users or groups cannot be read.
    Unreadable(&'static str, io::Error),
    /// The user is root, who is not to serve.
    Root(String),
    /// Only root becomes another user; this is the number of who tries.
    NotRoot(u32),
    /// The kernel refused a step.
    Refused(&'static str, io::Error),
    /// Root, or some of its power, could be had back.
    Kept(&'static str),
}

/// The folder of the user of that name; `None` where no list knows of one.
#[must_use]
pub fn home(name: &str) -> Option<PathBuf> {
    let users = fs::read_to_string(USERS).unwrap_or_default();
    home_in(name, &users)
}

/// What the user of that number is called; the number where nobody says so.
#[must_use]
pub fn name(number: u32) -> String {
    known(number).unwrap_or_else(|| format!("user {number}"))
}

/// What the user of that number is called, where this machine knows.
#[must_use]
pub fn known(number: u32) -> Option<String> {
    let users = fs::read_to_string(USERS).unwrap_or_default();
    let named = listed(&users).find(|(_, listed, _)| *listed == number)?;
    Some(named.0.to_owned())
}

/// What the group of that number is called; the number itself, as `chgrp` takes it, where nobody
/// says so.
#[must_use]
pub fn group_name(number: u32) -> String {
    let groups = fs::read_to_string(GROUPS).unwrap_or_default();
    let named = groups.lines().find_map(|line| {
        let mut parts = line.split(':');
        let name = parts.next()?;
        (parts.nth(1)?.parse() == Ok(number)).then(|| name.to_owned())
    });
    named.unwrap_or_else(|| number.to_string())
}

impl User {
    /// The user of that name, or of that number, whom no list needs to know.
    ///
    /// # Errors
    ///
    /// When there is none, or when the lists of this machine cannot be read.
    pub fn find(name: &str) -> Result<Self, IdentityError> {
        let read = |path| match fs::read(path) {
            Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            // A container may hold a program and nothing else.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            Err(error) => Err(IdentityError::Unreadable(path, error)),
        };
        let found = find(name, &read(USERS)?, &read(GROUPS)?);
        found.ok_or_else(|| IdentityError::Unknown(name.to_owned()))
    }

    /// Makes this process, which runs as root, one of this user without any of root's power: no
    /// capability is left, and none can be had back.
    ///
    /// # Errors
    ///
    /// When it does not run as root or has threads, when the user is root, or when anything of
    /// root's power is left. Then the process must end.
    pub fn become_user(&self) -> Result<Layer, IdentityError> {
        use IdentityError::{Kept, NotRoot, Refused, Root};
        if self.number == 0 || self.group == 0 {
            return Err(Root(self.name.clone()));
        }
        if !process::is_root() {
            return Err(NotRoot(geteuid().as_raw()));
        }
        process::check_single_thread().map_err(|error| Refused("look at its threads", error))?;
        let bounding = empty_bounding_set();
        user::set_groups(&self.groups).map_err(|error| Refused("set its groups", error))?;
        user::set_group(self.group).map_err(|error| Refused("set its group", error))?;
        user::set_user(self.number).map_err(|error| Refused("set its user", error))?;
        if !drop_capabilities().map_err(|error| Refused("drop capabilities", error))? {
            return Err(Kept("capabilities"));
        }
        if user::ids() != ([self.number; 3], [self.group; 3]) || user::set_user(0).is_ok() {
            return Err(Kept("the user"));
        }
        if user::set_group(0).is_ok() || !self.has_its_groups() {
            return Err(Kept("a group"));
        }
        let name = &self.name;
        let words = match bounding {
            Ok(()) => format!("{name}, without capabilities"),
            // Without new privileges nothing in that set can be had; it is but a second lock.
            Err(error) => {
                format!("{name}, without capabilities; their bounding set stays: {error}")
            }
        };
        Ok(Layer { name: "user", state: State::On(words) })
    }

    fn has_its_groups(&self) -> bool {
        getgroups().is_ok_and(|groups| {
            groups.iter().all(|group| {
                let group = group.as_raw();
                group == self.group || self.groups.contains(&group)
            })
        })
    }
}

/// Gives up all capabilities that this process has; says whether none is left.
pub(crate) fn drop_capabilities() -> io::Result<bool> {
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    // The ambient ones go with those that are inheritable.
    set_capabilities(None, none)?;
    let left = capabilities(None)?;
    Ok((left.effective | left.permitted | left.inheritable).is_empty())
}

/// Takes from this process, and from what it might execute, every capability that the kernel knows.
fn empty_bounding_set() -> io::Result<()> {
    for capability in 0..u64::BITS {
        match remove_capability_from_bounding_set(CapabilitySet::from_bits_retain(1 << capability))
        {
            Ok(()) => {}
            // The first number that is none.
            Err(Errno::INVAL) => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// The user `name` in the texts of both lists.
fn find(name: &str, users: &str, groups: &str) -> Option<User> {
    let wanted: Option<u32> = name.parse().ok();
    let listed = listed(users).find(|(own, number, _)| *own == name || wanted == Some(*number));
    let (name, number, group) = listed.or_else(|| wanted.map(|number| (name, number, number)))?;
    let groups = groups.lines().filter_map(|line| {
        let mut parts = line.split(':').skip(2);
        let number: u32 = parts.next()?.parse().ok()?;
        parts.next()?.split(',').any(|member| member == name).then_some(number)
    });
    // Membership in root's own group is power that a server has no use for.
    let groups = groups.filter(|number| *number != 0).collect();
    Some(User { name: name.to_owned(), number, group, groups })
}

/// The folder of a user in the text of their list.
fn home_in(name: &str, users: &str) -> Option<PathBuf> {
    let mut lines = users.lines().map(|line| line.split(':'));
    let mut parts = lines.find(|parts| parts.clone().next() == Some(name))?;
    parts.nth(5).map(PathBuf::from).filter(|home| home.is_absolute())
}

/// The users in the text of their list: the name, the number and the group of each.
fn listed(users: &str) -> impl Iterator<Item = (&str, u32, u32)> {
    users.lines().filter_map(|line| {
        let mut parts = line.split(':');
        let (name, number) = (parts.next()?, parts.nth(1)?.parse().ok()?);
        Some((name, number, parts.next()?.parse().ok()?))
    })
}

impl fmt::Display for IdentityError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(name) => write!(
                out,
                "there is no user `{name}` in {USERS}: name one that is there, or write a number"
            ),
            Self::Unreadable(path, error) => write!(out, "{path}: {error}"),
            Self::Root(name) => write!(
                out,
                "`{name}` has root's number or group, and root does not serve: name another user"
            ),
            Self::NotRoot(number) => write!(
                out,
                "only root becomes another user, and this is user {number}: start as root, or name \
                 no user"
            ),
            Self::Refused(step, error) => {
                write!(out, "the process could not {step} to give up root: {error}")
            }
            Self::Kept(what) => write!(out, "root was given up, but {what} could be had back"),
        }
    }
}

impl std::error::Error for IdentityError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::child::{self, Ending};
    use std::{net::TcpListener, path::Path};

    const USERS: &str = "root:x:0:0:root:/root:/bin/sh\nbroken\n\
                         www:x:33:34:www:/var/www:/bin/false\n1000:x:7:8::/:\n";
    const GROUPS: &str = "root:x:0:www\nwww:x:34:\nlogs:x:4:alice,www\nnone:x:5:\nlike:x:6:www2\n";

    #[test]
    fn users_are_found_by_name_or_number() {
        let check = |name: &str, expect: Option<(&str, u32, u32, &[u32])>| {
            let found = find(name, USERS, GROUPS);
            let expect = expect.map(|(name, number, group, groups)| User {
                name: name.to_owned(),
                number,
                group,
                groups: groups.to_owned(),
            });
            assert_eq!(found, expect, "{name}");
        };
        check("www", Some(("www", 33, 34, &[4])));
        check("33", Some(("www", 33, 34, &[4])));
        check("www2", None);
        check("", None);
        check("broken", None);
        check("4242", Some(("4242", 4242, 4242, &[])));
        check("root", Some(("root", 0, 0, &[])));
        assert_eq!(User::find("root").unwrap().number, 0);
        let unknown = User::find("no such user").unwrap_err().to_string();
        assert!(unknown.contains("`no such user`") && unknown.contains("name one"), "{unknown}");
        assert_eq!((known(0).as_deref(), known(4_242_424)), (Some("root"), None));
        assert_eq!((&*group_name(0), &*group_name(4_242_424)), ("root", "4242424"));
    }

    #[test]
    fn a_user_has_a_folder() {
        for (name, expect) in
            [("www", Some("/var/www")), ("1000", Some("/")), ("broken", None), ("x", None)]
        {
            assert_eq!(home_in(name, USERS).as_deref(), expect.map(Path::new), "{name}");
        }
    }

    #[test]
    fn root_does_not_serve() {
        let root = User { name: "toor".to_owned(), number: 0, group: 0, groups: vec![] };
        assert!(matches!(root.become_user(), Err(IdentityError::Root(_))));
        let in_its_group = User { number: 33, ..root };
        assert!(matches!(in_its_group.become_user(), Err(IdentityError::Root(_))));
    }

    /// As root: all of its power is gone. As anybody else: it is said who may.
    #[test]
    fn who_has_become_a_user_is_no_longer_root() {
        let user = User { name: "4242".to_owned(), number: 4242, group: 4243, groups: vec![4244] };
        let is_root = process::is_root();
        let ending = child::run(&[], || {
            let became = user.become_user();
            if !is_root {
                return u8::from(matches!(became, Err(IdentityError::NotRoot(_))));
            }
            let status = fs::read_to_string("/proc/self/status").unwrap();
            let says = |line: &str| assert!(status.contains(line), "{line}: {status}");
            says("\nUid:\t4242\t4242\t4242\t4242\n");
            says("\nGid:\t4243\t4243\t4243\t4243\n");
            says("\nGroups:\t4244 \n");
            for set in ["Inh", "Prm", "Eff", "Bnd", "Amb"] {
                says(&format!("\nCap{set}:\t0000000000000000\n"));
            }
            assert_eq!(became.unwrap().to_string(), "user: on, 4242, without capabilities");
            assert!(fs::read("/etc/shadow").is_err());
            assert!(matches!(user.become_user(), Err(IdentityError::NotRoot(4242))));
            u8::from(TcpListener::bind("127.0.0.1:0").is_ok())
        });
        assert_eq!(ending.unwrap(), Ending::Code(1));
    }
}
