//! Sends the spans of exchanges to a collector: takes what workers hand over, gathers it within a
//! bound, and sends it until it is taken or refused. What finds no room is dropped and counted.
//!
//! ```text
//!   workers ─► this thread ─► Queue ─► a thread: a batch ─► POST ─► taken │ refused
//!                  ▲                       └◄── later, after a pause ◄──┘
//!                  └── the supervisor: send what there is, and end
//! ```

use super::admin::deaf;
use crate::{machine, trouble::Trouble, visit::Visits, walls};
use base::pack::Unpacker;
use certs::{Method, Reply, Request};
use config::{blueprint::unpack_otlp, plan::Otlp};
use control::{
    delivery::{Delivery, Errand},
    note::Note,
};
use net::{channel, clock, process, random, sandbox::be_nice};
use otlp::Answer;
use std::{
    fs,
    future::poll_fn,
    io::{self, ErrorKind},
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixDatagram,
    },
    pin::pin,
    process::ExitCode,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    task::Poll,
    thread,
    time::Duration,
};
use tokio::{
    io::Interest,
    // As good for whole messages of one kind as of another.
    net::UnixDatagram as Channel,
    runtime::Builder,
    sync::oneshot,
    time::timeout,
};

/// Bytes of spans that wait at most; what comes then is dropped.
const QUEUE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Bytes that are sent at once at most, and how long less is gathered.
const BATCH_BYTES_MAX: usize = 512 * 1024;
const GATHER_TIME: Duration = Duration::from_secs(1);

/// How long a collector is left alone that cannot take spans, the first time and at most; each time
/// is twice as long as the one before, less a random part. The last is for one that says itself how
/// long, which is never less than the first.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MOST: Duration = Duration::from_secs(30);
const PAUSE_ASKED_MOST: Duration = Duration::from_secs(300);

/// How long the last spans may take when this process has to end.
const FINISH_TIME: Duration = Duration::from_secs(2);

/// Characters of what a collector says that are repeated.
const SAID_CHARS_MAX: usize = 200;

/// Where it says what this machine is called.
const HOST_NAME: &str = "/proc/sys/kernel/hostname";

/// Sends spans until the supervisor wants no more to be sent, or is gone.
pub(super) fn send(end: &OwnedFd) -> io::Result<ExitCode> {
    process::set_name(c"gannet-spans");
    let runtime = Builder::new_current_thread().enable_all().build()?;
    // A terminal sends its signals to all processes; when to end is for the supervisor to say.
    let _signals = {
        let _guard = runtime.enter();
        deaf()?
    };
    let teller = Teller(end.try_clone()?);
    let Some(message) = channel::receive(end.as_fd(), true)? else { return Ok(ExitCode::SUCCESS) };
    let Some(Errand::Begin(what)) = Errand::decode(&message.bytes) else {
        return Err(ErrorKind::InvalidData.into());
    };
    let otlp = unpack_otlp(&mut Unpacker::new(&what)).ok_or(ErrorKind::InvalidData)?;
    let way = message.descriptors.into_iter().next().ok_or(ErrorKind::InvalidData)?;
    let host = fs::read_to_string(HOST_NAME).unwrap_or_default();
    let visits = match prepare(&otlp) {
        Ok(visits) => visits,
        Err(why) => {
            teller.say(format!("no span can be sent: {why}"));
            return Ok(ExitCode::FAILURE);
        }
    };
    let queue = Arc::new(Queue::default());
    let (ended, over) = oneshot::channel();
    let (host, said) = (host.trim_end().to_owned(), String::new());
    let mut sender = Sender { otlp, host, visits, teller, queue: Arc::clone(&queue), said };
    let work = move || {
        sender.work();
        let _ = ended.send(());
    };
    thread::Builder::new().name("gannet-sender".to_owned()).spawn(work)?;
    let teller = Teller(end.try_clone()?);
    runtime.block_on(async {
        take(end, &way, &queue, &teller).await?;
        queue.lock().is_over = true;
        queue.changed.notify_all();
        let _ = timeout(FINISH_TIME, over).await;
        teller.tell(0, queue.lock().give_up());
        Ok(ExitCode::SUCCESS)
    })
}

/// Gives up all that is not needed, and finds whom to trust; in words, why not.
fn prepare(otlp: &Otlp) -> Result<Visits, String> {
    let failed = |error: io::Error| error.to_string();
    let words = |trouble: Trouble| trouble.message;
    let visits = Visits::delivering(&otlp.url, &otlp.fields)?;
    be_nice().map_err(failed)?;
    if let Some(user) = machine::user_named(otlp.user.as_deref()).map_err(words)? {
        machine::become_user(&user).map_err(words)?;
    }
    walls::around_sending(&otlp.url).enter().map_err(failed)?;
    Ok(visits)
}

/// Takes what workers hand over until this process has to end, and then what is left of that.
async fn take(end: &OwnedFd, way: &OwnedFd, queue: &Queue, teller: &Teller) -> io::Result<()> {
    let (end, way) = (open(end)?, open(way)?);
    let receive = |channel: &Channel| channel::receive(channel.as_fd(), false);
    loop {
        let mut order = pin!(end.async_io(Interest::READABLE, || receive(&end)));
        let mut spans = pin!(way.async_io(Interest::READABLE, || receive(&way)));
        let is_over = poll_fn(|context| {
            // Whatever it says after the first note, or that it is gone, means that.
            if order.as_mut().poll(context).is_ready() {
                return Poll::Ready(true);
            }
            spans.as_mut().poll(context).map(|spans| match spans {
                Ok(Some(spans)) => {
                    teller.tell(0, queue.put(&spans.bytes));
                    false
                }
                // Nobody has the other end any more.
                Ok(None) => true,
                Err(_) => false,
            })
        });
        if is_over.await {
            break;
        }
    }
    while let Ok(Some(spans)) = receive(&way) {
        teller.tell(0, queue.put(&spans.bytes));
    }
    Ok(())
}

fn open(end: &OwnedFd) -> io::Result<Channel> {
    let end = UnixDatagram::from(end.try_clone()?);
    end.set_nonblocking(true)?;
    Channel::from_std(end)
}

/// Tells the supervisor what there is to tell.
struct Teller(OwnedFd);

impl Teller {
    fn tell(&self, sent: u64, dropped: u64) {
        if sent + dropped > 0 {
            self.send(&Delivery::Spans { sent, dropped });
        }
    }

    fn say(&self, text: String) {
        self.send(&Delivery::Said(text));
    }

    fn send(&self, delivery: &Delivery) {
        // Where nobody listens, this process ends soon.
        let _ = channel::send(self.0.as_fd(), &delivery.encode(), &[], true);
    }
}

/// The spans that wait.
#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    spans: Vec<u8>,
    /// How many these are, and how many are under way.
    count: u64,
    under_way: u64,
    /// Whether no more will come.
    is_over: bool,
}

impl Waiting {
    /// Takes the first ones out, as many as are sent at once.
    fn batch(&mut self) -> Vec<u8> {
        let (count, end) = otlp::whole(&self.spans, BATCH_BYTES_MAX);
        (self.count, self.under_way) = (self.count - count, count);
        let rest = self.spans.split_off(end);
        std::mem::replace(&mut self.spans, rest)
    }

    /// Has nobody send what there is; how many that are.
    fn give_up(&mut self) -> u64 {
        self.spans.clear();
        std::mem::take(&mut self.count) + std::mem::take(&mut self.under_way)
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds spans; how many there is no room for.
    fn put(&self, spans: &[u8]) -> u64 {
        // What a worker says that was taken over is not passed on.
        let (count, end) = otlp::whole(spans, usize::MAX);
        let mut waiting = self.lock();
        if waiting.spans.len() + end > QUEUE_BYTES_MAX {
            return count;
        }
        waiting.spans.extend_from_slice(&spans[..end]);
        waiting.count += count;
        self.changed.notify_all();
        0
    }

    /// The next spans to be sent, once there are enough or they have waited for long enough; `None`
    /// when there will be no more.
    fn next(&self) -> Option<Vec<u8>> {
        let mut waiting = self.lock();
        while waiting.count == 0 && !waiting.is_over {
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        let is_short =
            |waiting: &mut Waiting| waiting.spans.len() < BATCH_BYTES_MAX && !waiting.is_over;
        let gathered = self.changed.wait_timeout_while(waiting, GATHER_TIME, is_short);
        let (mut waiting, _) = gathered.unwrap_or_else(PoisonError::into_inner);
        (waiting.count > 0).then(|| waiting.batch())
    }

    /// Lets time pass, unless this process has to end; whether it has.
    fn pause(&self, time: Duration) -> bool {
        let goes_on = |waiting: &mut Waiting| !waiting.is_over;
        let paused = self.changed.wait_timeout_while(self.lock(), time, goes_on);
        paused.unwrap_or_else(PoisonError::into_inner).0.is_over
    }

    /// The spans under way are no more; how many these were, unless they were given up before.
    fn settle(&self) -> u64 {
        std::mem::take(&mut self.lock().under_way)
    }
}

/// Who sends them.
struct Sender {
    otlp: Otlp,
    host: String,
    visits: Visits,
    teller: Teller,
    queue: Arc<Queue>,
    /// What was said last of what is wrong; nothing where all is well.
    said: String,
}

impl Sender {
    fn work(&mut self) {
        let queue = Arc::clone(&self.queue);
        while let Some(spans) = queue.next() {
            let body = otlp::request(&self.otlp.service, &self.host, &spans);
            let url = self.otlp.url.clone();
            self.deliver(&Request { method: Method::Post, url: &url, body });
        }
    }

    /// Sends a batch until it is taken or refused. Where this process has to end, it is sent once
    /// more and no oftener.
    fn deliver(&mut self, request: &Request<'_>) {
        let (mut pause, mut is_last) = (PAUSE, false);
        loop {
            let url = request.url;
            let (why, wait) = match self.visits.exchange(request, clock::wall().seconds) {
                Err(why) => (why, None),
                Ok(Reply { status, body, retry_after, .. }) => match otlp::answer(status, &body) {
                    Answer::Taken(rejected, why) => return self.settle(rejected, why),
                    Answer::Refused => return self.settle(u64::MAX, format!("status {status}")),
                    Answer::Later => (format!("{url}: status {status}"), retry_after),
                },
            };
            if is_last {
                return self.settle(u64::MAX, why);
            }
            self.say(format!("spans wait: {why}"));
            let time =
                wait.map_or_else(|| shorter(pause), |wait| wait.clamp(PAUSE, PAUSE_ASKED_MOST));
            is_last = self.queue.pause(time);
            pause = (pause * 2).min(PAUSE_MOST);
        }
    }

    /// The batch is over: the collector has not taken so many of it, or none of it where these are
    /// more than there were; it may have said why.
    fn settle(&mut self, rejected: u64, why: String) {
        let count = self.queue.settle();
        let dropped = rejected.min(count);
        self.teller.tell(count - dropped, dropped);
        let why: String = why.chars().take(SAID_CHARS_MAX).collect();
        match why.is_empty() {
            false => self.say(format!("spans are refused: {}: {why}", self.otlp.url)),
            true if self.said.is_empty() => {}
            true => {
                self.said.clear();
                self.teller.say("spans are sent again".to_owned());
            }
        }
    }

    /// Says what is wrong, once as long as it is that.
    fn say(&mut self, text: String) {
        if self.said != text {
            self.said.clone_from(&text);
            self.teller.say(text);
        }
    }
}

/// Three quarters of a time, or up to all of it.
fn shorter(time: Duration) -> Duration {
    let [random] = random::bytes::<1>().unwrap_or([0]);
    time.mul_f32(0.75 + f32::from(random) / 1024.0)
}
