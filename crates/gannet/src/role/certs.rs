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

use super::BUNDLE_BYTES_MAX;
use crate::{
    keep::{self, Keep},
    visit::Visits,
};
use certs::{Account, Attempts, External, Failure, Object, ProofKind, Wanted, due};
use config::{
    Bundle,
    plan::{Authority, Certificate, Issuer, Issuing, Way},
};
use control::{
    finding::{Finding, pack},
    note::{Note, Order},
};
use hands::{Shared, WorldHands};
use net::{channel, clock, process, sandbox::be_modest, sealed};
use std::{
    collections::{HashMap, HashSet},
    io,
    os::fd::{AsFd, OwnedFd},
    path::PathBuf,
    process::ExitCode,
    sync::{
        Arc, Mutex, PoisonError,
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
    Config(Box<Bundle>),
    /// A job is over.
    Over(Box<Done>),
    /// The supervisor is gone.
    Gone,
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
    attempts: Attempts,
    /// When its authority was last asked when it is to be renewed.
    window_at: i64,
    is_under_way: bool,
}

/// Serves as this process until the supervisor is gone.
pub(super) fn issue(end: OwnedFd) -> io::Result<ExitCode> {
    process::set_name(c"gannet-certs");
    be_modest()?;
    let end = Arc::new(end);
    let (happen, happenings) = mpsc::channel();
    let (give, jobs) = mpsc::channel();
    let jobs = Arc::new(Mutex::new(jobs));
    let shared = Arc::new(Shared::new(Arc::clone(&end)));
    listen(Arc::clone(&end), happen.clone(), Arc::clone(&shared))?;
    for _ in 0..JOBS_MAX {
        let (jobs, happen) = (Arc::clone(&jobs), happen.clone());
        let shared = Arc::clone(&shared);
        let work = move || work(&jobs, &happen, &shared);
        thread::Builder::new().name("gannet-order".to_owned()).spawn(work)?;
    }
    let mut agenda = Agenda { entries: HashMap::new(), issuing: Arc::default(), give, end };
    agenda.live(&happenings);
    Ok(ExitCode::SUCCESS)
}

/// Hears what the supervisor says.
fn listen(end: Arc<OwnedFd>, happen: Sender<Happening>, shared: Arc<Shared>) -> io::Result<()> {
    let hear = move || {
        while let Ok(Some(message)) = channel::receive(end.as_fd(), true) {
            if let Some(Order::Proofs(number)) = Order::decode(&message.bytes)
                && message.descriptors.is_empty()
            {
                shared.proves(number);
                continue;
            }
            let bundle = message.descriptors.first().and_then(|bundle| {
                let bytes = sealed::read(bundle.as_fd(), BUNDLE_BYTES_MAX).ok()?;
                Bundle::decode(&bytes)
            });
            if let Some(bundle) = bundle
                && happen.send(Happening::Config(Box::new(bundle))).is_err()
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
    issuing: Arc<Issuing>,
    give: Sender<Job>,
    end: Arc<OwnedFd>,
}

impl Agenda {
    fn live(&mut self, happenings: &Receiver<Happening>) {
        let mut unkept = HashMap::new();
        loop {
            match happenings.recv_timeout(SLEEP) {
                Ok(Happening::Config(bundle)) => self.take(&bundle),
                Ok(Happening::Over(done)) => self.note(*done, &mut unkept),
                Ok(Happening::Gone) | Err(mpsc::RecvTimeoutError::Disconnected) => return,
                Err(mpsc::RecvTimeoutError::Timeout) => {}
            }
            self.look(clock::wall().seconds);
        }
    }

    /// Takes down what a config wants.
    fn take(&mut self, bundle: &Bundle) {
        // What was checked once is sound.
        let Ok(plan) = bundle.resolve() else { return };
        self.issuing = Arc::new(plan.issuing);
        let keep = Keep::at(&self.issuing.folder);
        let wanted = plan.certificates.into_iter();
        let wanted = wanted.filter(|one| matches!(one.issuer, Issuer::Authority(_)));
        let mut before = std::mem::take(&mut self.entries);
        for certificate in wanted {
            let path = certificate.chain.clone();
            let entry = before
                .remove(&path)
                .map(|entry| Entry { certificate: certificate.clone(), ..entry });
            let entry = entry.unwrap_or_else(|| Entry {
                attempts: keep.attempts(&path),
                certificate,
                object: None,
                window_at: 0,
                is_under_way: false,
            });
            let object = keep::object(&path).map(|(object, _)| object).or(entry.object.clone());
            self.entries.insert(path, Entry { object, ..entry });
        }
    }

    /// Gives out all that is due.
    fn look(&mut self, now: i64) {
        for entry in self.entries.values_mut().filter(|entry| !entry.is_under_way) {
            let hosts = entry.certificate.issuer.hosts();
            let object = entry.object.as_ref().filter(|object| object.covers(hosts));
            let term = object.and_then(Object::term);
            let chance = entry.certificate.chance();
            let is_due = due(term.as_ref(), &entry.attempts, now, chance) <= now;
            let asks_window = !is_due
                && object.is_some()
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
    fn note(&mut self, done: Done, unkept: &mut HashMap<PathBuf, String>) {
        let Done { path, attempts, window_at, said, unkept: text } = done;
        said.into_iter().for_each(|text| self.say(&Finding::Said(text), None));
        let Some(entry) = self.entries.get_mut(&path) else { return };
        entry.is_under_way = false;
        entry.attempts = attempts;
        entry.window_at = window_at.unwrap_or(entry.window_at);
        if let Some(text) = text {
            entry.object = Object::read(text.as_bytes());
            unkept.insert(path, text);
            let all = unkept.iter().map(|(path, text)| {
                (path.to_string_lossy().into_owned(), text.clone().into_bytes())
            });
            let memory = sealed::bytes(c"gannet-unkept", &pack(&all.collect::<Vec<_>>()));
            memory.into_iter().for_each(|memory| self.say(&Finding::Unkept, Some(&memory)));
        } else if let Some((object, _)) = keep::object(&path) {
            entry.object = Some(object);
        }
    }

    fn say(&self, finding: &Finding, along: Option<&OwnedFd>) {
        let along: Vec<_> = along.iter().map(|fd| fd.as_fd()).collect();
        // Where nobody listens, this process ends soon.
        let _ = channel::send(self.end.as_fd(), &finding.encode(), &along, true);
    }
}

/// The life of a thread that does jobs.
fn work(jobs: &Mutex<Receiver<Job>>, happen: &Sender<Happening>, shared: &Arc<Shared>) {
    let next = || jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
    while let Ok(job) = next() {
        let done = if job.asks_window { ask_window(job, shared) } else { order(job, shared) };
        if happen.send(Happening::Over(Box::new(done))).is_err() {
            return;
        }
    }
}

/// Asks the authority that has issued a certificate when it wants it to be renewed.
fn ask_window(job: Job, shared: &Arc<Shared>) -> Done {
    let Job { certificate, issuing, attempts, before, .. } = job;
    let path = certificate.chain;
    let now = clock::wall().seconds;
    let done = Done { path, attempts, window_at: Some(now), said: None, unkept: None };
    let Some(object) = before else { return done };
    let Some(authority) = issuing.authorities.iter().find(|one| one.url == object.authority) else {
        return done;
    };
    let keep = Keep::at(&issuing.folder);
    let found = account(&keep, authority, &issuing).and_then(|mut account| {
        let mut hands = WorldHands::new(shared, &issuing, authority)?;
        let renewal = certs::renewal(&authority.url, &object, &mut account, &mut hands);
        renewal.map_err(|failure| failure.why)
    });
    // Where it cannot be asked, the time that is known holds.
    if let Ok(window) = found
        && window != object.window
    {
        let _ = keep.put(&done.path, &Object { window, ..object }.write());
    }
    done
}

/// Asks the authorities for a certificate, one after the other.
fn order(job: Job, shared: &Arc<Shared>) -> Done {
    let Job { certificate, issuing, mut attempts, before, .. } = job;
    let (path, place) = (certificate.chain.clone(), certificate.place.clone());
    let hosts = certificate.issuer.hosts();
    let host = hosts.first().map_or("", |host| host);
    let keep = Keep::at(&issuing.folder);
    let done = |attempts, said, unkept| {
        let window_at = Some(clock::wall().seconds);
        Done { path: path.clone(), attempts, window_at, said, unkept }
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
        match ask(authority, &issuing, hosts, before.as_ref(), &keep, shared) {
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

/// Asks one authority.
fn ask(
    authority: &Authority,
    issuing: &Issuing,
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
    let proofs: Vec<ProofKind> = issuing.ways.iter().map(|way| kind(*way)).collect();
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
fn visits(authority: &Authority) -> Result<Visits, String> {
    Visits::trusting(authority.trusted.as_deref())
}
