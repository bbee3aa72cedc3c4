//! What an operator typed → a checked, immutable plan; every refusal has a line and a column.
//!
//! `syntax` makes words of the text, `written` sorts them by setting, `resolve` says no to what
//! makes no sense, and `plan` is what remains. Each setting is described once, in the tables of
//! `written`. Nothing here touches the machine: what must be known of it is asked of a [`World`].

mod source;
mod syntax;
mod fill;
mod include;
mod setting;
mod shape;
mod kind;
mod log_kind;
mod ini_kind;
mod unit;
mod written;
mod host;
mod guess;
mod nginx;
mod mistake;
mod world;
mod bundle;
pub mod blueprint;
pub mod unsent;
mod resolve;
mod save;
mod reference;
mod schema;
pub mod limits;
pub mod plan;

pub use blueprint::Blueprint;
pub use bundle::{Bundle, record};
pub use guess::nearest;
pub use mistake::{Errors, Paint, Problem};
pub use plan::Plan;
pub use reference::{help, page};
pub use save::save;
pub use schema::schema;
pub use shape::{Description, Preset};
pub use world::{Content, Fpm, PairFault, Whose, World};
pub use written::settings;

use include::Reading;
use mistake::Mistake;
use plan::{
    Action, Address, Application, Branch, Certificate, Compress, DEFAULT_SITE, Files, Folder,
    Issuer, LIVE_PATH, Listen, LogFormat, Logs, Node, Pem, Php, Place, Route, Routes, Site, Tls,
    TlsVersion, Upstream,
};
use std::{collections::HashSet, net::SocketAddr, num::NonZero, path::PathBuf};

/// Makes a plan of the config `text`, a file called `name` in messages, and of all it includes.
///
/// # Errors
///
/// Everything that is wrong with it, at once.
pub fn load(name: &str, text: impl AsRef<[u8]>, world: &dyn World) -> Result<Plan, Errors> {
    let reading = include::read(name, text.as_ref(), world);
    let Reading { written, sources, unread: mut mistakes, mistakes: mut others, filled } = reading;
    let unread = mistakes.len();
    mistakes.append(&mut others);
    let plan = resolve::resolve(written, &sources, &filled, world, &mut mistakes);
    if mistakes.is_empty() {
        return Ok(plan);
    }
    // A line that was not understood cannot be blamed for what it seems to say as well.
    let line = |mistake: &Mistake| sources.line_start(mistake.span());
    others.extend(mistakes.drain(unread..));
    let broken: HashSet<usize> = mistakes.iter().map(line).collect();
    mistakes.extend(others.into_iter().filter(|mistake| !broken.contains(&line(mistake))));
    fill::hide(&mut mistakes, &filled);
    Err(Errors::new(sources, mistakes))
}

/// The control socket that the config `text` names, whatever else is wrong with it. Nothing is
/// asked of the machine but the text of files.
///
/// # Errors
///
/// What is wrong with the text, where it names none.
pub fn control(
    name: &str,
    text: impl AsRef<[u8]>,
    world: &dyn World,
) -> Result<Option<PathBuf>, Errors> {
    let reading = include::read(name, text.as_ref(), world);
    let Reading { written, sources, unread: mut mistakes, mistakes: mut others, filled } = reading;
    mistakes.append(&mut others);
    match written.server.control {
        Some(word) => Ok(Some(sources.path(&word))),
        None if mistakes.is_empty() => Ok(None),
        None => {
            fill::hide(&mut mistakes, &filled);
            Err(Errors::new(sources, mistakes))
        }
    }
}

/// What the command line says where there is no config file: one folder for every host.
#[derive(Clone, Debug)]
pub struct Quick {
    /// The folder; absolute.
    pub root: PathBuf,
    /// The addresses to listen on.
    pub listen: Vec<SocketAddr>,
    /// Event loops; `None` stands for as many as there are cores.
    pub threads: Option<NonZero<usize>>,
    /// How lines of the access log look; `None` leaves it to where they go.
    pub log: Option<LogFormat>,
    /// Whether folders without an index file are listed.
    pub listing: bool,
    /// The path that is sent where a page is missing.
    pub fallback: Option<String>,
    /// The application that the folder holds, where it is one of PHP.
    pub php: Option<QuickPhp>,
    /// Whether pages hear of changes of their files.
    pub live: bool,
    /// The certificate of the local authority by which it is served over TLS, where it is; nothing
    /// where nobody is going to be shown it.
    pub tls: Option<Pem>,
}

/// An application of PHP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuickPhp {
    /// The socket of who runs it; `None` where nobody does yet.
    pub socket: Option<PathBuf>,
    /// Whom its programs run as, where that has to be said.
    pub user: Option<&'static str>,
    /// The paths at which no program is run, as `php-deny` has them.
    pub denied: Vec<Box<str>>,
    /// Folders of other packages that its links lead to.
    pub links: Vec<PathBuf>,
    /// Folders that it has elsewhere.
    pub parts: Vec<QuickPart>,
    /// Folders of it from which nothing is given, by their names.
    pub closed: &'static [&'static str],
}

/// A folder of an application that lies elsewhere than the rest of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuickPart {
    /// What its paths begin with: one segment.
    pub name: &'static str,
    /// The folder; absolute.
    pub root: PathBuf,
    /// Folders that its links lead to.
    pub links: Vec<PathBuf>,
}

/// Whether a person watches what is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Eyes {
    /// On standard output.
    pub output: bool,
    /// On standard error.
    pub errors: bool,
}

/// The plan for serving one folder, everything else at its default.
#[must_use]
pub fn quick(quick: Quick, eyes: Eyes) -> Plan {
    let Quick { root, listen, threads, log, listing, fallback, php, live, tls } = quick;
    let place = Place::of("the command line");
    let index = plan::index_default();
    let (links, parts, closed) = php
        .as_ref()
        .map(|php| (php.links.clone(), php.parts.clone(), php.closed))
        .unwrap_or_default();
    let folder = Folder { id: 0, root, index, listing, links };
    let fallback = fallback.map(Into::into);
    let files = Files { fallback, ..Files::of_folder(0, place.clone()) };
    let (action, applications) = match php {
        Some(QuickPhp { socket: Some(socket), denied, .. }) => {
            let address = Upstream::Unix(socket);
            let application = Application { number: 0, address: address.clone() };
            let php = Php { denied, ..Php::of(files, application) };
            (Action::Php(Box::new(php)), vec![address])
        }
        Some(QuickPhp { socket: None, .. }) | None => (Action::Files(files), Vec::new()),
    };
    let mut rest = Route::plain("/*", place.clone(), action);
    rest.policy.adjust.compress = Some(Compress::default());
    let (mut top, mut folders) = (Node::default(), vec![folder]);
    for part in parts {
        let name = part.name.as_bytes().into();
        top.children.insert(name, below(beside(part, &rest, &mut folders)));
    }
    for name in closed {
        let route = Route::plain(&format!("/{name}/*"), place.clone(), Action::NotFound);
        top.children.insert(name.as_bytes().into(), below(route));
    }
    if live {
        let route = Route::plain(&format!("{LIVE_PATH}*"), place.clone(), Action::Live);
        top.children.insert(LIVE_PATH.trim_matches('/').as_bytes().into(), below(route));
    }
    let routes = Routes { top, rest };
    let (listeners, label, has_tls) = (None, 0, tls.is_some());
    let certificates = tls.map(|pem| Certificate {
        chain: PathBuf::new(),
        key: PathBuf::new(),
        pem,
        place: place.clone(),
        issuer: Issuer::Local(Box::default()),
    });
    let tls = certificates.as_ref().map(|_| Tls {
        certificates: [0].into(),
        min_version: TlsVersion::Tls12,
        client_authorities: None,
        plain: None,
        proof: None,
        place: place.clone(),
    });
    let site = Site { name: DEFAULT_SITE.into(), place, listeners, tls, routes, label };
    let mut plan = Plan::new(vec![(site, Vec::new())], folders);
    let typed = |address| Listen {
        address: Address::Tcp(address),
        written: "the command line".into(),
        is_implied: false,
        proxy_protocol: false,
        http2: has_tls,
        tls: has_tls,
    };
    plan.certificates = certificates.into_iter().collect();
    plan.applications = applications;
    plan.listen = listen.into_iter().map(typed).collect();
    plan.threads = threads;
    let format = log.unwrap_or_else(|| LogFormat::usual(eyes.output));
    plan.logs = Logs::of(format, eyes.errors);
    plan
}

/// The node whose paths `route` is for.
fn below(route: Route) -> Node {
    let branch = Branch { any: Some(route), ..Branch::default() };
    Node { prefix: Some(Box::new(branch)), ..Node::default() }
}

/// The route to a part of the application of `rest`, whose folder goes to the others.
fn beside(part: QuickPart, rest: &Route, folders: &mut Vec<Folder>) -> Route {
    let QuickPart { name, root, links } = part;
    let (id, index) = (folders.len(), plan::index_default());
    folders.push(Folder { id, root, index, listing: false, links });
    let files = Files { segments_skipped: 1, ..Files::of_folder(id, rest.place.clone()) };
    let action = match &rest.policy.action {
        Action::Php(whole) => {
            let files = Files { has_missing_page: false, ..files };
            let part = Php { files, ..Php::clone(whole) };
            Action::Php(Box::new(Php { whole: Some(whole.clone()), ..part }))
        }
        _ => Action::Files(files),
    };
    let mut route = Route::plain(&format!("/{name}/*"), rest.place.clone(), action);
    route.policy.adjust.compress = Some(Compress::default());
    route
}
