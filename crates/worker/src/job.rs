//! Work that may block: what the pool does for an exchange, and what came of it.

use crate::{
    checks::{Check, Waiter},
    core::Core,
    pool::Lane,
    refusal::Trouble,
};
use access::Ledger;
use fastcgi::Head;
use handle::php::Reply;
use message::{Exchange, RequestId, Status, response::Line};
use std::{
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tokio::{
    sync::oneshot::{self, error::TryRecvError},
    task::spawn_local,
};

/// Work that an answer waits for.
#[derive(Debug)]
pub(crate) enum Job {
    /// A handler waits for a disk.
    Files(handle::Job),
    /// A guard has a password checked; with it the other paths whose guards are asked, by then.
    Password(access::Job, Vec<Vec<u8>>),
    /// A file is looked for that an application has sent in place of its content; with the head of
    /// that, and the user who was let in.
    Sent(handle::Job, Box<Head>, Option<Box<str>>),
}

/// What came of it.
pub(crate) enum Done {
    Files(Box<handle::Done>),
    Password(access::Done, Vec<Vec<u8>>),
    /// What the client may fetch meanwhile, and where what is done will come.
    Early(Vec<Line>, oneshot::Receiver<Self>),
    /// An application has answered; with the user who was let in to ask it.
    Reply(Reply, Option<Box<str>>),
    /// What an application has answered somebody else is there; or nobody waits for it any more.
    Kept,
    /// That there is no answer but this status, and why.
    Failed(Status, Trouble),
}

/// Who hears what has come of a job.
enum Hearer {
    One(oneshot::Sender<Done>),
    /// All who have had the same password checked.
    All(Arc<Check>),
}

/// An exchange that waits for a check together with others, perhaps.
struct Together {
    sender: oneshot::Sender<Done>,
    others: Vec<Vec<u8>>,
}

impl Waiter for Together {
    fn has_left(&self) -> bool {
        self.sender.is_closed()
    }

    fn tell(self: Box<Self>, done: access::Done) {
        let Self { sender, others } = *self;
        // A connection that is gone needs no answer.
        let _ = sender.send(Done::Password(done, others));
    }
}

impl Hearer {
    /// Whether nobody waits for it any more.
    fn has_left(&self) -> bool {
        // What comes of a check is for those, too, who join it meanwhile.
        matches!(self, Self::One(sender) if sender.is_closed())
    }

    fn tell(self, done: Done) {
        match (self, done) {
            (Self::All(check), Done::Password(done, _)) => check.tell(done),
            // A connection that is gone needs no answer.
            (Self::One(sender), done) => drop(sender.send(done)),
            (Self::All(_), _) => debug_assert!(false, "a check comes to something else"),
        }
    }
}

/// All that it takes to go on with an exchange.
pub(crate) struct Suspended {
    pub(crate) head: Vec<u8>,
    pub(crate) id: Option<RequestId>,
    pub(crate) began_us: u64,
    /// What limits have found of it.
    pub(crate) ledger: Ledger,
    /// What it is counted by while it waits.
    pub(crate) label: usize,
}

impl Suspended {
    /// The exchange, with what its request can be read from again and when that was there.
    pub(crate) fn new(
        exchange: &Exchange<'_>,
        (head, began_us): (&[u8], u64),
        ledger: Ledger,
        label: usize,
    ) -> Self {
        Self { head: head.to_vec(), id: exchange.id.clone(), began_us, ledger, label }
    }
}

/// What an exchange waits for.
pub(crate) struct Awaited {
    done: oneshot::Receiver<Done>,
    /// What brings it about, as long as nothing holds up the turns of whoever waits.
    work: Option<Pin<Box<dyn Future<Output = ()>>>>,
}

impl From<oneshot::Receiver<Done>> for Awaited {
    fn from(done: oneshot::Receiver<Done>) -> Self {
        Self { done, work: None }
    }
}

impl Awaited {
    /// What `work` brings about.
    pub(crate) fn by(
        work: impl Future<Output = ()> + 'static,
        done: oneshot::Receiver<Done>,
    ) -> Self {
        Self { done, work: Some(Box::pin(work)) }
    }

    /// Waits for it. What brings it about goes on by itself then, if there is more to do; a panic
    /// in there is nobody else's.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Done> {
        let lost = Done::Failed(Status::INTERNAL_SERVER_ERROR, Trouble::LOST);
        let Some(work) = &mut self.work else {
            return Pin::new(&mut self.done).poll(context).map(|done| done.unwrap_or(lost));
        };
        let polled = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context)));
        if !matches!(polled, Ok(Poll::Pending)) {
            self.work = None;
        }
        match self.done.try_recv() {
            Err(TryRecvError::Empty) => Poll::Pending,
            Err(TryRecvError::Closed) => Poll::Ready(lost),
            Ok(early @ Done::Early(..)) => Poll::Ready(early),
            Ok(done) => {
                self.let_go();
                Poll::Ready(done)
            }
        }
    }

    /// Something has come before it; from now on this is waited for.
    pub(crate) fn go_on(&mut self, next: oneshot::Receiver<Done>) {
        self.done = next;
    }

    /// Has it brought about whether or not somebody comes to wait for it.
    pub(crate) fn let_go(&mut self) {
        self.work.take().into_iter().for_each(|work| drop(spawn_local(work)));
    }

    /// The same, for somebody else to wait for it.
    pub(crate) fn into_done(mut self) -> oneshot::Receiver<Done> {
        self.let_go();
        self.done
    }
}

impl Done {
    /// That nobody waits for an answer any more.
    pub(crate) const LEFT: Self = Self::Failed(Status::CLIENT_LEFT, Trouble::LEFT);

    /// That the server ends before there is an answer.
    pub(crate) const CUT: Self = Self::Failed(Status::SERVICE_UNAVAILABLE, Trouble::CUT);

    /// What has come of the search for a file that an application has sent.
    fn sent(done: handle::Done, head: Head, user: Option<Box<str>>) -> Self {
        Self::Reply(Reply::sent(head, done), user)
    }

    /// That there is no answer but this status, and why.
    pub(crate) fn failed(status: Status, why: Trouble) -> Option<Box<Self>> {
        Some(Box::new(Self::Failed(status, why)))
    }
}

impl Job {
    /// Gives the job to the pool; where the pool has too much to do, an error with what is done
    /// instead, if anything is.
    pub(crate) fn submit(
        mut self,
        core: &Core,
    ) -> Result<oneshot::Receiver<Done>, Option<Box<Done>>> {
        let (sender, done) = oneshot::channel();
        let hearer = match &mut self {
            Self::Files(_) | Self::Sent(..) => Hearer::One(sender),
            Self::Password(job, others) => {
                let waiter = Together { sender, others: mem::take(others) };
                match core.checks.join(job.key(), Box::new(waiter)) {
                    Some(check) => Hearer::All(check),
                    None => return Ok(done),
                }
            }
        };
        let lane = self.lane();
        let mut job = Some(self);
        let is_taken = core.pool.submit(lane, || {
            let job = job.take();
            Box::new(move || {
                if let Some(job) = job
                    && !hearer.has_left()
                {
                    hearer.tell(job.run());
                }
            })
        });
        if is_taken { Ok(done) } else { Err(job.and_then(Self::decline).map(Box::new)) }
    }

    /// Whether it comes to what may take much memory until it is sent.
    pub(crate) fn is_listing(&self) -> bool {
        matches!(self, Self::Files(job) if job.is_listing())
    }

    /// What is done where the pool has too much to do.
    fn decline(self) -> Option<Done> {
        match self {
            Self::Files(job) => job.decline().map(|done| Done::Files(Box::new(done))),
            Self::Sent(job, head, user) => job.decline().map(|done| Done::sent(done, *head, user)),
            Self::Password(..) => None,
        }
    }

    /// Does it, however long that takes; never called on a loop.
    pub(crate) fn run(self) -> Done {
        match self {
            Self::Files(job) => Done::Files(Box::new(job.run())),
            Self::Password(job, others) => Done::Password(job.run(), others),
            Self::Sent(job, head, user) => Done::sent(job.run(), *head, user),
        }
    }

    fn lane(&self) -> Lane {
        match self {
            Self::Files(job) | Self::Sent(job, ..) => Lane::Folder(job.folder_id()),
            Self::Password(..) => Lane::Passwords,
        }
    }
}
