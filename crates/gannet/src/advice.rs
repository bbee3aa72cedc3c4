//! What to do instead of what was typed where the parser's own words would leave one at a loss.

use crate::{arguments::Arguments, trouble::Trouble};
use base::text::shell_word;
use clap::{
    Command, CommandFactory, Parser,
    error::{ContextKind, ContextValue, ErrorKind},
};
use std::{ffi::OsString, path::Path};

/// What there is in a config file for the options that are for a folder.
const SETTINGS: [(&str, &str); 7] = [
    ("--bind", "its config file says that, by `listen` in [server]"),
    ("--port", "its config file says that, by `listen` in [server]"),
    ("--lan", "its config file says that, by `listen` in [server]"),
    ("--threads", "its config file says that, by `threads` in [server]"),
    ("--log", "its config file says that, by `log` in [server]"),
    ("--spa", "its config file says that, by `fallback = \"/index.html\"` in a site"),
    ("--live", "pages follow the files of a folder only, by `gannet PATH --live`"),
];

/// Words of other servers and tools, and the verb here that does the same.
const SYNONYMS: [(&str, &str); 12] = [
    ("start", "run"),
    ("serve", "run"),
    ("up", "run"),
    ("restart", "reload"),
    ("test", "check"),
    ("configtest", "check"),
    ("validate", "check"),
    ("lint", "check"),
    ("quit", "stop"),
    ("shutdown", "stop"),
    ("down", "stop"),
    ("ps", "status"),
];

/// The arguments in `words`, the first of which is the program's name.
///
/// Where clap's answer is the right one, as to `--help`, it is given here and the process ends.
pub(crate) fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Arguments, Trouble> {
    let words: Vec<_> = words.into_iter().collect();
    Arguments::try_parse_from(&words).map_err(|mut error| {
        // How an option could be passed as a value helps nobody who meant it as one.
        error.remove(ContextKind::Suggested);
        let typed: Vec<_> = words.iter().skip(1).map(|word| word.to_string_lossy()).collect();
        let typed: Vec<_> = typed.iter().map(AsRef::as_ref).collect();
        let surplus = match error.kind() {
            ErrorKind::UnknownArgument => error.get(ContextKind::InvalidArg),
            // A second word without dashes is taken for a verb behind a folder.
            ErrorKind::ArgumentConflict => error.get(ContextKind::InvalidSubcommand),
            _ => None,
        };
        match surplus {
            Some(ContextValue::String(word)) => {
                advise(&typed, word).unwrap_or_else(|| error.exit())
            }
            _ => error.exit(),
        }
    })
}

/// The verb that `word` was meant to be, if it is no verb but nearly one.
pub(crate) fn meant(word: &str) -> Option<String> {
    let command = Arguments::command();
    let verbs = command.get_subcommands().map(Command::get_name);
    let synonym = SYNONYMS.iter().find(|(known, _)| *known == word).map(|(_, verb)| *verb);
    let near = || config::nearest(word, verbs).filter(|verb| *verb != word);
    synonym.filter(|_| !Path::new(word).exists()).or_else(near).map(ToOwned::to_owned)
}

/// What to type instead of an `option` that is another server's, with the word behind it, where
/// `verb` stands in front or none.
fn of_others(verb: Option<&str>, option: &str, next: Option<&str>) -> Option<String> {
    let word = next.map_or_else(|| "FILE".to_owned(), shell_word);
    Some(match (verb, option) {
        (None, "-c" | "-f" | "--config" | "--file") => {
            format!("there is no {option}: `gannet run {word}` serves what a config file says")
        }
        (None, "-t" | "-T" | "--test" | "--check") => {
            format!("there is no {option}: `gannet check FILE` looks for mistakes in a config file")
        }
        (None, "-s" | "--signal") => {
            let verb = if next == Some("reload") { "reload" } else { "stop" };
            format!("there is no {option}: `gannet {verb} FILE` tells the server of a config file")
        }
        (None, "-v") => "there is no -v: `gannet --version` says which one this is".to_owned(),
        (None, "-p") => format!("there is no -p: `--port {}` names a port", next.unwrap_or("N")),
        (None, "--root" | "--dir" | "--directory" | "-d") => {
            let folder = next.map_or_else(|| "PATH".to_owned(), shell_word);
            format!("there is no {option}: a folder is named as it is, `gannet {folder}`")
        }
        (
            Some("run" | "check" | "status" | "stop" | "reload" | "top" | "certs" | "doctor"),
            "-c" | "-f" | "--config" | "--file",
        ) => {
            let verb = verb.unwrap_or_default();
            format!(
                "`gannet {verb}` takes no {option}: a file is named as it is, `gannet {verb} {word}`"
            )
        }
        _ => return None,
    })
}

/// What to say where `typed` has the word `surplus` in it that nothing takes.
fn advise(typed: &[&str], surplus: &str) -> Option<Trouble> {
    let command = Arguments::command();
    let first = *typed.first()?;
    let option = surplus.split(['=', ' ']).next().unwrap_or(surplus);
    let mut from = typed.iter().skip_while(|word| !word.starts_with(option));
    let inside = from.next().and_then(|word| word.split_once('=')).map(|(_, value)| value);
    let value = inside.or_else(|| from.next().copied());
    let is_verb = command.get_subcommands().any(|verb| verb.get_name() == first);
    let message = if let Some(message) = of_others(is_verb.then_some(first), option, value) {
        message
    } else if is_verb {
        if let Some((option, instead)) = SETTINGS.iter().find(|(known, _)| *known == option) {
            format!("`gannet {first}` takes no {option}: {instead}")
        } else if surplus.starts_with('-') || !matches!(first, "run" | "check") {
            return None;
        } else {
            format!("`gannet {first}` takes one file, and `{surplus}` is one too many")
        }
    } else if surplus.starts_with('-') {
        return None;
    } else if let Some(verb) = meant(first) {
        let rest = typed.get(1..).unwrap_or_default().join(" ");
        format!("there is no `{first}`: did you mean `gannet {verb} {rest}`?")
    } else if surplus.parse::<u16>().is_ok() {
        format!("gannet serves one folder: `gannet {first} --port {surplus}` names a port")
    } else {
        format!(
            "gannet serves one folder, and `{surplus}` is one too many: name one, or serve both by \
             a config file (`gannet run FILE`)"
        )
    };
    Some(Trouble::new(2, format!("error: {message}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_nothing_takes_are_answered_with_the_way_out() {
        fn check(typed: &str, expect: &str) {
            let words = ["gannet"].into_iter().chain(typed.split(' ')).map(OsString::from);
            let Err(trouble) = parse(words) else { panic!("{typed:?} is taken") };
            assert_eq!((trouble.exit_code, &*trouble.message), (2, expect), "{typed:?}");
        }
        let folders = "error: gannet serves one folder, and `b` is one too many: name one, or \
                       serve both by a config file (`gannet run FILE`)";
        check("a b", folders);
        check("--port 80 a b", folders);
        check("chekc x", "error: there is no `chekc`: did you mean `gannet check x`?");
        check("ruun site.toml", "error: there is no `ruun`: did you mean `gannet run site.toml`?");
        check("run a.toml b", "error: `gannet run` takes one file, and `b` is one too many");
        let port = "error: `gannet run` takes no --port: its config file says that, by `listen` in \
                    [server]";
        check("run --port 80", port);
        check("run site.toml --port=80", port);
        check(
            "check --threads 4",
            "error: `gannet check` takes no --threads: its config file says that, by `threads` in \
             [server]",
        );
        check(
            "run --spa",
            "error: `gannet run` takes no --spa: its config file says that, by \
             `fallback = \"/index.html\"` in a site",
        );
        check(
            "run site.toml --live",
            "error: `gannet run` takes no --live: pages follow the files of a folder only, by \
             `gannet PATH --live`",
        );
        let run = "`gannet run site.toml` serves what a config file says";
        check("-c site.toml", &format!("error: there is no -c: {run}"));
        check("--config=site.toml", &format!("error: there is no --config: {run}"));
        check(
            "-t",
            "error: there is no -t: `gannet check FILE` looks for mistakes in a config file",
        );
        check(
            "-s reload",
            "error: there is no -s: `gannet reload FILE` tells the server of a config file",
        );
        check(
            "check -c site.toml",
            "error: `gannet check` takes no -c: a file is named as it is, `gannet check site.toml`",
        );
        check("start a.toml", "error: there is no `start`: did you mean `gannet run a.toml`?");
        check(
            "site 8080",
            "error: gannet serves one folder: `gannet site --port 8080` names a port",
        );
    }

    #[test]
    fn words_that_are_taken_need_no_advice() {
        for typed in ["a", "run", "check site.toml", "--bind ::1 --port 80", "--bind [::1] a"] {
            let words = ["gannet"].into_iter().chain(typed.split(' ')).map(OsString::from);
            assert!(parse(words).is_ok(), "{typed:?}");
        }
        assert_eq!(meant("check"), None);
        assert_eq!(meant("restart").as_deref(), Some("reload"));
        assert_eq!(meant("site"), None);
    }
}
