//! One job of the process that has certificates issued: asks an authority for a certificate, or
//! when to renew it.

use super::{
    Done, Happening, Job, WISH_FIRST, WISH_LEAST, WISH_MOST, WISH_USUAL,
    hands::{Shared, WorldHands},
};
use crate::{
    keep::{self, Keep},
    visit::Visits,
};
use certs::{Account, Attempts, External, Failure, Key, Object, ProofKind, Wanted, Wish};
use config::plan::{Authority, Issuing, Way};
use net::clock;
use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, Sender},
    },
};

/// The life of a thread that does jobs.
pub(super) fn work(jobs: &Mutex<Receiver<Job>>, happen: &Sender<Happening>, shared: &Arc<Shared>) {
    let next = || jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
    while let Ok(job) = next() {
        let done = if job.asks_wish { ask_wish(job, shared) } else { order(job, shared) };
        if happen.send(Happening::Over(Box::new(done))).is_err() {
            return;
        }
    }
}

/// Asks the authority that has issued a certificate when it wants it to be renewed.
fn ask_wish(job: Job, shared: &Arc<Shared>) -> Done {
    let Job { certificate, issuing, key, attempts, before, .. } = job;
    let path = certificate.chain;
    let wish_at = clock::wall().seconds.saturating_add(WISH_USUAL);
    let mut done = Done { path, attempts, wish_at, said: None, unkept: None };
    let Some(object) = before else { return done };
    let Some(authority) = issuing.authorities.iter().find(|one| one.url == object.authority) else {
        return done;
    };
    let keep = Keep::at(&issuing.folder);
    let found = account(&key, authority, &issuing).and_then(|mut account| {
        let mut hands = WorldHands::new(shared, &issuing, authority)?;
        let wish = certs::renewal(&authority.url, &object, &mut account, &mut hands);
        wish.map_err(|failure| failure.why)
    });
    // Where it cannot be asked, the time that is known holds.
    let Ok(Wish { window, wait }) = found else { return done };
    let wait = wait.map_or(WISH_USUAL, |time| i64::try_from(time.as_secs()).unwrap_or(WISH_MOST));
    let wait = wait.clamp(WISH_LEAST, WISH_MOST);
    done.wish_at = clock::wall().seconds.saturating_add(wait);
    let _turn = keep.turn(&done.path);
    // Another server may have had it renewed meanwhile.
    let is_there = keep::object(&done.path).is_none_or(|(kept, _)| kept.pem == object.pem);
    if window != object.window && is_there {
        let text = Object { window, ..object }.write();
        done.unkept = keep.put(&done.path, &text).is_err().then_some(text);
    }
    done
}

/// Asks the authorities for a certificate, one after the other.
fn order(job: Job, shared: &Arc<Shared>) -> Done {
    let Job { certificate, issuing, key, account, mut attempts, before, .. } = job;
    let (path, place) = (certificate.chain.clone(), certificate.place.clone());
    let hosts = certificate.issuer.hosts();
    let host = hosts.first().map_or("", |host| host);
    let keep = Keep::at(&issuing.folder);
    let done = |attempts, said, unkept| {
        let wish_at = clock::wall().seconds.saturating_add(WISH_FIRST);
        Done { path: path.clone(), attempts, wish_at, said, unkept }
    };
    // Others that share the folder wait, and find what this one has put there.
    let _turn = keep.turn(&path);
    let now = clock::wall().seconds;
    if let Some((object, _)) = keep::object(&path)
        && Some(&object) != before.as_ref()
        && object.covers(hosts)
        && object.term().is_some_and(|term| term.renewal(certificate.chance()) > now)
    {
        return done(Attempts::default(), None, None);
    }
    let (mut whys, mut wait) = (HashSet::new(), None);
    let mut list = Vec::new();
    for authority in &issuing.authorities {
        let keys = (&key, account.as_deref());
        match ask(authority, (&issuing, keys), hosts, before.as_ref(), &keep, shared) {
            Ok(object) => {
                let text = object.write();
                let put = keep.put(&path, &text);
                let forgotten = keep.put_attempts(&path, &Attempts::default());
                let failed = put.as_ref().err().or(forgotten.as_ref().err());
                let said = failed.map(|error| format!("{host} ({place}): {}", keep.unkept(error)));
                return done(Attempts::default(), said, put.is_err().then_some(text));
            }
            Err(failure) => {
                wait = wait.max(failure.wait);
                if whys.insert(failure.why.clone()) {
                    list.push(failure.why);
                }
            }
        }
    }
    let why = list.join("; ");
    attempts.fail(&why, wait, clock::wall().seconds, certificate.chance());
    let next = base::Date::of(attempts.next).to_string().replace('T', " ");
    let said = format!("{host} ({place}): no certificate: {why}: next attempt {next} UTC");
    // Where it cannot be noted, it is known as long as this process lives.
    let _ = keep.put_attempts(&path, &attempts);
    done(attempts, Some(said), None)
}

/// The key that authorities know, and the thumbprint of the one that the servers prove hosts by.
type Keys<'k> = (&'k Result<String, String>, Option<&'k str>);

/// Asks one authority.
fn ask(
    authority: &Authority,
    (issuing, (key, proved)): (&Issuing, Keys<'_>),
    hosts: &[Box<str>],
    before: Option<&Object>,
    keep: &Keep,
    shared: &Arc<Shared>,
) -> Result<Object, Failure> {
    if let Some((why, wait)) = shared.is_paused(&authority.url, clock::wall().seconds) {
        let mut failure = Failure::of(why);
        failure.wait = Some(wait);
        return Err(failure);
    }
    let mut account = account(key, authority, issuing).map_err(Failure::of)?;
    let mut hands = WorldHands::new(shared, issuing, authority).map_err(Failure::of)?;
    let mut proofs: Vec<ProofKind> = issuing.ways.iter().map(|way| kind(*way)).collect();
    if Some(&*account.thumbprint()) != proved {
        proofs.retain(|kind| *kind != ProofKind::Http);
        if proofs.is_empty() {
            let folder = issuing.folder.display();
            let why = format!(
                "the servers do not prove hosts by the account's key in {folder}: once that can be \
                 written, reload the config"
            );
            return Err(Failure::of(why));
        }
    }
    let wanted = Wanted {
        authority: &authority.url,
        hosts,
        proofs: &proofs,
        profile: authority.profile.as_deref(),
        before,
        now: clock::wall().seconds,
    };
    let introduced = introduce(&authority.url, &mut account, keep, &mut hands);
    let id = account.id.clone();
    let obtained = introduced.and_then(|()| certs::obtain(&wanted, &mut account, &mut hands));
    if account.id != id {
        note(&authority.url, &account, keep);
    }
    if let Err(failure) = &obtained
        && let Some(wait) = failure.wait
    {
        shared.pause(&authority.url, &failure.why, clock::wall().seconds, wait);
    }
    obtained
}

/// Has an authority know the account that does not yet. Of all who want a certificate, on whichever
/// servers share the folder, one does so and the others wait: an authority that is told twice at a
/// time may say no to one of them.
fn introduce(
    url: &str,
    account: &mut Account,
    keep: &Keep,
    hands: &mut WorldHands<'_>,
) -> Result<(), Failure> {
    let _turn = keep.introduction(url);
    account.id = keep.account_id(url);
    if account.id.is_none() {
        certs::introduce(url, account, hands)?;
        note(url, account, keep);
    }
    Ok(())
}

fn note(url: &str, account: &Account, keep: &Keep) {
    // It is asked for once more where it cannot be noted.
    account.id.iter().for_each(|id| _ = keep.put_account_id(url, id));
}

fn account(
    key: &Result<String, String>,
    authority: &Authority,
    issuing: &Issuing,
) -> Result<Account, String> {
    let key = Key::from_pem(key.as_ref().map_err(Clone::clone)?.as_bytes());
    let mut account = Account::new(key.map_err(|error| error.to_string())?);
    account.email.clone_from(&issuing.email);
    account.external = authority.eab.as_ref().map(|(id, key)| {
        let (id, key) = (id.clone(), key.0.clone());
        External { id, key }
    });
    Ok(account)
}

fn kind(way: Way) -> ProofKind {
    match way {
        Way::Http => ProofKind::Http,
        Way::Tls => ProofKind::Tls,
        Way::Dns => ProofKind::Dns,
    }
}

/// A way to an authority, which trusts whom the config says.
pub(super) fn visits(authority: &Authority) -> Result<Visits, String> {
    Visits::trusting(authority.trusted.as_deref())
}
