//! One request to the application for all who ask for the same page meanwhile, and what comes of
//! it: for them, and for those who come while it is kept.

use crate::{core::Core, job::Done, talk::WHOLE_BYTES_MAX};
use base::Moment;
use handle::php::{
    Call, Content, Reply,
    cache::{ANSWER_BYTES_MAX, Errand, Joined, Waiter},
};
use message::{Broken, Exchange, Source};
use std::{
    future::poll_fn,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    sync::oneshot,
    task::spawn_local,
    time::{Sleep, sleep, timeout},
};

/// Time that others wait for the answer to somebody else's request before they ask themselves.
const WAIT_TIME: Duration = Duration::from_secs(5);

/// Time that its content may take to be there, which nobody sees anything of before.
const CONTENT_TIME: Duration = Duration::from_secs(2);

/// Joins those who ask for the same page, or begins to; returns what is to be waited for, unless it
/// is for this `call` to ask.
pub(crate) fn join(
    core: &Core,
    now: Moment,
    call: &mut Call,
    exchange: &Exchange<'_>,
) -> Option<oneshot::Receiver<Done>> {
    call.php.cache?;
    let (sender, receiver) = oneshot::channel();
    // Whoever has left needs no answer.
    let go_on = || -> Waiter { Box::new(move || sender.send(Done::Kept).is_ok()) };
    match core.answers.join(call, exchange, now, go_on) {
        Joined::Waits => return Some(receiver),
        Joined::Yours(errand) => call.errand = Some(errand),
        Joined::Apart => {}
    }
    None
}

/// Does the errand with what comes of what was `asked`; whoever was sent on it hears that, too, or
/// that there is an older answer.
pub(crate) fn bring(errand: Errand, asked: oneshot::Receiver<Done>) -> oneshot::Receiver<Done> {
    let (sender, receiver) = oneshot::channel();
    let visitor = match errand.is_renewal() {
        false => sender,
        true => {
            // Its receiver is at hand.
            let _ = sender.send(Done::Kept);
            oneshot::channel().0
        }
    };
    spawn_local(settle(errand, asked, visitor));
    receiver
}

/// Has the older answer given for a while: it cannot be asked for another one just now.
pub(crate) fn put_off(errand: Errand) -> oneshot::Receiver<Done> {
    let (sender, receiver) = oneshot::channel();
    errand.part(true, net::clock::now());
    // Its receiver is at hand.
    let _ = sender.send(Done::Kept);
    receiver
}

async fn settle(
    errand: Errand,
    mut asked: oneshot::Receiver<Done>,
    mut visitor: oneshot::Sender<Done>,
) {
    let mut late = pin!(sleep(WAIT_TIME));
    let done = loop {
        let done = match before(late.as_mut(), &mut asked).await {
            Some(done) => done,
            None => {
                errand.release();
                (&mut asked).await
            }
        };
        match done {
            Ok(Done::Early(lines, next)) => {
                let (sender, receiver) = oneshot::channel();
                // Whoever has left need not know; others wait for more.
                let _ = visitor.send(Done::Early(lines, receiver));
                (asked, visitor) = (next, sender);
            }
            done => break done,
        }
    };
    let done = match done {
        Ok(Done::Reply(reply, user)) => {
            let reply = keep(&errand, reply, late.as_mut()).await;
            Ok(Done::Reply(reply, user))
        }
        other => {
            errand.part(true, net::clock::now());
            other
        }
    };
    drop(errand);
    if let Ok(done) = done {
        // It may have left; others have what it asked for.
        let _ = visitor.send(done);
    }
}

/// What comes of `future`, unless it is `late` before.
async fn before<T>(
    mut late: Pin<&mut Sleep>,
    mut future: impl Future<Output = T> + Unpin,
) -> Option<T> {
    poll_fn(|context| match Pin::new(&mut future).poll(context) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending => late.as_mut().poll(context).map(|()| None),
    })
    .await
}

/// Keeps an answer, if it may be kept and is there in time; others wait for that until it is
/// `late`.
async fn keep(errand: &Errand, reply: Reply, late: Pin<&mut Sleep>) -> Reply {
    let (head, content) = reply.into_parts();
    let wall_seconds = net::clock::wall().seconds;
    let term = errand.term(&head, wall_seconds);
    let content = match term {
        None => Err(content),
        Some(term) => {
            let mut gathering = pin!(gather(content));
            let gathered = match before(late, &mut gathering).await {
                Some(gathered) => gathered,
                None => {
                    errand.release();
                    gathering.await
                }
            };
            gathered.map(|bytes| (bytes, term))
        }
    };
    let now = net::clock::now();
    match content {
        Ok((bytes, term)) => {
            errand.keep(&head, &bytes, term, now);
            // What is large is compressed on its way, as if it had never been whole.
            let content = match bytes.len() > WHOLE_BYTES_MAX {
                true => Content::Coming(Box::new(Rest::new(bytes, Ok(None)))),
                false => Content::Whole(bytes),
            };
            Reply::new(head, content)
        }
        Err(content) => {
            match term {
                Some(_) => errand.part_for_long(now),
                None => errand.part(head.status.0 >= 500, now),
            }
            Reply::new(head, content)
        }
    }
}

/// The whole content; given back where it is too large, too slow or broken.
async fn gather(content: Content) -> Result<Vec<u8>, Content> {
    let mut source = match content {
        Content::Whole(bytes) => return Ok(bytes),
        Content::Coming(source) => source,
    };
    let (mut bytes, mut fault) = (Vec::new(), None);
    let whole = poll_fn(|context| {
        while bytes.len() <= ANSWER_BYTES_MAX {
            match ready!(source.poll_next(context)) {
                Some(Ok(piece)) => bytes.extend_from_slice(&piece),
                Some(Err(broken)) => {
                    fault = Some(broken);
                    break;
                }
                None => return Poll::Ready(true),
            }
        }
        Poll::Ready(false)
    });
    let is_whole = timeout(CONTENT_TIME, whole).await.unwrap_or(false);
    match is_whole {
        true => Ok(bytes),
        false => {
            let rest = fault.map_or(Ok(Some(source)), Err);
            Err(Content::Coming(Box::new(Rest::new(bytes, rest))))
        }
    }
}

/// Content of which the first part is here.
struct Rest {
    first: Vec<u8>,
    /// What comes then, if anything does.
    more: Result<Option<Box<dyn Source + Send>>, Broken>,
    length: Option<u64>,
}

impl Rest {
    fn new(first: Vec<u8>, more: Result<Option<Box<dyn Source + Send>>, Broken>) -> Self {
        let length = match &more {
            Ok(Some(source)) => source.length(),
            Ok(None) => Some(first.len() as u64),
            Err(_) => None,
        };
        Self { first, more, length }
    }
}

impl Source for Rest {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Vec<u8>, Broken>>> {
        if !self.first.is_empty() {
            return Poll::Ready(Some(Ok(std::mem::take(&mut self.first))));
        }
        match &mut self.more {
            Ok(Some(source)) => source.poll_next(context),
            Ok(None) => Poll::Ready(None),
            Err(broken) => Poll::Ready(Some(Err(*broken))),
        }
    }

    fn length(&self) -> Option<u64> {
        self.length
    }

    fn memory_bytes(&self) -> usize {
        let more = self.more.as_ref().ok().and_then(Option::as_ref);
        self.first.len() + more.map_or(0, |more| more.memory_bytes())
    }
}
