//! Folders that are served: whether the user that serves gets into them and can read them.

use super::{Eyes, Finding, Look};
use crate::greeting::counted;
use config::Plan;
use std::{
    fs::{self, Metadata},
    os::unix::fs::MetadataExt,
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
            None => findings.extend(unreadable(&folder.root, eyes)),
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
            let cure = format!("chmod o+{} {}", letters(needed), part.display());
            return Some(Finding::fault(about, cause, cure));
        }
    }
    None
}

/// Files in `root` itself that `eyes` may not read.
fn unreadable(root: &Path, eyes: &Eyes) -> Option<Finding> {
    let entries = fs::read_dir(root).ok()?.take(FILES_MAX).filter_map(Result::ok);
    let hidden = entries.filter(|entry| {
        let needed = |metadata: &Metadata| if metadata.is_dir() { READ | PASS } else { READ };
        entry
            .metadata()
            .is_ok_and(|found| !found.is_symlink() && !may(&found, eyes, needed(&found)))
    });
    let names: Vec<_> =
        hidden.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    let (first, count) = (names.first()?, names.len());
    let shown = names.iter().take(NAMED_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more =
        if count > NAMED_MAX { format!(" and {} more", count - NAMED_MAX) } else { String::new() };
    let cause = format!("{} may not read {shown}{more}: clients get 403 or 404", eyes.name);
    let cure = format!("chmod o+rX {}", root.join(first).display());
    Some(Finding::fault(root.display().to_string(), cause, cure))
}

/// Whether `eyes` may do that with the file, by its mode.
pub(super) fn may(metadata: &Metadata, eyes: &Eyes, wanted: u32) -> bool {
    let shift = if eyes.user == metadata.uid() {
        6
    } else if eyes.groups.contains(&metadata.gid()) {
        3
    } else {
        0
    };
    eyes.user == 0 || metadata.mode() >> shift & wanted == wanted
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
