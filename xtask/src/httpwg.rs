//! httpwg-cli, a judge of HTTP/2 from outside: the cases of h2spec, brought to RFC 9113.

use crate::{command, tools};
use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command, Stdio},
};

/// Cases that fail, each by its name and the section that makes ours right.
const RIGHT: [(&str, &str); 0] = [];

/// Cases that have to pass, of the 107 that there are.
const PASSED_MIN: usize = 100;

/// Seconds for all of them, one after the other, and to build the server.
const SECONDS_MAX: u32 = 600;

/// Where the server's config lies, below the root.
const FOLDER: &str = "target/tools/httpwg";

/// The server, which ends with this value.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // One that has ended by itself needs neither.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Has a server of ours judged.
///
/// # Errors
/// Names the cases that fail and should not, and those that pass though they are listed.
pub(crate) fn run(root: &Path) -> Result<(), String> {
    let program = tools::install_httpwg(root)?;
    let words = ["build", "--package", "gannet", "--quiet"];
    let built = command::finish(command::bounded("cargo", SECONDS_MAX, root).args(words))?;
    if !built.is_success {
        return Err(built.output);
    }
    let (_server, address) = start(root).map_err(|error| format!("the server: {error}"))?;
    let mut httpwg = command::bounded(&program.to_string_lossy(), SECONDS_MAX, root);
    // Side by side, the cases disturb each other; and a machine at work takes its time.
    httpwg.env("SEQUENTIAL", "1").args(["--frame-timeout", "1500", "--connect-timeout", "5000"]);
    let said = command::finish(httpwg.args(["--address", &address.to_string()]))?;
    judge(&said.output).map_err(|cause| format!("{}\n{cause}", said.output))
}

/// Starts it at a port that is free now; that nobody takes it before is likely enough.
fn start(root: &Path) -> std::io::Result<(Server, SocketAddr)> {
    let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let folder = root.join(FOLDER);
    let config = folder.join("site.toml");
    fs::create_dir_all(folder.join("public"))?;
    fs::write(folder.join("public/index.html"), "<!doctype html><title>judged</title>\n")?;
    fs::write(
        &config,
        format!(
            "[server]\nlisten = {{ address = \"{address}\", http2 = true }}\nlog = \"off\"\n\
             [site.default]\nroot = \"public\"\nroute.\"POST /\" = {{ respond = \"taken\" }}\n"
        ),
    )?;
    let mut command = Command::new(command::target(root).join("debug/gannet"));
    command.arg("run").arg(&config).stdin(Stdio::null());
    // httpwg waits until it is there.
    Ok((Server(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?), address))
}

/// What follows from a report: a line for each case.
fn judge(report: &str) -> Result<(), String> {
    let named = |mark: &str| -> Vec<&str> {
        report.lines().filter_map(|line| line.split_once(mark).map(|(_, name)| name)).collect()
    };
    let (passed, failed) = (named("Test passed: "), named("Test failed: "));
    let is_listed = |name: &&&str| RIGHT.iter().any(|(right, _)| right == *name);
    let wrong: Vec<_> = failed.iter().filter(|name| !is_listed(name)).collect();
    let mended: Vec<_> = passed.iter().filter(is_listed).collect();
    match (wrong.is_empty(), mended.is_empty()) {
        (false, _) => Err(format!("failed: {wrong:?}")),
        (true, false) => Err(format!("they pass, take them off the list: {mended:?}")),
        (true, true) if passed.len() < PASSED_MIN => {
            Err(format!("{} passed, and {PASSED_MIN} have to", passed.len()))
        }
        (true, true) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_good_when_enough_passes_and_nothing_fails() {
        let passed = "\u{2705} Test passed: RFC 9113 :: x\n".repeat(PASSED_MIN);
        assert_eq!(judge(&passed), Ok(()));
        let failed = format!("{passed}\u{274c} Test failed: RFC 9113 :: y\nwhy\n");
        assert_eq!(judge(&failed), Err("failed: [\"RFC 9113 :: y\"]".to_owned()));
        assert!(judge(&passed.replacen("passed", "other", 1)).is_err());
        assert!(judge("").is_err());
    }
}
