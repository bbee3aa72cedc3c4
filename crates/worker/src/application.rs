//! Asks an application, and gives its answer to the exchange that waits for it.
//!
//! ```text
//!   Question ─► connect ─► send ─► head ─────────────► Reply ─► exchange
//!                  │ nobody, late      └─► content ─► pipe ─► client
//!                  └─► 502, 503, 504
//! ```
//!
//! Each question has a connection of its own, unless a site wants some kept: those keep children of
//! php-fpm from everybody else (`kept.rs`). One of these may be closed by now. Where the question
//! was not taken by it, another connection is made (`talk.rs`); nothing is ever asked twice.

use crate::{
    asked::Asked,
    caching,
    core::Core,
    job::Done,
    kept::Link,
    log::Kind,
    refusal::Trouble,
    socket::Socket,
    spill::Content,
    talk::{Failure, Talk},
};
use config::plan::{Php, Upstream};
use control::Counter;
use fastcgi::{Ends, FIRST_ID, Fault, Variables};
use handle::php::{
    Call,
    cache::{self, Errand},
};
use message::{Exchange, Fields, Length, Method, Name, Request, Status};
use std::{
    io::{self, ErrorKind},
    rc::Rc,
    time::Duration,
};
use tokio::{sync::oneshot, task::spawn_local, time::timeout};

/// Time for a connection to an application.
const CONNECT_TIME: Duration = Duration::from_secs(5);

/// What an application is asked.
pub(crate) struct Question {
    php: &'static Php,
    variables: Variables,
    ends: Ends,
    /// Whether the request has content, be it none.
    has_content: bool,
    is_head: bool,
    /// Whether it may go by a connection that is kept, as far as its method goes.
    is_safe: bool,
    asked: Asked,
    /// For whom else it is asked.
    errand: Option<Errand>,
}

impl Question {
    /// What `call` asks for `exchange`, which came by a connection with these `ends`, and by TLS or
    /// in clear.
    pub(crate) fn new(call: Call, exchange: &Exchange<'_>, ends: Ends, is_secure: bool) -> Self {
        let request = exchange.request;
        let asked = Asked::of(exchange, &call.script);
        let variables = match &call.errand {
            None => Variables::of(exchange, &call.script, is_secure),
            Some(_) => {
                let lines = cache::asked(&request.fields);
                let request = Request { fields: Fields::of(&lines), ..*request };
                let exchange = Exchange { request: &request, ..exchange.clone() };
                Variables::of(&exchange, &call.script, is_secure)
            }
        };
        let is_said = request.fields.contains(Name::ContentLength);
        Self {
            php: call.php,
            variables,
            ends,
            has_content: is_said || request.length == Length::Unknown,
            is_head: request.method == Method::Head,
            is_safe: matches!(request.method, Method::Get | Method::Head),
            asked,
            errand: call.errand,
        }
    }

    pub(crate) fn php(&self) -> &'static Php {
        self.php
    }

    /// Asks for nobody else, as it has to wait itself: others who want the same have it asked.
    pub(crate) fn stand_alone(&mut self) {
        self.errand = None;
    }

    /// Bytes of memory that it takes, apart from a few words for the log.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.variables.memory_bytes()
    }

    /// Asks it; why not where too many ask already.
    pub(crate) fn ask(
        mut self,
        content: Content,
        core: &Rc<Core>,
    ) -> Result<oneshot::Receiver<Done>, (Status, Trouble)> {
        let Php { application, requests_max, .. } = self.php;
        let errand = self.errand.take();
        let Some(place) = core.loads.take(application.number, *requests_max) else {
            // An older page is better than none.
            let older = errand.filter(Errand::is_renewal).map(caching::put_off);
            return older.ok_or((Status::SERVICE_UNAVAILABLE, Trouble::APPLICATION_BUSY));
        };
        let (sender, receiver) = oneshot::channel();
        core.count(Counter::Asked);
        let core = Rc::clone(core);
        spawn_local(async move {
            converse(self, content, &core, sender).await;
            drop(place);
        });
        Ok(match errand {
            Some(errand) => caching::bring(errand, receiver),
            None => receiver,
        })
    }
}

/// Asks, and passes the answer on.
async fn converse(
    question: Question,
    content: Content,
    core: &Core,
    sender: oneshot::Sender<Done>,
) {
    let Question { php, variables, ends, has_content, is_head, is_safe, asked, .. } = question;
    let _shown = asked.show(core);
    let has_no_content = content.bytes == 0;
    let may_be_kept = php.keep > 0 && is_safe && has_no_content;
    let variables = variables.complete(has_content.then_some(content.bytes), ends);
    // By a connection that was used the end is held back (`talk.rs`).
    let words = |id| {
        let is_all = has_no_content && id == FIRST_ID;
        first_words(id, &variables, may_be_kept, is_all)
    };
    let talk = |link, said, content, sender| {
        Talk::new(link, said, content, (php, core, &asked), is_head, sender).finish()
    };
    let address = &php.application.address;
    // Where it is of no use here it is closed, and a child is free.
    let kept = core.kept.take(php).filter(|_| may_be_kept).and_then(|(descriptor, id)| {
        let words = words(id);
        let (socket, sent) = Socket::of_application(descriptor, address, &words).ok()?;
        Some((Link { socket, id }, (words, sent)))
    });
    let mut ended = match kept {
        Some((link, said)) => talk(link, said, Content::default(), sender).await,
        None => Err((Failure::Untaken, Some(sender))),
    };
    // There was no such connection, or it was closed meanwhile.
    if let Err((Failure::Untaken, Some(sender))) = ended {
        let words = words(FIRST_ID);
        ended = match connect(address, &words).await {
            Ok((socket, sent)) => {
                talk(Link { socket, id: FIRST_ID }, (words, sent), content, sender).await
            }
            Err(failure) => Err((failure, Some(sender))),
        };
    }
    match ended {
        Ok(Some(link)) if may_be_kept => {
            if core.kept.put(php, link, core.now()) {
                core.sweeper.notify_one();
            }
        }
        Ok(_) => {}
        Err((failure, sender)) => fail(failure, sender, core, &asked),
    }
}

/// What is said first on a connection, in the request of that id: the variables, and that there is
/// no content if so.
fn first_words(id: u16, variables: &[u8], may_be_kept: bool, has_no_content: bool) -> Vec<u8> {
    let mut words = Vec::with_capacity(variables.len() + 64);
    fastcgi::begin(id, variables, may_be_kept, &mut words);
    if has_no_content {
        fastcgi::stdin(id, b"", &mut words);
    }
    words
}

/// Tells that there is no answer, or not all of it, by the application's fault.
fn fail(failure: Failure, sender: Option<oneshot::Sender<Done>>, core: &Core, asked: &Asked) {
    let (status, reason) = match failure {
        Failure::Gone => return,
        Failure::Untaken => (Fault::CutOff.status(), Fault::CutOff.reason()),
        Failure::Upstream(status, reason) => (status, reason),
    };
    core.count(Counter::AskedInVain);
    match sender {
        Some(sender) => {
            // Whoever is gone needs no answer.
            let _ = sender.send(Done::Failed(status, Trouble::of_application(reason)));
        }
        None => asked.report(core, Kind::Failed, reason),
    }
}

/// A connection to an application, and how much of `first` it has been sent.
async fn connect(address: &Upstream, first: &[u8]) -> Result<(Socket, usize), Failure> {
    match timeout(CONNECT_TIME, Socket::connect(address, first)).await {
        Ok(connected) => connected.map_err(|error| unconnected(&error)),
        Err(_) => {
            let reason = "the application does not take connections";
            Err(Failure::Upstream(Status::GATEWAY_TIMEOUT, reason))
        }
    }
}

/// Why there is no connection.
fn unconnected(error: &io::Error) -> Failure {
    let (status, reason) = match error.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
            (Status::BAD_GATEWAY, "no application listens where it should")
        }
        ErrorKind::PermissionDenied => {
            (Status::BAD_GATEWAY, "this user may not connect to the application's socket")
        }
        // The queue in front of a Unix socket is full.
        ErrorKind::WouldBlock => {
            (Status::SERVICE_UNAVAILABLE, "too many requests wait for the application")
        }
        _ if net::socket::is_exhausted(error) => {
            let reason = "descriptors or memory for a connection to the application have run out";
            (Status::SERVICE_UNAVAILABLE, reason)
        }
        _ => (Status::BAD_GATEWAY, "the application cannot be connected to"),
    };
    Failure::Upstream(status, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_in_a_moment_is_told_apart_from_what_is_not() {
        // ENOENT, EACCES, ECONNREFUSED, EHOSTUNREACH; EAGAIN, ENOMEM, ENFILE, EMFILE, ENOBUFS.
        let lasting = [2, 13, 111, 113].map(|number| (number, 502));
        let passing = [11, 12, 23, 24, 105].map(|number| (number, 503));
        for (number, expect) in lasting.into_iter().chain(passing) {
            let failure = unconnected(&io::Error::from_raw_os_error(number));
            let Failure::Upstream(status, _) = failure else { panic!("{number}") };
            assert_eq!(status, Status(expect), "{number}");
        }
    }
}
