//! Whose local authority is trusted: the one that signs.

#![allow(clippy::unwrap_used, reason = "tests say what is wrong by panicking")]

use e2e::{Launch, NOBODY, Site, disk::SmallDisk};
use std::process::Command;

/// `gannet ./site --tls` by a user, and then what that user is told to do.
#[test]
fn root_trusts_the_authority_of_the_user_whom_it_acts_for() {
    let (site, home) = (Site::new(), e2e::folder_of_nobody());
    let home_text = home.path().to_str().unwrap();
    let launch = Launch::quick(&[&*site.root_text(), "--tls"]).env("HOME", home_text);
    let server = launch.after("unset XDG_DATA_HOME STATE_DIRECTORY").as_nobody().start();
    let (port, work) = (server.addr().port(), e2e::folder());
    // What the system trusts, where it keeps things and who its users are is something else for
    // these processes than for all others.
    let script = format!(
        "cd {work} && mkdir all own lib && cp -a /etc/ssl/certs/. all && cp /etc/passwd users &&
         echo 'somebody:x:{NOBODY}:{NOBODY}::{home_text}:/bin/sh' >> users &&
         mount --bind all /etc/ssl/certs && mount --bind own /usr/local/share/ca-certificates &&
         mount --bind lib /var/lib && mount --bind users /etc/passwd || exit 2
         ask() {{ curl -sS https://localhost:{port}/digits.txt --resolve localhost:{port}:127.0.0.1; }}
         ask && exit 3
         SUDO_USER=nobody \"$0\" trust && exit 4
         SUDO_USER=somebody \"$0\" trust && ask && ls own || exit 5
         ls -d lib/gannet {home_text}/.pki && exit 6
         echo done",
        work = work.path().display(),
    );
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", &script]).arg(e2e::binary::path()).env("HOME", home_text);
    command.env_remove("STATE_DIRECTORY").env_remove("XDG_DATA_HOME");
    let output = command.output().unwrap();
    let said = [&*output.stdout, &*output.stderr].map(String::from_utf8_lossy).concat();
    assert!(output.status.success(), "{said}");
    for expect in [
        "there is no local authority yet in /nonexistent/.local/share/gannet or /var/lib/gannet",
        &format!(" of {home_text}/.local/share/gannet, for private names"),
        "not: browsers of somebody: `gannet trust --only-browsers`, without sudo",
        "0123456789gannet-local-authority-0.crt\ndone",
    ] {
        assert!(said.contains(expect), "{expect}: {said}");
    }
    server.stop();
}

/// A store that cannot be written, and then nobody who could write it.
#[test]
fn untrust_fails_where_browsers_trust_it_still() {
    let home = e2e::folder();
    let home_text = home.path().to_str().unwrap();
    let kept = home.path().join("kept").display().to_string();
    let disk = SmallDisk::mount(&home.path().join(".pki/nssdb"));
    let by = |verb: &str, path: &str| {
        let words = [verb, "--only-browsers", "--folder", &kept];
        let launch = Launch::of(words.map(str::to_owned).to_vec());
        launch.env("HOME", home_text).env("PATH", path).finish()
    };
    let usual = std::env::var("PATH").unwrap();
    let (code, said, stderr) = by("trust", &usual);
    assert_eq!(code, Some(0), "{said}{stderr}");
    disk.set_only_read(true);
    let (code, said, stderr) = by("untrust", &usual);
    assert_eq!((code, &*said), (Some(1), ""), "{stderr}");
    assert!(stderr.contains("gannet-local-authority-0 is still there: certutil: "), "{stderr}");
    disk.set_only_read(false);
    let (code, said, stderr) = by("untrust", "/nowhere");
    assert_eq!((code, &*said), (Some(1), ""), "{stderr}");
    assert!(stderr.contains("certutil is missing"), "{stderr}");
    for _ in 0..2 {
        let (code, said, stderr) = by("untrust", &usual);
        assert_eq!(code, Some(0), "{stderr}");
        assert!(said.contains("no longer trusted by browsers"), "{said}");
    }
}
