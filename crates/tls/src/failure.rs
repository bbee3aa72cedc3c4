//! Why hands could not be shaken, in words.

use rustls::CertificateError;

/// Why a connection cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Of what kind that is.
    pub why: Why,
    /// In words that hold nothing of what the peer has sent.
    pub words: &'static str,
}

/// Kinds of failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// No site has the name that was asked for.
    Name,
    /// The client has said so: it does not trust the certificate, say.
    Refused,
    /// The client has shown no certificate, or none that is let in.
    Uncertified,
    /// There is no version, cipher, signature or protocol in common.
    Incompatible,
    /// The rules of TLS were broken, or something here was.
    Broken,
}

impl Failure {
    pub(crate) const fn broken(words: &'static str) -> Self {
        Self { why: Why::Broken, words }
    }
}

/// Why nobody is there for the name that was asked for.
pub(crate) const NOBODY: Failure =
    Failure { why: Why::Name, words: "no site with `tls` has the name that was asked for" };
pub(crate) const MALFORMED: Failure = Failure::broken("its first message is malformed");
pub(crate) const TOO_OLD: Failure = Failure {
    why: Why::Incompatible,
    words: "the client knows none of the versions that are spoken here",
};
pub(crate) const TOO_LONG: Failure =
    Failure::broken("a message of its handshake is longer than 32 KiB");

/// Why hands could not be shaken.
pub(crate) fn failure(error: &rustls::Error) -> Failure {
    use rustls::{Error, PeerIncompatible};
    let (why, words) = match error {
        Error::AlertReceived(_) => (Why::Refused, "the client has refused it by an alert"),
        Error::NoCertificatesPresented => (Why::Uncertified, "the client has shown no certificate"),
        Error::InvalidCertificate(error) => (Why::Uncertified, uncertified(error)),
        Error::NoApplicationProtocol => {
            (Why::Incompatible, "the client speaks no protocol that is spoken here")
        }
        Error::PeerIncompatible(
            PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled
            | PeerIncompatible::SupportedVersionsExtensionRequired
            | PeerIncompatible::Tls13RequiredForQuic,
        ) => (TOO_OLD.why, TOO_OLD.words),
        Error::PeerIncompatible(PeerIncompatible::NoSignatureSchemesInCommon) => {
            (Why::Incompatible, "the client understands the signature of none of the certificates")
        }
        Error::PeerIncompatible(_) => {
            (Why::Incompatible, "the client and this site have no way to speak in common")
        }
        Error::DecryptError => (Why::Broken, "a record does not open: it was changed on its way"),
        Error::General(_) => (Why::Broken, "the site has no certificate that can be used"),
        _ => (Why::Broken, "the client broke the rules of TLS"),
    };
    Failure { why, words }
}

/// What is wrong with a client's certificate.
fn uncertified(error: &CertificateError) -> &'static str {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the client's certificate has expired"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the client's certificate is not valid yet"
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "the client's certificate is not for clients: its extendedKeyUsage leaves them out"
        }
        CertificateError::UnknownIssuer => {
            "no authority of `client-ca` has signed the client's certificate"
        }
        CertificateError::BadEncoding => "the client's certificate is malformed",
        // The library below has a name for it, and hands it on as that.
        CertificateError::Other(error) if error.to_string() == "UnsupportedCertVersion" => {
            "the client's certificate is of X.509 version 1, not 3: sign it with extensions"
        }
        _ => "the client's certificate is not one of those that are let in",
    }
}
