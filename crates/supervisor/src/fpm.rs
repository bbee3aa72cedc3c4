//! A php-fpm of the server's own: what it is told to be, how it is started, what its words mean.
//!
//! The socket that it accepts from is not its own: while none runs connections wait there, and the
//! next one goes on with it. It is given in the way in which php-fpm hands it to itself when it is
//! reloaded.

use config::plan::{Pool, PoolUser};
use net::{environment, process, sealed};
use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd, OwnedFd},
    os::unix::{fs::fchown, process::CommandExt},
    process::{Child, Command, Stdio},
};

/// What to do where there is none.
pub const MISSING: &str = "there is no php-fpm here: install it (Debian: `apt install php-fpm`)";

/// What php-fpm calls its socket. It removes what lies there when it ends: nothing ever does.
const SOCKET: &str = "/proc/gannet";

/// What it calls the other one, at which it says how it is.
const SHOWN_SOCKET: &str = "/proc/gannet-shown";

/// By which name it is asked there. No program is called that, so that no visitor can ask for it.
pub const SHOWN_NAME: &str = "/gannet-shown";

/// What a php-fpm says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// It answers from now on.
    Ready,
    /// Something that its operator should know.
    Said(String),
}

/// Starts the php-fpm of `pool`, which accepts from `socket`, and from `shown` those who want to
/// know how it is; what it says comes out of the pipe. If it `is_bound` it ends with the thread
/// that has started it.
///
/// # Errors
///
/// The program is gone, the user cannot be had, or processes or descriptors have run out.
pub fn start(
    pool: &Pool,
    socket: BorrowedFd<'_>,
    shown: Option<BorrowedFd<'_>>,
    is_bound: bool,
) -> io::Result<(Child, OwnedFd)> {
    net::failpoint::call()?;
    let config = sealed::bytes(c"gannet-php", settings(pool, shown.is_some()).as_bytes())?;
    let socket = socket.try_clone_to_owned()?;
    let shown = shown.map(|shown| shown.try_clone_to_owned()).transpose()?;
    // While nobody reads it is to go on.
    let (errors, end) = process::overflow()?;
    if let Some(user) = &pool.user {
        // It opens that once more, to say there what is slow.
        fchown(&end, Some(user.number), None)?;
    }
    let mut command = Command::new(&pool.program);
    let path = format!("/proc/self/fd/{}", config.as_raw_fd());
    command.args(["--nodaemonize", "--force-stderr", "--fpm-config", &path]);
    // Its programs could read all that it knows.
    environment::pass_on(&mut command, false);
    let mut sockets = format!("{SOCKET}={}", socket.as_raw_fd());
    if let Some(shown) = &shown {
        sockets.push_str(&format!(",{SHOWN_SOCKET}={}", shown.as_raw_fd()));
    }
    command.env("FPM_SOCKETS", sockets);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(end);
    process::pass_on(&mut command, [config, socket].into_iter().chain(shown).collect());
    if let Some(user) = &pool.user {
        process::run_as(&mut command, user.number, user.group, groups(user, pool.group));
    }
    // What is left of it when it has died is found by that.
    command.process_group(0);
    if is_bound {
        process::bind_to_parent(&mut command);
    }
    Ok((command.spawn()?, errors))
}

/// The groups in which programs run: of the user's none whose members may ask other php-fpms, which
/// would run for them what they like as somebody else.
fn groups(user: &PoolUser, asking: u32) -> Vec<u32> {
    user.groups.iter().copied().filter(|group| *group != asking).collect()
}

/// Understands the lines of its log, one after the other.
#[derive(Debug, Default)]
pub struct Ear {
    /// The child whose message of PHP the last line was of.
    child: Option<String>,
}

impl Ear {
    /// What a line means; `None` where nobody needs to know. What PHP has to say of a request comes
    /// with its answer as well, which is where it is told.
    pub fn meaning(&mut self, line: &str) -> Option<Word> {
        if let Some((child, said)) = line.split_once(" said into stderr: \"") {
            let child = child.split_once("] ").map_or(child, |(_, child)| child);
            let goes_on = ["Stack trace:", "#", "  thrown in "];
            let is_message = said.starts_with("NOTICE: PHP message: ")
                || self.child.as_deref() == Some(child)
                    && goes_on.iter().any(|start| said.starts_with(start));
            self.child = is_message.then(|| child.to_owned());
            if is_message {
                return None;
            }
        }
        meaning(line)
    }
}

fn meaning(line: &str) -> Option<Word> {
    // In front of it there is the time.
    let text = match line.split_once("] ") {
        Some((time, text)) if time.starts_with('[') => text,
        _ => line,
    };
    // It has been said already which process runs which program too slowly.
    if ["[pool ", "script_filename = "].iter().any(|head| text.trim_start().starts_with(head)) {
        return None;
    }
    match text.strip_prefix("NOTICE: ") {
        Some("ready to handle connections") => Some(Word::Ready),
        Some(text) if !text.starts_with("PHP message: ") => None,
        _ if text.trim().is_empty() => None,
        _ => Some(Word::Said(text.to_owned())),
    }
}

/// What it reads of what it shall be.
fn settings(pool: &Pool, is_shown: bool) -> String {
    let is_plain = |letter: &char| letter.is_ascii_alphanumeric() || ".-_".contains(*letter);
    let name: String = pool.name.chars().filter(is_plain).collect();
    let mut text = format!(
        "[global]\nerror_log = /dev/null\ndaemonize = no\nprocess_control_timeout = 30s\n\
         [{}]\nlisten = {SOCKET}\npm = ondemand\npm.max_children = {}\n\
         pm.process_idle_timeout = 60s\ncatch_workers_output = yes\n\
         request_slowlog_timeout = {}s\nslowlog = /proc/self/fd/2\n",
        // The other one is php-fpm's own.
        if name.is_empty() || name.eq_ignore_ascii_case("global") { "www" } else { &name },
        pool.workers,
        pool.slow_seconds
    );
    if is_shown {
        text.push_str(&format!(
            "pm.status_path = {SHOWN_NAME}\npm.status_listen = {SHOWN_SOCKET}\n"
        ));
    }
    for (name, value) in &pool.ini {
        // It takes quotes with nothing in between for a value that is missing, and does not start.
        let value = if value.is_empty() { String::new() } else { format!(" '{value}'") };
        text.push_str(&format!("php_admin_value[{name}] ={value}\n"));
    }
    text
}

/// Ends a child that nobody else knows of.
pub(crate) fn end(mut child: Child) {
    let _ = child.kill().and_then(|()| child.wait());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_words_are_understood() {
        let said = |text: &str| Some(Word::Said(text.to_owned()));
        for (line, expect) in [
            ("[28-Nov-2026 23:00:00] NOTICE: ready to handle connections", Some(Word::Ready)),
            ("[28-Nov-2026 23:00:00] NOTICE: fpm is running, pid 7", None),
            ("", None),
            ("[28-Nov-2026 23:00:00] WARNING: [pool a] child 5", said("WARNING: [pool a] child 5")),
            ("[x] NOTICE: PHP message: no such thing", said("NOTICE: PHP message: no such thing")),
            ("[28-Nov-2026 23:00:00]  [pool a] pid 7", None),
            ("script_filename = /srv/x.php", None),
            ("[0x00007fa246215140] sleep() /srv/x.php:1", said("sleep() /srv/x.php:1")),
            ("a loader is not happy", said("a loader is not happy")),
        ] {
            assert_eq!(meaning(line), expect, "{line}");
        }
    }

    /// What PHP says of a request is told with the request; what a program writes itself is not.
    #[test]
    fn an_error_of_php_is_told_once() {
        let mut ear = Ear::default();
        let mut is_told = |child: u32, said: &str| {
            let head = format!("[28-Nov-2026 23:00:00] WARNING: [pool a] child {child}");
            let line = format!("{head} said into stderr: \"{said}\"");
            ear.meaning(&line).is_some()
        };
        assert!(is_told(7, "#0 of a trace that the program writes itself"));
        assert!(!is_told(
            7,
            "NOTICE: PHP message: PHP Fatal error:  Uncaught Exception: x in /a:1"
        ));
        assert!(!is_told(7, "Stack trace:"));
        assert!(!is_told(7, "#0 {main}"));
        assert!(!is_told(7, "  thrown in /a on line 1"));
        assert!(is_told(8, "#0 of another child"));
        assert!(!is_told(7, "NOTICE: PHP message: PHP Warning:  y in /a on line 2"));
        assert!(is_told(7, "words of the program"));
        assert!(is_told(7, "#0 behind them"));
    }

    #[test]
    fn it_is_told_all_that_its_pool_is() {
        let mut pool = Pool::quick("/php".into(), None, ("/socket".into(), 33));
        (pool.name, pool.workers) = ("*.a.example".into(), 3);
        pool.ini = vec![("memory_limit".to_owned(), "1\"${x}".to_owned())];
        let text = settings(&pool, true);
        assert!(text.contains("\n[.a.example]\nlisten = /proc/gannet\n"), "{text}");
        assert!(text.contains("\npm.max_children = 3\n"), "{text}");
        assert!(text.contains("\npm.status_listen = /proc/gannet-shown\n"), "{text}");
        assert!(text.ends_with("\nphp_admin_value[memory_limit] = '1\"${x}'\n"), "{text}");
        pool.ini[0].1.clear();
        assert!(settings(&pool, true).ends_with("\nphp_admin_value[memory_limit] =\n"));
        for name in ["global", "Global", "*"] {
            pool.name = name.into();
            assert!(settings(&pool, true).contains("\n[www]\n"), "{name}");
        }
    }

    #[test]
    fn programs_are_not_among_those_who_may_ask_others() {
        let groups = |groups: &[u32]| {
            let user =
                PoolUser { name: "a".to_owned(), number: 5, group: 60, groups: groups.to_vec() };
            super::groups(&user, 33)
        };
        assert_eq!(groups(&[60, 33, 7]), [60, 7]);
        assert_eq!(groups(&[]), [0; 0]);
    }
}
