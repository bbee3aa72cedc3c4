//! What the server can do with a request.

use super::{Php, Phrase, Place, Template};
use message::{Status, response::Line};
use std::{path::PathBuf, sync::Arc};

/// What the server can do with a request.
#[derive(Clone, Debug)]
pub enum Action {
    /// Sends files.
    Files(Files),
    /// Runs PHP, and sends files beside it.
    Php(Box<Php>),
    /// Says where else to look.
    Redirect(Redirect),
    /// Says what the config says.
    Respond(Respond),
    /// Says when files change, to the pages that are open.
    Live,
    /// Shows how the server is.
    Admin,
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
    /// Which form of a path is the right one.
    pub trailing_slash: TrailingSlash,
    /// Whether `/404.html` is the page for what is missing: not where the config names another.
    pub has_missing_page: bool,
    /// What a listing is made with, where it is not the built-in page.
    pub listing_template: Option<Arc<Template>>,
    /// The methods that there are for these paths: at most those that files take, and those that
    /// other routes of the same paths answer.
    pub allow: Line,
    /// Whether guards tell paths of the site apart, so that what is sent by another path than its
    /// own has to meet those of its own.
    pub has_doors: bool,
    /// Who named the root.
    pub place: Place,
}

impl Action {
    /// The files that it sends, if it sends any.
    #[must_use]
    pub fn files(&self) -> Option<&Files> {
        match self {
            Self::Files(files) => Some(files),
            Self::Php(php) => Some(&php.files),
            Self::Redirect(_) | Self::Respond(_) | Self::Live | Self::Admin | Self::NotFound => {
                None
            }
        }
    }
}

impl Files {
    /// The methods that files take.
    pub const ALLOW: Line = Line::fixed("allow", "GET, HEAD, OPTIONS");

    /// All files of the folder of that number, everything else at its default.
    pub(crate) fn of_folder(folder: usize, place: Place) -> Self {
        Self {
            folder,
            segments_skipped: 0,
            fallback: None,
            trailing_slash: TrailingSlash::Keep,
            has_missing_page: true,
            listing_template: None,
            allow: Self::ALLOW,
            has_doors: false,
            place,
        }
    }
}

/// Which form of a path is the right one; the other is redirected to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TrailingSlash {
    /// Both, but that a folder has its slash.
    #[default]
    Keep,
    /// With a slash, also where the fallback stands for a page.
    Add,
    /// Without a slash.
    Remove,
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
