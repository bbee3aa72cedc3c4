//! Who asks an authority: a key, and what the authority calls it. Requests are signed with it (JSON
//! Web Signatures, RFC 7515, as RFC 8555 section 6.2 wants them).

use crate::{
    key::{Key, NoKey},
    x509::{coordinates, thumbprint},
};
use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

/// Who asks.
#[derive(Debug)]
pub struct Account {
    key: Key,
    /// What the authority calls it, a URL, once it is known.
    pub id: Option<String>,
    /// Where people are reached whose certificates these are.
    pub email: Option<String>,
    /// Who vouches for it, where the authority wants that.
    pub external: Option<External>,
}

/// An account of another kind that the authority has given somebody (RFC 8555 section 7.3.4).
#[derive(Clone, PartialEq, Eq)]
pub struct External {
    /// What it is called.
    pub id: String,
    /// The key that both know, in base64 as it was handed out.
    pub key: String,
}

impl std::fmt::Debug for External {
    /// Nothing of the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("External").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Account {
    /// One with that key.
    #[must_use]
    pub fn new(key: Key) -> Self {
        Self { key, id: None, email: None, external: None }
    }

    /// What its key is known by (RFC 7638).
    #[must_use]
    pub fn thumbprint(&self) -> String {
        thumbprint(&self.key)
    }

    /// What proves that a challenge was meant for this account (RFC 8555 section 8.1).
    pub(crate) fn authorization(&self, token: &str) -> String {
        format!("{token}.{}", self.thumbprint())
    }

    /// A request to `url`, as it is sent. It names the account by its id, or by its key where
    /// `is_first` says that the authority does not know it yet. Nothing at all as `payload` asks
    /// for what is there.
    pub(crate) fn sign(
        &self,
        url: &str,
        nonce: &str,
        payload: Option<&Value>,
        is_first: bool,
    ) -> Result<Vec<u8>, NoKey> {
        let mut head = json!({ "alg": "ES256", "nonce": nonce, "url": url });
        match (&self.id, is_first) {
            (Some(id), false) => head["kid"] = Value::from(id.as_str()),
            _ => head["jwk"] = self.public(),
        }
        let payload = payload.map(Value::to_string).unwrap_or_default();
        let (head, payload) = (encode(head.to_string()), encode(payload));
        let signature = self.key.sign_fixed(format!("{head}.{payload}").as_bytes())?;
        Ok(seal(head, payload, &signature))
    }

    /// What a new account is asked for with; `None` where the key of who vouches is no base64.
    pub(crate) fn registration(&self, url: &str) -> Option<Value> {
        let mut wish = json!({ "termsOfServiceAgreed": true });
        if let Some(email) = &self.email {
            wish["contact"] = json!([format!("mailto:{email}")]);
        }
        if let Some(External { id, key }) = &self.external {
            let secret = URL_SAFE_NO_PAD.decode(key.trim_end_matches('=')).ok()?;
            let head = encode(json!({ "alg": "HS256", "kid": id, "url": url }).to_string());
            let payload = encode(self.public().to_string());
            let secret = hmac::Key::new(hmac::HMAC_SHA256, &secret);
            let tag = hmac::sign(&secret, format!("{head}.{payload}").as_bytes());
            let vouched = serde_json::from_slice(&seal(head, payload, tag.as_ref())).ok()?;
            wish["externalAccountBinding"] = vouched;
        }
        Some(wish)
    }

    fn public(&self) -> Value {
        let (x, y) = coordinates(&self.key);
        json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y })
    }
}

fn seal(head: String, payload: String, signature: &[u8]) -> Vec<u8> {
    let signature = URL_SAFE_NO_PAD.encode(signature);
    json!({ "protected": head, "payload": payload, "signature": signature }).to_string().into()
}

pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(sealed: &[u8], part: &str) -> Value {
        let sealed: Value = serde_json::from_slice(sealed).unwrap();
        let bytes = URL_SAFE_NO_PAD.decode(sealed[part].as_str().unwrap()).unwrap();
        serde_json::from_slice(&bytes).unwrap_or(Value::Null)
    }

    #[test]
    fn a_request_says_who_asks_and_what_for() {
        let mut account = Account::new(Key::generate().unwrap());
        let first = account.sign("https://ca/new", "n1", Some(&json!({"a": 1})), true).unwrap();
        let head = decoded(&first, "protected");
        assert_eq!((&head["url"], &head["nonce"]), (&json!("https://ca/new"), &json!("n1")));
        assert_eq!(head["jwk"]["crv"], "P-256");
        assert_eq!(decoded(&first, "payload"), json!({"a": 1}));
        account.id = Some("https://ca/acct/1".to_owned());
        let next = account.sign("https://ca/x", "n2", None, false).unwrap();
        let head = decoded(&next, "protected");
        assert_eq!(head["kid"], "https://ca/acct/1");
        assert!(head.get("jwk").is_none());
        assert_eq!(serde_json::from_slice::<Value>(&next).unwrap()["payload"], "");
    }

    #[test]
    fn who_vouches_is_named_and_no_secret_is_shown() {
        let mut account = Account::new(Key::generate().unwrap());
        account.email = Some("me@a.example".to_owned());
        let (id, key) = (
            "kid-1".to_owned(),
            "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W".to_owned(),
        );
        account.external = Some(External { id, key });
        let wish = account.registration("https://ca/new").unwrap();
        assert_eq!(wish["contact"][0], "mailto:me@a.example");
        let vouched = wish["externalAccountBinding"].to_string();
        let head = decoded(vouched.as_bytes(), "protected");
        assert_eq!((&head["kid"], &head["alg"]), (&json!("kid-1"), &json!("HS256")));
        assert!(!format!("{account:?}").contains("zWND"));
        account.external = Some(External { id: "x".to_owned(), key: "not base64!".to_owned() });
        assert!(account.registration("https://ca/new").is_none());
    }
}
