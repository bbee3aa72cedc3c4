//! Whose certificates and terms a name has. All loops share them; each handshake looks once.

use crate::{pair::Pair, terms};
use config::{Plan, plan::Certificate};
use control::TicketKeys;
use rustls::{
    ServerConfig,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use std::{
    fmt,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

/// The sites of a plan that speak TLS. Nothing of one is made before somebody asks for it, so that
/// ten thousand take no time at the start.
pub struct Sites {
    plan: &'static Plan,
    keys: TicketKeys,
    /// By their numbers in the plan.
    pairs: Vec<Mutex<State>>,
    terms: Vec<Terms>,
}

/// The terms of a site, with HTTP/2 and without, where they have been asked for.
#[derive(Default)]
struct Terms {
    with_http2: OnceLock<Option<Arc<ServerConfig>>>,
    without: OnceLock<Arc<ServerConfig>>,
}

/// What is known of a pair.
enum State {
    /// It is what the config was checked with.
    Checked,
    /// It was asked for before, or renewed since.
    Loaded(Pair),
    /// It cannot be loaded, which the check would have found.
    Broken,
}

impl fmt::Debug for Sites {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sites").field("pairs", &self.pairs.len()).finish_non_exhaustive()
    }
}

impl Sites {
    /// Those of `plan`, whose tickets have these keys. They live as long as the plan.
    #[must_use]
    pub fn new(plan: &'static Plan, keys: TicketKeys) -> &'static Self {
        Box::leak(Box::new(Self {
            plan,
            keys,
            pairs: plan.certificates.iter().map(|_| Mutex::new(State::Checked)).collect(),
            terms: plan.sites.iter().map(|_| Terms::default()).collect(),
        }))
    }

    /// The site that is asked for by that name, or by none, on the listener of that number, and its
    /// terms; `None` where nobody answers.
    pub(crate) fn find(
        &'static self,
        name: Option<&str>,
        listener: usize,
    ) -> Option<(usize, Arc<ServerConfig>)> {
        let number = self.plan.site_number(name.unwrap_or_default(), listener)?;
        let make = || {
            let site = self.plan.sites.get(number)?;
            let tls = site.tls.as_ref()?;
            let choice = Arc::new(Choice { sites: self, pairs: &tls.certificates });
            terms::of_site(&site.name, tls, self.keys, choice).map(Arc::new)
        };
        let terms = self.terms.get(number)?;
        let with_http2 = terms.with_http2.get_or_init(make).as_ref()?;
        if self.plan.listen.get(listener).is_some_and(|listen| listen.http2) {
            return Some((number, Arc::clone(with_http2)));
        }
        let without = || terms::without_http2(with_http2);
        Some((number, Arc::clone(terms.without.get_or_init(without))))
    }

    /// Uses these certificates, as many as the plan has, from the next handshake on. In the place
    /// of one that cannot be used, which a check would have found, the one before stays.
    pub fn renew(&self, certificates: &[Certificate]) {
        let all = self.plan.certificates.iter().zip(certificates).zip(&self.pairs);
        for ((own, new), state) in all {
            let next = match own.pem == new.pem {
                true => State::Checked,
                false => match Pair::load(&new.pem.chain, &new.pem.key) {
                    Ok(pair) => State::Loaded(pair),
                    Err(_) => continue,
                },
            };
            *state.lock().unwrap_or_else(PoisonError::into_inner) = next;
        }
    }

    /// Whether a connection that was made for the site of that number may ask for `host`, which
    /// `other` answers for: under the same terms, and where the certificates are for it too.
    #[must_use]
    pub fn covers(&self, number: usize, other: usize, host: &str) -> bool {
        let tls = |number: usize| self.plan.sites.get(number)?.tls.as_ref();
        let (Some(own), Some(other)) = (tls(number), tls(other)) else { return false };
        let are_like = own.client_authorities == other.client_authorities
            && own.min_version == other.min_version;
        let covers = |&at: &usize| self.pair(at).is_some_and(|pair| pair.covers(host));
        are_like && own.certificates.iter().all(covers)
    }

    fn pair(&self, number: usize) -> Option<Pair> {
        let mut state = self.pairs.get(number)?.lock().unwrap_or_else(PoisonError::into_inner);
        if let State::Checked = *state {
            let pem = &self.plan.certificates.get(number)?.pem;
            *state = Pair::load(&pem.chain, &pem.key).map_or(State::Broken, State::Loaded);
        }
        match &*state {
            State::Loaded(pair) => Some(pair.clone()),
            State::Checked | State::Broken => None,
        }
    }
}

/// Chooses among the certificates of one site.
struct Choice {
    sites: &'static Sites,
    pairs: &'static [usize],
}

impl fmt::Debug for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Choice")
    }
}

impl ResolvesServerCert for Choice {
    /// The first one whose signature the client understands.
    fn resolve(&self, client: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let schemes = client.signature_schemes();
        self.pairs.iter().find_map(|&number| {
            let pair = self.sites.pair(number)?;
            let is_understood = pair.certified().key.choose_scheme(schemes).is_some();
            is_understood.then(|| Arc::clone(pair.certified()))
        })
    }
}
