//! Folders that are served: whether the user that serves gets into them and can read them.

use super::{Eyes, Finding, Look};
use crate::greeting::counted;
use config::{Plan, plan::Folder, unsent};
use net::{
    permission::{PASS, READ, WRITE, cure, may},
    way::{self, Way},
};
use std::{
    collections::VecDeque,
    fs::{self, Metadata},
    io::ErrorKind,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Path, PathBuf},
};

/// Files of one folder that are looked at, with those of folders below it, files of all, and those
/// of one that are named.
const FILES_MAX: usize = 10_000;
const ALL_FILES_MAX: usize = 100_000;
const NAMED_MAX: usize = 3;

/// Each folder, from the root of the file system on.
pub(super) fn look(plan: &Plan, eyes: &Eyes) -> Look {
    let (mut findings, mut left) = (Vec::new(), ALL_FILES_MAX);
    for folder in &plan.folders {
        match way(&folder.root, eyes, READ | PASS) {
            Some(finding) => findings.push(finding),
            None => findings.extend(unreadable(folder, eyes, &mut left)),
        }
    }
    findings.dedup();
    let well = format!(
        "{} can be read by {}",
        counted(plan.folders.len(), "folder", "folders"),
        eyes.name
    );
    Look { kind: "folders", well, findings }
}

/// The first part of the way to `path` that `eyes` do not pass, or that `wanted` is not theirs of
/// what is there. Links on the way are followed.
pub(super) fn way(path: &Path, eyes: &Eyes, wanted: u32) -> Option<Finding> {
    let about = path.display().to_string();
    let Way { parts, end } = way::to(path);
    for (at, part) in parts.iter().enumerate() {
        let Ok(metadata) = fs::metadata(part) else { continue };
        let is_last = end.is_none() && at + 1 == parts.len();
        let needed = if is_last { wanted } else { PASS };
        if !may(&metadata, eyes, needed) {
            let (mode, owner) = (metadata.mode() & 0o7777, metadata.uid());
            let cause = format!(
                "{} has mode {mode:04o} and belongs to user {owner}, so that {} may not {}",
                part.display(),
                eyes.name,
                words(needed)
            );
            return Some(Finding::fault(about, cause, cure(part, &metadata, eyes, needed)));
        }
    }
    let (part, error) = end?;
    let cure = match error.kind() {
        ErrorKind::PermissionDenied => "ask as root, who may look there".to_owned(),
        _ => format!("make {}, or name another path in the config", part.display()),
    };
    Some(Finding::fault(about, format!("{}: {error}", part.display()), cure))
}

/// A file that is closed, by its path from the top of its folder, and what is needed of it.
type Closed = (PathBuf, Metadata, u32);

/// Files of a folder that `eyes` may not read though clients can ask for them. Whoever closed one
/// may have meant it, but for the page that the folder is asked for. So many are looked at as are
/// `left`.
fn unreadable(folder: &Folder, eyes: &Eyes, left: &mut usize) -> Option<Finding> {
    let mut closed = closed(folder, eyes, left);
    let is_index = |path: &Path| folder.index.iter().any(|index| **index == *path.as_os_str());
    closed.sort_unstable_by(|(a, ..), (b, ..)| (!is_index(a), a).cmp(&(!is_index(b), b)));
    let (first, metadata, needed) = closed.first()?;
    let names = closed.iter().take(NAMED_MAX).map(|(path, ..)| path.to_string_lossy());
    let shown = names.collect::<Vec<_>>().join(", ");
    let more = match closed.len().saturating_sub(NAMED_MAX) {
        0 => String::new(),
        count => format!(" and {count} more"),
    };
    let cause = format!("{} may not read {shown}{more}: clients get 403 or 404", eyes.name);
    let cure = cure(&folder.root.join(first), metadata, eyes, *needed);
    let about = folder.root.display().to_string();
    Some(match is_index(first) {
        true => Finding::fault(about, cause, cure),
        false => Finding::remark(
            about,
            cause,
            format!("if everybody is to see that, {cure}; if nobody is, have it elsewhere"),
        ),
    })
}

/// What is closed to `eyes` in a folder and in those below it, as far as names are sent.
fn closed(folder: &Folder, eyes: &Eyes, left: &mut usize) -> Vec<Closed> {
    let mut closed = Vec::new();
    let mut below = VecDeque::from([PathBuf::new()]);
    let mut own = FILES_MAX.min(*left);
    while let Some(here) = below.pop_front() {
        let entries = fs::read_dir(folder.root.join(&here)).into_iter().flatten();
        for entry in entries.filter_map(Result::ok) {
            if own == 0 {
                return closed;
            }
            (own, *left) = (own - 1, *left - 1);
            let found = entry.metadata().ok().filter(|found| !found.is_symlink());
            let Some(found) = found.filter(|_| is_sent(entry.file_name().as_bytes())) else {
                continue;
            };
            let path = here.join(entry.file_name());
            let needed = match found.is_dir() {
                true if folder.listing => READ | PASS,
                true => PASS,
                false => READ,
            };
            if !may(&found, eyes, needed) {
                closed.push((path, found, needed));
            } else if found.is_dir() {
                below.push_back(path);
            }
        }
    }
    closed
}

/// Whether files of that name are sent to clients: settings, passwords and programs never are, so
/// that the server need not read them.
fn is_sent(name: &[u8]) -> bool {
    let is_hidden = unsent::is_dotfile(name) && name != b".well-known";
    !is_hidden && !unsent::is_source(name)
}

fn words(wanted: u32) -> &'static str {
    match wanted {
        PASS => "pass it",
        _ if wanted & WRITE != 0 => "write there",
        _ => "read it",
    }
}
