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
use certs::{Account, Attempts, External, Failure, Object, ProofKind, Wanted, Wish};
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
    let Job { certificate, issuing, attempts, before, .. } = job;
    let path = certificate.chain;
    let wish_at = clock::wall().seconds.saturating_add(WISH_USUAL);
    let mut done = Done { path, attempts, wish_at, said: None, unkept: None };
    let Some(object) = before else { return done };
    let Some(authority) = issuing.authorities.iter().find(|one| one.url == object.authority) else {
        return done;
    };
    let keep = Keep::at(&issuing.folder);
    let found = account(&keep, authority, &issuing).and_then(|mut account| {
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
    let Job { certificate, issuing, account, mut attempts, before, .. } = job;
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
        let proved = account.as_deref();
        match ask(authority, (&issuing, proved), hosts, before.as_ref(), &keep, shared) {
            Ok(object) => {
                let text = object.write();
                let put = keep.put(&path, &text);
                let forgotten = keep.put_attempts(&path, &Attempts::default());
                let failed = put.as_ref().err().or(forgotten.as_ref().err());
                let said = failed.map(|error| {
                    let folder = issuing.folder.display();
                    format!("{host} ({place}): its certificate cannot be kept in {folder}: {error}")
                });
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

/// Asks one authority. `proved` is the thumbprint of the key that the servers prove hosts with.
fn ask(
    authority: &Authority,
    (issuing, proved): (&Issuing, Option<&str>),
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
    let mut account = account(keep, authority, issuing).map_err(Failure::of)?;
    let mut hands = WorldHands::new(shared, issuing, authority).map_err(Failure::of)?;
    let known = account.id.clone();
    let mut proofs: Vec<ProofKind> = issuing.ways.iter().map(|way| kind(*way)).collect();
    if Some(&*account.thumbprint()) != proved {
        proofs.retain(|kind| *kind != ProofKind::Http);
        if proofs.is_empty() {
            let folder = issuing.folder.display();
            let why = format!(
                "the account's key in {folder} is not the one of the config's last read: reload it"
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
    let obtained = certs::obtain(&wanted, &mut account, &mut hands);
    if account.id != known
        && let Some(id) = &account.id
    {
        // It is asked for once more where it cannot be noted.
        let _ = keep.put_account_id(&authority.url, id);
    }
    if let Err(failure) = &obtained
        && let Some(wait) = failure.wait
    {
        shared.pause(&authority.url, &failure.why, clock::wall().seconds, wait);
    }
    obtained
}

fn account(keep: &Keep, authority: &Authority, issuing: &Issuing) -> Result<Account, String> {
    let mut account = Account::new(keep.account()?);
    account.id = keep.account_id(&authority.url);
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
