//! A private key for ECDSA with P-256: what certificates are made for, and what requests to an
//! authority are signed with.

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair,
        EcdsaSigningAlgorithm, KeyPair,
    },
};
use base64::{Engine, engine::general_purpose::STANDARD};
use std::fmt;

/// A private key.
pub struct Key {
    /// As PKCS #8.
    document: Vec<u8>,
    pair: EcdsaKeyPair,
}

/// There is no key: the operating system gives no random bytes, or what is there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoKey;

impl fmt::Display for NoKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is no key (ECDSA with P-256, PEM)")
    }
}

impl fmt::Debug for Key {
    /// Nothing of the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

impl Key {
    /// A new one.
    ///
    /// # Errors
    /// There are no random bytes.
    pub fn generate() -> Result<Self, NoKey> {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).map_err(|_| NoKey)?;
        Self::of(document.as_ref().to_vec())
    }

    /// The one in a PEM text.
    ///
    /// # Errors
    /// There is none of this kind.
    pub fn from_pem(text: &[u8]) -> Result<Self, NoKey> {
        Self::of(tls::key_in(text).ok_or(NoKey)?)
    }

    fn of(document: Vec<u8>) -> Result<Self, NoKey> {
        let pair = pair(&ECDSA_P256_SHA256_ASN1_SIGNING, &document)?;
        Ok(Self { document, pair })
    }

    /// The key as PEM.
    #[must_use]
    pub fn pem(&self) -> String {
        pem("PRIVATE KEY", &self.document)
    }

    /// The public half: the two coordinates, 32 bytes each, behind a byte that says so.
    pub(crate) fn public(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    /// A signature as certificates have it.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, NoKey> {
        let signature = self.pair.sign(&SystemRandom::new(), message);
        Ok(signature.map_err(|_| NoKey)?.as_ref().to_vec())
    }

    /// A signature as JSON Web Signatures have it: two numbers of 32 bytes each.
    pub(crate) fn sign_fixed(&self, message: &[u8]) -> Result<Vec<u8>, NoKey> {
        let pair = pair(&ECDSA_P256_SHA256_FIXED_SIGNING, &self.document)?;
        let signature = pair.sign(&SystemRandom::new(), message);
        Ok(signature.map_err(|_| NoKey)?.as_ref().to_vec())
    }
}

fn pair(algorithm: &'static EcdsaSigningAlgorithm, document: &[u8]) -> Result<EcdsaKeyPair, NoKey> {
    EcdsaKeyPair::from_pkcs8(algorithm, document).map_err(|_| NoKey)
}

/// DER as PEM (RFC 7468).
pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut out = format!("-----BEGIN {label}-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        out.push_str(line);
        out.push('\n');
        rest = after;
    }
    out.push_str(&format!("-----END {label}-----\n"));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_comes_back_from_its_text() {
        let key = Key::generate().unwrap();
        let text = format!("words before it\n{}", key.pem());
        let again = Key::from_pem(text.as_bytes()).unwrap();
        assert_eq!(key.public(), again.public());
        assert_eq!((key.public().len(), key.sign_fixed(b"x").unwrap().len()), (65, 64));
        assert_eq!(Key::from_pem(b"nothing").unwrap_err(), NoKey);
        assert_eq!(format!("{key:?}"), "Key");
        assert!(text.lines().all(|line| line.len() <= 64));
    }
}
