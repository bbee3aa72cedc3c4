//! The php-fpms that are there: each has a socket, which is the server's, and a process, which may
//! die and is replaced.
//!
//! ```text
//!   New ──says so──► Ready ──died──► Absent ──pause──► Ready
//!    └──anything wrong──► Failed
//! ```

mod process;

use crate::{
    fpm::{self, Word},
    state::{self, Leaving, Left, PROCESS},
};
use base::Moment;
use config::plan::Pool;
use control::{asked, status};
use net::{
    diag::Diag,
    process::Handle,
    queue::Queue,
    store,
    unix::{self, SocketFile, UnixError},
};
use process::Process;
use std::{
    collections::HashMap,
    io,
    os::fd::{AsFd, OwnedFd},
    rc::Rc,
    time::Duration,
};
use tokio::{task::spawn_local, time::sleep};

/// Time for the first word of one.
const START_TIME: Duration = Duration::from_secs(20);

/// One that has lived so long was healthy.
const HEALTHY_TIME: Duration = Duration::from_secs(2);

/// The first and the longest wait before one that has died young is started again.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// After so many young deaths in a row nobody is kept waiting for the next one.
const DEATHS_MAX: u32 = 3;

/// How long one may take to finish what it is at when the server ends, and then to end.
const END_TIMES: [Duration; 2] = [Duration::from_secs(3), Duration::from_secs(2)];

/// What is heard of a process, by its number.
#[derive(Debug)]
pub(crate) enum Heard {
    /// A line of its log.
    Word(Word),
    /// It is gone: how it ended.
    Ended(String),
    /// It had time enough for its first word.
    Late,
    /// It is time to start the next one in its place.
    Due,
}

/// What there is to say of one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Tale {
    /// It has died, how, and another one takes its place.
    Died(String),
    /// What it has said itself.
    Said(String),
}

/// The pools that are there.
pub(crate) struct Pools {
    all: Vec<Held>,
    /// Processes that nobody needs any more, which finish what they are at.
    leaving: Vec<Process>,
    /// How many processes there were.
    count: u64,
    /// What has become of those of each site, since this program watches over them.
    tolls: HashMap<Box<str>, Toll>,
    tell: Teller,
}

/// How many processes have died, and how many were started in their place.
#[derive(Clone, Copy, Default)]
struct Toll {
    deaths: u64,
    restarts: u64,
}

/// Who waits at `door`, as the kernel says.
fn queue(door: Option<&Door>, diag: Option<&Diag>) -> Queue {
    door.and_then(|door| diag?.queue(door.socket.as_fd()).ok()).unwrap_or_default()
}

/// Who hears of processes.
type Teller = Rc<dyn Fn(u64, Heard)>;

struct Held {
    pool: Pool,
    stage: Stage,
    /// Where it listens; nowhere while it dies again and again.
    door: Option<Door>,
    process: Option<Process>,
    /// The file of the socket at which it says how it is.
    shown: Option<SocketFile>,
    /// The number of the last process, and when it was started.
    number: u64,
    since: Moment,
    /// How many have died young in a row.
    deaths: u32,
    /// What the first one has complained of.
    complaint: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    New,
    Ready,
    Absent,
    Failed,
}

/// The file has to be dropped before the socket is closed.
struct Door {
    file: SocketFile,
    socket: OwnedFd,
    /// What it is called where it is kept.
    name: String,
}

impl Pools {
    /// None; what is heard of processes is told to `tell`.
    pub(crate) fn new(tell: impl Fn(u64, Heard) + 'static) -> Self {
        let (all, leaving, tolls) = Default::default();
        Self { all, leaving, count: 0, tolls, tell: Rc::new(tell) }
    }

    /// Starts those of `wanted` that are not there.
    ///
    /// # Errors
    ///
    /// In words: one of them cannot be started.
    pub(crate) fn open(&mut self, wanted: &[Pool]) -> Result<(), String> {
        self.all.retain(|held| held.stage != Stage::Failed);
        self.part(|held| held.is_lost());
        for pool in wanted {
            if self.all.iter().any(|held| held.pool == *pool) {
                continue;
            }
            let pool = pool.clone();
            let failed = |error| not_started(&pool, &error);
            let mut held = Held::new(pool.clone());
            self.count += 1;
            held.start(self.count, &self.tell).map_err(failed)?;
            let (number, tell) = (self.count, Rc::clone(&self.tell));
            spawn_local(async move {
                sleep(START_TIME).await;
                tell(number, Heard::Late);
            });
            self.all.push(held);
        }
        Ok(())
    }

    /// Whether all of `wanted` have been ready, or why one of them never will be; `None` where
    /// that is still to be seen.
    pub(crate) fn standing(&self, wanted: &[Pool]) -> Option<Result<(), String>> {
        let held = self.all.iter().filter(|held| wanted.contains(&held.pool));
        let mut is_ready = true;
        for Held { pool, stage, complaint, .. } in held {
            match stage {
                Stage::New => is_ready = false,
                Stage::Failed => {
                    let why = complaint.as_deref().unwrap_or("it has ended");
                    return Some(Err(format!("error: php-fpm of {}: {why}", pool.name)));
                }
                Stage::Ready | Stage::Absent => {}
            }
        }
        is_ready.then_some(Ok(()))
    }

    /// Takes notice of what is heard of a process: what there is to say, of which pool.
    pub(crate) fn heard(&mut self, number: u64, heard: Heard) -> Option<(String, Tale)> {
        let Some(held) = self.all.iter_mut().find(|held| held.number == number) else {
            if let Heard::Ended(_) = heard {
                self.leaving.retain(|process| process.number != number);
            }
            return None;
        };
        let tale = match heard {
            Heard::Word(Word::Ready) => {
                held.stage = Stage::Ready;
                return None;
            }
            Heard::Word(Word::Said(text)) => {
                // What it says first is mostly why it says the rest.
                if held.stage == Stage::New && held.complaint.is_none() {
                    held.complaint = Some(text.clone());
                }
                Tale::Said(text)
            }
            Heard::Late if held.stage == Stage::New => {
                held.complaint = Some(format!("it was not ready within {START_TIME:?}"));
                held.process.iter().for_each(|process| process.handle.kill());
                return None;
            }
            Heard::Late => return None,
            Heard::Ended(how) => {
                held.process = None;
                if held.stage == Stage::New {
                    held.complaint.get_or_insert(format!("it {how}"));
                    (held.stage, held.door) = (Stage::Failed, None);
                    return None;
                }
                self.tolls.entry(held.pool.name.clone()).or_default().deaths += 1;
                held.lost(&self.tell);
                Tale::Died(format!("{how}: another one is started"))
            }
            Heard::Due => {
                self.count += 1;
                match held.start(self.count, &self.tell) {
                    Ok(()) => {
                        self.tolls.entry(held.pool.name.clone()).or_default().restarts += 1;
                        return None;
                    }
                    Err(error) => {
                        held.lost(&self.tell);
                        Tale::Died(format!("cannot be started: {error}"))
                    }
                }
            }
        };
        Some((held.pool.name.to_string(), tale))
    }

    /// Has those end that nobody needs any more, once they have finished what they are at; says
    /// whether there were any.
    pub(crate) fn keep(&mut self, is_wanted: impl Fn(&Pool) -> bool) -> bool {
        let parted = self.part(|held| !is_wanted(&held.pool));
        self.tolls.retain(|site, _| self.all.iter().any(|held| held.pool.name == *site));
        parted
    }

    fn part(&mut self, is_over: impl Fn(&Held) -> bool) -> bool {
        let mut parted = false;
        for held in self.all.extract_if(.., |held| is_over(held)) {
            parted = true;
            self.leaving.extend(held.process.inspect(|process| process.handle.quit()));
        }
        parted
    }

    /// How many processes there are.
    pub(crate) fn len(&self) -> usize {
        self.processes().count()
    }

    fn processes(&self) -> impl Iterator<Item = &Process> {
        self.all.iter().filter_map(|held| held.process.as_ref()).chain(&self.leaving)
    }

    /// All that say how they are.
    pub(crate) fn shown(&self) -> Vec<asked::Pool> {
        let diag = Diag::open().ok();
        let shown = self.all.iter().filter(|held| held.shown.is_some());
        let pool = |Held { pool, door, .. }: &Held| asked::Pool {
            site: pool.name.to_string(),
            path: pool.shown(),
            workers: pool.workers as u64,
            waiting: queue(door.as_ref(), diag.as_ref()).waiting,
        };
        shown.map(pool).collect()
    }

    /// Each, with who waits for its workers; and a connection by which it can be asked how it is.
    pub(crate) fn looked_at(&self) -> Vec<(status::Pool, Option<OwnedFd>)> {
        // For a server without any this costs nothing.
        let mut diag = None;
        let all = self.all.iter().filter(|held| matches!(held.stage, Stage::Ready | Stage::Absent));
        let look = |held: &Held| {
            let diag = diag.get_or_insert_with(Diag::open).as_ref().ok();
            let Queue { waiting, waiting_max } = queue(held.door.as_ref(), diag);
            let site = held.pool.name.to_string();
            let Toll { deaths, restarts } = self.tolls.get(&*site).copied().unwrap_or_default();
            let pool = status::Pool { site, waiting, waiting_max, deaths, restarts, says: None };
            let shown = held.shown.as_ref();
            (pool, shown.and_then(|_| unix::connect_at_once(&held.pool.shown()).ok()))
        };
        all.map(look).collect()
    }

    /// Ends them all, and waits for it: the server ends.
    pub(crate) fn end(&mut self) {
        let orders: [fn(&Handle); 2] = [Handle::quit, Handle::stop];
        for (order, time) in orders.into_iter().zip(END_TIMES) {
            self.processes().for_each(|process| order(&process.handle));
            let until = net::clock::now().after(time);
            loop {
                let alive = self.processes().filter(|process| !process.handle.has_ended());
                let alive: Vec<_> = alive.map(|process| process.handle.as_fd()).collect();
                let left = until.since(net::clock::now());
                match (alive.is_empty(), left.is_zero()) {
                    (true, _) => return,
                    (_, true) => break,
                    _ => drop(store::wait(&alive, Some(left))),
                }
            }
        }
        for process in self.processes().filter(|process| !process.handle.has_ended()) {
            process.handle.kill_group();
        }
    }

    /// What is left to another program.
    pub(crate) fn leave<'p>(&'p self, out: &mut Leaving<'p>) -> Vec<state::Pool> {
        let leave = |held: &'p Held| {
            let door = held.door.as_ref().map(|door| out.put(&*door.name, &door.socket));
            let process = held.process.as_ref().map(|process| state::PoolProcess {
                pid: process.pid,
                process: out.put(format!("{}{PROCESS}", process.name), &*process.handle),
                errors: out.put(format!("{}-errors", process.name), &*process.errors),
            });
            let is_new = held.stage == Stage::New;
            state::Pool { pool: held.pool.clone(), is_new, door, process }
        };
        self.all.iter().filter(|held| held.stage != Stage::Failed).map(leave).collect()
    }

    /// Goes on with one that another program has left, whose door, if it has one, has that name.
    ///
    /// # Errors
    ///
    /// What was left is something else, or descriptors have run out.
    pub(crate) fn take(
        &mut self,
        of: state::Pool,
        name: String,
        left: &mut Left,
    ) -> io::Result<()> {
        let state::Pool { pool, is_new, door, process } = of;
        let socket = door.map(|at| left.take(at)).transpose()?;
        self.count += 1;
        let process = process.map(|one| -> io::Result<_> {
            let (handle, errors) = (left.take(one.process)?.into(), left.take(one.errors)?);
            Process::watch((self.count, one.pid), handle, errors, &self.tell)
        });
        let process = process.transpose()?;
        let door = socket.map(|socket| {
            let file = SocketFile::at(&pool.socket)?;
            Ok::<_, io::Error>(Door { file, socket, name })
        });
        let (Ok(door), false) = (door.transpose(), is_new) else {
            // Nobody finds it any more, or nobody knows whether it will ever be ready: the next
            // config that wants it has another one started.
            self.leaving.extend(process.inspect(|process| process.handle.quit()));
            return Ok(());
        };
        let stage = if process.is_some() { Stage::Ready } else { Stage::Absent };
        let (number, since) = (self.count, net::clock::now());
        let shown = SocketFile::at(&pool.shown()).ok();
        let mut held = Held { stage, door, process, shown, number, since, ..Held::new(pool) };
        if held.process.is_none() {
            held.lost(&self.tell);
        }
        self.all.push(held);
        Ok(())
    }
}

impl Held {
    fn new(pool: Pool) -> Self {
        Self {
            pool,
            stage: Stage::New,
            door: None,
            process: None,
            shown: None,
            number: 0,
            since: Moment(0),
            deaths: 0,
            complaint: None,
        }
    }

    /// Starts a process, of that number.
    fn start(&mut self, number: u64, tell: &Teller) -> io::Result<()> {
        (self.number, self.since) = (number, net::clock::now());
        let door = match &mut self.door {
            Some(door) => door,
            none => none.insert(Door::open(&self.pool)?),
        };
        // Where nobody can see how it is, it answers all the same.
        self.shown = None;
        let (shown, file) = unix::listen_for_program(&self.pool.shown(), None).ok().unzip();
        let shown = shown.as_ref().map(OwnedFd::as_fd);
        let (child, errors) = fpm::start(&self.pool, door.socket.as_fd(), shown, false)?;
        self.shown = file;
        let pid = child.id();
        let watched = Handle::of(pid).and_then(|h| Process::watch((number, pid), h, errors, tell));
        match watched {
            Ok(process) => self.process = Some(process),
            Err(error) => {
                fpm::end(child);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Whether nobody finds it any more: the file of its socket was removed.
    fn is_lost(&self) -> bool {
        self.door.as_ref().is_some_and(|door| !door.file.is_there())
    }

    /// The process is gone: another one is due, a little later if this one has not lived long.
    fn lost(&mut self, tell: &Teller) {
        let is_young = net::clock::now().since(self.since) < HEALTHY_TIME;
        self.deaths = if is_young { self.deaths.saturating_add(1) } else { 0 };
        self.stage = Stage::Absent;
        if self.deaths >= DEATHS_MAX {
            self.door = None;
        }
        let pause = match self.deaths {
            0 => Duration::ZERO,
            deaths => PAUSE_MIN.saturating_mul(1 << (deaths - 1).min(10)).min(PAUSE_MAX),
        };
        let (number, tell) = (self.number, Rc::clone(tell));
        spawn_local(async move {
            sleep(pause).await;
            tell(number, Heard::Due);
        });
    }
}

impl Door {
    fn open(pool: &Pool) -> io::Result<Self> {
        let path = pool.socket.display();
        let failed = |error| match error {
            UnixError::Failed(error) => io::Error::other(format!("{path}: {error}")),
            UnixError::Taken(_) => io::Error::other(format!("{path}: another server is there")),
            UnixError::NoSocket => io::Error::other(format!("{path}: no socket lies there")),
        };
        let (socket, file) =
            unix::listen_for_program(&pool.socket, Some(pool.group)).map_err(failed)?;
        Ok(Self { file, socket, name: state::name("php")? })
    }
}

fn not_started(pool: &Pool, error: &io::Error) -> String {
    format!("error: php-fpm of {}: {}: {error}", pool.name, pool.program.display())
}
