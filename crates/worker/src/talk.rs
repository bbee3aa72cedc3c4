//! A conversation with an application: the request goes there, its answer comes back.
//!
//! ```text
//!   Head ──head──► Gathering ──end──────────────► a whole answer
//!    │ └ 103: again    └──pause, or much──► Passing ──end──► the end of a stream
//!    └──HEAD, 304, a file──► Discarding
//! ```
//!
//! By a connection that was kept, the empty record that ends a request is held back for a moment.
//! What is sent is then read to its end before any program is run: if the application hangs up and
//! has left some of it unread, which the kernel tells, nothing was run, and another connection may
//! be tried.

mod taking;

use crate::{
    asked::Asked,
    core::Core,
    job::Done,
    kept::Link,
    log::Kind,
    patience::{Due, Holding, Patience},
    pipe::{Gone, Writer, pipe},
    socket::Socket,
    spill::{Content, SPILL_FOLDER},
};
use config::plan::Php;
use fastcgi::{Answer, Fault, Head, Limits};
use handle::php::{self, Reply};
use message::{Broken, Source, Status, response::Line, room};
use net::socket::{self, Received};
use std::{
    future::poll_fn,
    io::{self, ErrorKind},
    mem,
    task::{Context, Poll, ready},
};
use tokio::sync::oneshot;

/// Bytes of content that are waited for, while they come without a pause, so that an answer that is
/// no larger has a length.
pub(crate) const WHOLE_BYTES_MAX: usize = 64 * 1024;

/// Bytes of a request's content that are sent in one step.
const STEP_BYTES: usize = 256 * 1024;

/// Why a conversation ends before its time.
pub(crate) enum Failure {
    /// Nobody waits for the answer any more.
    Gone,
    /// The application has hung up before it had taken the request: nobody has been asked.
    Untaken,
    /// The application, or the way to it, is at fault.
    Upstream(Status, &'static str),
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Upstream(fault.status(), fault.reason())
    }
}

impl From<Gone> for Failure {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

/// It may not have been asked at all: it takes connections that nobody serves yet.
const UNHEARD: Failure = Failure::Upstream(
    Status::GATEWAY_TIMEOUT,
    "the application has not begun to answer within `time`: its workers may all have been busy",
);

const LATE: Failure =
    Failure::Upstream(Status::GATEWAY_TIMEOUT, "the application took too long for its next word");

/// A conversation under way.
pub(crate) struct Talk<'t> {
    socket: Socket,
    id: u16,
    php: &'static Php,
    core: &'t Core,
    asked: &'t Asked,
    answer: Answer,
    output: Vec<u8>,
    written: usize,
    question: &'t mut Content,
    /// Whether all that is asked is in `output`, or was.
    has_asked: bool,
    /// What has come and waits for what completes it, in room that is lent by the loop; none while
    /// there is nothing.
    input: Vec<u8>,
    /// Content that has come and is not passed on yet.
    content: Vec<u8>,
    /// Whether all has come, and nothing behind it.
    is_over: bool,
    is_head: bool,
    stage: Stage,
    /// Holds back the end of the request; and whether the application has hung up meanwhile.
    holding: Holding,
    has_left: bool,
    patience: Patience<'t>,
}

/// How far an answer has come.
enum Stage {
    /// Its head is waited for.
    Head(oneshot::Sender<Done>),
    /// That is here, and content that may be all of it is put together.
    Gathering(oneshot::Sender<Done>, Head),
    /// It is passed on.
    Passing(Writer),
    /// Its head was all that was asked for, or a file is sent, or nobody wants the rest.
    Discarding,
}

/// What happened on the connection.
enum Happened {
    /// All of the output was taken.
    Sent,
    /// Something came, perhaps only the end; or what broke the connection.
    Came(io::Result<Received>),
    /// The application is gone, and has not taken what was sent.
    Untaken,
    /// There is nothing to read just now.
    Quiet,
    /// Nobody waits for the answer any more.
    Gone,
    /// Nothing, for too long.
    Late,
}

impl<'t> Talk<'t> {
    /// Goes on with what is said to the application at the other end of the link: its first words,
    /// so many bytes of which have been sent, and then content; `sender` waits for its answer.
    pub(crate) fn new(
        link: Link,
        (mut output, mut written): (Vec<u8>, usize),
        question: &'t mut Content,
        (php, core, asked): (&'static Php, &'t Core, &'t Asked),
        is_head: bool,
        sender: oneshot::Sender<Done>,
    ) -> Self {
        let holding = Holding::new(link.is_used());
        let Link { socket, id } = link;
        if written == output.len() {
            core.give_words_back(mem::take(&mut output));
            written = 0;
        }
        Self {
            socket,
            php,
            core,
            asked,
            id,
            answer: Answer::new(id, Limits::default()),
            output,
            written,
            has_asked: question.bytes == 0 && !holding.is_on(),
            question,
            input: Vec::new(),
            content: Vec::new(),
            is_over: false,
            is_head,
            stage: Stage::Head(sender),
            holding,
            has_left: false,
            patience: Patience::new(php, &core.talks),
        }
    }

    /// Passes the answer on, to its end.
    pub(crate) async fn run(&mut self) -> Result<(), Failure> {
        loop {
            match poll_fn(|context| self.poll(context)).await {
                Happened::Gone => return Err(Failure::Gone),
                Happened::Late if matches!(self.stage, Stage::Discarding) => return Ok(()),
                Happened::Late if matches!(self.stage, Stage::Head(_)) => return Err(UNHEARD),
                Happened::Late => return Err(LATE),
                Happened::Sent => self.send_more().await?,
                Happened::Quiet => self.pass_on().await?,
                Happened::Untaken => return Err(Failure::Untaken),
                Happened::Came(Err(_) | Ok(Received { bytes: 0, .. })) => {
                    self.answer.finish()?;
                    return self.end();
                }
                Happened::Came(Ok(_)) => {
                    if self.understand().await? {
                        return self.end();
                    }
                }
            }
            self.patience.renew();
            if let Stage::Discarding = self.stage {
                self.patience.shorten();
            }
            if self.patience.is_over() {
                return Ok(());
            }
        }
    }

    /// The connection, if it is good for another conversation.
    pub(crate) fn into_link(self) -> Option<Link> {
        // An end that was held back until the answer was there is needed by nobody.
        let has_asked = self.has_asked || self.holding.is_on();
        let has_asked = has_asked && self.written == self.output.len();
        let Self { socket, id, is_over, .. } = self;
        (has_asked && is_over).then_some(Link { socket, id })
    }

    /// Writes and reads what can be written and read.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Happened> {
        if let Stage::Head(sender) | Stage::Gathering(sender, ..) = &mut self.stage
            && sender.poll_closed(context).is_ready()
        {
            return Poll::Ready(Happened::Gone);
        }
        if let Stage::Passing(writer) = &self.stage
            && writer.is_gone(context)
        {
            return Poll::Ready(Happened::Gone);
        }
        if self.has_left {
            return self.poll_left(context);
        }
        while self.written < self.output.len() {
            let bytes = &self.output[self.written..];
            match self.socket.write(|socket| socket::send(socket, bytes)) {
                Ok(count) => self.written += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    match self.socket.poll_writable(context) {
                        Poll::Pending => break,
                        Poll::Ready(Ok(())) => {}
                        Poll::Ready(Err(_)) => self.forget_question(),
                    }
                }
                Err(_) if self.may_be_untaken() => return Poll::Ready(Happened::Untaken),
                // It has heard enough: what it answers is read all the same.
                Err(_) => self.forget_question(),
            }
        }
        let may_go_on = self.written == self.output.len() && !self.has_asked;
        if may_go_on && !self.holding.goes_on(self.answer.has_begun(), context) {
            return Poll::Ready(Happened::Sent);
        }
        match self.poll_answer(context) {
            Poll::Ready(Err(_)) if self.may_be_untaken() => {
                return Poll::Ready(Happened::Untaken);
            }
            Poll::Ready(Ok(Received { bytes: 0, .. })) if self.may_be_untaken() => {
                self.has_left = true;
                return self.poll_left(context);
            }
            Poll::Ready(read) => return Poll::Ready(Happened::Came(read)),
            Poll::Pending => {}
        }
        self.leave_rooms();
        match self.stage {
            Stage::Gathering(..) => Poll::Ready(Happened::Quiet),
            _ => self.poll_late(context),
        }
    }

    /// Waits until the next word is too late; tells meanwhile, once, that there is no answer yet.
    fn poll_late(&mut self, context: &mut Context<'_>) -> Poll<Happened> {
        loop {
            match ready!(self.patience.poll(context)) {
                Due::Late => return Poll::Ready(Happened::Late),
                Due::Slow if matches!(self.stage, Stage::Head(_)) => {
                    let Self { php, asked, .. } = self;
                    let reason = format!("no answer yet after {:?}: {}", php.slow, asked.script());
                    asked.report(self.core, Kind::Slow, &reason);
                }
                Due::Slow => {}
            }
        }
    }

    /// Whether the application may not have taken the request, for all that is known.
    fn may_be_untaken(&self) -> bool {
        self.holding.is_on() && !self.answer.has_begun()
    }

    /// The application has closed its side without a word. Where it leaves some of the request
    /// unread, the connection breaks as soon as it closes the other side, too.
    fn poll_left(&mut self, context: &mut Context<'_>) -> Poll<Happened> {
        match self.socket.has_failed() {
            true => Poll::Ready(Happened::Untaken),
            false => self.holding.poll(context).map(|()| Happened::Came(Ok(Received::NOTHING))),
        }
    }

    fn forget_question(&mut self) {
        self.written = self.output.len();
        self.has_asked = true;
    }

    /// Puts the next of the request's content into the output.
    async fn send_more(&mut self) -> Result<(), Failure> {
        let piece = if self.question.spill.len() > 0 {
            let lost = || io::Error::from(ErrorKind::Other);
            let read = match self.question.spill.read(&self.core.pool) {
                Some(step) => step.await.unwrap_or_else(|_| Err(lost())),
                None => Err(lost()),
            };
            read.map_err(|_| {
                let reason = "the content of the request could not be read back";
                Failure::Upstream(Status::INTERNAL_SERVER_ERROR, reason)
            })?
        } else {
            let rest = self.question.memory.len().min(STEP_BYTES);
            self.question.memory.drain(..rest).collect()
        };
        self.output.clear();
        self.written = 0;
        self.has_asked = piece.is_empty();
        fastcgi::stdin(self.id, &piece, &mut self.output);
        Ok(())
    }

    /// Passes on what may be fetched while the answer is awaited.
    fn hint(&mut self, lines: Vec<Line>) -> Result<(), Failure> {
        let Stage::Head(sender) = mem::replace(&mut self.stage, Stage::Discarding) else {
            return Ok(());
        };
        let (next, done) = oneshot::channel();
        self.stage = Stage::Head(next);
        sender.send(Done::Early(lines, done)).map_err(|_| Failure::Gone)
    }

    /// The head has come, and so many bytes behind it.
    fn begin(&mut self, head: Head, bytes: usize) -> Result<(), Failure> {
        let Stage::Head(sender) = mem::replace(&mut self.stage, Stage::Discarding) else {
            return Ok(());
        };
        if head.file.is_some() {
            return self.reply(sender, head, php::Content::Whole(Vec::new()));
        }
        if self.is_head || head.status.is_bodiless() {
            let content = php::Content::Coming(Box::new(Nothing(head.length)));
            return self.reply(sender, head, content);
        }
        let length = head.length.and_then(|length| usize::try_from(length).ok()).unwrap_or(bytes);
        self.content = Vec::with_capacity(length.min(WHOLE_BYTES_MAX + 1));
        self.stage = Stage::Gathering(sender, head);
        Ok(())
    }

    /// Passes on the content that is there, if any is passed on.
    async fn put(&mut self) -> Result<(), Failure> {
        let Stage::Passing(writer) = &mut self.stage else { return Ok(()) };
        if self.content.is_empty() {
            return Ok(());
        }
        let is_lent = self.content.capacity() == room::BYTES;
        let piece = if is_lent && self.content.len() < room::BYTES / 4 * 3 {
            // A room with little in it is not kept from others.
            let piece = self.content.to_vec();
            self.content.clear();
            piece
        } else {
            let mut piece = mem::take(&mut self.content);
            if !is_lent {
                piece.shrink_to_fit();
            }
            piece
        };
        // Few answers need room for this.
        Box::pin(writer.put(piece)).await?;
        if let Some(error) = writer.trouble() {
            let reason = format!("a program waits for its client: {SPILL_FOLDER}: {error}");
            self.asked.report(self.core, Kind::Failed, &reason);
        }
        Ok(())
    }

    /// Replies with what has been gathered so far; the rest follows.
    async fn pass_on(&mut self) -> Result<(), Failure> {
        let stage = mem::replace(&mut self.stage, Stage::Discarding);
        let Stage::Gathering(sender, head) = stage else {
            self.stage = stage;
            return Ok(());
        };
        let (pool, held) = (&self.core.pool, &self.core.held);
        let (writer, reader) = pipe(pool, held, self.php.buffer_bytes_max, head.length);
        self.reply(sender, head, php::Content::Coming(Box::new(reader)))?;
        self.stage = Stage::Passing(writer);
        self.put().await
    }

    /// The answer is complete.
    fn end(&mut self) -> Result<(), Failure> {
        match mem::replace(&mut self.stage, Stage::Discarding) {
            Stage::Gathering(sender, head) => {
                let mut gathered = mem::take(&mut self.content);
                if let Some(length) = head.length {
                    if (gathered.len() as u64) < length {
                        let reason = "the application's content is shorter than it says";
                        self.stage = Stage::Head(sender);
                        return Err(Failure::Upstream(Status::BAD_GATEWAY, reason));
                    }
                    gathered.truncate(usize::try_from(length).unwrap_or(usize::MAX));
                }
                if gathered.len() < gathered.capacity() / 2 {
                    gathered.shrink_to_fit();
                }
                self.reply(sender, head, php::Content::Whole(gathered))
            }
            Stage::Passing(writer) => {
                writer.end();
                Ok(())
            }
            Stage::Head(_) | Stage::Discarding => Ok(()),
        }
    }

    fn reply(
        &self,
        sender: oneshot::Sender<Done>,
        head: Head,
        content: php::Content,
    ) -> Result<(), Failure> {
        let reply = Done::Reply(Reply::new(head, content), self.asked.user.clone());
        sender.send(reply).map_err(|_| Failure::Gone)
    }

    /// Whoever waits for the head, if somebody still does; whoever has had it is told why the rest
    /// of the content does not come.
    pub(crate) fn fail(self, failure: &Failure) -> Option<oneshot::Sender<Done>> {
        match (self.stage, failure) {
            (Stage::Head(sender) | Stage::Gathering(sender, _), _) => Some(sender),
            (Stage::Passing(writer), Failure::Upstream(_, reason)) => {
                writer.fail(reason);
                None
            }
            (Stage::Passing(_) | Stage::Discarding, _) => None,
        }
    }
}

/// Content of that length which is not sent, as only its head was asked for.
struct Nothing(Option<u64>);

impl Source for Nothing {
    fn poll_next(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<Vec<u8>, Broken>>> {
        Poll::Ready(None)
    }

    fn length(&self) -> Option<u64> {
        self.0
    }
}
