//! A narrow link: a network of this machine that another one is thrown behind.

use rustix::process::geteuid;
use std::process::{Child, Command, Stdio};

/// A namespace, and a link to it that lets two megabits pass each second. It is gone when dropped.
pub struct Link(u8);

impl Link {
    /// The one of that number, which no other test has; none but for root.
    pub fn new(number: u8) -> Option<Self> {
        if !geteuid().is_root() {
            return None;
        }
        let link = Self(number);
        link.remove();
        let (name, host) = (link.name(), link.host());
        run(&format!(
            "ip netns add {name}
             ip link add gannet-a{number} type veth peer name gannet-b{number} netns {name}
             ip addr add {host}/24 dev gannet-a{number}
             ip link set gannet-a{number} up
             ip -n {name} addr add 10.231.{number}.2/24 dev gannet-b{number}
             ip -n {name} link set gannet-b{number} up
             tc qdisc add dev gannet-a{number} root tbf rate 2mbit burst 16kb latency 100ms"
        ));
        Some(link)
    }

    /// The address of this machine on the link.
    pub fn host(&self) -> String {
        format!("10.231.{}.1", self.0)
    }

    /// Fetches something from behind the link.
    pub fn fetch(&self, words: &[&str]) -> Child {
        let name = self.name();
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &name, "curl", "-s", "-o", "/dev/null"]).args(words);
        command.spawn().unwrap()
    }

    fn name(&self) -> String {
        format!("gannet-e2e-{}", self.0)
    }

    fn remove(&self) {
        let line = format!("ip link del gannet-a{}; ip netns del {}", self.0, self.name());
        let _ = Command::new("sh").args(["-c", &line]).stderr(Stdio::null()).status();
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.remove();
    }
}

/// What a line of the shell says that has to succeed.
pub fn run(line: &str) -> String {
    let output = Command::new("sh").args(["-ec", line]).output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
