//! The local authority: it signs for private names and addresses, and whoever trusts its root
//! certificate, which says so itself, trusts it for those and nothing else.

use crate::{
    key::{Key, NoKey, pem},
    x509::{self, Issuer, Purpose},
};
use tls::der::Facts;

const DAY: i64 = 86_400;

/// How long a root lives.
const ROOT_SECONDS: i64 = 3650 * DAY;

/// How long before its end the next one is made, so that there is time to trust it.
const OVERLAP_SECONDS: i64 = 365 * DAY;

/// How long what it signs lives; the next one is made at two thirds of that.
pub const LEAF_SECONDS: i64 = 90 * DAY;

/// How much earlier than now something holds: the clocks of others may be late.
const EARLIER_SECONDS: i64 = DAY;

/// The same of a root, which stays: the clock of this machine may be years early as it is made.
const ROOT_EARLIER_SECONDS: i64 = 3650 * DAY;

/// The local authority.
#[derive(Debug)]
pub struct Local {
    key: Key,
    facts: Facts,
    root: Vec<u8>,
}

impl Local {
    /// A new one, which is called `name` and lives from that time on, in seconds since 1970.
    ///
    /// # Errors
    /// There are no random bytes.
    pub fn make(name: &str, now: i64) -> Result<Self, NoKey> {
        let key = Key::generate()?;
        let life = (now - ROOT_EARLIER_SECONDS, now + ROOT_SECONDS);
        let root = x509::certificate(&Purpose::Authority, &x509::name(name), &key, None, life)?;
        let facts = Facts::of(&root).ok_or(NoKey)?;
        Ok(Self { key, facts, root })
    }

    /// The one in a PEM text; `None` where there is none.
    #[must_use]
    pub fn load(text: &[u8]) -> Option<Self> {
        let root = tls::certificate_in(text)?;
        let facts = Facts::of(&root)?;
        // Key and certificate are of each other.
        tls::Pair::load(text, text).ok()?;
        Some(Self { key: Key::from_pem(text).ok()?, facts, root })
    }

    /// Its key and its root as PEM, which only its owner may read.
    #[must_use]
    pub fn pem(&self) -> String {
        self.key.pem() + &self.root_pem()
    }

    /// Its root as PEM, which anybody may read.
    #[must_use]
    pub fn root_pem(&self) -> String {
        pem("CERTIFICATE", &self.root)
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.facts.issuer
    }

    /// Whether it has signed the certificate that this is known of.
    #[must_use]
    pub fn has_signed(&self, facts: &Facts) -> bool {
        facts.issuer_key == self.facts.issuer_key
    }

    /// Until when it lives, in seconds since 1970.
    #[must_use]
    pub fn until(&self) -> i64 {
        self.facts.until
    }

    /// Whether it holds by now, or did.
    #[must_use]
    pub fn has_begun(&self, now: i64) -> bool {
        self.facts.from <= now
    }

    /// Whether the next one should be there by now.
    #[must_use]
    pub fn is_ending(&self, now: i64) -> bool {
        self.facts.until - OVERLAP_SECONDS <= now
    }

    /// Whether the next one should sign from now on: what this one signs would outlive it.
    #[must_use]
    pub fn is_over(&self, now: i64) -> bool {
        self.facts.until - LEAF_SECONDS <= now
    }

    /// A certificate for these hosts with its key, as PEM.
    ///
    /// # Errors
    /// There are no random bytes.
    pub fn sign(&self, hosts: &[Box<str>], now: i64) -> Result<String, NoKey> {
        let issuer = Issuer { name: &self.facts.subject, key: &self.key };
        make(hosts, Some(&issuer), now)
    }
}

/// A certificate for these hosts that nobody trusts, with its key, as PEM: it stands in where there
/// is none yet.
///
/// # Errors
/// There are no random bytes.
pub fn stand_in(hosts: &[Box<str>], now: i64) -> Result<String, NoKey> {
    make(hosts, None, now)
}

fn make(hosts: &[Box<str>], issuer: Option<&Issuer<'_>>, now: i64) -> Result<String, NoKey> {
    let key = Key::generate()?;
    let subject = x509::name(hosts.first().map_or("nobody", |host| host));
    let life = (now - EARLIER_SECONDS, now + LEAF_SECONDS);
    let der = x509::certificate(&Purpose::Hosts(hosts), &subject, &key, issuer, life)?;
    Ok(key.pem() + &pem("CERTIFICATE", &der))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tls::Pair;

    const NOW: i64 = 1_795_906_260;

    fn hosts(all: &[&str]) -> Vec<Box<str>> {
        all.iter().map(|&host| host.into()).collect()
    }

    #[test]
    fn what_is_signed_is_for_its_hosts_and_holds() {
        let local = Local::make("a local authority", NOW).unwrap();
        let hosts = hosts(&["localhost", "*.a.localhost", "127.0.0.1", "[::1]"]);
        let text = local.sign(&hosts, NOW).unwrap();
        let pair = Pair::load(text.as_bytes(), text.as_bytes()).unwrap();
        for host in ["localhost", "b.a.localhost", "127.0.0.1", "[::1]"] {
            assert!(pair.covers(host), "{host}");
        }
        assert!(!pair.covers("example.com") && !pair.covers("127.0.0.2"));
        let facts = pair.facts().unwrap();
        assert_eq!(facts.issuer, "a local authority");
        assert_eq!((facts.from, facts.until), (NOW - DAY, NOW + LEAF_SECONDS));
        let other = Local::make("a local authority", NOW).unwrap();
        assert!(local.has_signed(&facts) && !other.has_signed(&facts));
        assert!(facts.holds(NOW) && !facts.holds(NOW + LEAF_SECONDS + 1));
        let alone = stand_in(&hosts, NOW).unwrap();
        let alone = Pair::load(alone.as_bytes(), alone.as_bytes()).unwrap();
        assert_eq!(alone.facts().unwrap().issuer, "localhost");
    }

    #[test]
    fn it_comes_back_from_its_text_and_ends_in_good_time() {
        let local = Local::make("a local authority", NOW).unwrap();
        let again = Local::load(local.pem().as_bytes()).unwrap();
        assert_eq!((again.root_pem(), again.name()), (local.root_pem(), local.name()));
        assert!(!again.root_pem().contains("PRIVATE"));
        assert!(Local::load(local.root_pem().as_bytes()).is_none());
        assert!(local.facts.from < NOW - 365 * DAY, "the clock may have been wrong");
        let other = Local::make("another", NOW).unwrap();
        let mixed = other.root_pem() + &local.pem();
        assert!(Local::load(mixed.as_bytes()).is_none(), "the key is another's");
        let year = NOW + ROOT_SECONDS - OVERLAP_SECONDS;
        assert!(!local.is_ending(year - 1) && local.is_ending(year) && !local.is_over(year));
        assert!(local.is_over(local.until() - LEAF_SECONDS));
    }
}
