//! The terms on which hands are shaken: versions, ciphers, who has to show a certificate.

use crate::{
    Protocol,
    pair::{self, Fault},
    provider::provider,
    tickets::Tickets,
};
use config::plan::{Tls, TlsVersion};
use control::TicketKeys;
use rustls::{
    RootCertStore, ServerConfig, SupportedProtocolVersion,
    server::{
        NoServerSessionStorage, ResolvesServerCert, ResolvesServerCertUsingSni,
        WebPkiClientVerifier,
    },
    version::{TLS12, TLS13},
};
use std::sync::{Arc, OnceLock};

/// Tickets for each handshake: a client that needs another one gets it by its next handshake.
const TICKETS: usize = 1;

/// The protocol of authorities that look for a proof (RFC 8737).
const PROOF: &[u8] = b"acme-tls/1";

/// Whether a PEM text holds authorities by one of which clients can be certified.
///
/// # Errors
/// What is wrong with it.
pub fn authorities(text: &[u8]) -> Result<(), Fault> {
    let roots = roots(text)?;
    match WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(provider())).build()
    {
        Ok(_) => Ok(()),
        Err(_) => Err(Fault::Certificate("there is no certificate in it (PEM)")),
    }
}

fn roots(text: &[u8]) -> Result<RootCertStore, Fault> {
    let mut roots = RootCertStore::empty();
    for certificate in pair::certificates(text)? {
        let refused = Fault::Certificate("a certificate in it is malformed, or no authority's");
        roots.add(certificate).map_err(|_| refused)?;
    }
    Ok(roots)
}

/// The terms for an authority that looks for a proof.
pub(crate) fn of_proof(shown: Arc<dyn ResolvesServerCert>) -> Option<ServerConfig> {
    let builder = ServerConfig::builder_with_provider(Arc::clone(provider()));
    let builder = builder.with_safe_default_protocol_versions().ok()?.with_no_client_auth();
    let mut terms = builder.with_cert_resolver(shown);
    terms.alpn_protocols = vec![PROOF.to_vec()];
    terms.session_storage = Arc::new(NoServerSessionStorage {});
    terms.send_tls13_tickets = 0;
    Some(terms)
}

/// The terms of the site `name`, whose clients these authorities certify, as PEM, and where HTTP/2
/// may be chosen as well; `None` where they make no sense, which the check of the config would have
/// found.
pub(crate) fn of_site(
    name: &str,
    (tls, authorities): (&Tls, Option<&[u8]>),
    keys: TicketKeys,
    certificates: Arc<dyn ResolvesServerCert>,
) -> Option<ServerConfig> {
    // What is the same for all of them is there once: where sites are many, each handshake would
    // go through other memory, and wait for it.
    static OPEN: [OnceLock<Option<ServerConfig>>; 2] = [OnceLock::new(), OnceLock::new()];
    let version = u8::from(tls.min_version == TlsVersion::Tls13);
    let Some(authorities) = authorities else {
        let open = OPEN[usize::from(version)].get_or_init(|| common(tls.min_version, None));
        let mut terms = open.clone()?;
        let bound_to = [name.as_bytes(), &[0, version]].concat().into();
        terms.cert_resolver = certificates;
        terms.ticketer = Arc::new(Tickets { keys, terms: bound_to });
        terms.send_tls13_tickets = TICKETS;
        return Some(terms);
    };
    // Who has to show a certificate shows it each time: a ticket would go on to let in somebody
    // whose certificate has expired or whose authority has gone.
    let mut terms = common(tls.min_version, Some(authorities))?;
    terms.cert_resolver = certificates;
    Some(terms)
}

/// What does not depend on a site's name and certificates; it gives no tickets.
fn common(min_version: TlsVersion, authorities: Option<&[u8]>) -> Option<ServerConfig> {
    let versions: &[&SupportedProtocolVersion] = match min_version {
        TlsVersion::Tls12 => &[&TLS13, &TLS12],
        TlsVersion::Tls13 => &[&TLS13],
    };
    let builder = ServerConfig::builder_with_provider(Arc::clone(provider()));
    let builder = builder.with_protocol_versions(versions).ok()?;
    let builder = match authorities {
        None => builder.with_no_client_auth(),
        Some(text) => {
            let (roots, provider) = (roots(text).ok()?, Arc::clone(provider()));
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
            builder.with_client_cert_verifier(verifier.build().ok()?)
        }
    };
    let mut terms = builder.with_cert_resolver(Arc::new(ResolvesServerCertUsingSni::new()));
    terms.alpn_protocols = Protocol::ALL.map(|protocol| protocol.name().to_vec()).into();
    terms.session_storage = Arc::new(NoServerSessionStorage {});
    terms.max_early_data_size = 0;
    terms.send_tls13_tickets = 0;
    Some(terms)
}

/// The same terms, under which HTTP/2 cannot be chosen.
pub(crate) fn without_http2(terms: &ServerConfig) -> Arc<ServerConfig> {
    let mut terms = terms.clone();
    terms.alpn_protocols = vec![Protocol::Http1.name().to_vec()];
    Arc::new(terms)
}
