//! What an operator typed → a checked, immutable plan; every refusal has a line and a column.
//!
//! `syntax` makes words of the text, `written` sorts them by setting, `resolve` says no to what
//! makes no sense, and `plan` is what remains. Each setting is described once, in the tables of
//! `written`. Nothing here touches the machine: what must be known of it is asked of a [`World`].

mod source;
mod syntax;
mod setting;
mod kind;
mod log_kind;
mod unit;
mod written;
mod host;
mod guess;
mod mistake;
mod world;
mod resolve;
pub mod plan;

pub use mistake::{Errors, Paint, Problem};
pub use plan::Plan;
pub use setting::{Description, Preset};
pub use world::World;
pub use written::settings;

use mistake::Mistake;
use plan::{Action, DEFAULT_SITE, Files, Folder, Listen, Logs, Node, Place, Route, Routes, Site};
use source::{Source, Span};
use std::{
    cell::OnceCell, collections::HashSet, net::SocketAddr, num::NonZero, path::PathBuf, str,
};

/// Makes a plan of the config `text`, a file called `name` in messages.
///
/// # Errors
///
/// Everything that is wrong with it, at once.
pub fn load(name: &str, text: impl AsRef<[u8]>, world: &dyn World) -> Result<Plan, Errors> {
    let text = text.as_ref();
    let text = match str::from_utf8(text) {
        Ok(text) => text.to_owned(),
        Err(error) => return Err(not_utf8(name, text, error.valid_up_to())),
    };
    let source = Source::new(name, text);
    let mut mistakes = Vec::new();
    let rest = OnceCell::new();
    let words = syntax::parse(&source, &rest, &mut mistakes);
    let syntax = mistakes.len();
    let line = |mistake: &Mistake| source.line(mistake.span().start);
    let broken: HashSet<usize> = mistakes.iter().map(line).collect();
    let written = written::read(&words, &mut mistakes);
    let plan = resolve::resolve(written, &source, world, &mut mistakes);
    drop(words);
    if mistakes.is_empty() {
        return Ok(plan);
    }
    // A line that was not understood cannot be blamed for what it seems to say as well.
    let others = mistakes.split_off(syntax);
    mistakes.extend(others.into_iter().filter(|mistake| !broken.contains(&line(mistake))));
    Err(Errors::new(source, mistakes))
}

fn not_utf8(name: &str, text: &[u8], at: usize) -> Errors {
    let byte = text.get(at).copied().unwrap_or_default();
    let cause = format!("the file is not UTF-8: here is the byte 0x{byte:02x}");
    let span = Span { start: at, end: at + char::REPLACEMENT_CHARACTER.len_utf8() };
    let mistake = Mistake::new(span, cause, "not a character").help("save the file as UTF-8");
    Errors::new(Source::new(name, String::from_utf8_lossy(text).into_owned()), vec![mistake])
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
    /// The logs.
    pub logs: Logs,
    /// Whether folders without an index file are listed.
    pub listing: bool,
}

/// The plan for serving one folder, everything else at its default.
#[must_use]
pub fn quick(quick: Quick) -> Plan {
    let Quick { root, listen, threads, logs, listing } = quick;
    let place = Place::of("the command line");
    let index = plan::index_default();
    let folder = Folder { id: 0, root, index, listing, links: Vec::new() };
    let files = Files { folder: 0, segments_skipped: 0, fallback: None, place: place.clone() };
    let rest = Route::plain("/*", place.clone(), Action::Files(files));
    let routes = Routes { top: Node::default(), rest };
    let site = Site { name: DEFAULT_SITE.into(), place, listeners: None, routes };
    let mut plan = Plan::new(vec![(site, Vec::new())], vec![folder]);
    let typed = |address| Listen { address, written: "the command line".into(), is_implied: false };
    plan.listen = listen.into_iter().map(typed).collect();
    plan.threads = threads;
    plan.logs = logs;
    plan
}
