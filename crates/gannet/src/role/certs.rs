//! Has certificates issued: looks what is due, asks the authorities, and puts what they issue where
//! it is kept. The supervisor finds it there.
//!
//! ```text
//!   this thread: what is due? ──► jobs ──► a few threads: ask an authority, wait, put
//!        ▲   ▲                                  │
//!        │   └── what has come of it ◄──────────┘
//!        └── the supervisor: which config is served
//! ```

mod ground;
mod pauses;
mod hands;
mod ordering;
mod program;

use super::BUNDLE_BYTES_MAX;
use crate::{
    keep::{self, Keep},
    walls,
};
use certs::{Attempts, Object, Term, due};
use config::{
    Bundle, Plan, World as _,
    plan::{Certificate, Issuer, Issuing},
};
use control::{
    finding::{Finding, pack, unpack},
    note::{Note, Order},
};
use ground::Ground;
use hands::Shared;
use net::{
    channel::{self, Message},
    clock, process,
    sandbox::Confinement,
    sealed,
};
use std::{
    collections::HashMap,
    io,
    os::fd::{AsFd, OwnedFd},
    path::PathBuf,
    process::ExitCode,
    sync::{
        Arc, Mutex,
        mpsc::{self, Receiver, Sender},
    },
    thread,
    time::{Duration, Instant},
};

/// Certificates that are asked for at a time. No more are given out, so that each job is of the
/// config that is served, and what is due earlier comes first.
const JOBS_MAX: usize = 4;

/// How long this process sleeps at most: the clock may have been set meanwhile.
const SLEEP: Duration = Duration::from_secs(2);

/// How long after its issue an authority is asked when it wants a certificate to be renewed.
const WISH_FIRST: i64 = 60 * 60;

/// How long until it is asked once more, where it does not say so, and within which bounds it can.
const WISH_USUAL: i64 = 6 * 60 * 60;
const WISH_LEAST: i64 = 60;
const WISH_MOST: i64 = 24 * 60 * 60;

/// Seconds until a folder is tried once more that cannot be made.
const FOLDER_SECONDS: u64 = 60;

/// What happens.
enum Happening {
    /// Another config is served.
    Config(Box<Served>),
    /// A job is over.
    Over(Box<Done>),
    /// The supervisor is gone.
    Gone,
}

/// What is served, and what of it could not be put into files.
struct Served {
    plan: Plan,
    unkept: HashMap<PathBuf, String>,
    /// The thumbprint of the key by which servers prove hosts at port 80.
    account: Option<String>,
}

/// A certificate that is to be asked for.
struct Job {
    certificate: Certificate,
    issuing: Arc<Issuing>,
    /// The key that authorities know, and the thumbprint of the one that servers prove hosts by.
    key: Result<String, String>,
    account: Option<String>,
    attempts: Attempts,
    /// What is there, and whether it is only asked when it is to be renewed.
    before: Option<Object>,
    asks_wish: bool,
}

/// What has come of it.
struct Done {
    path: PathBuf,
    attempts: Attempts,
    wish_at: i64,
    said: Option<String>,
    /// What could not be put into files.
    unkept: Vec<(PathBuf, String)>,
}

/// All that is known of one certificate.
struct Entry {
    certificate: Certificate,
    object: Option<Object>,
    /// From when until when it holds, where it is the one that is wanted.
    term: Option<Term>,
    attempts: Attempts,
    /// When its authority is asked next when it is to be renewed.
    wish_at: i64,
    is_under_way: bool,
}

/// Serves as this process until the supervisor is gone, or a config wants other walls around it.
/// Where it `has_environment`, that is for a program of the operator's, and for nothing else.
pub(super) fn issue(end: OwnedFd, has_environment: bool) -> io::Result<ExitCode> {
    process::set_name(c"gannet-certs");
    let end = Arc::new(end);
    let Some(message) = channel::receive(end.as_fd(), true)? else { return Ok(ExitCode::SUCCESS) };
    let served = served(&message).ok_or(io::ErrorKind::InvalidData)?;
    let walls = walls::around_issuing(&served.plan.issuing);
    if walls.is_none() != has_environment {
        channel::send(end.as_fd(), &anew(walls.as_ref()).encode(), &[], true)?;
        return Ok(ExitCode::SUCCESS);
    }
    ground::enter(walls.as_ref())?;
    let ground = Ground::of(&served.plan.issuing);
    Keep::at(&served.plan.issuing.folder).sweep(clock::wall().seconds);
    let (happen, happenings) = mpsc::channel();
    let (give, jobs) = mpsc::channel();
    let jobs = Arc::new(Mutex::new(jobs));
    let shared = Arc::new(Shared::new(Arc::clone(&end)));
    listen(Arc::clone(&end), happen.clone(), Arc::clone(&shared))?;
    for _ in 0..JOBS_MAX {
        let (jobs, happen) = (Arc::clone(&jobs), happen.clone());
        let shared = Arc::clone(&shared);
        let work = move || ordering::work(&jobs, &happen, &shared);
        thread::Builder::new().name("gannet-order".to_owned()).spawn(work)?;
    }
    let (entries, unkept) = (HashMap::new(), HashMap::new());
    let (issuing, key, account) = (Arc::default(), Err(String::new()), None);
    let begun = Instant::now();
    let mut agenda =
        Agenda { entries, unkept, issuing, key, account, walls, ground, begun, give, shared, end };
    agenda.take(served);
    agenda.hurry();
    agenda.live(&happenings);
    Ok(ExitCode::SUCCESS)
}

/// What is said where these walls are wanted around another process.
fn anew(walls: Option<&Confinement>) -> Finding {
    if walls.is_some() { Finding::Anew } else { Finding::Program }
}

/// What the supervisor says is served.
fn served(message: &Message) -> Option<Served> {
    let mut along = message.descriptors.iter();
    let bytes = sealed::read(along.next()?.as_fd(), BUNDLE_BYTES_MAX).ok()?;
    // What was checked once is sound.
    let bundle = Bundle::decode(&bytes)?;
    let plan = bundle.resolve().ok()?;
    let account = bundle.account(&plan.issuing.folder);
    let unkept = along
        .next()
        .and_then(|memory| unpack(&sealed::read(memory.as_fd(), BUNDLE_BYTES_MAX).ok()?));
    let text = |(path, text)| Some((PathBuf::from(path), String::from_utf8(text).ok()?));
    let unkept = unkept.unwrap_or_default().into_iter().filter_map(text).collect();
    Some(Served { plan, unkept, account })
}

/// Hears what the supervisor says.
fn listen(end: Arc<OwnedFd>, happen: Sender<Happening>, shared: Arc<Shared>) -> io::Result<()> {
    let hear = move || {
        while let Ok(Some(message)) = channel::receive(end.as_fd(), true) {
            if let Some(Order::Proofs(number)) = Order::decode(&message.bytes)
                && message.descriptors.is_empty()
            {
                shared.proves(number);
            } else if let Some(served) = served(&message)
                && happen.send(Happening::Config(Box::new(served))).is_err()
            {
                return;
            }
        }
        let _ = happen.send(Happening::Gone);
    };
    thread::Builder::new().name("gannet-ear".to_owned()).spawn(hear).map(drop)
}

/// What is to be done when.
struct Agenda {
    entries: HashMap<PathBuf, Entry>,
    /// What could not be put into files.
    unkept: HashMap<PathBuf, String>,
    issuing: Arc<Issuing>,
    /// The key by which authorities are asked, as PEM; why there is none, where that is so.
    key: Result<String, String>,
    account: Option<String>,
    /// What is around this process; nothing where it runs programs of the operator's.
    walls: Option<Confinement>,
    /// What they left open, and since when there are any.
    ground: Ground,
    begun: Instant,
    give: Sender<Job>,
    shared: Arc<Shared>,
    end: Arc<OwnedFd>,
}

impl Agenda {
    fn live(&mut self, happenings: &Receiver<Happening>) {
        loop {
            self.keep();
            if self.is_astray() {
                return self.say(&Finding::Anew, None);
            }
            self.look(clock::wall().seconds);
            match happenings.recv_timeout(SLEEP) {
                Ok(Happening::Config(served)) => {
                    let walls = walls::around_issuing(&served.plan.issuing);
                    if walls != self.walls {
                        return self.say(&anew(walls.as_ref()), None);
                    }
                    self.take(*served);
                    self.hurry();
                }
                Ok(Happening::Over(done)) => self.note(*done),
                Ok(Happening::Gone) | Err(mpsc::RecvTimeoutError::Disconnected) => return,
                Err(mpsc::RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Has all tried soon that has failed: whoever reloads the config or starts the server has
    /// mended what was wrong, maybe.
    fn hurry(&mut self) {
        self.entries.values_mut().for_each(|entry| entry.attempts.hurry());
    }

    /// Whether another process could reach what this one cannot: its walls leave a folder and files
    /// open that have been replaced, or were not there yet. It gets what is held in memory.
    fn is_astray(&self) -> bool {
        if self.walls.is_none() || self.entries.values().any(|entry| entry.is_under_way) {
            return false;
        }
        let time = Duration::from_secs(net::failpoint::number("folder", FOLDER_SECONDS));
        let waits = self.ground.has_no_folder() && self.begun.elapsed() > time;
        waits || Ground::of(&self.issuing) != self.ground
    }

    /// Takes down what a config wants.
    fn take(&mut self, served: Served) {
        let Served { plan, unkept, account } = served;
        self.issuing = Arc::new(plan.issuing);
        (self.unkept, self.account) = (unkept, account);
        let (keep, now) = (Keep::at(&self.issuing.folder), clock::wall().seconds);
        self.find_key(&keep);
        for (path, text) in &self.unkept {
            if path.extension().is_some_and(|end| end == keep::PAUSE) {
                self.shared.pauses.hold(path.clone(), text);
            }
        }
        let wanted = plan.certificates.into_iter();
        let wanted = wanted.filter(|one| matches!(one.issuer, Issuer::Authority(_)));
        let (mut before, mut is_told) = (std::mem::take(&mut self.entries), true);
        for certificate in wanted {
            let path = certificate.chain.clone();
            let known = before.remove(&path);
            let kept = keep::object(&path).map(|(object, _)| object);
            let last = known.as_ref().and_then(|entry| entry.object.as_ref());
            let found = self.held(&certificate, kept.as_ref(), last).or(kept);
            let held = self.unkept.get(&keep.attempts_path(&path));
            let held = held.map(|text| Attempts::read(text.as_bytes()));
            let mut entry = known.unwrap_or_else(|| Entry {
                attempts: held.unwrap_or_else(|| keep.attempts(&path)),
                certificate: certificate.clone(),
                object: None,
                term: None,
                // Of many not all are asked about at once.
                wish_at: now + (certificate.chance() >> 32) as i64 % WISH_USUAL,
                is_under_way: false,
            });
            let object = found.or(entry.object.take());
            entry.certificate = certificate;
            entry.set(object, &self.issuing);
            if entry.attempts.failures > 0 && entry.is_well(now) {
                // What went wrong was got over in another way, such as without one of the hosts.
                entry.attempts = Attempts::default();
                let _ = keep.note(&keep.attempts_path(&path), &entry.attempts);
                is_told &= self.unkept.remove(&keep.attempts_path(&path)).is_none();
            }
            self.entries.insert(path, entry);
        }
        if !is_told {
            self.tell_unkept();
        }
    }

    /// The certificate that is used, or was the last one, where that is newer than the one in the
    /// file: it could not be put there, or is there no longer, and shall be once that can be.
    fn held(
        &mut self,
        certificate: &Certificate,
        kept: Option<&Object>,
        last: Option<&Object>,
    ) -> Option<Object> {
        let (path, hosts) = (&certificate.chain, certificate.issuer.hosts());
        let used = String::from_utf8(certificate.pem.chain.clone()).ok();
        let all = [self.unkept.remove(path), used, last.map(Object::write)].into_iter().flatten();
        let all = all.filter_map(|text| Some((Object::read(text.as_bytes())?, text)));
        let all = all.filter(|(object, _)| object.covers(hosts));
        let (object, text) = all.max_by_key(|(object, _)| object.issued)?;
        let kept = kept.filter(|kept| kept.covers(hosts));
        if kept.is_some_and(|kept| kept.issued >= object.issued) {
            return None;
        }
        self.unkept.insert(path.clone(), text);
        Some(object)
    }

    /// Finds the key by which authorities are asked: the one that is kept, or else the one that is
    /// used until it can be.
    fn find_key(&mut self, keep: &Keep) {
        let path = keep.account_path();
        let held = self.unkept.get(&path).filter(|_| !path.exists());
        self.key = match held {
            Some(text) => Ok(text.clone()),
            None => keep.account().map(|(text, trouble)| {
                if let Some(why) = trouble {
                    self.hold(path, text.clone());
                    self.say(&Finding::Said(format!("{why}: until then it is in memory")), None);
                }
                text
            }),
        };
    }

    /// Holds what cannot be put into a file.
    fn hold(&mut self, path: PathBuf, text: String) {
        self.unkept.insert(path, text);
        self.tell_unkept();
    }

    /// Puts what could not be put into files there, as far as there is room by now.
    fn keep(&mut self) {
        let keep = Keep::at(&self.issuing.folder);
        let account = keep.account_path();
        match &self.key {
            Err(_) => self.find_key(&keep),
            // It is the one that servers prove hosts by, whatever becomes of its file.
            Ok(text) if !account.exists() && !self.unkept.contains_key(&account) => {
                self.hold(account.clone(), text.clone());
            }
            Ok(_) => {}
        }
        let before = self.unkept.len();
        let put = |path: &PathBuf, text: &str| match *path == account {
            true => keep.put_account(text),
            false => keep.put(path, text),
        };
        while let Some((path, text)) = self.unkept.iter().next()
            && put(path, text).is_ok()
        {
            let path = path.clone();
            self.unkept.remove(&path);
        }
        if self.unkept.len() < before {
            self.tell_unkept();
        }
    }

    /// Has the supervisor know what is in no file.
    fn tell_unkept(&self) {
        let all = self
            .unkept
            .iter()
            .map(|(path, text)| (path.to_string_lossy().into_owned(), text.clone().into_bytes()));
        let memory = sealed::bytes(c"gannet-unkept", &pack(&all.collect::<Vec<_>>()));
        memory.into_iter().for_each(|memory| self.say(&Finding::Unkept, Some(&memory)));
    }

    /// Gives out all that is due.
    fn look(&mut self, now: i64) {
        let busy = self.entries.values().filter(|entry| entry.is_under_way).count();
        let idle = self.entries.values_mut().filter(|entry| !entry.is_under_way);
        let mut wanted: Vec<_> =
            idle.filter_map(|entry| Some((entry.wanted(now)?, entry))).collect();
        wanted.sort_by_key(|(when, _)| *when);
        for ((asks_wish, _), entry) in wanted.into_iter().take(JOBS_MAX.saturating_sub(busy)) {
            let job = Job {
                certificate: entry.certificate.clone(),
                issuing: Arc::clone(&self.issuing),
                key: self.key.clone(),
                account: self.account.clone(),
                attempts: entry.attempts.clone(),
                before: entry.object.clone(),
                asks_wish,
            };
            entry.is_under_way = self.give.send(job).is_ok();
        }
    }

    /// Takes notice of what has come of a job.
    fn note(&mut self, done: Done) {
        let Done { path, attempts, wish_at, said, unkept } = done;
        let Some(entry) = self.entries.get_mut(&path) else { return };
        let keep = Keep::at(&self.issuing.folder);
        let note = keep.attempts_path(&path);
        // What was noted before is over.
        let mut has_other = self.unkept.remove(&note).is_some();
        if has_other {
            let _ = keep.note(&note, &attempts);
        }
        entry.is_under_way = false;
        entry.attempts = attempts;
        entry.wish_at = wish_at;
        let mut said = said;
        let new = unkept.iter().find(|(of, _)| *of == path);
        if let Some((_, text)) = new {
            entry.set(Object::read(text.as_bytes()), &self.issuing);
        } else if let Some((object, _)) = keep::object(&path) {
            entry.set(Some(object), &self.issuing);
            has_other |= self.unkept.remove(&path).is_some();
        }
        if entry.term.is_none() && entry.attempts.failures == 0 {
            let why = format!("{}: what was issued is not there", path.display());
            entry.attempts.fail(&why, None, clock::wall().seconds, entry.certificate.chance());
            said = said.or(Some(why));
        }
        if has_other || !unkept.is_empty() {
            self.unkept.extend(unkept);
            self.tell_unkept();
        }
        said.into_iter().for_each(|text| self.say(&Finding::Said(text), None));
    }

    fn say(&self, finding: &Finding, along: Option<&OwnedFd>) {
        let along: Vec<_> = along.iter().map(|fd| fd.as_fd()).collect();
        // Where nobody listens, this process ends soon.
        let _ = channel::send(self.end.as_fd(), &finding.encode(), &along, true);
    }
}

impl Entry {
    fn set(&mut self, object: Option<Object>, issuing: &Issuing) {
        let hosts = self.certificate.issuer.hosts();
        self.term = object.as_ref().and_then(|object| keep::term(object, hosts, issuing));
        self.object = object;
    }

    /// Whether nothing is to be done for it yet.
    fn is_well(&self, now: i64) -> bool {
        due(self.term.as_ref(), &Attempts::default(), now, self.certificate.chance()) > now
    }

    /// What is to be done for it by now, if anything: whether its authority is only asked when it
    /// is to be renewed, which is never as urgent, and since when it is due.
    fn wanted(&self, now: i64) -> Option<(bool, i64)> {
        let when = due(self.term.as_ref(), &self.attempts, now, self.certificate.chance());
        if when <= now {
            return Some((false, when));
        }
        // The clock may have been set back since.
        let is_near = self.wish_at <= now.saturating_add(WISH_MOST);
        let asks_wish =
            self.term.is_some() && self.attempts.failures == 0 && !(is_near && now < self.wish_at);
        asks_wish.then_some((true, self.wish_at))
    }
}
