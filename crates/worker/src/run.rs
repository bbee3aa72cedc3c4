//! Starting the loops of a process, and stopping them.

use crate::{
    accept::accept,
    core::{Applications, Core, News},
    due::Due,
    kept::Kept,
    live::Live,
    loads::Loads,
    log::{Log, LogFiles, Ways, Writers},
    pool::Pool,
    signs::Signs,
    socket::Acceptor,
    start_error::StartError,
    sweep::{SWEEP_MAX, sweep},
};
use base::Held;
use config::{Plan, plan::CompressCache};
use control::{Clients, Counter, Row, Rows, TicketKeys, Trail, trail::Phase};
use handle::{
    admin::Board,
    files::{Cache, Folders, Forms, ROOT_DESCRIPTORS_MAX},
    php::cache::Answers,
};
use net::{Shelf, listener::Listening};
use std::{
    future::{Future, poll_fn},
    hash::{BuildHasher, RandomState},
    io,
    os::fd::OwnedFd,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    pin::{Pin, pin},
    rc::Rc,
    sync::{Arc, mpsc},
    task::Poll,
    thread,
    time::Duration,
};
use tls::Sites;
use tokio::{
    runtime::{Builder, LocalOptions},
    sync::watch,
    task::{JoinHandle, spawn_local, yield_now},
    time::timeout,
};

/// How long an idle client of a draining worker has to ask once more; the plan's drain time, where
/// that is less. One that is shut out while it asks would see its request fail.
const GRACE_TIME: Duration = Duration::from_secs(5);

/// How long loops may take to notice that they shall accept nobody, and connections that they are
/// cut off.
const PARTING_TIME: Duration = Duration::from_secs(1);

/// A socket that connections come in by.
pub struct Listener {
    /// Its place in [`Plan::listen`].
    pub number: usize,
    /// The socket itself.
    pub socket: Listening,
}

/// The loops of this process.
pub struct Worker {
    stop: watch::Sender<Stop>,
    /// How many loops accept nobody any more.
    parted: watch::Sender<usize>,
    /// The loop of the thread that calls [`Worker::run`]: a process with one loop has one thread,
    /// and the kernel finds its descriptors without counting who else uses them.
    first: Option<Loop>,
    /// The others wait for their listeners.
    others: Vec<(mpsc::Sender<Vec<Listener>>, thread::JoinHandle<()>)>,
    rows: Rows,
    writers: Writers,
    reopen: watch::Sender<u64>,
    sites: Option<&'static Sites>,
}

/// A way to stop the loops.
pub struct Stopper {
    stop: watch::Sender<Stop>,
    parted: watch::Receiver<usize>,
    loops: usize,
}

/// A way to have the log files opened anew.
pub struct Reopener(watch::Sender<u64>);

/// A way to have other certificates used.
#[derive(Clone, Copy)]
pub struct Renewer(Option<&'static Sites>);

/// What the loops of a process do, and what they share with those of others.
pub struct Setup {
    /// What they serve. It lives as long as the process does, since a worker never changes its
    /// config.
    pub plan: &'static Plan,
    /// How many there are.
    pub loops: usize,
    /// Which of the plan's worker processes this is.
    pub place: usize,
    /// The folder that pages follow, where they do.
    pub live: Option<Live>,
    /// Where log files come from.
    pub files: Arc<LogFiles>,
    /// What each client has used up.
    pub clients: Clients,
    /// What shows the loops to whoever has started the process.
    pub signs: Signs,
    /// The keys of session tickets.
    pub tickets: TicketKeys,
    /// Where it is shown how the server is, where that is what these loops are for.
    pub board: Option<Arc<Board>>,
    /// The channel by which spans of exchanges are handed over, where somebody wants them.
    pub spans: Option<OwnedFd>,
}

impl Setup {
    /// What `loops` need that share nothing with another process.
    ///
    /// # Errors
    /// There is no memory.
    pub fn alone(plan: &'static Plan, loops: usize) -> Result<Self, StartError> {
        let words = |count| net::memory::shared_words(count).map_err(StartError::Memory);
        // The keys of the table of clients are drawn by the operating system.
        let random = RandomState::new();
        let seed = [0, 1].map(|half: u8| random.hash_one(half));
        let clients = Clients::new(words(Clients::words(plan.capacity.clients_max))?, seed);
        let rows = Rows::new(words(Rows::words(loops))?);
        let files = Arc::new(LogFiles::by_path());
        // Nobody looks at the others.
        let signs = Signs { rows, ..Signs::default() };
        let tickets = TicketKeys::default();
        let (place, live, board, spans) = (0, None, None, None);
        Ok(Self { plan, loops, place, live, files, clients, signs, tickets, board, spans })
    }
}

/// When the loops are to end.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stop {
    Never,
    /// When what is under way is finished, or the plan's drain time over. Others accept meanwhile.
    Drained,
    /// When what is under way is finished, or the plan's stop time over.
    Soon,
    Now,
}

/// Everything that all loops share.
#[derive(Clone)]
struct Shared {
    plan: &'static Plan,
    pool: Arc<Pool>,
    applications: Applications,
    clients: Clients,
    sites: Option<&'static Sites>,
    signs: Signs,
    cache_bytes_max: usize,
    news: News,
    spans: Option<Arc<OwnedFd>>,
    forms: Arc<Forms>,
    listed: Held,
    root_descriptors_max: usize,
}

/// One loop before it runs.
struct Loop {
    shared: Shared,
    listeners: Vec<Listener>,
    number: usize,
    ways: Ways,
    row: Row,
    trail: Trail,
    stopped: watch::Receiver<Stop>,
    parted: watch::Sender<usize>,
    reopened: watch::Receiver<u64>,
}

/// What the thread of the first loop does beside serving.
type Orders<'o> = Pin<Box<dyn Future<Output = ()> + 'o>>;

/// Makes loops, which serve nobody before [`Worker::run`].
///
/// # Errors
/// A log, memory or a thread cannot be had.
pub fn start(setup: Setup) -> Result<Worker, StartError> {
    let Setup { plan, loops, place, live, files, clients, signs, tickets, board, spans } = setup;
    let rows = signs.rows;
    let applications = plan.applications.len();
    let changes = live.map(Live::start).transpose().map_err(StartError::Thread)?;
    let writers = Writers::open(&plan.logs, loops, &files, rows).map_err(StartError::Log)?;
    writers.report_panics(&plan.logs);
    let shared = Shared {
        plan,
        pool: Pool::new(plan.capacity.pool_threads_max, plan.capacity.password_checks_max),
        applications: Applications {
            loads: Loads::new(applications),
            answers: Answers::new(applications, signs.tallies.keeping()),
            kept: Kept::new(applications, (place, plan.workers.get())),
            held: Held::default(),
        },
        clients,
        sites: (!plan.certificates.is_empty()).then(|| Sites::new(plan, tickets)),
        signs,
        cache_bytes_max: plan.file_cache_bytes_max / loops.max(1),
        news: (changes, board),
        spans: spans.map(Arc::new),
        forms: forms(&plan.compress_cache)?,
        listed: Held::default(),
        root_descriptors_max: ROOT_DESCRIPTORS_MAX / loops.max(1),
    };
    let (stop, stopped) = watch::channel(Stop::Never);
    let (reopen, reopened) = watch::channel(0);
    let (parted, _) = watch::channel(0);
    let others = Vec::new();
    let sites = shared.sites;
    let mut worker = Worker { stop, parted, first: None, others, rows, writers, reopen, sites };
    for number in 0..loops {
        let (row, trail) = (rows.row(Rows::WRITERS + number), signs.trails.trail(number));
        let shared = shared.clone();
        let (stopped, reopened) = (stopped.clone(), reopened.clone());
        let (ways, listeners, parted) = (worker.writers.ways(), Vec::new(), worker.parted.clone());
        let mut another =
            Loop { shared, listeners, number, ways, row, trail, stopped, parted, reopened };
        if worker.first.is_none() {
            worker.first = Some(another);
            continue;
        }
        let (way, given) = mpsc::channel();
        let life = move || {
            // Where nobody gives any, the process ends.
            if let Ok(listeners) = given.recv() {
                another.listeners = listeners;
                another.live(None);
            }
        };
        net::failpoint::call().map_err(StartError::Thread)?;
        let thread = thread::Builder::new().name("gannet-loop".to_owned()).spawn(life);
        worker.others.push((way, thread.map_err(StartError::Thread)?));
    }
    Ok(worker)
}

impl Worker {
    /// How many loops there are.
    #[must_use]
    pub fn loops(&self) -> usize {
        usize::from(self.first.is_some()) + self.others.len()
    }

    /// A way to stop the loops while somebody waits for their end.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        let (stop, parted) = (self.stop.clone(), self.parted.subscribe());
        Stopper { stop, parted, loops: self.loops() }
    }

    /// A way to have the log files opened anew, under their names, after something moved them away.
    #[must_use]
    pub fn reopener(&self) -> Reopener {
        Reopener(self.reopen.clone())
    }

    /// A way to have other certificates used, from the next handshake on.
    #[must_use]
    pub fn renewer(&self) -> Renewer {
        Renewer(self.sites)
    }

    /// Says something of the program's own on standard output, before all lines of the loops.
    pub fn say(&self, line: &[u8]) {
        self.writers.note(line);
    }

    /// Has the loops serve, each at its `listeners`: the first one on this thread until it is
    /// stopped, with `orders` on it, the future that listens to what this process is told.
    pub fn run(&mut self, listeners: Vec<Vec<Listener>>, orders: impl Future<Output = ()>) {
        let mut listeners = listeners.into_iter();
        let own = listeners.next().unwrap_or_default();
        for (way, _) in &self.others {
            // One that is not there any more has counted its panics.
            let _ = way.send(listeners.next().unwrap_or_default());
        }
        if let Some(mut first) = self.first.take() {
            first.listeners = own;
            first.live(Some(Box::pin(orders)));
        }
    }

    /// Waits for the loops to end, then for the last log lines. `farewell` makes the program's own
    /// last line of the counts of all loops; it goes where the first one went.
    pub fn wait(self, farewell: impl FnOnce(&[(Counter, u64)]) -> Vec<u8>) {
        for (way, thread) in self.others {
            drop(way);
            // A loop that could not be kept alive has counted its panics.
            let _ = thread.join();
        }
        let rows = self.rows;
        self.writers.finish(|| {
            let total = |&counter: &Counter| (counter, rows.total(counter));
            let totals: Vec<_> = Counter::ALL.iter().map(total).collect();
            farewell(&totals)
        });
    }
}

impl Stopper {
    /// Accepts nobody from now on, since others do; lets clients ask once more and what is under
    /// way finish, for the plan's drain time at most, and ends.
    pub fn drain(&self) {
        self.hasten(Stop::Drained);
    }

    /// Waits until no loop accepts anybody, after it was told to drain or to stop; a second at
    /// most, as a loop that hangs tells nothing.
    pub async fn parted(&self) {
        let mut parted = self.parted.clone();
        let all = parted.wait_for(|&count| count >= self.loops);
        let _ = timeout(PARTING_TIME, all).await;
    }

    /// Lets what is under way finish, for the plan's stop time at most, and ends.
    pub fn stop(&self) {
        self.hasten(Stop::Soon);
    }

    /// Cuts off what is under way, and ends.
    pub fn stop_at_once(&self) {
        self.hasten(Stop::Now);
    }

    /// Who was told to be faster before is not slowed down.
    fn hasten(&self, to: Stop) {
        self.stop.send_modify(|stop| *stop = to.max(*stop));
    }
}

impl Reopener {
    /// Opens the files anew once what was logged before this call is in the old ones.
    pub fn reopen(&self) {
        self.0.send_modify(|epoch| *epoch += 1);
    }
}

impl Renewer {
    /// Uses the certificates and the authorities of `plan`, which is the one that is served but for
    /// these.
    pub fn renew(&self, plan: &Plan) {
        self.0.iter().for_each(|sites| sites.renew(plan));
    }

    /// Shows these certificates to authorities that look for proofs, by their names.
    pub fn prove(&self, proofs: &[(String, Vec<u8>)]) {
        self.0.iter().for_each(|sites| sites.prove(proofs));
    }
}

/// The store of compressed forms that the loops share.
fn forms(cache: &CompressCache) -> Result<Arc<Forms>, StartError> {
    let open = |folder: &PathBuf| Shelf::open(folder, cache.disk_bytes_max);
    let shelf = cache.folder.as_ref().map(open).transpose().map_err(StartError::Shelf)?;
    Ok(Forms::new(cache.memory_bytes_max, shelf))
}

impl Loop {
    /// A loop's life. A panic outside of an exchange and of a connection ends the loop but not the
    /// service: it starts anew on the same listeners.
    fn live(&mut self, mut orders: Option<Orders<'_>>) {
        loop {
            self.row.wake();
            let ended = catch_unwind(AssertUnwindSafe(|| self.run(&mut orders)));
            self.trail.go(Phase::Rest);
            self.row.rest();
            match ended {
                Ok(Ok(true)) => return,
                // Only for want of descriptors or memory can a loop not be made; others may free
                // some.
                Ok(Err(_)) => self.row.add(Counter::Exhausted, 1),
                Ok(Ok(false)) | Err(_) => self.row.add(Counter::Panics, 1),
            }
            if *self.stopped.borrow() != Stop::Never {
                return;
            }
            thread::park_timeout(SWEEP_MAX);
        }
    }

    /// Runs the loop; false if it has to be started anew.
    fn run(&mut self, orders: &mut Option<Orders<'_>>) -> io::Result<bool> {
        let row = self.row;
        net::failpoint::call()?;
        let runtime = Builder::new_current_thread()
            .enable_io()
            .enable_time()
            // Whoever watches this process can see from outside that a loop hangs.
            .on_thread_park(move || row.rest())
            .on_thread_unpark(move || row.wake())
            .build_local(LocalOptions::default())?;
        runtime.block_on(async {
            let mut serving = pin!(self.serve());
            poll_fn(|context| {
                if orders.as_mut().is_some_and(|orders| orders.as_mut().poll(context).is_ready()) {
                    *orders = None;
                }
                serving.as_mut().poll(context)
            })
            .await
        })
    }

    async fn serve(&mut self) -> io::Result<bool> {
        let Self { shared, listeners, number, ways, stopped, parted, reopened, .. } = self;
        let Shared { pool, applications, clients, sites, news, spans, .. } = shared.clone();
        let sign = shared.signs.of(*number);
        let room = (shared.plan.folders.len(), shared.cache_bytes_max);
        let (forms, listed) = (Arc::clone(&shared.forms), shared.listed.clone());
        let due = Rc::new(Due::new());
        let log = Log::new(&shared.plan.logs, ways.clone(), *number, &due);
        let core = Rc::new(Core::new(
            shared.plan,
            Folders::new(&shared.plan.folders, shared.root_descriptors_max),
            Cache::new(room, forms, listed, sign.row),
            (log, due),
            sign,
            (pool, applications, clients, sites, news, spans),
        ));
        let mut accepting = Vec::new();
        for Listener { number, socket } in listeners.iter() {
            let acceptor = Acceptor::new(socket)?;
            accepting.push(spawn_local(accept(acceptor, *number, Rc::clone(&core))));
        }
        let mut sweeping = spawn_local(sweep(Rc::clone(&core)));
        let mut reopening = spawn_local(reopen(Rc::clone(&core), reopened.clone()));
        net::failpoint::hit("loop");
        let tasks = accepting.iter_mut().chain([&mut sweeping, &mut reopening]).collect();
        if !is_told(stopped, tasks).await {
            return Ok(false);
        }
        // Who came before that is let in: once the kernel is asked, once its answer is acted on.
        yield_now().await;
        yield_now().await;
        // From here on a client that connects is refused, and so can try another server.
        accepting.iter().for_each(JoinHandle::abort);
        for task in accepting {
            let _ = task.await;
        }
        listeners.clear();
        parted.send_modify(|count| *count += 1);
        let capacity = &shared.plan.capacity;
        let grace_time = GRACE_TIME.min(capacity.drain_time);
        core.drain();
        emptied(&core, stopped, Stop::Drained, grace_time).await;
        core.is_stopping.set(true);
        shared.news.0.iter().for_each(|changes| changes.end());
        core.watch.wake_all();
        emptied(&core, stopped, Stop::Drained, capacity.drain_time - grace_time).await;
        if *stopped.borrow() != Stop::Drained {
            emptied(&core, stopped, Stop::Soon, capacity.stop_time).await;
        }
        core.cut();
        emptied(&core, stopped, Stop::Now, PARTING_TIME).await;
        sweeping.abort();
        reopening.abort();
        let dropped = core.log.borrow_mut().close();
        core.count_many(Counter::LinesDropped, dropped);
        core.hand_over_spans(None);
        Ok(true)
    }
}

/// Waits until the loop has no connections left, is told to hurry more than `haste` says, or `time`
/// is over.
async fn emptied(core: &Core, stopped: &mut watch::Receiver<Stop>, haste: Stop, time: Duration) {
    let mut empty = pin!(async {
        while core.watch.len() > 0 {
            core.emptied.notified().await;
        }
    });
    let mut hurried = pin!(stopped.wait_for(|&stop| stop > haste));
    let end = poll_fn(|context| {
        let is_over =
            empty.as_mut().poll(context).is_ready() || hurried.as_mut().poll(context).is_ready();
        if is_over { Poll::Ready(()) } else { Poll::Pending }
    });
    let _ = timeout(time, end).await;
}

/// Waits until the loop is told to stop; false if one of `tasks`, which have no end of their own,
/// has ended before: it has panicked.
async fn is_told(stopped: &mut watch::Receiver<Stop>, mut tasks: Vec<&mut JoinHandle<()>>) -> bool {
    // An error here means that nobody is left to say when to stop.
    let mut told = pin!(stopped.wait_for(|&stop| stop != Stop::Never));
    poll_fn(|context| {
        let has_ended =
            |task: &mut &mut JoinHandle<()>| Pin::new(&mut **task).poll(context).is_ready();
        if tasks.iter_mut().any(has_ended) {
            return Poll::Ready(false);
        }
        told.as_mut().poll(context).map(|_| true)
    })
    .await
}

/// Passes each reopening of the log files on to them.
async fn reopen(core: Rc<Core>, mut reopened: watch::Receiver<u64>) {
    loop {
        let epoch = *reopened.borrow_and_update();
        let dropped = core.log.borrow_mut().reopen(epoch, core.now());
        core.count_many(Counter::LinesDropped, dropped);
        if reopened.changed().await.is_err() {
            // Nobody is left to ask for another one.
            std::future::pending::<()>().await;
        }
    }
}
