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
    job::{Awaited, Done},
    kept::Link,
    log::Kind,
    refusal::Trouble,
    socket::Socket,
    spill::Content,
    talk::{Failure, Talk},
};
use base::Moment;
use config::plan::Php;
use control::Counter;
use fastcgi::{Ends, FIRST_ID, Fault, Variables};
use handle::php::{
    Call,
    cache::{self, Errand},
};
use message::{Exchange, Fields, Length, Method, Name, Request, Status};
use std::{
    io::{self, ErrorKind},
    mem,
    rc::Rc,
};
use tokio::sync::oneshot;

/// What an application is asked.
pub(crate) struct Question {
    php: &'static Php,
    variables: Variables,
    /// Whether the request has content, be it none.
    has_content: bool,
    is_head: bool,
    /// Whether it may go by a connection that is kept, as far as its method goes.
    is_safe: bool,
    asked: Asked,
    /// For whom else it is asked.
    errand: Option<Box<Errand>>,
}

impl Question {
    /// What `call` asks for `exchange`, which came by a connection with these ends, and by TLS or
    /// in clear.
    pub(crate) fn new(
        call: Call,
        exchange: &Exchange<'_>,
        way: (&Ends, bool),
        core: &Core,
    ) -> Self {
        let request = exchange.request;
        let asked = Asked::of(exchange, &call.script);
        let variables = match &call.errand {
            None => Variables::of(core.words(), exchange, &call.script, way),
            Some(_) => {
                let lines = cache::asked(&request.fields);
                let request = Request { fields: Fields::of(&lines), ..*request };
                let exchange = Exchange { request: &request, ..exchange.clone() };
                Variables::of(core.words(), &exchange, &call.script, way)
            }
        };
        let is_said = request.fields.contains(Name::ContentLength);
        Self {
            php: call.php,
            variables,
            has_content: is_said || request.length == Length::Unknown,
            is_head: request.method == Method::Head,
            is_safe: matches!(request.method, Method::Get | Method::Head),
            asked,
            errand: call.errand.map(Box::new),
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
        mut content: Content,
        core: &Rc<Core>,
    ) -> Result<Awaited, (Status, Trouble)> {
        let Php { application, requests_max, .. } = self.php;
        let errand = self.errand.take().map(|errand| *errand);
        let Some(place) = core.loads.take(application.number, *requests_max) else {
            // An older page is better than none.
            let older = errand.filter(Errand::is_renewal).map(caching::put_off);
            let busy = (Status::SERVICE_UNAVAILABLE, Trouble::APPLICATION_BUSY);
            return older.map(Awaited::from).ok_or(busy);
        };
        let (sender, receiver) = oneshot::channel();
        core.count(Counter::Asked);
        let core = Rc::clone(core);
        let work = async move {
            self.converse(&mut content, &core, sender).await;
            drop(place);
        };
        let answer = Awaited::by(work, receiver);
        Ok(match errand {
            Some(errand) => caching::bring(errand, answer.into_done()).into(),
            None => answer,
        })
    }

    /// Asks, and passes the answer on.
    async fn converse(
        &mut self,
        content: &mut Content,
        core: &Core,
        mut sender: oneshot::Sender<Done>,
    ) {
        let Self { php, variables, has_content, is_head, is_safe, asked, .. } = self;
        let _shown = asked.show(core);
        let has_no_content = content.bytes == 0;
        let may_be_kept = php.keep > 0 && *is_safe && has_no_content;
        variables.complete(has_content.then_some(content.bytes));
        // Where it is of no use here it is closed, and a child is free.
        let mut kept = core.kept.take(php).filter(|_| may_be_kept);
        let ended = loop {
            let begun = match kept.take() {
                Some((descriptor, id)) => {
                    // The end is held back (`talk.rs`).
                    let words = variables.clone().begin(id, may_be_kept);
                    Socket::of_application(descriptor, &words, false)
                        .map(|(socket, sent)| (Link { socket, id }, words, sent))
                }
                None => {
                    let mut words = mem::take(variables).begin(FIRST_ID, may_be_kept);
                    if has_no_content {
                        fastcgi::stdin(FIRST_ID, b"", &mut words);
                    }
                    Socket::connect(&php.application.address, &words, has_no_content)
                        .await
                        .map(|(socket, sent)| (Link { socket, id: FIRST_ID }, words, sent))
                }
            };
            let (link, words, sent) = match begun {
                Ok(begun) => begun,
                Err(error) => break Err((unconnected(&error), Some(sender))),
            };
            let whose = (*php, core, &*asked);
            let mut talk = Talk::new(link, (words, sent), content, whose, *is_head, sender);
            match talk.run().await {
                Ok(()) => break Ok(talk.into_link()),
                Err(failure) => match (talk.fail(&failure), failure) {
                    // It was closed meanwhile.
                    (Some(waiting), Failure::Untaken) => sender = waiting,
                    (waiting, failure) => break Err((failure, waiting)),
                },
            }
        };
        match ended {
            Ok(Some(link)) if may_be_kept => {
                let asked = core.loads.of(php.application.number);
                let until = core.kept.put(php, link, (asked, core.now()));
                core.due.by(until.unwrap_or(Moment::NEVER));
            }
            Ok(_) => {}
            Err((failure, sender)) => fail(failure, sender, core, (*php, asked)),
        }
    }
}

/// Tells that there is no answer, or not all of it, by the application's fault.
fn fail(
    failure: Failure,
    sender: Option<oneshot::Sender<Done>>,
    core: &Core,
    (php, asked): (&'static Php, &Asked),
) {
    let (status, reason) = match failure {
        Failure::Gone => return,
        Failure::Untaken => (Fault::CutOff.status(), Fault::CutOff.reason()),
        Failure::Upstream(status, reason) => (status, reason),
    };
    core.count(Counter::AskedInVain);
    match sender {
        Some(sender) => {
            // Whoever is gone needs no answer.
            let _ = sender.send(Done::Failed(status, Trouble::of_upstream(php, reason)));
        }
        None => asked.report(core, Kind::Failed, reason),
    }
}

/// Why there is no connection.
fn unconnected(error: &io::Error) -> Failure {
    let (status, reason) = match error.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
            (Status::BAD_GATEWAY, "no application listens where it should")
        }
        ErrorKind::PermissionDenied => {
            (Status::BAD_GATEWAY, "the workers' `user` may not connect to the application's socket")
        }
        ErrorKind::TimedOut => {
            (Status::GATEWAY_TIMEOUT, "the application does not take connections")
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
        // ENOENT, EACCES, ECONNREFUSED, EHOSTUNREACH; EAGAIN, ENOMEM, ENFILE, EMFILE, ENOBUFS;
        // ETIMEDOUT.
        let late = [(110, 504)];
        let lasting = [2, 13, 111, 113].map(|number| (number, 502));
        let passing = [11, 12, 23, 24, 105].map(|number| (number, 503));
        for (number, expect) in lasting.into_iter().chain(passing).chain(late) {
            let failure = unconnected(&io::Error::from_raw_os_error(number));
            let Failure::Upstream(status, _) = failure else { panic!("{number}") };
            assert_eq!(status, Status(expect), "{number}");
        }
    }
}
