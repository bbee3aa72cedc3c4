//! A real MariaDB, on a socket of its own and with data of its own.

use crate::{eventually, give_to_server};
use std::{
    fs,
    os::unix::net::UnixStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

/// A running MariaDB. It ends when it is dropped, and its data with it.
pub struct Database {
    child: Child,
    folder: tempfile::TempDir,
}

impl Database {
    /// Starts an empty one, which lets `root` in without a password.
    pub fn start() -> Self {
        let folder = crate::folder();
        give_to_server(folder.path());
        // Root's database is some user's: of the one that serves.
        let user = rustix::process::geteuid().is_root().then_some("--user=www-data");
        let data = format!("--datadir={}", folder.path().join("data").display());
        // Two that make their first tables in one folder remove those of one another.
        let scratch = folder.path().join("scratch");
        fs::create_dir(&scratch).unwrap();
        give_to_server(&scratch);
        let scratch = format!("--tmpdir={}", scratch.display());
        let mut install = Command::new("mariadb-install-db");
        install.args(["--no-defaults", "--auth-root-authentication-method=normal"]).args(user);
        install.args(["--skip-test-db", "--skip-name-resolve", &data, &scratch]);
        let done = install.stdin(Stdio::null()).output().unwrap_or_else(|error| {
            panic!("mariadb-install-db: {error}: apt-get install mariadb-server-core")
        });
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let here =
            |name: &str, file: &str| format!("--{name}={}", folder.path().join(file).display());
        let child = Command::new("/usr/sbin/mariadbd")
            .args(["--no-defaults", &data, &here("socket", "socket"), &here("pid-file", "pid")])
            .args(["--skip-networking", &scratch, "--innodb-flush-log-at-trx-commit=0"])
            .args([here("log-error", "errors"), "--max-allowed-packet=64M".to_owned()])
            .args(user)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("mariadbd: {error}"));
        let mut database = Self { child, folder };
        let is_up = || {
            UnixStream::connect(database.socket()).is_ok()
                || database.child.try_wait().unwrap().is_some()
        };
        let is_up = eventually(is_up) && database.child.try_wait().unwrap().is_none();
        let errors = fs::read_to_string(database.folder.path().join("errors"));
        assert!(is_up, "MariaDB does not start: {}", errors.unwrap_or_default());
        database
    }

    /// Where it listens.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// Does what `words` say; what comes of it, a line for each row.
    pub fn run(&self, words: &str) -> String {
        let socket = format!("--socket={}", self.socket().display());
        let mut client = Command::new("mariadb");
        client.args(["--no-defaults", "--user=root", "--batch", "--skip-column-names", &socket]);
        let done = client.args(["--execute", words]).stdin(Stdio::null()).output().unwrap();
        assert!(done.status.success(), "{words}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // What it holds is thrown away.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
