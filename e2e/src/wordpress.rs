//! WordPress as Debian packages it, in a folder of its own, with a database of its own.

use crate::Database;
use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
};
use tempfile::TempDir;

/// The package's own folder.
pub const PACKAGE: &str = "/usr/share/wordpress";

/// WordPress in a folder of its own.
pub struct Wordpress {
    folder: TempDir,
    /// Its database.
    pub database: Database,
}

impl Wordpress {
    /// One that nobody has set up yet.
    #[expect(clippy::new_without_default, reason = "it writes files; that is no default value")]
    pub fn new() -> Self {
        let place = Self { folder: crate::folder(), database: Database::start() };
        let is_copied = Command::new("cp").arg("-a").arg(PACKAGE).arg(place.folder.path()).status();
        assert!(is_copied.unwrap().success(), "apt-get install wordpress");
        // Its links lead to where they led to before.
        let relink =
            "find . -type l -exec sh -c 'ln -sfn \"$(realpath \"$1\")\" \"$2/$1\"' - {} $0 ';'";
        let mut shell = Command::new("sh");
        shell.args(["-c", relink]).arg(place.root()).current_dir(PACKAGE);
        assert!(shell.status().unwrap().success());
        // The package looks for its settings in /etc; this one has its own.
        place.configure("'gannet'");
        fs::create_dir(place.root().join("wp-content/uploads")).unwrap();
        let owner = Command::new("chown").args(["-R", "www-data:"]).arg(place.root()).status();
        assert!(owner.unwrap().success() || !rustix::process::geteuid().is_root());
        place.database.run(
            "CREATE DATABASE gannet; CREATE DATABASE nginx; \
             CREATE USER wp@localhost IDENTIFIED BY 'secret'; \
             GRANT ALL ON gannet.* TO wp@localhost; GRANT ALL ON nginx.* TO wp@localhost",
        );
        place
    }

    /// The folder that is served.
    pub fn root(&self) -> PathBuf {
        self.folder.path().join("wordpress")
    }

    /// Has each server have a database of its own: what is done by one the other knows nothing of.
    pub fn part(&self) {
        self.configure("strtok($_SERVER['SERVER_SOFTWARE'], '/')");
    }

    /// Sets it up as `http://localhost`, without a server.
    pub fn install(&self) {
        self.run(&[
            "-r",
            "define('WP_INSTALLING', true); define('WP_SITEURL', 'http://localhost');
             require 'wp-load.php'; require 'wp-admin/includes/upgrade.php';
             wp_install('Gannets', 'ann', 'ann@a.example', true, '', 'secret');",
        ]);
    }

    /// The front page of what [`Self::install`] has set up, as PHP says it without a server.
    pub fn front_page(&self) -> String {
        let page = self.run(&["index.php"]);
        assert!(page.contains("Hello world!") && page.trim_end().ends_with("</html>"), "{page}");
        page
    }

    /// Has PHP do what `words` say as if somebody had asked for the front page; what it says.
    fn run(&self, words: &[&str]) -> String {
        let mut php = Command::new("php");
        php.args(words).current_dir(self.root()).stdin(Stdio::null());
        php.envs(["HTTP_HOST", "SERVER_NAME"].map(|name| (name, "localhost")));
        let done = php.envs([("REQUEST_METHOD", "GET"), ("REQUEST_URI", "/")]).output();
        let done = done.unwrap_or_else(|error| panic!("php: {error}: apt-get install php-cli"));
        let said = [&done.stdout, &done.stderr].map(|said| String::from_utf8_lossy(said));
        assert!(done.status.success(), "{words:?}: {}", said.concat());
        String::from_utf8(done.stdout).unwrap()
    }

    /// Writes its settings; `name` is that of the database, in the words of PHP.
    fn configure(&self, name: &str) {
        let socket = self.database.socket();
        let keys = ["AUTH", "SECURE_AUTH", "LOGGED_IN", "NONCE"];
        let secret =
            |key| format!("define('{key}_KEY', '{key}'); define('{key}_SALT', '{key}');\n");
        let text = format!(
            "<?php
define('DB_NAME', {name});
define('DB_USER', 'wp'); define('DB_PASSWORD', 'secret');
define('DB_HOST', 'localhost:{}'); define('DB_CHARSET', 'utf8mb4');
define('WP_HTTP_BLOCK_EXTERNAL', true); define('DISABLE_WP_CRON', true);
{}$table_prefix = 'wp_';
defined('ABSPATH') || define('ABSPATH', __DIR__ . '/');
require_once ABSPATH . 'wp-settings.php';
",
            socket.display(),
            keys.map(secret).concat()
        );
        fs::write(self.root().join("wp-config.php"), text).unwrap();
    }
}
