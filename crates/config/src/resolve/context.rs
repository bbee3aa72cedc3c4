//! What every step of resolving needs: the text, the machine, and where mistakes go.

use super::listeners::Listeners;
use super::log::{Book, no_ids};
use super::own::Own;
use super::tls;
use crate::{
    fill::{self, Filled},
    mistake::{Mistake, quote},
    plan::{
        Authorities, Certificate, ErrorPage, Folder, Issuing, Password, Phrase, PhraseError, Place,
        Pool, Template, TrailingSlash, Upstream,
    },
    source::{Sources, Span, Word},
    world::World,
};
use base::stable;
use foldhash::{HashMap, HashSet};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// What is wrong with the folder `path` that the setting `name` stands for, which is shown below.
pub(super) fn blame(name: &str, path: &Path, cause: &str) -> String {
    match cause.strip_prefix(&*path.to_string_lossy()) {
        Some(rest) if rest.starts_with([' ', ':']) => format!("`{name}`{rest}"),
        _ => format!("`{name}`: {cause}"),
    }
}

/// What every step of resolving needs.
pub(crate) struct Context<'c> {
    pub(crate) sources: &'c Sources,
    pub(crate) filled: &'c [Filled],
    pub(crate) world: &'c dyn World,
    pub(crate) mistakes: &'c mut Vec<Mistake>,
    pub(crate) logs: Book<'c>,
    /// The field that has the id of each exchange.
    pub(crate) request_id: Option<Word<Option<Box<str>>>>,
    /// The user who serves, if one is named.
    pub(crate) user: Option<String>,
    /// Whether everything that was typed was understood, so that what is missing was never there.
    pub(crate) is_sound: bool,
    /// Whether all of the site that is resolved was understood.
    pub(crate) is_site_sound: bool,
    /// Whether guards tell paths of the site apart that is resolved.
    pub(crate) has_doors: bool,
    /// How many segments come before the `*` of each route of the chain that is resolved, the
    /// site first.
    pub(crate) segments: Vec<usize>,
    /// The addresses to listen on so far.
    pub(crate) listeners: Listeners,
    /// The folders so far, and those that were looked at, so that each is opened and checked once.
    pub(crate) folders: Vec<Folder>,
    /// The applications so far.
    pub(crate) applications: Vec<Upstream>,
    /// Those of them that are started, the site that is resolved, and what was said of either.
    pub(crate) pools: Vec<Pool>,
    pub(crate) site: Box<str>,
    pub(crate) said_of_pools: HashSet<(Span, String)>,
    /// What came of each `auth`, by its place, so that its file is read once.
    pub(crate) passwords: HashMap<Span, Option<Password>>,
    /// The roots, and where each is first named.
    pub(crate) served: HashMap<PathBuf, Span>,
    /// The folders that links in those may lead into.
    pub(crate) linked: HashMap<PathBuf, Span>,
    /// Files of passwords, and where each is named.
    pub(crate) own: Vec<Own>,
    /// The certificates so far; what came of each pair of files, so that each is read once; the
    /// authorities of clients; and where each site is typed.
    pub(crate) certificates: Vec<Certificate>,
    pub(crate) issuing: Issuing,
    /// Where it is named where keys are kept that come by themselves, or for whom the first is.
    pub(crate) keeps: Option<Span>,
    pub(crate) pairs: HashMap<tls::Paths, Option<usize>>,
    pub(crate) authorities: Vec<Authorities>,
    pub(crate) typed: Vec<tls::Typed>,
    numbers: HashMap<FolderKey, usize>,
    checked: HashMap<PathBuf, Result<(), String>>,
    /// The number of each limit, by where it was typed: who inherits it has the same one.
    limits: HashMap<Span, u32>,
    limit_numbers: HashSet<u32>,
    /// The pages and templates that were read, so that each is read and blamed once.
    pub(crate) error_pages: HashMap<PathBuf, Option<Arc<ErrorPage>>>,
    pub(crate) listing_templates: HashMap<PathBuf, Option<Arc<Template>>>,
}

/// What makes two places that serve files serve the same ones by the same paths: root, links, index
/// names, whether folders are listed, and whether they are sent without their slash.
type FolderKey = (PathBuf, Vec<PathBuf>, Vec<String>, bool, bool);

impl<'c> Context<'c> {
    pub(crate) fn new(
        sources: &'c Sources,
        filled: &'c [Filled],
        world: &'c dyn World,
        logs: Book<'c>,
        mistakes: &'c mut Vec<Mistake>,
    ) -> Self {
        Self {
            sources,
            filled,
            world,
            is_sound: mistakes.is_empty(),
            mistakes,
            logs,
            is_site_sound: true,
            has_doors: false,
            segments: Vec::new(),
            request_id: None,
            user: None,
            listeners: Listeners::default(),
            folders: Vec::new(),
            applications: Vec::new(),
            pools: Vec::new(),
            site: "".into(),
            said_of_pools: HashSet::default(),
            passwords: HashMap::default(),
            served: HashMap::default(),
            linked: HashMap::default(),
            own: Vec::new(),
            certificates: Vec::new(),
            issuing: Issuing::default(),
            keeps: None,
            pairs: HashMap::default(),
            authorities: Vec::new(),
            typed: Vec::new(),
            numbers: HashMap::default(),
            checked: HashMap::default(),
            limits: HashMap::default(),
            limit_numbers: HashSet::default(),
            error_pages: HashMap::default(),
            listing_templates: HashMap::default(),
        }
    }

    /// The number of the limit that was typed there and says so, from 1. It is made of that, since
    /// two configs share one table of clients in a reload: the same limit goes on, and another one
    /// never finds what was used up of this.
    pub(crate) fn limit_number(&mut self, span: Span, says: &str) -> u32 {
        if let Some(known) = self.limits.get(&span) {
            return *known;
        }
        let hash = stable::hash(format!("{} {says}", self.at(span)).as_bytes());
        let mut number = (hash ^ (hash >> 32)) as u32;
        while number == 0 || !self.limit_numbers.insert(number) {
            number = number.wrapping_add(1);
        }
        self.limits.insert(span, number);
        number
    }

    pub(crate) fn at(&self, span: Span) -> Place {
        self.sources.at(span)
    }

    /// The number of the folder that is like this one, and sent with `slashes` like that; the last
    /// where there was none so far.
    pub(crate) fn number(&mut self, mut folder: Folder, slashes: TrailingSlash) -> usize {
        let Folder { root, links, index, listing, .. } = &folder;
        let is_slashless = slashes == TrailingSlash::Remove;
        let key = (root.clone(), links.clone(), index.clone(), *listing, is_slashless);
        let next = self.folders.len();
        folder.id = *self.numbers.entry(key).or_insert(next);
        let id = folder.id;
        if id == next {
            self.folders.push(folder);
        }
        id
    }

    /// The number of the application that listens there; the last where there was none so far.
    pub(crate) fn application(&mut self, upstream: &Upstream) -> usize {
        let known = self.applications.iter().position(|other| other == upstream);
        known.unwrap_or_else(|| {
            self.applications.push(upstream.clone());
            self.applications.len() - 1
        })
    }

    /// The folder that `word` names for the setting `name`, which must be there.
    pub(crate) fn folder(&mut self, name: &str, word: &Word<String>) -> PathBuf {
        let path = self.sources.path(word);
        let world = self.world;
        let checked =
            self.checked.entry(path.clone()).or_insert_with_key(|path| world.check_folder(path));
        if let Err(cause) = checked {
            let help = match word.value.strip_prefix('~') {
                Some(_) => "`~` is not known here: write the whole path".to_owned(),
                None if cause.contains("may not enter") => {
                    format!("let that user in, or name another one by `user`, or correct `{name}`")
                }
                None if word.value.starts_with('$') => {
                    "a variable stands in braces: `${HOME}`".to_owned()
                }
                None if cause.contains("is not a folder") => {
                    format!("name a folder by `{name}`, such as the one that the file lies in")
                }
                None => format!("make it, or correct `{name}`"),
            };
            let cause = blame(name, &path, cause);
            let label = format!("stands for {}", path.display());
            self.mistakes.push(Mistake::new(word.span, cause, label).help(help));
        }
        path
    }

    /// Whether that folder was looked at and is not one that can be served, as was said.
    pub(crate) fn is_refused(&self, folder: &Path) -> bool {
        self.checked.get(folder).is_some_and(Result::is_err)
    }

    /// The phrase that was typed for the setting `name`.
    pub(crate) fn phrase(&mut self, name: &str, word: &Word<String>) -> Option<Phrase> {
        let refusal = match Phrase::parse(fill::phrase(word, self.filled)) {
            Ok(phrase) => {
                if phrase.has_id() && !self.logs.has_ids {
                    self.mistakes.push(no_ids(word.span));
                }
                return Some(phrase);
            }
            Err(refusal) => refusal,
        };
        let (cause, label) = match &refusal {
            PhraseError::Open => (format!("a `{{` in `{name}` has no `}}`"), "not closed"),
            PhraseError::Close => (format!("a `}}` in `{name}` has no `{{`"), "not opened"),
            PhraseError::Unknown(blank) => {
                let cause = format!("there is no placeholder {}", quote(&format!("{{{blank}}}")));
                (cause, "unknown placeholder")
            }
        };
        let help = format!("there are {}; write `{{{{` for a brace", Phrase::names());
        self.mistakes.push(Mistake::new(word.span, cause, label).help(help));
        None
    }
}
