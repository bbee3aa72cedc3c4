//! Runs the program of the operator's that sets records of DNS.

use net::process::Handle;
use std::{
    fmt::Display,
    io::Read,
    os::unix::process::CommandExt,
    path::Path,
    process::{ChildStderr, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

/// How long it may take.
pub(super) const TIME: Duration = Duration::from_secs(300);

/// How long is waited for its last words once it has ended: others may hold the way that they come.
const WORDS_TIME: Duration = Duration::from_secs(1);

/// Bytes of its words at most.
const WORDS_MAX: u64 = 64 * 1024;

/// Has `program` do something, within that time; why it has not.
pub(super) fn run(program: &Path, words: [&str; 3], time: Duration) -> Result<(), String> {
    let failed = |why: &dyn Display| format!("{}: {why}", program.display());
    let mut command = Command::new(program);
    command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    // All that it starts is ended with it.
    let mut child = command.process_group(0).spawn().map_err(|error| failed(&error))?;
    let said = child.stderr.take().map(listen);
    let handle = Handle::of(child.id()).map_err(|error| failed(&error))?;
    let is_over = handle.ends_within(time);
    if !is_over {
        handle.kill_group();
    }
    let status = child.wait().map_err(|error| failed(&error))?;
    if status.success() {
        return Ok(());
    }
    let said = said.and_then(|said| said.recv_timeout(WORDS_TIME).ok()).unwrap_or_default();
    let last = said.trim_end().lines().last().unwrap_or_default();
    match (is_over, last) {
        (false, _) => Err(failed(&format!("it was ended after {} s", time.as_secs()))),
        (true, "") => Err(failed(&status)),
        (true, last) => Err(failed(&format!("{status}: {last}"))),
    }
}

/// Hears what it says of what goes wrong.
fn listen(stderr: ChildStderr) -> mpsc::Receiver<String> {
    let (tell, told) = mpsc::channel();
    let listen = move || {
        let mut said = Vec::new();
        let _ = stderr.take(WORDS_MAX).read_to_end(&mut said);
        // Nobody may want to know any more.
        let _ = tell.send(String::from_utf8_lossy(&said).into_owned());
    };
    // Where there can be no thread, its words are lost, which is all.
    let _ = thread::Builder::new().name("gannet-words".to_owned()).spawn(listen);
    told
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::PermissionsExt, time::Instant};

    #[test]
    fn it_is_told_what_to_do_and_ended_when_it_takes_too_long() {
        let folder = tempfile::tempdir().unwrap();
        let program = |text: &str| {
            let path = folder.path().join("program");
            fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            path
        };
        let words = ["set", "_acme-challenge.a.example", "text"];
        let (long, short) = (Duration::from_secs(60), Duration::from_millis(200));
        let path = program("echo $1 $2 $3 > ${0%/*}/told");
        run(&path, words, long).unwrap();
        let told = fs::read_to_string(folder.path().join("told")).unwrap();
        assert_eq!(told, "set _acme-challenge.a.example text\n");
        let path = program("echo first >&2; echo last words >&2; exit 3");
        let why = run(&path, words, long).unwrap_err();
        assert!(why.ends_with("exit status: 3: last words"), "{why}");
        // What it leaves behind that holds its words is not waited for.
        let path = program("sleep 600 & exit 4");
        let begun = Instant::now();
        let why = run(&path, words, long).unwrap_err();
        assert!(why.ends_with("exit status: 4") && begun.elapsed() < long, "{why}");
        // Nor does anything stay of one that is ended.
        let path = program("sleep 601 & echo $! > ${0%/*}/child; wait");
        let why = run(&path, words, short).unwrap_err();
        assert!(why.ends_with("it was ended after 0 s"), "{why}");
        let why = run(Path::new("/no/such/program"), words, long).unwrap_err();
        assert!(why.starts_with("/no/such/program: "), "{why}");
    }
}
