//! A server whose certificates come by themselves, and who issues them.

use crate::{
    Launch, Server, Site,
    authority::{Authority, Manner, free_ports, own_address},
    eventually,
    front::Front,
    process::Process,
    secure::{Certificates, Visitor},
};
use serde_json::Value;
use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

/// Seconds of a day.
pub const DAY: i32 = 86_400;

/// A site, certificates, a folder for what is kept, and a config in a file.
pub struct Place {
    /// The site.
    pub site: Site,
    /// The certificates.
    pub certificates: Certificates,
    folder: tempfile::TempDir,
    /// An address that is its own.
    pub address: Ipv4Addr,
}

impl Place {
    /// A new one.
    #[expect(clippy::new_without_default, reason = "it makes folders; that is no default value")]
    pub fn new() -> Self {
        let (site, certificates) = (Site::new(), Certificates::new());
        Self { site, certificates, folder: tempfile::tempdir().unwrap(), address: own_address() }
    }

    /// Where a file of that name lies.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The config file.
    pub fn file(&self) -> String {
        self.path("gannet.toml").to_str().unwrap().to_owned()
    }

    /// Writes a config with these sites, each with what it says about its TLS.
    pub fn write(&self, (http, tls): (u16, u16), server: &str, sites: &[(&str, &str)]) {
        let (root, address) = (self.site.root_text(), self.address);
        let sites = sites
            .iter()
            .map(|(host, tls)| format!("[site.\"{host}\"]\nroot = {root:?}\ntls = {tls}\n"));
        let text = format!(
            "[server]\nlisten = [{{ address = \"{address}:{tls}\", tls = true }}, \
             \"{address}:{http}\"]\nlog = \"json\"\n\
             error-log = {{ format = \"json\", file = \"errors.log\" }}\n\
             [server.certificates]\nfolder = \"kept\"\n{server}\n{}",
            sites.collect::<String>()
        );
        fs::write(self.file(), text).unwrap();
    }

    /// Has it served.
    pub fn start(&self) -> Server {
        Launch::of(vec!["run".to_owned(), self.file()]).start()
    }

    /// Runs the program with these words and the config; what it says.
    pub fn tell(&self, words: &[&str]) -> String {
        let file = self.file();
        let words = words.iter().map(|&word| word.to_owned()).chain([file]).collect();
        let (code, said, stderr) = Launch::of(words).finish();
        assert_eq!(code, Some(0), "{stderr}");
        said
    }

    /// What the error log says.
    pub fn errors(&self) -> String {
        fs::read_to_string(self.path("errors.log")).unwrap_or_default()
    }

    /// What `gannet certs` says of the first certificate.
    pub fn listed(&self) -> Value {
        let said: Value = serde_json::from_str(&self.tell(&["certs", "--json"])).unwrap();
        said["certificates"][0].clone()
    }

    /// What `gannet status` says of the first certificate.
    pub fn status(&self) -> Value {
        let said: Value = serde_json::from_str(&self.tell(&["status", "--json"])).unwrap();
        said["certificates"][0].clone()
    }

    /// Somebody who trusts the local authority.
    pub fn local_visitor(&self) -> Visitor {
        let text = fs::read_to_string(self.path("kept/authority.pem")).unwrap();
        let at = text.find("-----BEGIN CERTIFICATE").unwrap();
        fs::write(self.certificates.path("local.pem"), &text[at..]).unwrap();
        self.certificates.visitor(&["local"])
    }
}

/// The process that has certificates issued.
pub fn issuer(server: &Server) -> Process {
    let find = || server.started().children().into_iter().find(|one| one.name() == "gannet-certs");
    let mut found = None;
    assert!(eventually(|| {
        found = find();
        found.is_some()
    }));
    found.unwrap()
}

/// Whether who is trusted by that visitor serves the page.
pub fn serves(visitor: &Visitor, addr: SocketAddr, host: &str) -> bool {
    visitor.get(addr, host, "/digits.txt").is_ok_and(|answer| answer.status == 200)
}

/// How many files of that folder hold a key that others may read.
pub fn open_keys(folder: &Path) -> usize {
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            count += open_keys(&path);
        } else if fs::read_to_string(&path).is_ok_and(|text| text.contains("PRIVATE")) {
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            count += usize::from(mode & 0o077 != 0);
        }
    }
    count
}

/// Everything that a test of issuing needs.
pub struct Issuing {
    /// Where it is served.
    pub place: Place,
    /// Who issues.
    pub authority: Authority,
    /// The ports without TLS and with it.
    pub ports: (u16, u16),
    /// Who stands in front of the authority, if anybody does.
    pub front: Option<Front>,
    /// What else is said of the authority.
    pub more: String,
}

impl Issuing {
    /// With such an authority.
    pub fn new(manner: Manner) -> Self {
        let place = Place::new();
        let [http, tls] = free_ports(place.address);
        let ports = (http, tls);
        let authority = Authority::start(&place.certificates, place.address, ports, manner);
        Self { place, authority, ports, front: None, more: String::new() }
    }

    /// The same with somebody in front of it.
    pub fn with_front(manner: Manner) -> Self {
        let own = Self::new(manner);
        let front = Front::of(&own.authority, &own.place.certificates, own.place.address);
        Self { front: Some(front), ..own }
    }

    /// Who is in front of it.
    pub fn front(&self) -> &Front {
        self.front.as_ref().expect("there is somebody in front")
    }

    /// The authority, as a config names it.
    pub fn words(&self) -> String {
        let url = self.front.as_ref().map_or_else(|| self.authority.url(), Front::url);
        let trusted = self.place.certificates.path("pebble.pem");
        format!("{{ url = {url:?}, trusted = {trusted:?}{} }}", self.more)
    }

    /// Has these hosts served, with more settings of certificates.
    pub fn serve(&self, more: &str, sites: &[(&str, &str)]) -> Server {
        self.write(more, sites);
        self.place.start()
    }

    /// Writes the config for that.
    pub fn write(&self, more: &str, sites: &[(&str, &str)]) {
        let words = format!("authority = {}\n{more}", self.words());
        self.place.write(self.ports, &words, sites);
    }

    /// Where it is served with TLS.
    pub fn addr(&self) -> SocketAddr {
        (self.place.address, self.ports.1).into()
    }

    /// Somebody who trusts what the authority issues.
    pub fn visitor(&self) -> Visitor {
        self.authority.fetch_root(&self.place.certificates);
        self.place.certificates.visitor(&["root"])
    }

    /// Whether all of these hosts are served with what the authority has issued, by and by.
    pub fn serves_all(&self, hosts: &[impl AsRef<str>]) -> bool {
        let visitor = self.visitor();
        let is_served = |host: &str| eventually(|| serves(&visitor, self.addr(), host));
        hosts.iter().all(|host| is_served(host.as_ref()))
    }

    /// What is noted of what went wrong with a host: the number that has that name.
    pub fn noted(&self, host: &str, name: &str) -> Option<i64> {
        let path = self.place.path(&format!("kept/attempts/{host}"));
        let text = fs::read_to_string(path).ok()?;
        text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    }
}
