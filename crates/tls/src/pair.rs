//! A certificate with its chain, and the key to it, as they stand in files.

use crate::{der::Facts, provider::provider};
use rustls::{
    Error, InconsistentKeys,
    client::verify_server_name,
    pki_types::{
        CertificateDer, PrivateKeyDer, ServerName,
        pem::{self, PemObject},
    },
    server::ParsedCertificate,
    sign::{CertifiedKey, SigningKey},
};
use std::{fmt, sync::Arc};

/// A certificate and its key, ready to be used.
#[derive(Clone)]
pub struct Pair {
    certified: Arc<CertifiedKey>,
}

/// What is wrong with a certificate or its key, as a sentence without a full stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// With what should be a certificate and its chain.
    Certificate(&'static str),
    /// With what should be a key.
    Key(&'static str),
    /// Each is sound, but the key is another certificate's.
    Mismatch,
}

impl fmt::Debug for Pair {
    /// Nothing of the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pair")
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Certificate(why) | Self::Key(why) => why,
            Self::Mismatch => "the key is not the one of the certificate",
        })
    }
}

impl Pair {
    /// The pair in the PEM texts `chain`, the certificate itself first, and `key`.
    ///
    /// # Errors
    /// What is wrong, and with which of them.
    pub fn load(chain: &[u8], key: &[u8]) -> Result<Self, Fault> {
        let chain = certificates(chain)?;
        let Some(first) = chain.first() else {
            return Err(Fault::Certificate("there is no certificate in it (PEM)"));
        };
        ParsedCertificate::try_from(first)
            .map_err(|_| Fault::Certificate("its first certificate is malformed or too old"))?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| no_key(&error, key))?;
        let key = signing(key)?;
        let certified = CertifiedKey::new(chain, key);
        match certified.keys_match() {
            Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
            Err(_) => return Err(Fault::Mismatch),
        }
        Ok(Self { certified: Arc::new(certified) })
    }

    /// What is known of the certificate.
    #[must_use]
    pub fn facts(&self) -> Option<Facts> {
        Facts::of(self.certified.end_entity_cert().ok()?)
    }

    /// Whether the certificate is for `host`.
    #[must_use]
    pub fn covers(&self, host: &str) -> bool {
        self.certified.end_entity_cert().is_ok_and(|der| is_for(der, host))
    }

    pub(crate) fn certified(&self) -> &Arc<CertifiedKey> {
        &self.certified
    }
}

/// A key that can sign.
pub(crate) fn signing(key: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, Fault> {
    provider().key_provider.load_private_key(key).map_err(|_| {
        Fault::Key("its key is of no kind that is taken, or too weak (RSA needs 2048 bits)")
    })
}

/// Whether the certificate `der` is for `host`.
#[must_use]
pub fn is_for(der: &[u8], host: &str) -> bool {
    let der = CertificateDer::from(der);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let name = ServerName::try_from(host.strip_suffix('.').unwrap_or(host));
    ParsedCertificate::try_from(&der)
        .ok()
        .zip(name.ok())
        .is_some_and(|(certificate, name)| verify_server_name(&certificate, &name).is_ok())
}

/// Those of these hosts that the certificate `der` is not for.
#[must_use]
pub fn missing<'h>(der: &[u8], hosts: &'h [impl AsRef<str>]) -> Vec<&'h str> {
    let covers = |host: &str| match host.strip_prefix("*.") {
        // Some name that it stands for.
        Some(parent) => is_for(der, &format!("any.{parent}")),
        None => is_for(der, host),
    };
    hosts.iter().map(AsRef::as_ref).filter(|host| !covers(host)).collect()
}

/// The certificate and the key in a PEM text, though what is in the certificate may be for others
/// to understand.
pub(crate) fn as_it_is(text: &[u8]) -> Option<Arc<CertifiedKey>> {
    let key = PrivateKeyDer::from_pem_slice(text).ok()?;
    let key = provider().key_provider.load_private_key(key).ok()?;
    Some(Arc::new(CertifiedKey::new(certificates(text).ok()?, key)))
}

/// The private key in a PEM text, as PKCS #8; `None` where there is none of that form.
#[must_use]
pub fn key_in(text: &[u8]) -> Option<Vec<u8>> {
    match PrivateKeyDer::from_pem_slice(text) {
        Ok(PrivateKeyDer::Pkcs8(key)) => Some(key.secret_pkcs8_der().to_vec()),
        _ => None,
    }
}

/// The first certificate in a PEM text, as DER; `None` where there is none.
#[must_use]
pub fn certificate_in(text: &[u8]) -> Option<Vec<u8>> {
    certificates(text).ok()?.into_iter().next().map(|der| der.to_vec())
}

/// All certificates in a PEM text, in their order.
pub(crate) fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, Fault> {
    CertificateDer::pem_slice_iter(text)
        .collect::<Result<_, _>>()
        .map_err(|_| Fault::Certificate("it is no PEM, or ends in the middle of a certificate"))
}

fn no_key(error: &pem::Error, text: &[u8]) -> Fault {
    let is_sealed = text.windows(SEALED.len()).any(|part| part == SEALED);
    Fault::Key(match error {
        _ if is_sealed => {
            "its key is encrypted: `openssl pkey -in FILE -out KEY` makes a plain one"
        }
        pem::Error::NoItemsFound => "there is no private key in it (PEM)",
        _ => "it is no PEM, or ends in the middle of the key",
    })
}

/// In the first line of a key that only a password opens.
const SEALED: &[u8] = b"ENCRYPTED";
