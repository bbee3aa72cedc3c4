//! The servers of this machine, as far as this user sees them, and how each of them is asked.

use crate::{arguments::Arguments, trouble::Trouble};
use base::text::shell_word;
use clap::Parser;
use net::{
    holder::{self, Holder},
    identity, process,
};
use std::{
    cmp::Reverse,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// Servers that are named of many.
const NAMED_MAX: usize = 20;

/// A server that runs.
struct Running {
    pid: u32,
    user: u32,
    /// The config file that it was started with; none where it serves a folder.
    file: Option<PathBuf>,
    /// The words that it was started with.
    words: String,
}

/// The servers that run, for somebody who wanted to do `verb` with another one.
pub(crate) fn named(verb: &str) -> String {
    let all = running();
    let lines: Vec<_> = all.iter().take(NAMED_MAX).map(|one| one.line(verb)).collect();
    let rest = match all.len().saturating_sub(NAMED_MAX) {
        0 => String::new(),
        more => format!("\n  and {more} more"),
    };
    match lines.is_empty() {
        true => "No server that this user sees runs on this machine.".to_owned(),
        false => format!("On this machine run:\n{}{rest}", lines.join("\n")),
    }
}

/// The trouble that there is no config `file`, with the servers that run: one may be meant.
pub(crate) fn beside(trouble: Trouble, file: &Path, verb: &str) -> Trouble {
    match file.exists() || running().is_empty() {
        true => trouble,
        false => {
            let message = format!("{}\n{}", trouble.message.trim_end(), named(verb));
            Trouble { message, ..trouble }
        }
    }
}

/// That the socket at `path` is somebody else's, and who may ask the server of the config `file`.
pub(crate) fn of_another(path: &Path, file: Option<&Path>, verb: &str) -> String {
    let owner = path.metadata().ok().map(|found| found.uid()).or_else(|| user_of_config(file?));
    let owner = owner.filter(|owner| *owner != process::user()).map(identity::name);
    let who = match owner.as_deref() {
        Some("root") | None => "as root".to_owned(),
        Some(owner) => format!("as {owner} or as root"),
    };
    let owner = owner.unwrap_or_else(|| "another user".to_owned());
    let ask = match file {
        Some(file) => format!("{verb} {}", shell_word(&file.to_string_lossy())),
        None => {
            let path = shell_word(&path.to_string_lossy());
            format!("{} --control {path}", verb.trim_end_matches(" -c"))
        }
    };
    format!(
        "its server belongs to {owner}, and is asked {who}: `sudo gannet {ask}` ({})",
        path.display()
    )
}

/// The user whose server was started with the config `file`, where one was.
fn user_of_config(file: &Path) -> Option<u32> {
    let file = file.canonicalize().ok()?;
    let same = |one: &Running| {
        one.file.as_ref().and_then(|own| own.canonicalize().ok()).is_some_and(|own| own == file)
    };
    running().into_iter().find(same).map(|one| one.user)
}

fn running() -> Vec<Running> {
    let own = std::process::id();
    let all = holder::all().filter(|process| process.pid != own).filter_map(Running::of);
    let mut all: Vec<_> = all.collect();
    // Those of this user first, of them the youngest.
    all.sort_by_key(|one| (one.user != process::user(), Reverse(one.pid)));
    // While it starts another process there are two of the same words.
    let mut seen = Vec::new();
    all.retain(|one| {
        let known = (one.user, one.words.clone(), one.file.clone());
        let is_new = !seen.contains(&known);
        seen.push(known);
        is_new
    });
    all
}

impl Running {
    fn of(process: Holder) -> Option<Self> {
        if process.name != "gannet" {
            return None;
        }
        let (file, words) = (process.config(), process.words());
        let is_quick = || {
            let parsed = Arguments::try_parse_from(&words);
            words.len() > 1 && parsed.is_ok_and(|parsed| parsed.verb.is_none())
        };
        if file.is_none() && !is_quick() {
            return None;
        }
        let shown = words.iter().skip(1).map(|word| shell_word(&word.to_string_lossy()));
        let words = harmless(&format!("gannet {}", shown.collect::<Vec<_>>().join(" ")));
        Some(Self { pid: process.pid, user: process.user()?, file, words })
    }

    fn line(&self, verb: &str) -> String {
        let Self { pid, user, file, words } = self;
        let whose = match process::user() == *user {
            true => String::new(),
            false => format!(", of {}", identity::name(*user)),
        };
        let sudo = match process::user() {
            0 => "",
            own if own == *user => "",
            _ => "sudo ",
        };
        let ask = match file {
            None => format!("`{words}` serves a folder, and is not asked anything"),
            Some(file) if file.is_absolute() => {
                let file = harmless(&shell_word(&file.to_string_lossy()));
                format!("`{sudo}gannet {verb} {file}`")
            }
            Some(_) => format!("`{words}`, in a folder that root and its user know"),
        };
        format!("  pid {pid}{whose}: {ask}")
    }
}

/// What somebody else may have typed, without what acts on a terminal.
fn harmless(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}
