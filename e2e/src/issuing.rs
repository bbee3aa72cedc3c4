//! A server whose certificates come by themselves, and who issues them.

use crate::{
    Server,
    authority::{Authority, Manner, free_ports, own_address},
    eventually,
    front::Front,
    look, place,
    process::Process,
    secure::{Certificates, Visitor, number_and_end},
};
use serde_json::Value;
use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    ops::Deref,
    os::unix::fs::PermissionsExt,
    path::Path,
};

/// Seconds of a day.
pub const DAY: i32 = 86_400;

/// A place with certificates and an address of its own.
pub struct Place {
    place: crate::Place,
    /// The certificates.
    pub certificates: Certificates,
    /// The address.
    pub address: Ipv4Addr,
    /// The port at which the server itself is looked at.
    pub admin: u16,
}

impl Deref for Place {
    type Target = crate::Place;

    fn deref(&self) -> &Self::Target {
        &self.place
    }
}

impl Place {
    /// A new one.
    #[expect(clippy::new_without_default, reason = "it makes folders; that is no default value")]
    pub fn new() -> Self {
        let (place, certificates) = (crate::Place::new(""), Certificates::new());
        let address = own_address();
        let [admin] = free_ports(address);
        Self { place, certificates, address, admin }
    }

    /// Writes a config with these sites, each with what it says about its TLS.
    pub fn set(&self, (http, tls): (u16, u16), server: &str, sites: &[(&str, &str)]) {
        let (root, address, admin) = (self.site.root_text(), self.address, self.admin);
        let sites = sites
            .iter()
            .map(|(host, tls)| format!("[site.\"{host}\"]\nroot = {root:?}\ntls = {tls}\n"));
        let text = format!(
            "[server]\nlisten = [{{ address = \"{address}:{tls}\", tls = true }}, \
             \"{address}:{http}\"]\nlog = \"json\"\nadmin = \"{address}:{admin}\"\n{}\
             [server.certificates]\nfolder = \"kept\"\n{server}\n{}",
            place::ERROR_LOG,
            sites.collect::<String>()
        );
        self.write(&text);
    }

    /// What the error log says.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("errors.log")).unwrap_or_default()
    }

    /// What `gannet VERB` says of all certificates.
    fn told(&self, verb: &str) -> Value {
        let said: Value = serde_json::from_str(&self.order(&[verb, "--json"])).unwrap();
        said["certificates"].clone()
    }

    /// What `/status` says of all certificates at the address of `admin`.
    pub fn seen(&self) -> Value {
        look::json((self.address, self.admin).into(), "/status")["certificates"].clone()
    }

    /// What `gannet certs` says of the first certificate.
    pub fn listed(&self) -> Value {
        self.told("certs")[0].clone()
    }

    /// What `gannet status` says of it.
    pub fn shown(&self) -> Value {
        self.told("status")[0].clone()
    }

    /// What `gannet status` says of the one for `host`, once it is known.
    pub fn shown_of(&self, host: &str) -> Value {
        let told = self.told("status");
        let names = |one: &&Value| one["hosts"].as_array().unwrap().iter().any(|one| one == host);
        told.as_array().unwrap().iter().find(names).cloned().unwrap_or_default()
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

    /// Writes a config for these hosts, with more settings of certificates.
    pub fn write(&self, more: &str, sites: &[(&str, &str)]) {
        let words = format!("authority = {}\n{more}", self.words());
        self.place.set(self.ports, &words, sites);
    }

    /// Has them served.
    pub fn serve(&self, more: &str, sites: &[(&str, &str)]) -> Server {
        self.write(more, sites);
        self.place.start()
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

    /// Sees to it that all that is told of these hosts agrees with the authority's own books, by
    /// and by: they hold each certificate that a visitor is shown, which was not taken back;
    /// `gannet certs` names its end, and nothing that is wrong; `gannet status` says the same.
    pub fn check_books(&self, hosts: &[impl AsRef<str>]) {
        let mut last = Ok(());
        let agrees = || {
            // One who has come before would bring a ticket, and be shown nothing.
            let visitor = self.visitor();
            let told = self.place.order(&["certs"]);
            let mut all = hosts.iter().map(|host| self.check_book(&visitor, host.as_ref(), &told));
            last = all.find(Result::is_err).unwrap_or(Ok(()));
            last.is_ok()
        };
        assert!(eventually(agrees), "{last:?}: {}", self.place.log());
        let all = || [self.place.told("certs"), self.place.told("status"), self.place.seen()];
        let is_same = |[one, two, three]: [Value; 3]| one == two && two == three;
        assert!(eventually(|| is_same(all())), "{:#?}", all());
        assert!(!self.place.order(&["certs"]).contains("last error"));
    }

    fn check_book(&self, visitor: &Visitor, host: &str, told: &str) -> Result<(), String> {
        let mut client = visitor.connect(self.addr(), host);
        client.get("/digits.txt").map_err(|fault| fault.0)?;
        let (number, end) = number_and_end(&client.shown());
        let book = self.authority.books.certificate(&number);
        let line = told.lines().skip_while(|line| *line != host).nth(1).unwrap_or_default();
        let is_told = line.starts_with("  issued by Pebble ") && line.ends_with(&*end);
        match is_told && book["Status"] == "Valid" {
            true => Ok(()),
            false => Err(format!("{host}: {number} until {end}: {book}; {told}")),
        }
    }

    /// What is noted of what went wrong with a host: the number that has that name.
    pub fn noted(&self, host: &str, name: &str) -> Option<i64> {
        let path = self.place.path(&format!("kept/attempts/{host}"));
        let text = fs::read_to_string(path).ok()?;
        text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    }
}
