//! What makes a site one that is served over TLS.

use super::{Place, Route};
use std::{fmt, path::PathBuf, sync::Arc};

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

/// A certificate from files.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The file with the certificate and its chain; absolute.
    pub chain: PathBuf,
    /// The file with its key; absolute.
    pub key: PathBuf,
    /// What was in them.
    pub pem: Pem,
    /// Where they are first named.
    pub place: Place,
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
