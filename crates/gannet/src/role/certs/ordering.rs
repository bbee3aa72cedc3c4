//! One job of the process that has certificates issued: asks an authority for a certificate, or
//! when to renew it.

use super::{
    Done, Happening, Job, WISH_FIRST, WISH_LEAST, WISH_MOST, WISH_USUAL,
    hands::{Shared, WorldHands},
};
use crate::{
    keep::{self, Keep, introduced},
    visit::Visits,
};
use certs::{About, Account, Attempts, External, Failure, Key, Object, ProofKind, Wanted, Wish};
use config::plan::{Authority, Certificate, Issuing, Way};
use net::clock;
use std::{
    collections::HashSet,
    path::PathBuf,
    process,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, Sender},
    },
    thread,
    time::Duration,
};

/// The life of a thread that does jobs.
pub(super) fn work(jobs: &Mutex<Receiver<Job>>, happen: &Sender<Happening>, shared: &Arc<Shared>) {
    let next = || jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
    while let Ok(job) = next() {
        let fuse = Fuse;
        net::failpoint::hit("order");
        let done = if job.asks_wish { ask_wish(job, shared) } else { order(&job, shared) };
        drop(fuse);
        if happen.send(Happening::Over(Box::new(done))).is_err() {
            return;
        }
    }
}

/// What a process ends with that has panicked.
const PANICKED: i32 = 101;

/// Ends this process where a job panics, whose certificate would be under way for ever: another
/// process takes its place.
struct Fuse;

impl Drop for Fuse {
    fn drop(&mut self) {
        if thread::panicking() {
            process::exit(PANICKED);
        }
    }
}

/// Asks the authority that has issued a certificate when it wants it to be renewed.
fn ask_wish(job: Job, shared: &Arc<Shared>) -> Done {
    let Job { certificate, issuing, key, attempts, before, .. } = job;
    let path = certificate.chain.clone();
    let wish_at = clock::wall().seconds.saturating_add(WISH_USUAL);
    let mut done = Done { path, attempts, wish_at, said: None, unkept: Vec::new() };
    let Some(object) = before else { return done };
    let Some(authority) = issuing.authorities.iter().find(|one| one.url == object.authority) else {
        return done;
    };
    let (keep, now) = (Keep::at(&issuing.folder), clock::wall().seconds);
    let asked = match shared.pauses.of((&authority.url, host(&certificate)), &keep, now) {
        Some((why, wait)) => Err(Failure::paused(why, wait)),
        None => account(&key, authority, &issuing).map_err(Failure::of).and_then(|mut account| {
            let hands = WorldHands::new(shared, &issuing, authority).map_err(Failure::of);
            certs::renewal(&authority.url, &object, &mut account, &mut hands?)
        }),
    };
    let wait = match &asked {
        Ok(wish) => wish.wait,
        Err(failure) => failure.wait,
    };
    let wait = wait.map_or(WISH_USUAL, |time| i64::try_from(time.as_secs()).unwrap_or(WISH_MOST));
    done.wish_at = clock::wall().seconds.saturating_add(wait.clamp(WISH_LEAST, WISH_MOST));
    // Where it cannot be asked, the time that is known holds.
    let Ok(Wish { window, .. }) = asked else { return done };
    let _turn = keep.turn(&done.path);
    // Another server may have had it renewed meanwhile.
    let is_there = keep::object(&done.path).is_none_or(|(kept, _)| kept.pem == object.pem);
    if window != object.window && is_there {
        let text = Object { window, ..object }.write();
        if keep.put(&done.path, &text).is_err() {
            done.unkept.push((done.path.clone(), text));
        }
    }
    done
}

/// Has a certificate issued, and puts it where it is kept.
fn order(job: &Job, shared: &Arc<Shared>) -> Done {
    let Job { certificate, issuing, before, .. } = job;
    let (path, place, chance) = (&certificate.chain, &certificate.place, certificate.chance());
    let (hosts, host) = (certificate.issuer.hosts(), host(certificate));
    let keep = Keep::at(&issuing.folder);
    let done = |attempts, said, unkept| {
        let wish_at = clock::wall().seconds.saturating_add(WISH_FIRST);
        Done { path: path.clone(), attempts, wish_at, said, unkept }
    };
    // Others that share the folder wait, and find what this one has put there.
    let _turn = keep.turn(path);
    let now = clock::wall().seconds;
    if let Some((object, _)) = keep::object(path)
        && Some(&object) != before.as_ref()
        && keep::term(&object, hosts, issuing).is_some_and(|term| term.renewal(chance) > now)
    {
        return done(Attempts::default(), None, Vec::new());
    }
    let (mut unkept, note) = (Vec::new(), keep.attempts_path(path));
    match ask_all(job, &keep, shared, &mut unkept) {
        Ok(object) => {
            let text = object.write();
            let put = keep.put(path, &text);
            let forgotten = keep.note(&note, &Attempts::default());
            let failed = put.as_ref().err().or(forgotten.as_ref().err());
            let said = failed.map(|error| format!("{host} ({place}): {}", keep.unkept(error)));
            unkept.extend(put.is_err().then(|| (path.clone(), text)));
            done(Attempts::default(), said, unkept)
        }
        Err(Refusal { why, wait, is_of_proof }) => {
            let mut attempts = job.attempts.clone();
            attempts.fail(&why, wait, clock::wall().seconds, chance);
            attempts.proofs = attempts.proofs.saturating_add(u32::from(is_of_proof));
            let next = base::Date::of(attempts.next).to_string().replace('T', " ");
            let said = format!("{host} ({place}): no certificate: {why}: next attempt {next} UTC");
            if keep.note(&note, &attempts).is_err() {
                unkept.push((note, attempts.write()));
            }
            done(attempts, Some(said), unkept)
        }
    }
}

/// Why no authority has issued a certificate.
struct Refusal {
    why: String,
    /// How long the first of them wants to be left alone that can be asked again.
    wait: Option<Duration>,
    /// Whether some have found no proof.
    is_of_proof: bool,
}

/// Asks the authorities, one after the other. What there is to note and cannot be is in `unkept`.
fn ask_all(
    job: &Job,
    keep: &Keep,
    shared: &Arc<Shared>,
    unkept: &mut Vec<(PathBuf, String)>,
) -> Result<Object, Refusal> {
    let (mut whys, mut list) = (HashSet::new(), Vec::new());
    let (mut waits, mut is_of_proof) = (Vec::new(), false);
    for authority in &job.issuing.authorities {
        let whom = (&*authority.url, host(&job.certificate));
        let failure = match shared.pauses.of(whom, keep, clock::wall().seconds) {
            Some((why, wait)) => Failure::paused(why, wait),
            None => match ask(job, authority, keep, shared) {
                Ok(object) => {
                    shared.pauses.count_anew(&authority.url);
                    return Ok(object);
                }
                Err(failure) => {
                    let now = clock::wall().seconds;
                    unkept.extend(shared.pauses.refused(whom, &failure, keep, now));
                    failure
                }
            },
        };
        waits.push(failure.wait);
        is_of_proof |= failure.about == About::Proof;
        if whys.insert(failure.why.clone()) {
            list.push(failure.why);
        }
    }
    Err(Refusal { why: list.join("; "), wait: waits.into_iter().min().flatten(), is_of_proof })
}

/// Asks one authority.
fn ask(
    job: &Job,
    authority: &Authority,
    keep: &Keep,
    shared: &Arc<Shared>,
) -> Result<Object, Failure> {
    let Job { certificate, issuing, key, account: proved, attempts, before, .. } = job;
    let mut account = account(key, authority, issuing).map_err(Failure::of)?;
    let mut hands = WorldHands::new(shared, issuing, authority).map_err(Failure::of)?;
    let mut proofs: Vec<ProofKind> = issuing.ways.iter().map(|way| kind(*way)).collect();
    if Some(account.thumbprint()) != *proved {
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
    // One that is dead need not be so for long, and another one may never be.
    let ways = proofs.len().max(1);
    proofs.rotate_left(attempts.proofs as usize % ways);
    let wanted = Wanted {
        authority: &authority.url,
        hosts: certificate.issuer.hosts(),
        proofs: &proofs,
        profile: authority.profile.as_deref(),
        before: before.as_ref(),
        now: clock::wall().seconds,
    };
    let introduced = introduce(&authority.url, &mut account, keep, &mut hands);
    let id = account.id.clone();
    let obtained = introduced.and_then(|()| certs::obtain(&wanted, &mut account, &mut hands));
    if account.id != id {
        note(&authority.url, &account, keep);
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
    let whom = introduced(url, &account.thumbprint());
    account.id = keep.account_id(&whom);
    if account.id.is_some() {
        return Ok(());
    }
    let _turn = keep.introduction(&whom);
    // Whoever had it before has done so, most likely.
    account.id = keep.account_id(&whom);
    if account.id.is_none() {
        certs::introduce(url, account, hands)?;
        note(url, account, keep);
    }
    Ok(())
}

fn note(url: &str, account: &Account, keep: &Keep) {
    let whom = introduced(url, &account.thumbprint());
    // It is asked for once more where it cannot be noted.
    account.id.iter().for_each(|id| _ = keep.put_account_id(&whom, id));
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

/// The first host of a certificate.
fn host(certificate: &Certificate) -> &str {
    certificate.issuer.hosts().first().map_or("", |host| host)
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
