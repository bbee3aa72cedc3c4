//! Has certificates issued: looks what is due, asks the authorities, and puts what they issue where
//! it is kept. The supervisor finds it there.
//!
//! ```text
//!   this thread: what is due? ──► jobs ──► a few threads: ask an authority, wait, put
//!        ▲   ▲                                  │
//!        │   └── what has come of it ◄──────────┘
//!        └── the supervisor: which config is served
//! ```

mod hands;
mod ordering;
mod program;
mod walls;

use super::BUNDLE_BYTES_MAX;
use crate::keep::{self, Keep};
use certs::{Attempts, Object, Term, due};
use config::{
    Bundle, Plan,
    plan::{Certificate, Issuer, Issuing},
};
use control::{
    finding::{Finding, pack, unpack},
    note::{Note, Order},
};
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
    time::Duration,
};

/// Certificates that are asked for at a time.
const JOBS_MAX: usize = 4;

/// How long this process sleeps at most: the clock may have been set meanwhile.
const SLEEP: Duration = Duration::from_secs(2);

/// How often an authority is asked when it wants its certificates to be renewed, and how often at
/// most.
const WINDOW_SECONDS: i64 = 6 * 60 * 60;

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
}

/// A certificate that is to be asked for.
struct Job {
    certificate: Certificate,
    issuing: Arc<Issuing>,
    attempts: Attempts,
    /// What is there, and whether it is only asked when it is to be renewed.
    before: Option<Object>,
    asks_window: bool,
}

/// What has come of it.
struct Done {
    path: PathBuf,
    attempts: Attempts,
    window_at: Option<i64>,
    said: Option<String>,
    /// What could not be put into a file.
    unkept: Option<String>,
}

/// All that is known of one certificate.
struct Entry {
    certificate: Certificate,
    object: Option<Object>,
    /// From when until when it holds, where it is for all of the hosts.
    term: Option<Term>,
    attempts: Attempts,
    /// When its authority was last asked when it is to be renewed.
    window_at: i64,
    is_under_way: bool,
}

/// Serves as this process until the supervisor is gone, or a config wants other walls around it.
pub(super) fn issue(end: OwnedFd) -> io::Result<ExitCode> {
    process::set_name(c"gannet-certs");
    let end = Arc::new(end);
    let Some(message) = channel::receive(end.as_fd(), true)? else { return Ok(ExitCode::SUCCESS) };
    let served = served(&message).ok_or(io::ErrorKind::InvalidData)?;
    let walls = walls::around(&served.plan.issuing);
    walls::enter(walls.as_ref())?;
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
    let mut agenda = Agenda { entries, unkept, issuing: Arc::default(), walls, give, end };
    agenda.take(served);
    agenda.live(&happenings);
    Ok(ExitCode::SUCCESS)
}

/// What the supervisor says is served.
fn served(message: &Message) -> Option<Served> {
    let mut along = message.descriptors.iter();
    let bytes = sealed::read(along.next()?.as_fd(), BUNDLE_BYTES_MAX).ok()?;
    // What was checked once is sound.
    let plan = Bundle::decode(&bytes)?.resolve().ok()?;
    let unkept = along
        .next()
        .and_then(|memory| unpack(&sealed::read(memory.as_fd(), BUNDLE_BYTES_MAX).ok()?));
    let text = |(path, text)| Some((PathBuf::from(path), String::from_utf8(text).ok()?));
    let unkept = unkept.unwrap_or_default().into_iter().filter_map(text).collect();
    Some(Served { plan, unkept })
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
    /// What is around this process; nothing where it runs programs of the operator's.
    walls: Option<Confinement>,
    give: Sender<Job>,
    end: Arc<OwnedFd>,
}

impl Agenda {
    fn live(&mut self, happenings: &Receiver<Happening>) {
        loop {
            self.keep();
            self.look(clock::wall().seconds);
            match happenings.recv_timeout(SLEEP) {
                Ok(Happening::Config(served)) => {
                    if walls::around(&served.plan.issuing) != self.walls {
                        return self.say(&Finding::Anew, None);
                    }
                    self.take(*served);
                }
                Ok(Happening::Over(done)) => self.note(*done),
                Ok(Happening::Gone) | Err(mpsc::RecvTimeoutError::Disconnected) => return,
                Err(mpsc::RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Takes down what a config wants.
    fn take(&mut self, served: Served) {
        let Served { plan, unkept } = served;
        self.issuing = Arc::new(plan.issuing);
        self.unkept = unkept;
        let keep = Keep::at(&self.issuing.folder);
        let wanted = plan.certificates.into_iter();
        let wanted = wanted.filter(|one| matches!(one.issuer, Issuer::Authority(_)));
        let mut before = std::mem::take(&mut self.entries);
        for certificate in wanted {
            let path = certificate.chain.clone();
            let known = before.remove(&path);
            let unkept = self.unkept.get(&path).and_then(|text| Object::read(text.as_bytes()));
            let found = keep::object(&path).map(|(object, _)| object).or(unkept);
            let mut entry = known.unwrap_or_else(|| Entry {
                attempts: keep.attempts(&path),
                certificate: certificate.clone(),
                object: None,
                term: None,
                window_at: 0,
                is_under_way: false,
            });
            let object = found.or(entry.object.take());
            entry.certificate = certificate;
            entry.set(object);
            self.entries.insert(path, entry);
        }
    }

    /// Puts what could not be put into files there, as far as there is room by now.
    fn keep(&mut self) {
        let keep = Keep::at(&self.issuing.folder);
        let before = self.unkept.len();
        while let Some((path, text)) = self.unkept.iter().next()
            && keep.put(path, text).is_ok()
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
        for entry in self.entries.values_mut().filter(|entry| !entry.is_under_way) {
            let chance = entry.certificate.chance();
            let is_due = due(entry.term.as_ref(), &entry.attempts, now, chance) <= now;
            let asks_window = !is_due
                && entry.term.is_some()
                && entry.attempts.failures == 0
                && (now - entry.window_at).abs() >= WINDOW_SECONDS;
            if is_due || asks_window {
                let job = Job {
                    certificate: entry.certificate.clone(),
                    issuing: Arc::clone(&self.issuing),
                    attempts: entry.attempts.clone(),
                    before: entry.object.clone(),
                    asks_window,
                };
                entry.is_under_way = self.give.send(job).is_ok();
            }
        }
    }

    /// Takes notice of what has come of a job.
    fn note(&mut self, done: Done) {
        let Done { path, attempts, window_at, said, unkept: text } = done;
        let Some(entry) = self.entries.get_mut(&path) else { return };
        entry.is_under_way = false;
        entry.attempts = attempts;
        entry.window_at = window_at.unwrap_or(entry.window_at);
        if let Some(text) = text {
            entry.set(Object::read(text.as_bytes()));
            self.unkept.insert(path, text);
            self.tell_unkept();
        } else if let Some((object, _)) = keep::object(&path) {
            entry.set(Some(object));
            self.unkept.remove(&path);
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
    fn set(&mut self, object: Option<Object>) {
        let hosts = self.certificate.issuer.hosts();
        self.term = object.as_ref().filter(|object| object.covers(hosts)).and_then(Object::term);
        self.object = object;
    }
}
