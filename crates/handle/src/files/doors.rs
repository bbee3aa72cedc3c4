//! By which other paths than the one that was asked for a file is reached, so that their guards are
//! asked as well.

use crate::Answer;
use config::plan::Files;
use message::{Exchange, Response};

/// The paths, other than the one asked for, of the file that lies at `file` and was found as what
/// `found` names: its own, and that of the folder whose index it is. None where the guards of its
/// site are the same for all paths.
pub(super) fn others(
    files: &Files,
    exchange: &Exchange<'_>,
    found: &[u8],
    file: &[u8],
) -> Vec<Vec<u8>> {
    let Ok(path) = &exchange.path else { return Vec::new() };
    if !files.has_doors {
        return Vec::new();
    }
    let asked = path.as_bytes();
    // What the `*` of an alias does not stand for is the same for every file.
    let before = asked.strip_suffix(path.below(files.segments_skipped).as_bytes()).unwrap_or(asked);
    let slash: &[u8] = if found.ends_with(b"/") { b"" } else { b"/" };
    let folder = (found != file).then(|| [before, found, slash].concat());
    let all = folder.into_iter().chain([[before, file].concat()]);
    all.filter(|path| path != asked).collect()
}

/// `response`, for whom the guards of the paths `others` let in.
pub(super) fn guarded(response: Response, others: Vec<Vec<u8>>) -> Answer {
    match others.is_empty() {
        true => Answer::Ready(response),
        false => Answer::Guarded(Box::new((response, others))),
    }
}
