//! What a path leads to, for `gannet explain`, which may wait for the disk.

use super::{
    NOT_FOUND_PAGE, fallback,
    load::{self, Loaded, Patience, Siblings, Wish},
};
use crate::Tools;
use config::{plan::Files, unsent};
use message::{Exchange, Method};
use net::Kind;
use std::path::PathBuf;

/// What the path of `exchange` leads to below its folder, and what is to be said of that, if
/// anything is. Waits for the disk.
#[must_use]
pub fn locate(
    files: &Files,
    exchange: &Exchange<'_>,
    tools: &mut Tools<'_>,
) -> Option<(Vec<u8>, &'static str)> {
    let is_read = matches!(exchange.request.method, Method::Get | Method::Head);
    let folder = tools.folders.current(files.folder, tools.now).filter(|_| is_read)?;
    let path = exchange.path.as_ref().ok()?.below(files.segments_skipped);
    let asked = path.as_bytes().to_vec();
    let Ok(folder) = folder else {
        return Some((asked, " is not there: its root cannot be opened"));
    };
    if unsent::is_unsent(&path) {
        return Some((asked, " is never sent: it is hidden or program source"));
    }
    let loaded = load::attempt(folder, &asked, Wish::new(Siblings::Unasked), Patience::Wait)?;
    let is_closed = asked.ends_with(b"/") && !folder.listing;
    let is_missing = match &loaded {
        Loaded::Missing => true,
        Loaded::Folder => is_closed,
        _ => false,
    };
    if is_missing && let Some(page) = fallback::page(files, &asked, exchange.request) {
        return Some((page.to_vec(), " in place of a page that is not there"));
    }
    Some(match loaded {
        Loaded::Page(page) => (page.plain.path, ""),
        Loaded::Folder if is_closed => {
            (asked, " is a folder with no index file, and `listing` is off")
        }
        Loaded::Folder => (asked, " is a folder"),
        Loaded::Missing => (asked, " is not there"),
        Loaded::Denied => (asked, " may not be read"),
        Loaded::Exhausted | Loaded::Failed => (asked, " cannot be read"),
    })
}

/// What the path of `exchange` names below the folder of `files` that is there and is not sent, as
/// a link to it leads out of the folder; and where that is. Waits for the disk.
#[must_use]
pub fn outside(
    files: &Files,
    exchange: &Exchange<'_>,
    tools: &mut Tools<'_>,
) -> Option<(Vec<u8>, PathBuf)> {
    let folder = tools.folders.current(files.folder, tools.now)?.ok()?;
    let asked = exchange.path.as_ref().ok()?.below(files.segments_skipped).as_bytes().to_vec();
    let index = folder.index.iter().filter(|_| asked.ends_with(b"/"));
    let index = index.map(|name| [&asked, name.as_bytes()].concat());
    let mut all = std::iter::once(asked.clone()).chain(index);
    let found = all.find_map(|path| match folder.root.find(&path, Patience::Wait) {
        Ok(found) if found.stat.kind == Kind::File => Some(None),
        _ => folder.root.outside(&path).map(|place| Some((path, place))),
    });
    found.flatten()
}

/// The page that the folder of `files` has itself for what is missing, if it is there. Waits for
/// the disk.
#[must_use]
pub fn missing_page(files: &Files, tools: &mut Tools<'_>) -> Option<&'static [u8]> {
    let folder = tools.folders.current(files.folder, tools.now)?.ok()?;
    let look =
        || load::attempt(folder, NOT_FOUND_PAGE, Wish::new(Siblings::Unasked), Patience::Wait);
    let is_there = files.has_missing_page && matches!(look(), Some(Loaded::Page(_)));
    is_there.then_some(NOT_FOUND_PAGE)
}
