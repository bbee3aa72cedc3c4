//! Whose certificates and terms a name has. All loops share them; each handshake looks once.

use crate::{
    pair::{self, Pair},
    terms,
};
use config::{Plan, plan::Authorities};
use control::TicketKeys;
use rustls::{
    ServerConfig,
    server::{ClientHello, ResolvesServerCert},
    sign::{CertifiedKey, SingleCertAndKey},
};
use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The sites of a plan that speak TLS. Nothing of one is made before somebody asks for it, so that
/// ten thousand take no time at the start.
pub struct Sites {
    plan: &'static Plan,
    keys: TicketKeys,
    /// By their numbers in the plan.
    pairs: Vec<Mutex<State>>,
    /// What is shown to authorities that look for a proof, by name.
    proofs: Mutex<HashMap<String, Arc<ServerConfig>>>,
    authorities: Vec<Mutex<Arc<[u8]>>>,
    terms: Vec<Mutex<Terms>>,
}

/// The terms of a site, with HTTP/2 and without, where they have been asked for.
#[derive(Default)]
struct Terms {
    with_http2: Option<Arc<ServerConfig>>,
    without: Option<Arc<ServerConfig>>,
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
            proofs: Mutex::default(),
            authorities: plan.authorities.iter().map(|one| one.pem.clone().into()).collect(),
            terms: plan.sites.iter().map(|_| Mutex::default()).collect(),
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
        let mut terms = lock(self.terms.get(number)?);
        if terms.with_http2.is_none() {
            terms.with_http2 = self.make(number).map(Arc::new);
        }
        let with_http2 = terms.with_http2.clone()?;
        if self.plan.listen.get(listener).is_some_and(|listen| listen.http2) {
            return Some((number, with_http2));
        }
        let without = || terms::without_http2(&with_http2);
        Some((number, Arc::clone(terms.without.get_or_insert_with(without))))
    }

    /// The terms for an authority that looks for a proof that `name` is ours; `None` where nobody
    /// has asked it to.
    pub(crate) fn proof(&self, name: &str) -> Option<Arc<ServerConfig>> {
        lock(&self.proofs).get(name).cloned()
    }

    /// Shows these certificates to authorities that look for proofs, each with its key as PEM, and
    /// no others.
    pub fn prove(&self, proofs: &[(String, Vec<u8>)]) {
        let made = proofs.iter().filter_map(|(name, pem)| {
            let shown = Arc::new(SingleCertAndKey::from(pair::as_it_is(pem)?));
            Some((name.clone(), Arc::new(terms::of_proof(shown)?)))
        });
        *lock(&self.proofs) = made.collect();
    }

    /// The terms of the site of that number.
    fn make(&'static self, number: usize) -> Option<ServerConfig> {
        let site = self.plan.sites.get(number)?;
        let tls = site.tls.as_ref()?;
        let choice = Arc::new(Choice { sites: self, pairs: &tls.certificates });
        let authorities = match tls.client_authorities {
            Some(number) => Some(lock(self.authorities.get(number)?).clone()),
            None => None,
        };
        terms::of_site(&site.name, (tls, authorities.as_deref()), self.keys, choice)
    }

    /// Uses the certificates and the authorities of `plan`, which is the one that is served but for
    /// these, from the next handshake on. In the place of a certificate that cannot be used, which
    /// a check would have found, the one before stays.
    pub fn renew(&self, plan: &Plan) {
        self.renew_authorities(&plan.authorities);
        let all = self.plan.certificates.iter().zip(&plan.certificates).zip(&self.pairs);
        for ((own, new), state) in all {
            let next = match own.pem == new.pem {
                true => State::Checked,
                false => match Pair::load(&new.pem.chain, &new.pem.key) {
                    Ok(pair) => State::Loaded(pair),
                    Err(_) => continue,
                },
            };
            *lock(state) = next;
        }
    }

    fn renew_authorities(&self, authorities: &[Authorities]) {
        for (number, (own, new)) in self.authorities.iter().zip(authorities).enumerate() {
            if std::mem::replace(&mut *lock(own), new.pem.clone()) == new.pem {
                continue;
            }
            for (site, terms) in self.plan.sites.iter().zip(&self.terms) {
                if site.tls.as_ref().is_some_and(|tls| tls.client_authorities == Some(number)) {
                    *lock(terms) = Terms::default();
                }
            }
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
        let mut state = lock(self.pairs.get(number)?);
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

/// What is behind `mutex`. Nobody leaves it half changed, whatever happens.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
    /// The first one whose signature the client understands. Who understands none is shown the
    /// first, upon which the library says what the matter is (`handshake_failure`).
    fn resolve(&self, client: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let schemes = client.signature_schemes();
        let mut pairs = self.pairs.iter().filter_map(|&number| self.sites.pair(number));
        let first = pairs.next()?;
        let is_understood = |pair: &Pair| pair.certified().key.choose_scheme(schemes).is_some();
        let pair = match is_understood(&first) {
            true => first,
            false => pairs.find(is_understood).unwrap_or(first),
        };
        Some(Arc::clone(pair.certified()))
    }
}
