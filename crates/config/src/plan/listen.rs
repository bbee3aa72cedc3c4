//! Where connections come in.

use base::stable;
use std::{fmt, net::SocketAddr, path::PathBuf};

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// The address.
    pub address: Address,
    /// Where it was written, such as `site.toml:2:11`, for the error that says why it fails.
    pub written: Box<str>,
    /// Whether it is one of those that a port alone stands for, which not every machine has.
    pub is_implied: bool,
    /// Whether each connection begins with a header of the PROXY protocol.
    pub proxy_protocol: bool,
    /// Whether HTTP/2 is spoken: with TLS, to who chooses it by ALPN; else, to who begins with it.
    pub http2: bool,
    /// Whether TLS is spoken.
    pub tls: bool,
}

/// Where a socket listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// An IP address and a port; port 0 lets the kernel choose.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix {
        /// Its file; absolute.
        path: PathBuf,
        /// Who may connect: the permissions of its file.
        mode: u32,
    },
}

impl Address {
    /// The IP address and port, if it has one.
    #[must_use]
    pub fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix { .. } => None,
        }
    }

    /// What stands for it in notes of one plan that are read by the light of another.
    #[must_use]
    pub fn number(&self) -> u64 {
        stable::hash(self.to_string().as_bytes())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix { path, .. } => write!(f, "unix:{}", path.display()),
        }
    }
}
