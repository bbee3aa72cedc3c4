//! Who listens on an address already, so that "address in use" can name the culprit.

use base::text::shell_word;
use std::ffi::OsString;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// The state of a socket that listens, as the kernel's tables have it.
const LISTEN: &str = "0A";

/// The name of a process that watches others.
const SERVER: &str = "gannet";

/// A process that listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its number.
    pub pid: u32,
    /// The name of its program, as the kernel keeps it: at most 15 bytes.
    pub name: String,
}

impl Holder {
    /// The process of that number.
    pub(crate) fn of(pid: u32) -> Self {
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        Self { pid, name: name.trim_end().to_owned() }
    }

    /// What to do about it, in words: what a killed server has left behind serves on, and is not to
    /// be stopped.
    #[must_use]
    pub fn way_out(&self) -> String {
        if self.is_of_server() {
            return "what watched it was killed and it serves on: start `gannet run FILE` with its \
                    config, which goes on with it"
                .to_owned();
        }
        if self.pid == 1 {
            return "a socket unit has it, which `systemctl list-sockets` names: stop that"
                .to_owned();
        }
        if let Some(file) = self.config() {
            let file = shell_word(&file.to_string_lossy());
            return format!("stop that (`gannet stop {file}`)");
        }
        match self.unit() {
            Some(unit) => format!("stop that (`systemctl stop {unit}`)"),
            None => format!("stop that (`kill {}`)", self.pid),
        }
    }

    /// The config file that it was started with, where it is a server by one; from the root where
    /// this user may know its folder.
    #[must_use]
    pub fn config(&self) -> Option<PathBuf> {
        let words = self.words();
        let is_run = self.name == SERVER && words.get(1).is_some_and(|word| word == "run");
        let named = words.iter().skip(2);
        let mut named = named.filter(|word| !word.as_encoded_bytes().starts_with(b"-"));
        let file = named.next().map_or(Path::new("gannet.toml"), Path::new);
        let folder = self.folder().unwrap_or_default();
        is_run.then(|| folder.join(file))
    }

    /// The unit of systemd that it belongs to, where that is one of the machine.
    fn unit(&self) -> Option<String> {
        let groups = fs::read_to_string(format!("/proc/{}/cgroup", self.pid)).ok()?;
        let inside = groups.lines().find_map(|line| line.split_once("/system.slice/"))?.1;
        inside.split('/').find(|part| part.ends_with(".service")).map(str::to_owned)
    }

    /// The words that it was started with, its own name first; none where nobody tells.
    #[must_use]
    pub fn words(&self) -> Vec<OsString> {
        let text = fs::read(format!("/proc/{}/cmdline", self.pid)).unwrap_or_default();
        let text = text.strip_suffix(b"\0").unwrap_or(&text);
        text.split(|byte| *byte == 0).map(|word| OsString::from_vec(word.to_vec())).collect()
    }

    /// The folder that it is in, where this user may know.
    #[must_use]
    pub fn folder(&self) -> Option<PathBuf> {
        fs::read_link(format!("/proc/{}/cwd", self.pid)).ok()
    }

    /// The number of the user that it runs as, as long as it does.
    #[must_use]
    pub fn user(&self) -> Option<u32> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
        line.split_ascii_whitespace().nth(1)?.parse().ok()
    }

    /// How many descriptors it may have open, as long as it runs.
    #[must_use]
    pub fn descriptors_max(&self) -> Option<u64> {
        let limits = fs::read_to_string(format!("/proc/{}/limits", self.pid)).ok()?;
        let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
        let hard = line.split_ascii_whitespace().nth(1)?;
        if hard == "unlimited" { Some(u64::MAX) } else { hard.parse().ok() }
    }

    /// Whether it listens at `address` itself; `None` where this user may not see what it has open.
    #[must_use]
    pub fn listens(&self, address: SocketAddr) -> Option<bool> {
        has_open(self.pid, &named(sockets(address).iter().map(|(_, inode)| &**inode)))
    }

    /// Whether it has a socket with one of these inodes; `None` as above.
    pub(crate) fn has_any(&self, inodes: &[String]) -> Option<bool> {
        has_open(self.pid, &named(inodes.iter().map(|inode| &**inode)))
    }

    /// Whether a server has started it.
    fn is_of_server(&self) -> bool {
        self.name.starts_with("gannet-")
    }

    /// The server that has started this one, as long as that is there.
    fn watcher(&self) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid)).ok()?;
        // Behind the name, in which there may be anything: the state, and the parent.
        let parent = stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(1)?.parse().ok()?;
        let parent = self.is_of_server().then(|| Self::of(parent))?;
        (parent.name == SERVER).then_some(parent)
    }
}

/// All processes that this user sees.
pub fn all() -> impl Iterator<Item = Holder> {
    let processes = fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    let pids = processes.filter_map(|process| process.file_name().to_str()?.parse().ok());
    pids.map(Holder::of)
}

/// The process that listens on `address`, or on its port at every address. `None` when there is
/// none, or when it belongs to somebody whose descriptors this user may not see.
#[must_use]
pub fn holder(address: SocketAddr) -> Option<Holder> {
    of_any(&sockets(address))
}

/// The process that has a connection from `address`, or from its port at another address, so that
/// nobody can listen there; `None` as above.
#[must_use]
pub fn connected(address: SocketAddr) -> Option<Holder> {
    of_any(&entries(address, |state| state != LISTEN))
}

/// The first process that has one of these sockets, or the server that has started it.
fn of_any(sockets: &[(String, String)]) -> Option<Holder> {
    let sockets = named(sockets.iter().map(|(_, inode)| &**inode));
    if sockets.is_empty() {
        return None;
    }
    fs::read_dir("/proc").ok()?.filter_map(Result::ok).find_map(|process| {
        let pid = process.file_name().to_str()?.parse().ok()?;
        has_open(pid, &sockets).filter(|has| *has)?;
        let holder = Holder::of(pid);
        Some(holder.watcher().unwrap_or(holder))
    })
}

/// What descriptors of sockets with these inodes lead to.
fn named<'i>(inodes: impl Iterator<Item = &'i str>) -> Vec<String> {
    inodes.map(|inode| format!("socket:[{inode}]")).collect()
}

/// Whether a process has one of `sockets` open; `None` where this user may not see that.
fn has_open(pid: u32, sockets: &[String]) -> Option<bool> {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).ok()?.filter_map(Result::ok);
    let mut targets = descriptors.filter_map(|descriptor| fs::read_link(descriptor.path()).ok());
    Some(targets.any(|target| sockets.iter().any(|socket| target.as_os_str() == &**socket)))
}

/// The number of the user whose process listens there, which everybody may know.
#[must_use]
pub fn owner(address: SocketAddr) -> Option<u32> {
    sockets(address).first()?.0.parse().ok()
}

/// The user and the inode of each socket that listens where `address` would have to.
fn sockets(address: SocketAddr) -> Vec<(String, String)> {
    entries(address, |state| state == LISTEN)
}

/// The same of those whose state is wanted. One that is over already has no inode.
fn entries(address: SocketAddr, is_wanted: fn(&str) -> bool) -> Vec<(String, String)> {
    let mut sockets = Vec::new();
    for table in ["/proc/self/net/tcp", "/proc/self/net/tcp6"] {
        let table = fs::read_to_string(table).unwrap_or_default();
        let found = table.lines().filter_map(|line| entry(line, address, is_wanted));
        let found = found.filter(|(_, inode)| *inode != "0");
        sockets.extend(found.map(|(user, inode)| (user.to_owned(), inode.to_owned())));
    }
    sockets
}

/// The user and the inode of the socket that `line` of such a table describes, if it is where
/// `address` would have to be, in a state that is wanted.
fn entry(line: &str, address: SocketAddr, is_wanted: fn(&str) -> bool) -> Option<(&str, &str)> {
    let mut fields = line.split_ascii_whitespace();
    let (ip, port) = fields.nth(1)?.split_once(':')?;
    let state = fields.nth(1)?;
    let (user, inode) = (fields.nth(3)?, fields.nth(1)?);
    let ip = parse_ip(ip)?.to_canonical();
    let is_there = if ip.is_ipv4() == address.is_ipv4() {
        ip == address.ip() || ip.is_unspecified() || address.ip().is_unspecified()
    } else {
        // A socket on every IPv6 address can hold the port of IPv4 as well.
        ip.is_ipv6() && ip.is_unspecified()
    };
    let is_port = u16::from_str_radix(port, 16) == Ok(address.port());
    (is_wanted(state) && is_port && is_there).then_some((user, inode))
}

/// The kernel prints addresses as 32-bit numbers of the machine's own byte order.
fn parse_ip(text: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        let digits = text.get(at..at + 8)?;
        u32::from_str_radix(digits, 16).ok().map(u32::to_ne_bytes)
    };
    match text.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let words = [word(0)?, word(8)?, word(16)?, word(24)?];
            let bytes: [u8; 16] = words.concat().try_into().ok()?;
            Some(Ipv6Addr::from(bytes).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn this_process_is_found_where_it_listens() {
        let us = fs::read_to_string("/proc/self/comm").unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let check = |ip: &str, expect: Option<u32>| {
            let holder = holder(SocketAddr::new(ip.parse().unwrap(), port));
            assert_eq!(holder.as_ref().map(|holder| holder.pid), expect, "{ip}");
            assert!(holder.is_none_or(|holder| holder.name == us.trim_end()));
        };
        let pid = std::process::id();
        check("127.0.0.1", Some(pid));
        check("0.0.0.0", Some(pid));
        check("127.0.0.2", None);
        check("::1", None);
        check("::", None);
        let address = SocketAddr::new("127.0.0.1".parse().unwrap(), port);
        assert_eq!(owner(address), Some(crate::process::user()));
        let own = Holder::of(std::process::id());
        assert_eq!(own.listens(address), Some(true));
        drop(listener);
        check("127.0.0.1", None);
        assert_eq!(own.listens(address), Some(false));
    }

    #[test]
    fn who_has_a_connection_from_a_port_is_found() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let address = client.local_addr().unwrap();
        assert_eq!(holder(address), None);
        assert_eq!(connected(address).map(|one| one.pid), Some(std::process::id()));
    }

    #[test]
    fn what_is_known_of_this_process() {
        let this = Holder::of(std::process::id());
        assert!(this.words().into_iter().eq(std::env::args_os()));
        assert_eq!(this.folder(), std::env::current_dir().ok());
        assert_eq!(this.user(), Some(crate::process::user()));
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        assert_eq!(this.descriptors_max(), Some(limit.maximum.unwrap_or(u64::MAX)));
        let nobody = Holder::of(u32::MAX);
        assert_eq!((nobody.user(), nobody.folder(), nobody.descriptors_max()), (None, None, None));
    }

    #[test]
    fn lines_of_the_kernel() {
        let line = |local: &str, state: &str| {
            format!(
                "  0: {local} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000  7  0 4711 1 0 100 0 0 10 0"
            )
        };
        let check = |line: &str, address: &str, expect: Option<&str>| {
            let found = entry(line, address.parse().unwrap(), |state| state == LISTEN);
            assert_eq!(found, expect.map(|inode| ("7", inode)), "{line} {address}");
        };
        let loopback = u32::from_ne_bytes([127, 0, 0, 1]);
        let loopback = format!("{loopback:08X}:1F90");
        check(&line(&loopback, "0A"), "127.0.0.1:8080", Some("4711"));
        check(&line(&loopback, "0A"), "127.0.0.1:8081", None);
        check(&line(&loopback, "01"), "127.0.0.1:8080", None);
        check(&line("00000000:1F90", "0A"), "127.0.0.1:8080", Some("4711"));
        check(&line("00000000:1F90", "0A"), "[::1]:8080", None);
        let every = "0".repeat(32) + ":1F90";
        check(&line(&every, "0A"), "[::1]:8080", Some("4711"));
        check(&line(&every, "0A"), "127.0.0.1:8080", Some("4711"));
        check("  sl  local_address rem_address   st", "127.0.0.1:8080", None);
        check("", "127.0.0.1:8080", None);
        check(&line("0100007Fxx:1F90", "0A"), "127.0.0.1:8080", None);
        check(&line("é00007F:1F90", "0A"), "127.0.0.1:8080", None);
    }
}
