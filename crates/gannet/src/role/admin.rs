//! The process that shows how the server is. It serves nothing else, and holds nothing of what
//! serves: all that it knows the supervisor tells it.

use super::confine;
use crate::pools::{Pool, asking};
use base::pack::Unpacker;
use config::{Plan, blueprint::unpack_admin};
use control::{
    board::{Asking, Telling},
    note::Note,
    status::{self, Status},
    wish::Outcome,
};
use net::{
    channel::{self, Message},
    diag::Diag,
    listener::Listening,
    process,
    sandbox::be_nice,
    sealed,
};
use std::{
    future::{pending, poll_fn},
    io::{self, ErrorKind},
    mem,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixDatagram,
    },
    pin::{Pin, pin},
    process::ExitCode,
    sync::Arc,
    task::Poll,
    time::Duration,
};
use tokio::{
    io::Interest,
    // As good for whole messages of one kind as of another.
    net::UnixDatagram as Channel,
    runtime::Builder,
    signal::unix::{Signal, SignalKind, signal},
    task::spawn_local,
    time::{Instant, sleep_until, timeout},
};
use worker::{Board, Listener, Setup, Stopper, Worker};

/// How often those who follow how the server is are told so.
const TICK: Duration = Duration::from_secs(1);

/// How long nothing need be done where nobody looks.
const REST: Duration = Duration::from_secs(3600);

/// How long the supervisor may take to say how the server is.
const ANSWER_TIME: Duration = Duration::from_secs(5);

/// How long a php-fpm may take to say how it is.
const POOL_TIME: Duration = Duration::from_secs(1);

/// Bytes of what it says at most.
const STATUS_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Shows how the server is until the supervisor is gone.
pub(super) fn show(end: &OwnedFd) -> io::Result<ExitCode> {
    process::set_name(c"gannet-admin");
    // When to end is for the supervisor to say.
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let _signals = {
        let _guard = runtime.enter();
        deaf()?
    };
    let (mut worker, board, listeners, layers) = match prepare(end) {
        Ok(prepared) => prepared,
        Err(text) => {
            channel::send(end.as_fd(), &Asking::Failed(text).encode(), &[], true)?;
            return Ok(ExitCode::FAILURE);
        }
    };
    channel::send(end.as_fd(), &Asking::Ready(layers).encode(), &[], true)?;
    let stopper = worker.stopper();
    worker.run(vec![listeners], listen(end, &board, &stopper));
    worker.wait(|_| Vec::new());
    Ok(ExitCode::SUCCESS)
}

/// Hears of all signals that end a process, and does nothing about them.
pub(super) fn deaf() -> io::Result<Vec<Signal>> {
    let all = [
        SignalKind::interrupt(),
        SignalKind::terminate(),
        SignalKind::hangup(),
        SignalKind::quit(),
        SignalKind::user_defined1(),
        SignalKind::user_defined2(),
    ];
    all.into_iter().map(signal).collect()
}

type Prepared = (Worker, Arc<Board>, Vec<Listener>, Vec<String>);

/// Takes the first note, and makes a loop of it; in words for an operator, why not.
fn prepare(end: &OwnedFd) -> Result<Prepared, String> {
    let failed = |error: io::Error| format!("error: {error}");
    let odd = || "error: the supervisor is another program".to_owned();
    let message = channel::receive(end.as_fd(), true).map_err(failed)?;
    let message = message.ok_or("error: the supervisor is gone")?;
    let Some(Telling::Begin(what)) = Telling::decode(&message.bytes) else { return Err(odd()) };
    let mut from = Unpacker::new(&what);
    let admin = unpack_admin(&mut from).ok_or_else(odd)?;
    let config = from.text().ok_or_else(odd)?;
    let listener = |socket| Ok(Listener { number: 0, socket: Listening::of(socket)? });
    let listeners = message.descriptors.into_iter().map(listener);
    let listeners = listeners.collect::<io::Result<_>>().map_err(failed)?;
    // The plan lives as long as the process.
    let plan: &'static Plan = Box::leak(Box::new(Plan::of_admin(admin)));
    // Whoever looks is answered with what is left of a processor.
    be_nice().map_err(failed)?;
    // In the sandbox nothing can be opened any more.
    let diag = Diag::open();
    let layers = confine(plan)?;
    let board = Arc::new(Board::new(diag, config));
    let setup = Setup::alone(plan, 1).map_err(|error| format!("error: {error}"))?;
    let setup = Setup { board: Some(Arc::clone(&board)), ..setup };
    let worker = worker::start(setup).map_err(|error| format!("error: {error}"))?;
    Ok((worker, board, listeners, layers))
}

/// How the server is, with the memory in which its workers put down the lives of connections;
/// `None` where that is not to be had.
type Told = Option<(Box<Status>, Vec<OwnedFd>)>;

/// What was told that is not known yet.
#[derive(Default)]
struct Untold {
    /// What runs PHP, each with a connection to ask it by.
    pools: Vec<(status::Pool, Option<OwnedFd>)>,
    /// Where workers put down the lives of their connections.
    lives: Vec<OwnedFd>,
    /// What comes of asking them.
    asking: Option<Pin<Box<dyn Future<Output = Told>>>>,
}

/// What happens.
enum Event {
    /// The supervisor has said something, or is gone.
    Message(io::Result<Option<Message>>),
    /// All is known that it has said.
    Told(Told),
    /// Somebody wants to know how the server is, closely or not.
    Wanted(bool),
    /// It is time for what is due.
    Time,
}

/// Asks the supervisor what those want to know who look, until it is gone.
async fn listen(end: &OwnedFd, board: &Arc<Board>, stopper: &Stopper) {
    let mut waits_until: Option<Instant> = None;
    let mut tick = Instant::now() + TICK;
    // A loop that is started anew has a new runtime, with which this has to begin anew, too.
    while let Ok(channel) = open(end) {
        let mut untold = Untold::default();
        loop {
            let ticks = board.is_followed().then_some(tick);
            let due = [waits_until, ticks].into_iter().flatten().min();
            let due = due.unwrap_or_else(|| Instant::now() + REST);
            match next((&channel, &mut untold), board, waits_until.is_none(), due).await {
                Event::Message(Ok(Some(message))) => take(message, board, &mut untold),
                Event::Message(Ok(None)) => {
                    stopper.stop_at_once();
                    return pending().await;
                }
                Event::Message(Err(_)) => break,
                Event::Told(told) => {
                    (waits_until, untold.asking) = (None, None);
                    board.put(told.map(|(status, lives)| (*status, lives)));
                }
                Event::Wanted(is_close) => {
                    untold.pools.clear();
                    untold.lives.clear();
                    let note = Asking::Look { is_close }.encode();
                    // Where there is no room for it, those who wait give up.
                    let _ = channel::send(channel.as_fd(), &note, &[], false);
                    waits_until = Some(Instant::now() + ANSWER_TIME);
                }
                Event::Time => {
                    let now = Instant::now();
                    if waits_until.is_some_and(|until| until <= now) {
                        waits_until = None;
                        board.put(None);
                    }
                    if tick <= now {
                        tick = now + TICK;
                        board.tick();
                    }
                }
            }
        }
    }
    pending().await
}

fn open(end: &OwnedFd) -> io::Result<Channel> {
    let end = UnixDatagram::from(end.try_clone()?);
    end.set_nonblocking(true)?;
    Channel::from_std(end)
}

/// The next thing that happens; that somebody wants something only counts where it `may_ask`.
async fn next(
    (channel, untold): (&Channel, &mut Untold),
    board: &Board,
    may_ask: bool,
    due: Instant,
) -> Event {
    let receive = || channel::receive(channel.as_fd(), false);
    let mut message = pin!(channel.async_io(Interest::READABLE, receive));
    let mut time = pin!(sleep_until(due));
    poll_fn(|context| {
        if let Poll::Ready(message) = message.as_mut().poll(context) {
            return Poll::Ready(Event::Message(message));
        }
        if let Some(asking) = &mut untold.asking
            && let Poll::Ready(told) = asking.as_mut().poll(context)
        {
            return Poll::Ready(Event::Told(told));
        }
        if may_ask && let Poll::Ready(is_close) = board.poll_wanted(context) {
            return Poll::Ready(Event::Wanted(is_close));
        }
        time.as_mut().poll(context).map(|()| Event::Time)
    })
    .await
}

/// Takes what the supervisor says.
fn take(message: Message, board: &Board, untold: &mut Untold) {
    let mut along = message.descriptors.into_iter();
    match Telling::decode(&message.bytes) {
        Some(Telling::Pool(pool)) => untold.pools.push((pool, along.next())),
        Some(Telling::Lives) => untold.lives.extend(along),
        Some(Telling::Status) => {
            let status = status(along.next().as_ref()).ok();
            let told = status.map(|status| (status, mem::take(&mut untold.lives)));
            untold.asking = Some(Box::pin(complete(told, mem::take(&mut untold.pools))));
        }
        Some(Telling::IsReady(is_ready)) => board.set_ready(is_ready),
        Some(Telling::Begin(_)) | None => {}
    }
}

/// Adds what those say of themselves that run PHP: all are asked at once, and one that does not
/// answer in time says nothing.
async fn complete(mut told: Told, pools: Vec<(status::Pool, Option<OwnedFd>)>) -> Told {
    let ask = |(mut pool, socket): (status::Pool, Option<OwnedFd>)| async move {
        if let Some(socket) = socket
            && let Ok(Ok(text)) = timeout(POOL_TIME, asking::ask(socket, false)).await
        {
            pool.says = Some(Pool::read(&text).says);
        }
        pool
    };
    let asked: Vec<_> = pools.into_iter().map(|pool| spawn_local(ask(pool))).collect();
    for pool in asked {
        if let (Some((status, _)), Ok(pool)) = (&mut told, pool.await) {
            status.pools.push(pool);
        }
    }
    told
}

fn status(sealed: Option<&OwnedFd>) -> io::Result<Box<Status>> {
    let sealed = sealed.ok_or(ErrorKind::InvalidData)?;
    let bytes = sealed::read(sealed.as_fd(), STATUS_BYTES_MAX)?;
    match Outcome::decode(&bytes) {
        Some(Outcome::Status(status)) => Ok(status),
        _ => Err(ErrorKind::InvalidData.into()),
    }
}
