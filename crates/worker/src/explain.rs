//! What would be answered to a request, and why: the same functions as in `flow`, with an ear.

use crate::{
    flow::{self, Answered, Outcome},
    ids::{self, Ids, mark},
    job::Done,
    refusal::refusal,
    steps,
};
use access::{Door, Ledger, Verdicts};
use base::Held;
use config::{
    Plan,
    plan::{FieldEdits, Files, Place, Policy},
};
use control::{Clients, Row, kept::Keeping};
use handle::{
    Tools,
    files::{self, Cache, Folders, Forms, ROOT_DESCRIPTORS_MAX},
    php::{Reply, cache::Answers},
};
use http1::Event;
use message::{Exchange, Output, Prepared, Request, Response, Slots, Status, limits::Exceeded};
use net::clock;
use route::{REFUSED, Step};
use std::net::IpAddr;

/// Bytes of files that are kept at most, and as many of compressed forms: a look at a config may
/// take less memory than a server.
const CACHE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A request that might be sent.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Its bytes, as they would come over a connection.
    pub bytes: &'a [u8],
    /// Who would send it; `None` over a Unix socket.
    pub client: Option<IpAddr>,
    /// The listener that it would come in by: its place in the plan.
    pub listener: usize,
}

/// What would be answered, and why.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The steps, in their order.
    pub steps: Vec<Step>,
    /// The status line, without its end; where a program answers, that it says so.
    pub status: String,
    /// The fields, in their order; where a program answers, those that are added to its own.
    pub fields: Vec<Field>,
}

/// The status line where a program answers.
const OF_PROGRAM: &str = "HTTP/1.1 as the program says, and beside its own fields";

/// A field of the answer.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its name, in lower case.
    pub name: String,
    /// Its value; what a client sent may be in it, so it is for careful eyes.
    pub value: String,
    /// The setting that put it there, or the part of the server.
    pub origin: &'static str,
    /// Where that setting is written.
    pub place: Option<Place>,
}

/// Works out the answer to `asked` as a server with this plan would, without a socket.
///
/// # Errors
/// The bytes are no whole request.
pub fn explain(plan: &'static Plan, asked: &Asked<'_>) -> Result<Explanation, &'static str> {
    Explainer::new(plan, Verdicts::default()).explain(asked)
}

/// What works out the answers to many requests, and keeps what it has found for the next one.
pub struct Explainer {
    plan: &'static Plan,
    folders: Folders,
    cache: Cache,
    verdicts: Verdicts,
}

impl Explainer {
    /// One that goes by `plan` and takes every password for a right one.
    #[must_use]
    pub fn trusting(plan: &'static Plan) -> Self {
        Self::new(plan, Verdicts::of_all())
    }

    fn new(plan: &'static Plan, verdicts: Verdicts) -> Self {
        let folders = Folders::new(&plan.folders, ROOT_DESCRIPTORS_MAX);
        let forms = Forms::new(plan.compress_cache.memory_bytes_max.min(CACHE_BYTES_MAX), None);
        let bytes_max = plan.file_cache_bytes_max.min(CACHE_BYTES_MAX);
        let (room, row) = ((folders.count(), bytes_max), Row::default());
        let cache = Cache::new(room, forms, Held::default(), row);
        Self { plan, folders, cache, verdicts }
    }

    /// As [`explain`] does.
    ///
    /// # Errors
    /// The bytes are no whole request.
    pub fn explain(&mut self, asked: &Asked<'_>) -> Result<Explanation, &'static str> {
        let plan = self.plan;
        let mut http = http1::Connection::new(&plan.limits, clock::now());
        let mut slots = Slots::new();
        let (_, event) = http.receive(asked.bytes, clock::now(), &mut slots);
        let mut steps = Vec::new();
        let mut is_of_program = false;
        let (response, policy) = match event {
            Event::Request(request) => {
                let (response, policy, whose) = self.answer(&request, asked, &mut steps);
                is_of_program = whose == Whose::Program;
                (response, policy)
            }
            Event::Refused(refused) => {
                let limit = refused.exceeded(&plan.limits);
                let most = limit.map(|Exceeded { most, unit, .. }| format!(": {most} {unit}"));
                let text = refused.reason().to_owned() + &most.unwrap_or_default();
                steps.push(Step { what: REFUSED, text, place: None });
                (refusal(refused.status(), limit), None)
            }
            Event::Content(_)
            | Event::End
            | Event::Incomplete
            | Event::Dropped(_)
            | Event::Closed => {
                return Err("this is no whole request");
            }
        };
        let mut output = Output::default();
        let date = message::date::format(clock::wall().seconds);
        let mut date29 = *b"Thu, 01 Jan 1970 00:00:00 GMT";
        date29.copy_from_slice(date.as_bytes());
        http.respond(response, &date29, &mut output);
        let head = String::from_utf8_lossy(output.bytes()).into_owned();
        let mut lines = head.split("\r\n").take_while(|line| !line.is_empty());
        let status = lines.next().filter(|_| !is_of_program).unwrap_or(OF_PROGRAM).to_owned();
        // How long the content is the program says, too.
        let is_told = |(name, _): &(&str, &str)| !is_of_program || *name != "content-length";
        let fields = lines.filter_map(|line| line.split_once(": ")).filter(is_told);
        let fields = fields.map(|(name, value)| field(name, value, policy)).collect();
        Ok(Explanation { steps, status, fields })
    }

    /// The way of a sound request, whatever of it has to wait done at once.
    fn answer(
        &mut self,
        request: &Request<'_>,
        asked: &Asked<'_>,
        steps: &mut Vec<Step>,
    ) -> (Response, Option<&'static Policy>, Whose) {
        let Self { plan, folders, cache, verdicts } = self;
        let plan = *plan;
        let (now, wall_seconds) = (clock::now(), clock::wall().seconds);
        let counters = &Row::default();
        // What would be asked is told, whether or not somebody has asked it before.
        let answers = &Answers::new(0, Keeping::default());
        let (changes, board) = (None, None);
        let tools =
            &mut Tools { folders, cache, now, wall_seconds, counters, answers, changes, board };
        // How often the client has asked is nobody's to know here: limits are told, and let it in.
        let clients = Clients::new(&[], [0; 2]);
        let (mut done, mut called) = (None, None);
        loop {
            let id = ids::of(plan, request, asked.client, &mut Ids::new());
            let (mut exchange, failed) =
                flow::begin(plan, (request, id), (asked.client, asked.listener));
            steps.clear();
            if exchange.client != asked.client {
                steps.push(steps::client(exchange.client));
            }
            let ledger = &mut Ledger::default();
            let mut door = Door { verdicts: &mut *verdicts, clients, ledger, now, done: None };
            match flow::pass(plan, &mut exchange, done.or(failed), &mut door, tools, steps) {
                Outcome::Calling(call, _) => {
                    let wanted = route::find(plan, &exchange, &mut ()).policy.action.files();
                    let left = wanted.and_then(|wanted| outside(plan, wanted, &exchange, tools));
                    steps.extend(left);
                    steps.push(steps::program(&call, plan));
                    called = Some(std::mem::take(steps));
                    // What the program will say nobody knows; what is added to that is.
                    done = Some(Box::new(Done::Reply(Reply::of_nothing(), exchange.user.take())));
                }
                Outcome::Waiting(job, _) => done = Some(Box::new(job.run())),
                Outcome::Answered(Answered { mut response, bandwidth, .. }) => {
                    mark(plan, exchange.id.as_ref(), &mut response);
                    let policy = route::find(plan, &exchange, &mut ()).policy;
                    if let Some(told) = called {
                        *steps = told;
                        return (response, Some(policy), Whose::Program);
                    }
                    // What a guard has answered gets to no file.
                    let has_acted = steps.iter().any(|step| step.what == "action")
                        && steps.iter().all(|step| step.what != REFUSED);
                    let page = has_acted.then(|| {
                        files_of(plan, (policy, response.status), &exchange, tools, steps)
                    });
                    steps.extend(page.flatten().or_else(|| steps::page(policy, response.status)));
                    if let Some(limit) = bandwidth {
                        steps.push(Step::new("bandwidth", &*limit.text, &limit.place));
                    }
                    return (response, Some(policy), Whose::Server);
                }
            }
        }
    }
}

/// Which file the action of a policy has come to; the page that an error with that status gets,
/// if it is one of the folder.
fn files_of(
    plan: &Plan,
    (policy, status): (&Policy, Status),
    exchange: &Exchange<'_>,
    tools: &mut Tools<'_>,
    steps: &mut Vec<Step>,
) -> Option<Step> {
    let wanted = policy.action.files()?;
    steps.extend(outside(plan, wanted, exchange, tools));
    let denied = steps::denied(&policy.action, exchange);
    let mut locate = || files::locate(wanted, exchange, tools);
    let located = if denied.is_some() { None } else { locate() };
    steps.extend(denied);
    let step = |what, path: &[u8], verdict| {
        let root = steps::root(wanted, plan);
        let text = format!("{root}{}{verdict}", path.escape_ascii());
        Step::new(what, text, &wanted.place)
    };
    steps.extend(located.map(|(path, verdict)| step("file", &path, verdict)));
    let mut own = || files::missing_page(wanted, tools);
    let page = if status == Status::NOT_FOUND { own() } else { None };
    page.map(|path| step("page", path, ""))
}

/// That there is a file by the path, to which a link leads that is not followed, where that is so.
fn outside(
    plan: &Plan,
    wanted: &Files,
    exchange: &Exchange<'_>,
    tools: &mut Tools<'_>,
) -> Option<Step> {
    let (path, place) = files::outside(wanted, exchange, tools)?;
    let (root, path) = (steps::root(wanted, plan), path.escape_ascii());
    let text =
        format!("{root}{path}: a link leads to {}, which `links` does not name", place.display());
    Some(Step::new("passed over", text, &wanted.place))
}

/// Who has made an answer.
#[derive(PartialEq, Eq)]
enum Whose {
    Server,
    Program,
}

/// A field with whoever put it there.
fn field(name: &str, value: &str, policy: Option<&Policy>) -> Field {
    let setting = policy.and_then(|policy| setting(name, value, policy));
    Field {
        name: name.to_owned(),
        value: value.to_owned(),
        origin: setting.map_or_else(|| steps::built_in(name), |(setting, _)| setting),
        place: setting.map(|(_, place)| place.clone()),
    }
}

/// The setting that put a field there, and where it is written: an edit that makes this very line,
/// or else what sends a field of that name by itself.
fn setting<'p>(name: &str, value: &str, policy: &'p Policy) -> Option<(&'static str, &'p Place)> {
    let Policy { access, adjust, .. } = policy;
    let FieldEdits { found, phrases, origins, .. } = &adjust.fields;
    let lines = found.as_ref().map_or(&[][..], Prepared::lines);
    let is_edit = lines.iter().any(|line| line.name == name && *line.value == *value.as_bytes())
        || phrases.iter().any(|(edited, _)| **edited == *name);
    let edit = origins.iter().rev().find(|origin| is_edit && *origin.name == *name);
    let edit = edit.map(|origin| (origin.setting, &origin.place));
    edit.or_else(|| match name {
        "www-authenticate" => access.password.as_ref().map(|asked| ("auth", &asked.place)),
        _ if name.starts_with("access-control-") || (name, value) == ("vary", "origin") => {
            adjust.cors.as_ref().map(|cors| ("cors", &cors.place))
        }
        _ => None,
    })
}
