//! Folders that are served: whether the user that serves gets into them and can read them.

use super::{Eyes, Finding, Look};
use crate::greeting::counted;
use config::{Plan, plan::Folder, unsent};
use net::identity;
use std::{
    ffi::OsString,
    fs::{self, Metadata},
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::Path,
};

/// Files of one folder that are looked at, and those of them that are named.
const FILES_MAX: usize = 10_000;
const NAMED_MAX: usize = 3;

/// What may be done with a file: the bits of others.
pub(super) const READ: u32 = 4;
pub(super) const WRITE: u32 = 2;
pub(super) const PASS: u32 = 1;

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

/// Whether `eyes` may do that with the file, by its mode.
pub(super) fn may(metadata: &Metadata, eyes: &Eyes, wanted: u32) -> bool {
    let (_, shift) = class(metadata, eyes);
    eyes.user == 0 || metadata.mode() >> shift & wanted == wanted
}

/// Whether `eyes` see the file as somebody whom it does not belong to.
pub(super) fn is_of_others(metadata: &Metadata, eyes: &Eyes) -> bool {
    eyes.user != 0 && class(metadata, eyes).0 == 'o'
}

/// As whom `eyes` come to the file: the letter of it in words of `chmod`, and where its bits are.
fn class(metadata: &Metadata, eyes: &Eyes) -> (char, u32) {
    if eyes.user == metadata.uid() {
        ('u', 6)
    } else if eyes.belongs_to(metadata.gid()) {
        ('g', 3)
    } else {
        ('o', 0)
    }
}

/// How `eyes` come to be allowed that, and nobody else: what is closed to others may be so for
/// good reason.
pub(super) fn cure(path: &Path, metadata: &Metadata, eyes: &Eyes, wanted: u32) -> String {
    let (path, letters) = (path.display(), letters(wanted));
    let (group, bits) = (metadata.gid(), metadata.mode() >> 3);
    let is_of_use = group != 0 && bits & (READ | WRITE | PASS) != 0;
    match (class(metadata, eyes).0, identity::known(eyes.user)) {
        // Who is in that group already needs what it may do.
        ('o', Some(user)) if is_of_use => {
            let join = format!("usermod -aG {} {user}", identity::group_name(group));
            match bits & wanted == wanted {
                true => format!("{join}, and restart the server"),
                false => format!("{join} && chmod g+{letters} {path}, and restart the server"),
            }
        }
        ('o', _) => {
            format!("chgrp {} {path} && chmod g={letters} {path}", identity::group_name(eyes.group))
        }
        (own, _) => format!("chmod {own}+{letters} {path}"),
    }
}

fn words(wanted: u32) -> &'static str {
    match wanted {
        PASS => "pass it",
        _ if wanted & WRITE != 0 => "write there",
        _ => "read it",
    }
}

fn letters(wanted: u32) -> String {
    let all = [(READ, 'r'), (WRITE, 'w'), (PASS, 'x')];
    all.into_iter().filter(|(bit, _)| wanted & bit != 0).map(|(_, letter)| letter).collect()
}
