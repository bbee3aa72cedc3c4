//! A real php-fpm of Debian, on a socket of its own.

use crate::{eventually, give_to_server};
use std::{
    fs,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// A running php-fpm with one pool. It ends when it is dropped.
pub struct Php {
    child: Child,
    folder: tempfile::TempDir,
}

impl Php {
    /// Starts it with so many children; `ini` is further lines of the pool.
    pub fn start(children: usize, ini: &str) -> Self {
        let folder = crate::folder();
        // Its children write there what they are sent, as the user that serves here.
        give_to_server(folder.path());
        let here = folder.path().display();
        let user = match rustix::process::geteuid().is_root() {
            true => "user = www-data\nlisten.owner = www-data\nlisten.mode = 0660\n",
            false => "",
        };
        let config = format!(
            "[global]\nerror_log = {here}/errors\ndaemonize = no\n[www]\nlisten = {here}/socket\n\
             {user}pm = static\npm.max_children = {children}\ncatch_workers_output = no\n\
             php_admin_value[sys_temp_dir] = {here}\nphp_admin_value[upload_tmp_dir] = {here}\n\
             php_admin_value[session.save_path] = {here}\n{ini}"
        );
        fs::write(folder.path().join("config"), config).unwrap();
        let child = Command::new(program())
            .arg("--nodaemonize")
            .arg("--fpm-config")
            .arg(folder.path().join("config"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("php-fpm: {error}: apt-get install php-fpm"));
        let mut php = Self { child, folder };
        let is_up =
            || UnixStream::connect(php.socket()).is_ok() || php.child.try_wait().unwrap().is_some();
        let is_up = eventually(is_up) && php.child.try_wait().unwrap().is_none();
        assert!(is_up, "php-fpm does not start: {}", php.errors());
        php
    }

    /// Has it begin anew, with its config read again, as `systemctl reload` does.
    pub fn reload(&self) {
        let begun = || self.errors().matches("ready to handle connections").count();
        let before = begun();
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::USR2).unwrap();
        assert!(eventually(|| begun() > before), "php-fpm does not begin anew: {}", self.errors());
    }

    fn errors(&self) -> String {
        fs::read_to_string(self.folder.path().join("errors")).unwrap_or_default()
    }

    /// Where it listens.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }
}

impl Drop for Php {
    fn drop(&mut self) {
        // It takes its children along only if it is told to end, not if it is killed.
        let pid = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.child.wait();
    }
}

/// The php-fpm of this machine, whichever version it is.
fn program() -> PathBuf {
    let all = fs::read_dir(Path::new("/usr/sbin")).unwrap().map(|entry| entry.unwrap().path());
    let is_it = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("php-fpm"))
    };
    all.filter(is_it).max().unwrap_or_else(|| "php-fpm".into())
}
