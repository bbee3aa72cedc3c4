//! TLS on the other side: a visitor of a server whose certificate somebody trusted has signed.

use crate::{
    pair::{self, Fault},
    provider::provider,
};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, Error, RootCertStore, StreamOwned,
    pki_types::ServerName,
};
use std::{
    fmt,
    io::{self, Read, Write},
    sync::Arc,
};

/// Whom a visitor trusts.
#[derive(Clone)]
pub struct Trust(Arc<ClientConfig>);

/// Whether that is wrong because it is not the time of a certificate, or a clock is wrong.
#[must_use]
pub fn is_of_the_time(error: &io::Error) -> bool {
    use CertificateError::{Expired, ExpiredContext, NotValidYet, NotValidYetContext};
    let error = error.get_ref().and_then(|error| error.downcast_ref());
    matches!(
        error,
        Some(Error::InvalidCertificate(
            Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. }
        ))
    )
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trust")
    }
}

impl Trust {
    /// The authorities in a PEM text, as far as they can be understood.
    ///
    /// # Errors
    /// There are none.
    pub fn of(text: &[u8]) -> Result<Self, Fault> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(pair::certificates(text)?);
        if roots.is_empty() {
            return Err(Fault::Certificate("there is no certificate in it (PEM)"));
        }
        let builder = ClientConfig::builder_with_provider(Arc::clone(provider()));
        let builder = builder.with_safe_default_protocol_versions();
        let builder = builder.map_err(|_| Fault::Certificate("TLS cannot be spoken"))?;
        Ok(Self(Arc::new(builder.with_root_certificates(roots).with_no_client_auth())))
    }

    /// Visits `host` by `stream`, which leads there. Hands are shaken when something is sent.
    ///
    /// # Errors
    /// Nobody is called so.
    pub fn visit<S: Read + Write>(
        &self,
        host: &str,
        stream: S,
    ) -> Result<impl Read + Write + use<S>, Fault> {
        const NO_NAME: Fault = Fault::Certificate("it has no name that a certificate could be for");
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(bare.to_owned()).map_err(|_| NO_NAME)?;
        let tls = ClientConnection::new(Arc::clone(&self.0), name).map_err(|_| NO_NAME)?;
        Ok(StreamOwned::new(tls, stream))
    }
}
