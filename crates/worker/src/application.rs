//! Asks an application, and gives its answer to the exchange that waits for it.
//!
//! ```text
//!   Question ─► connect ─► send ─► head ─────────────► Reply ─► exchange
//!                  │ nobody, late      └─► content ─► pipe ─► client
//!                  └─► 502, 503, 504
//! ```
//!
//! Each question has a connection of its own: one that is kept would keep a child of php-fpm from
//! everybody else. Nothing is asked twice.

use crate::{
    asked::Asked,
    caching,
    core::Core,
    job::Done,
    log::Kind,
    refusal::Trouble,
    socket::Socket,
    spill::Content,
    talk::{Failure, Talk},
};
use config::plan::{Php, Upstream};
use control::Counter;
use fastcgi::{Ends, Variables};
use handle::php::{
    Call,
    cache::{self, Errand},
};
use message::{Exchange, Fields, Length, Method, Name, Request, Status};
use std::{io::ErrorKind, rc::Rc, time::Duration};
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
            asked,
            errand: call.errand,
        }
    }

    pub(crate) fn php(&self) -> &'static Php {
        self.php
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
        let Some(place) = core.loads.take(application.number, *requests_max) else {
            return Err((Status::SERVICE_UNAVAILABLE, Trouble::APPLICATION_BUSY));
        };
        let (sender, receiver) = oneshot::channel();
        let errand = self.errand.take();
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

/// Connects, asks, and passes the answer on.
async fn converse(
    question: Question,
    content: Content,
    core: &Core,
    sender: oneshot::Sender<Done>,
) {
    let Question { php, variables, ends, has_content, is_head, asked, .. } = question;
    let _shown = asked.show(core);
    let failure = match connect(&php.application.address).await {
        Err(failure) => Err((failure, Some(sender))),
        Ok(socket) => {
            let variables = variables.complete(has_content.then_some(content.bytes), ends);
            let mut output = Vec::with_capacity(variables.len() + 64);
            fastcgi::begin(&variables, &mut output);
            let mut talk = Talk::new((socket, output, content), php, core, &asked, is_head, sender);
            match talk.run().await {
                Ok(()) => Ok(()),
                Err(failure) => Err((failure, talk.sender())),
            }
        }
    };
    if let Err((Failure::Upstream(status, reason), sender)) = failure {
        core.count(Counter::AskedInVain);
        match sender {
            Some(sender) => {
                // Whoever is gone needs no answer.
                let _ = sender.send(Done::Failed(status, Trouble::of_application(reason)));
            }
            None => asked.report(core, Kind::Failed, reason),
        }
    }
}

/// A connection to an application.
async fn connect(address: &Upstream) -> Result<Socket, Failure> {
    let failed = |status, reason| Err(Failure::Upstream(status, reason));
    match timeout(CONNECT_TIME, Socket::connect(address)).await {
        Ok(Ok(socket)) => Ok(socket),
        Ok(Err(error)) => match error.kind() {
            ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
                failed(Status::BAD_GATEWAY, "no application listens where it should")
            }
            ErrorKind::PermissionDenied => {
                failed(Status::BAD_GATEWAY, "this user may not connect to the application's socket")
            }
            // The queue in front of a Unix socket is full.
            ErrorKind::WouldBlock => {
                failed(Status::SERVICE_UNAVAILABLE, "too many requests wait for the application")
            }
            _ => failed(Status::BAD_GATEWAY, "the application cannot be connected to"),
        },
        Err(_) => failed(Status::GATEWAY_TIMEOUT, "the application does not take connections"),
    }
}
