//! Folders that are served: whether the user that serves gets into them and can read them.

use super::{Eyes, Finding, Look};
use crate::greeting::counted;
use config::{Plan, plan::Folder, unsent};
use net::permission::{PASS, READ, WRITE, cure, may};
use std::{
    ffi::OsString,
    fs,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::Path,
};

/// Files of one folder that are looked at, and those of them that are named.
const FILES_MAX: usize = 10_000;
const NAMED_MAX: usize = 3;

/// Each folder, from the root of the file system on.
pub(super) fn look(plan: &Plan, eyes: &Eyes) -> Look {
    let mut findings = Vec::new();
    for folder in &plan.folders {
        match way(&folder.root, eyes, READ | PASS) {
            Some(finding) => findings.push(finding),
            None => findings.extend(unreadable(folder, eyes)),
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
/// what is there.
pub(super) fn way(path: &Path, eyes: &Eyes, wanted: u32) -> Option<Finding> {
    let mut parts: Vec<_> = path.ancestors().collect();
    parts.reverse();
    for part in parts {
        let about = path.display().to_string();
        let about_part = fs::metadata(part);
        let Ok(metadata) = about_part else {
            let why = about_part.err().map(|error| error.to_string()).unwrap_or_default();
            let cure = format!("make {}, or name another path in the config", part.display());
            return Some(Finding::fault(about, format!("{}: {why}", part.display()), cure));
        };
        let needed = if part == path { wanted } else { PASS };
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
    None
}

/// Files of the folder itself that `eyes` may not read though clients can ask for them. Whoever
/// closed one may have meant it, but for the page that the folder is asked for.
fn unreadable(folder: &Folder, eyes: &Eyes) -> Option<Finding> {
    let root = &folder.root;
    let entries = fs::read_dir(root).ok()?.take(FILES_MAX).filter_map(Result::ok);
    let sent = entries.filter(|entry| is_sent(entry.file_name().as_bytes()));
    let hidden = sent.filter_map(|entry| {
        let found = entry.metadata().ok().filter(|found| !found.is_symlink())?;
        let needed = if found.is_dir() { READ | PASS } else { READ };
        (!may(&found, eyes, needed)).then(|| (entry.file_name(), found, needed))
    });
    let mut hidden: Vec<_> = hidden.collect();
    let is_index = |name: &OsString| folder.index.iter().any(|index| **index == **name);
    hidden.sort_unstable_by_key(|(name, ..)| (!is_index(name), name.clone()));
    let (first, metadata, needed) = hidden.first()?;
    let names = hidden.iter().take(NAMED_MAX).map(|(name, ..)| name.to_string_lossy());
    let shown = names.collect::<Vec<_>>().join(", ");
    let more = match hidden.len().saturating_sub(NAMED_MAX) {
        0 => String::new(),
        count => format!(" and {count} more"),
    };
    let cause = format!("{} may not read {shown}{more}: clients get 403 or 404", eyes.name);
    let cure = cure(&root.join(first), metadata, eyes, *needed);
    let about = root.display().to_string();
    Some(match is_index(first) {
        true => Finding::fault(about, cause, cure),
        false => Finding::remark(
            about,
            cause,
            format!("if everybody is to see that, {cure}; if nobody is, have it elsewhere"),
        ),
    })
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
