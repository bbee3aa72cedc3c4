//! What makes a site one that is served over TLS.

use super::{Place, Route};
use base::stable;
use std::{
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// The TLS of one site.
#[derive(Debug)]
pub struct Tls {
    /// Its certificates, by their numbers in [`super::Plan::certificates`]: a client is shown the
    /// first one whose signature it understands.
    pub certificates: Box<[usize]>,
    /// The oldest version that is spoken.
    pub min_version: TlsVersion,
    /// By whom the certificate that a client has to show must be signed, by their number in
    /// [`super::Plan::authorities`]; `None` where clients show none.
    pub client_authorities: Option<usize>,
    /// What is done for requests that come without TLS, where they are not answered alike.
    pub plain: Option<Box<Route>>,
    /// What authorities are told that look for a proof that its hosts are ours, where they may.
    pub proof: Option<Box<Route>>,
    /// Where it is written.
    pub place: Place,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsVersion {
    /// 1.2, of 2008.
    Tls12,
    /// 1.3, of 2018.
    Tls13,
}

/// A certificate.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The file with the certificate and its chain; absolute. What comes by itself is called so
    /// where it is kept.
    pub chain: PathBuf,
    /// The file with its key; absolute.
    pub key: PathBuf,
    /// What was in them.
    pub pem: Pem,
    /// Where they are first named.
    pub place: Place,
    /// Where it comes from.
    pub issuer: Issuer,
}

/// The file of the local authority, in the folder of all that is kept.
pub const AUTHORITY_FILE: &str = "authority.pem";

/// Bytes of a host that a file is called after, with an ending of its own, as file systems take
/// names of 255; and how many of a longer one are left in such a name.
const HOST_BYTES_MAX: usize = 240;
const HOST_BYTES_LEFT: usize = 200;

/// What the file of a certificate is called that comes by itself, the first host of which this is.
#[must_use]
pub fn file_of(host: &str) -> String {
    let name = host.trim_matches(['[', ']']).replace(['*', ':'], "+");
    match name.get(..HOST_BYTES_LEFT).filter(|_| name.len() > HOST_BYTES_MAX) {
        // The number tells it apart from others that begin so.
        Some(first) => format!("{first}+{:016x}.pem", stable::hash(name.as_bytes())),
        None => format!("{name}.pem"),
    }
}

/// Where a certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Issuer {
    /// From files of the operator's.
    Files,
    /// From the local authority, for these hosts.
    Local(Box<[Box<str>]>),
    /// From an authority of the world, for these hosts; until there is one, another stands in.
    Authority(Box<[Box<str>]>),
}

/// A certificate that comes by itself, as it is asked for when a config is resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted<'w> {
    /// Where it is kept, or would be.
    pub path: &'w Path,
    /// The folder of all that is kept of certificates.
    pub folder: &'w Path,
    /// Where it comes from.
    pub issuer: &'w Issuer,
}

/// How certificates are had that come by themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Issuing {
    /// The folder in which all of it is kept; absolute.
    pub folder: PathBuf,
    /// Where an authority reaches people.
    pub email: Option<String>,
    /// The authorities, in the order in which they are asked.
    pub authorities: Vec<Authority>,
    /// How hosts are shown to be ours, the preferred way first.
    pub ways: Vec<Way>,
    /// The program that sets records of DNS; absolute.
    pub dns_program: Option<PathBuf>,
    /// The name server that is told about them.
    pub dns_server: Option<DnsServer>,
}

/// An authority.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Authority {
    /// Its directory.
    pub url: String,
    /// Who has signed its own certificate, as PEM, where that is nobody whom this machine trusts.
    pub trusted: Option<Arc<[u8]>>,
    /// The kind of certificate that is asked for.
    pub profile: Option<String>,
    /// What it calls the account that vouches for ours, and the key of that in base64.
    pub eab: Option<(String, Secret)>,
}

/// A name server that takes records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsServer {
    /// Where it is.
    pub address: SocketAddr,
    /// What it calls the key that both know, and that key.
    pub key: Option<(String, Secret)>,
    /// How long the other name servers of a zone may take to hear of a record.
    pub wait: Duration,
}

/// How a host is shown to be ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// By a file at port 80.
    Http,
    /// By a certificate at port 443.
    Tls,
    /// By a record of DNS.
    Dns,
}

/// A text that nobody is to see.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    /// Nothing of it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Issuer {
    /// The hosts that it comes by itself for.
    #[must_use]
    pub fn hosts(&self) -> &[Box<str>] {
        match self {
            Self::Files => &[],
            Self::Local(hosts) | Self::Authority(hosts) => hosts,
        }
    }
}

impl Certificate {
    /// The files that it may change with.
    #[must_use]
    pub fn files(&self, issuing: &Issuing) -> Vec<PathBuf> {
        match self.issuer {
            Issuer::Files => vec![self.chain.clone(), self.key.clone()],
            Issuer::Authority(_) => vec![self.chain.clone()],
            Issuer::Local(_) => vec![issuing.folder.join(AUTHORITY_FILE)],
        }
    }

    /// A number that stays the same for it, by which what many do at a time is spread.
    #[must_use]
    pub fn chance(&self) -> u64 {
        use std::os::unix::ffi::OsStrExt;
        stable::hash(self.chain.as_os_str().as_bytes()).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

/// Authorities from a file, by one of which clients are certified.
#[derive(Clone, Debug)]
pub struct Authorities {
    /// The file; absolute.
    pub file: PathBuf,
    /// What was in it.
    pub pem: Arc<[u8]>,
    /// Where it is first named.
    pub place: Place,
}

/// A certificate and its key as PEM.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Pem {
    /// The certificate itself, then its chain.
    pub chain: Vec<u8>,
    /// Its key.
    pub key: Vec<u8>,
}

impl fmt::Debug for Pem {
    /// Nothing of the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pem")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_can_be_called_after_each_host() {
        for (host, expect) in [
            ("a.example", "a.example.pem"),
            ("*.a.example", "+.a.example.pem"),
            ("[2001:db8::1]", "2001+db8++1.pem"),
        ] {
            assert_eq!(file_of(host), expect);
        }
        let one = format!("abc{}", ".abcdefghi".repeat(25));
        let other = format!("{}x", &one[..252]);
        let names = [&one, &other, &one[..240]].map(file_of);
        assert!(one.len() == 253 && names.iter().all(|name| name.len() < 250), "{names:?}");
        assert_ne!(names[0], names[1]);
        assert_eq!(names[2], format!("{}.pem", &one[..240]));
    }
}
