//! An authority that issues certificates: Pebble, which is Let's Encrypt's own for tests, with a
//! name server for which all hosts are this machine.

use crate::{
    Client, PATIENCE, eventually, name_server,
    secure::{Certificates, Visitor},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicU8, Ordering},
    },
};

/// The authority. Dropping it ends it.
pub struct Authority {
    /// What it has put down of what it has done.
    pub books: Books,
    commands: [Command; 2],
    processes: Vec<Child>,
    address: Ipv4Addr,
    port: u16,
    /// Where its name server takes orders.
    names: u16,
}

/// What the authority knows of what it has issued, as its management port and its log show it.
#[derive(Clone)]
pub struct Books {
    visitor: Visitor,
    addr: SocketAddr,
    log: PathBuf,
}

impl Books {
    /// What it says of the certificate of that number: its `Status`, with more.
    pub fn certificate(&self, number: &str) -> Value {
        let path = format!("/cert-status-by-serial/{number}");
        let answer = self.visitor.get(self.addr, "localhost", &path).unwrap();
        serde_json::from_slice(&answer.body).unwrap_or_default()
    }

    /// The numbers of all that it has issued, the first one first.
    pub fn issued(&self) -> Vec<String> {
        let text = fs::read_to_string(&self.log).unwrap();
        let number = |line: &str| {
            let rest = line.split_once("Issued certificate serial ")?.1;
            rest.split(' ').next().map(str::to_owned)
        };
        text.lines().filter_map(number).collect()
    }

    /// How many orders it was given.
    pub fn orders(&self) -> usize {
        fs::read_to_string(&self.log).unwrap().matches("Added order ").count()
    }
}

/// An address of this machine that no other test has, so that its ports are free.
pub fn own_address() -> Ipv4Addr {
    static COUNT: AtomicU8 = AtomicU8::new(1);
    let [.., high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, high.max(1), low, COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Ports that are free at `address`, none of which has been given before: it is not taken yet.
pub fn free_ports<const N: usize>(address: Ipv4Addr) -> [u16; N] {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let free = || TcpListener::bind((address, 0)).unwrap().local_addr().unwrap().port();
    let mut given = GIVEN.lock().unwrap();
    [(); N].map(|()| {
        loop {
            let port = free();
            if given.insert(port) {
                break port;
            }
        }
    })
}

/// A port that is free at all addresses, and that the kernel gives nobody who asks for any.
pub fn common_port() -> u16 {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap();
    let first: u16 = range.split_whitespace().next().unwrap().parse().unwrap();
    // Tests that run at the same time begin at different ones.
    let (least, start) = (10_000, std::process::id() as u16);
    let ports = (0..first - least).map(|at| least + start.wrapping_add(at) % (first - least));
    let is_free = |port: &u16| TcpListener::bind((Ipv4Addr::UNSPECIFIED, *port)).is_ok();
    ports.into_iter().find(is_free).unwrap()
}

/// What an authority is like.
#[derive(Clone, Copy, Default)]
pub struct Manner {
    /// How many of 100 nonces it says no to.
    pub bad_nonces: u8,
    /// Whether it takes only accounts that it has given a key.
    pub is_external: bool,
    /// How many seconds it wants to be left alone between two looks at what it is at.
    pub retry_after: u8,
    /// The zone that its name server has, a real one, in the place of one that knows every name.
    pub zone: Option<&'static str>,
    /// Whether it looks for proofs at port 80 where nobody is.
    pub has_no_http: bool,
    /// The host that it issues no certificate for.
    pub blocked: Option<&'static str>,
}

/// The name and the key of an account that such an authority has given one.
pub const EXTERNAL: (&str, &str) =
    ("kid-1", "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W");

impl Authority {
    /// Starts one that looks for proofs at these ports. Its own certificate is `pebble.pem` of
    /// `certificates`.
    pub fn start(
        certificates: &Certificates,
        address: Ipv4Addr,
        (http, tls): (u16, u16),
        manner: Manner,
    ) -> Self {
        let Manner { bad_nonces, is_external, retry_after, zone, .. } = manner;
        certificates.make_for(365, "pebble", "ec", &[&format!("localhost,IP:{address}")]);
        let [port, management, dns, names, nowhere] = free_ports(address);
        let file = certificates.path("pebble.json");
        let path = |name: &str| certificates.path(name).display().to_string();
        let config = json!({ "pebble": {
            "listenAddress": format!("{address}:{port}"),
            "managementListenAddress": format!("{address}:{management}"),
            "certificate": path("pebble.pem"),
            "privateKey": path("pebble.key"),
            "httpPort": if manner.has_no_http { nowhere } else { http },
            "tlsPort": tls,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": is_external,
            "externalAccountMACKeys": { EXTERNAL.0: EXTERNAL.1 },
            "domainBlocklist": manner.blocked.into_iter().collect::<Vec<_>>(),
            "certificateValidityPeriod": 90 * 86_400,
            "retryAfter": { "authz": retry_after, "order": retry_after },
        } });
        fs::write(&file, config.to_string()).unwrap();
        let here = |port: u16| format!("{address}:{port}");
        let mut server = Command::new("pebble-challtestsrv");
        server.args(["-dns01", &here(dns), "-management", &here(names), "-defaultIPv6", ""]);
        server.args(["-http01", "", "-https01", "", "-tlsalpn01", ""]);
        server.args(["-defaultIPv4", &address.to_string()]);
        let (server, names) = match zone {
            None => (server, names),
            Some(zone) => (name_server::knot(certificates, zone, (address, dns)), dns),
        };
        let mut pebble = Command::new("pebble");
        pebble.arg("-config").arg(&file).args(["-dnsserver", &here(dns)]);
        pebble.env("PEBBLE_VA_NOSLEEP", "1").env("PEBBLE_AUTHZREUSE", "0");
        pebble.env("PEBBLE_WFE_NONCEREJECT", bad_nonces.to_string());
        let (commands, processes) = ([server, pebble], Vec::new());
        let (addr, log) = ((address, management).into(), certificates.path("pebble.log"));
        let books = Books { visitor: certificates.visitor(&["pebble"]), addr, log };
        let mut own = Self { books, commands, processes, address, port, names };
        own.go_up();
        own
    }

    /// Where it is.
    pub fn addr(&self) -> SocketAddr {
        (self.address, self.port).into()
    }

    /// Starts it once more; it has forgotten everybody.
    pub fn go_up(&mut self) {
        let processes = self.commands.iter_mut().map(|command| {
            let log = File::options().create(true).append(true).open(&self.books.log).unwrap();
            let command = command.stdin(Stdio::null()).stdout(log).stderr(Stdio::null());
            command.spawn().expect("pebble can be started (Debian: pebble)")
        });
        self.processes = processes.collect();
        for port in [self.port, self.books.addr.port(), self.names] {
            assert!(eventually(|| TcpStream::connect((self.address, port)).is_ok()), "{port}");
        }
    }

    /// The URL of its directory.
    pub fn url(&self) -> String {
        format!("https://{}:{}/dir", self.address, self.port)
    }

    /// Puts its root beside the other certificates, as `root.pem`.
    pub fn fetch_root(&self, certificates: &Certificates) {
        let Books { visitor, addr, .. } = &self.books;
        let root = visitor.get(*addr, "localhost", "/roots/0").unwrap();
        fs::write(certificates.path("root.pem"), root.body).unwrap();
    }

    /// Where its name server takes updates, if that is a real one.
    pub fn updates(&self) -> SocketAddr {
        (self.address, self.names).into()
    }

    /// Has its name server say that `host` is at that address; or what it says of all hosts.
    pub fn lead(&self, host: &str, address: Option<Ipv4Addr>) {
        let (path, rest) = match address {
            Some(address) => ("add-a", format!(",\"addresses\":[\"{address}\"]")),
            None => ("clear-a", String::new()),
        };
        let wish = format!("{{\"host\":\"{host}.\"{rest}}}");
        let mut client = Client::connect((self.address, self.names).into());
        let head = format!("POST /{path} HTTP/1.1\r\nHost: x\r\nContent-Length: {}", wish.len());
        client.send(format!("{head}\r\n\r\n{wish}")).unwrap();
        assert_eq!(client.response().unwrap().status, 200);
    }

    /// The URL at which its name server is told about records.
    pub fn names(&self) -> String {
        format!("http://{}:{}", self.address, self.names)
    }

    /// Ends it, as an authority does that is down.
    pub fn go_down(&mut self) {
        self.processes.drain(..).for_each(|mut process| {
            process.kill().unwrap();
            process.wait().unwrap();
        });
        let is_gone = || TcpStream::connect((self.address, self.port)).is_err();
        assert!(eventually(is_gone), "within {PATIENCE:?}");
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        for process in &mut self.processes {
            let _ = process.kill().and_then(|()| process.wait());
        }
    }
}
