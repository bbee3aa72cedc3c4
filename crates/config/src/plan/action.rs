//! What the server can do with a request.

use super::{Phrase, Place};
use message::Status;
use std::path::PathBuf;

/// What the server can do with a request.
#[derive(Clone, Debug)]
pub enum Action {
    /// Sends files.
    Files(Files),
    /// Says where else to look.
    Redirect(Redirect),
    /// Says what the config says.
    Respond(Respond),
    /// Says that there is nothing (404).
    NotFound,
}

/// Which files are sent, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The folder they lie in: its number among [`super::Plan::folders`].
    pub folder: usize,
    /// Segments of a path that are not looked for in the folder: those before the `*` of the route
    /// that has an `alias`.
    pub segments_skipped: usize,
    /// The path that is sent where there is no such file, unless the name asks for something that
    /// is no page.
    pub fallback: Option<Box<str>>,
    /// Who named the root.
    pub place: Place,
}

/// A folder that files are sent from. What is asked for in the same way is the same folder, however
/// many sites and routes name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    /// Its number among all of them.
    pub id: usize,
    /// Where it is; absolute.
    pub root: PathBuf,
    /// The names that stand for a folder in it, the first that exists.
    pub index: Vec<String>,
    /// Whether a folder without such a file is listed.
    pub listing: bool,
    /// Folders outside the root that symbolic links may lead into; absolute.
    pub links: Vec<PathBuf>,
}

/// Where else to look.
#[derive(Clone, Debug)]
pub struct Redirect {
    /// The URL or path to go to.
    pub to: Phrase,
    /// 301, 302, 303, 307 or 308.
    pub status: Status,
    /// Whether the query goes along: not where `to` has one of its own.
    pub keeps_query: bool,
    /// Who said so.
    pub place: Place,
}

/// What the config says itself.
#[derive(Clone, Debug)]
pub struct Respond {
    /// The status.
    pub status: Status,
    /// The content; none leaves it to the error page, where the status is an error.
    pub text: Option<Phrase>,
    /// The type of the content.
    pub media_type: Box<str>,
    /// Who said so.
    pub place: Place,
}
