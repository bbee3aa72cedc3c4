//! A certificate as it is kept: its key, its chain, and who has issued it, in one text.
//!
//! ```text
//!   gannet certificate 1
//!   authority https://acme.example/directory
//!   issued 1790722260
//!   window 1795906260 1795992660
//!   early yes
//!   -----BEGIN PRIVATE KEY-----
//!   …
//!   -----BEGIN CERTIFICATE-----
//!   …
//! ```
//!
//! What has no last line is no such text: it was cut short.

use crate::agenda::Term;
use tls::{Pair, der::Facts};

/// The first line, with the form of the rest.
const HEAD: &str = "gannet certificate 1";

/// The last line.
const END: &str = "-----END CERTIFICATE-----";

/// A certificate as it is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct Object {
    /// The authority that has issued it, by its URL.
    pub authority: String,
    /// When it did, in seconds since 1970, by the clock of this machine.
    pub issued: i64,
    /// Within which times that authority wants it to be renewed.
    pub window: Option<(i64, i64)>,
    /// Whether the one before was not a day old when this one was issued.
    pub is_early: bool,
    /// Its key, then its chain, as PEM.
    pub pem: String,
}

impl std::fmt::Debug for Object {
    /// Nothing of the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Object").field("authority", &self.authority).finish_non_exhaustive()
    }
}

impl Object {
    /// The object as its text.
    #[must_use]
    pub fn write(&self) -> String {
        let window = self.window.map(|(from, until)| format!("window {from} {until}\n"));
        let Self { authority, issued, is_early, pem, .. } = self;
        let window = window.unwrap_or_default();
        let early = if *is_early { "early yes\n" } else { "" };
        let pem = pem.trim_end();
        format!("{HEAD}\nauthority {authority}\nissued {issued}\n{window}{early}{pem}\n")
    }

    /// The object in a text; `None` where it is none, or not whole.
    #[must_use]
    pub fn read(text: &[u8]) -> Option<Self> {
        let text = str::from_utf8(text).ok()?;
        let rest = text.strip_prefix(HEAD)?.strip_prefix('\n')?;
        let at = rest.find("-----BEGIN")?;
        let (lines, pem) = rest.split_at(at);
        let (mut authority, mut issued) = (String::new(), 0);
        let (mut window, mut is_early) = (None, false);
        for line in lines.lines() {
            match line.split_once(' ') {
                Some(("authority", url)) => authority = url.to_owned(),
                Some(("issued", time)) => issued = time.parse().ok()?,
                Some(("window", times)) => {
                    let (from, until) = times.split_once(' ')?;
                    window = Some((from.parse().ok()?, until.parse().ok()?));
                }
                Some(("early", _)) => is_early = true,
                // A later version may say more.
                _ => {}
            }
        }
        let pem = pem.to_owned();
        let own = Self { authority, issued, window, is_early, pem };
        own.pem.trim_end().ends_with(END).then_some(own)
    }

    /// Whether it can be used: the key is the one of the certificate.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        Pair::load(self.pem.as_bytes(), self.pem.as_bytes()).is_ok()
    }

    /// What is known of its certificate; `None` where it is malformed.
    #[must_use]
    pub fn facts(&self) -> Option<Facts> {
        Facts::of(&tls::certificate_in(self.pem.as_bytes())?)
    }

    /// From when until when it holds.
    #[must_use]
    pub fn term(&self) -> Option<Term> {
        let facts = self.facts()?;
        let Facts { from, until, .. } = facts;
        let Self { window, issued, is_early, .. } = *self;
        Some(Term { from, until, window, issued, is_early })
    }

    /// Whether it is for all of these hosts.
    #[must_use]
    pub fn covers(&self, hosts: &[Box<str>]) -> bool {
        self.missing(hosts).is_empty()
    }

    /// Those of these hosts that it is not for.
    #[must_use]
    pub fn missing<'h>(&self, hosts: &'h [Box<str>]) -> Vec<&'h str> {
        tls::missing(&tls::certificate_in(self.pem.as_bytes()).unwrap_or_default(), hosts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local;

    #[test]
    fn an_object_comes_back_whole_or_not_at_all() {
        let hosts: Vec<Box<str>> = vec!["a.example".into(), "*.b.example".into()];
        let pem = local::stand_in(&hosts, 1_795_906_260).unwrap();
        for window in [None, Some((5, 7))] {
            let authority = "https://ca.example/directory".to_owned();
            let (is_early, pem) = (window.is_some(), pem.clone());
            let object = Object { authority, issued: 7, window, is_early, pem };
            let text = object.write();
            let again = Object::read(text.as_bytes()).unwrap();
            assert_eq!(again, object);
            assert_eq!(again.term().unwrap().window, window);
            assert!(again.covers(&hosts) && !again.covers(&["c.example".into()]));
            assert_eq!(again.missing(&["a.example".into(), "c.example".into()]), ["c.example"]);
            // The line feed behind the last line alone may be missing.
            for end in 0..text.len() - 1 {
                assert_eq!(Object::read(&text.as_bytes()[..end]), None, "{end}");
            }
        }
        assert_eq!(Object::read(b"\xff"), None);
        assert_eq!(Object::read(pem.as_bytes()), None);
    }
}
