//! One answer that is kept, in each form that somebody has asked for.

use super::Term;
use base::Moment;
use config::plan::Compress;
use content::{
    Effort,
    encoder::{self, QUICK_CODINGS},
    media_type, negotiation,
    range::{self, Ranges},
};
use fastcgi::Head;
use message::{
    Body, Coding, Request, Response, Shared, Status,
    response::{Line, weaken_tag},
};
use std::sync::{Arc, OnceLock};

/// An answer, and how long it is good.
pub(super) struct Stored {
    status: Status,
    plain: Form,
    /// In the order of [`QUICK_CODINGS`]; `None` inside where that is no smaller.
    coded: [OnceLock<Option<Form>>; QUICK_CODINGS.len()],
    /// Whether the content may be put into another coding.
    may_be_coded: bool,
    /// The program's own path, where another one was asked for.
    pub(super) path: Option<Vec<u8>>,
    at: Moment,
    /// Seconds that it was old by then.
    age_seconds: u64,
    pub(super) fresh_until: Moment,
    pub(super) stale_until: Moment,
}

struct Form {
    lines: Vec<Line>,
    content: Arc<Vec<u8>>,
}

impl Stored {
    pub(super) fn new(
        head: &Head,
        content: &[u8],
        path: Option<Vec<u8>>,
        term: Term,
        at: Moment,
    ) -> Self {
        let is = |name: &str, says: fn(&str) -> bool| {
            let mut lines = head.lines.iter().filter(|line| line.name == name);
            lines.any(|line| says(&String::from_utf8_lossy(&line.value)))
        };
        let keeps_form = |value: &str| value.to_ascii_lowercase().contains("no-transform");
        let may_be_coded =
            is("content-type", media_type::is_compressible) && !is("cache-control", keeps_form);
        // The program was asked for one form; that there are others is for this server to say, and
        // so is how old it is by the time that it is given.
        let is_own = |line: &&Line| line.name != "vary" && line.name != "age";
        let lines = head.lines.iter().filter(is_own).cloned().collect();
        let fresh_until = at.after(term.fresh);
        Self {
            status: head.status,
            plain: Form { lines, content: Arc::new(content.to_vec()) },
            coded: Default::default(),
            may_be_coded,
            path,
            at,
            age_seconds: term.age.as_secs(),
            fresh_until,
            stale_until: fresh_until.after(term.stale),
        }
    }

    /// What it takes in memory with all of its forms, none of which is larger than the first.
    pub(super) fn bytes(&self) -> usize {
        let lines = self.plain.lines.iter().map(|line| size_of::<Line>() + line.value.len());
        let form = lines.sum::<usize>() + self.plain.content.len();
        form * (1 + QUICK_CODINGS.len())
    }

    /// The answer to `request`, of that age by now.
    pub(super) fn response(
        &self,
        compress: Option<&Compress>,
        request: &Request<'_>,
        now: Moment,
    ) -> Response {
        let large = |compress: &&Compress| {
            self.may_be_coded && self.plain.content.len() as u64 >= compress.bytes_min
        };
        let compress = compress.filter(large);
        let form = compress.and_then(|compress| self.coded(compress, request));
        let form = form.unwrap_or(&self.plain);
        let mut lines = Vec::with_capacity(form.lines.len() + 3);
        lines.extend(form.lines.iter().cloned());
        if compress.is_some() {
            lines.push(Line::fixed("vary", "accept-encoding"));
        }
        let age = self.age_seconds + now.since(self.at).as_secs();
        lines.push(Line::new("age", age.to_string()));
        lines.push(Line::fixed("cache-status", "gannet; hit"));
        let body = Body::Bytes(Shared::from(Arc::clone(&form.content)));
        // Of a page its preconditions and ranges are weighed here; what is none is as it is.
        let is_settled = self.status != Status::OK;
        Response { lines, is_settled, body, ..Response::empty(self.status) }
    }

    /// The form that the client likes best, if that is another one than the first.
    fn coded(&self, compress: &Compress, request: &Request<'_>) -> Option<&Form> {
        let size = self.plain.content.len() as u64;
        if range::asked(request, size) != Ranges::Whole {
            return None;
        }
        let coding = negotiation::quick(&request.fields, &compress.codings);
        let at = QUICK_CODINGS.iter().position(|quick| *quick == coding)?;
        self.coded[at].get_or_init(|| self.plain.coded(coding)).as_ref()
    }
}

impl Form {
    fn coded(&self, coding: Coding) -> Option<Self> {
        let content = encoder::encode(coding, Effort::Quick, &self.content).ok()?;
        if content.len() >= self.content.len() {
            return None;
        }
        let kept = self.lines.iter().filter(|line| line.name != "accept-ranges");
        let coding = Line::fixed("content-encoding", coding.as_str());
        let mut lines = kept.cloned().chain([coding]).collect();
        weaken_tag(&mut lines);
        Some(Self { lines, content: Arc::new(content) })
    }
}
