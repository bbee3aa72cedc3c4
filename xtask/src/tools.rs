//! What the tests and the bench need beside the toolchain: how it is found and installed.

use crate::command;
use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// A Debian package and a file that is there once it is installed.
struct Debian {
    package: &'static str,
    file: &'static str,
}

/// The packages of Debian that the tests need, all of them.
const DEBIAN: [Debian; 33] = [
    // The browser test drives a real browser.
    Debian { package: "chromium", file: "/usr/bin/chromium" },
    Debian { package: "chromium-driver", file: "/usr/bin/chromedriver" },
    // The vDSO of a server is read with its nm, to set the clock of that server alone.
    Debian { package: "binutils", file: "/usr/bin/nm" },
    // It makes certificates, and shakes hands in ways that no other client would.
    Debian { package: "openssl", file: "/usr/bin/openssl" },
    // Its manual is a large site, with links into other packages.
    Debian { package: "python3-doc", file: "/usr/share/doc/python3-doc/html/index.html" },
    // REDbot, sslyze and what reads spans get environments of their own.
    Debian { package: "python3-venv", file: "/usr/share/doc/python3-venv" },
    // Clients of HTTP/2: nghttp and h2load, curl, and Python's h2 with its hpack and hyperframe.
    Debian { package: "nghttp2-client", file: "/usr/bin/h2load" },
    Debian { package: "curl", file: "/usr/bin/curl" },
    Debian { package: "python3-h2", file: "/usr/lib/python3/dist-packages/h2" },
    Debian { package: "slowhttptest", file: "/usr/bin/slowhttptest" },
    // Answers are compared with those of other servers.
    Debian { package: "nginx", file: "/usr/sbin/nginx" },
    Debian { package: "lighttpd", file: "/usr/sbin/lighttpd" },
    Debian { package: "lighttpd-mod-deflate", file: "/usr/lib/lighttpd/mod_deflate.so" },
    // Its systemd-analyze says how much a service leaves exposed; nothing of it has to run.
    Debian { package: "systemd", file: "/usr/bin/systemd-analyze" },
    // PHP is run by the real one.
    Debian { package: "php-fpm", file: "/usr/share/doc/php-fpm" },
    // Its applications, with the databases that they need; none of them starts a service.
    Debian { package: "mariadb-server-core", file: "/usr/sbin/mariadbd" },
    Debian { package: "mariadb-client-core", file: "/usr/bin/mariadb" },
    Debian { package: "php-sqlite3", file: "/usr/share/doc/php-sqlite3" },
    Debian { package: "php-gd", file: "/usr/share/doc/php-gd" },
    Debian { package: "wordpress", file: "/usr/share/wordpress" },
    Debian {
        package: "wordpress-theme-twentytwentythree",
        file: "/usr/share/wordpress/wp-content/themes/twentytwentythree",
    },
    Debian { package: "mediawiki", file: "/usr/share/mediawiki" },
    Debian { package: "phpmyadmin", file: "/usr/share/phpmyadmin" },
    // Without it the one before looks for a database of its own as it is installed.
    Debian { package: "dbconfig-no-thanks", file: "/usr/share/phpmyadmin" },
    // It issues certificates, and finds fault with whoever asks for them in the wrong way.
    Debian { package: "pebble", file: "/usr/bin/pebble" },
    // A name server that takes updates.
    Debian { package: "knot", file: "/usr/sbin/knotd" },
    // It has calls of the kernel take their time.
    Debian { package: "strace", file: "/usr/bin/strace" },
    // They have this machine and its browsers trust an authority.
    Debian { package: "ca-certificates", file: "/usr/sbin/update-ca-certificates" },
    Debian { package: "libnss3-tools", file: "/usr/bin/certutil" },
    // It judges how TLS is spoken.
    Debian { package: "testssl.sh", file: "/usr/bin/testssl" },
    // Its promtool judges the figures of `/metrics`, and the rules of alerts.
    Debian { package: "prometheus", file: "/usr/bin/promtool" },
    // It sees the packets of a connection, which have to agree with what is told of that.
    Debian { package: "tshark", file: "/usr/bin/tshark" },
    // Its word lists hold the paths that attackers try.
    Debian { package: "wfuzz", file: "/usr/share/wfuzz/wordlist" },
];

/// The packages of Debian that the bench needs: the peers, those that load them, those that
/// measure, and what stands behind a server.
const BENCH: [Debian; 15] = [
    Debian { package: "nginx", file: "/usr/sbin/nginx" },
    Debian { package: "lighttpd", file: "/usr/sbin/lighttpd" },
    Debian { package: "lighttpd-mod-deflate", file: "/usr/lib/lighttpd/mod_deflate.so" },
    Debian { package: "lighttpd-mod-openssl", file: "/usr/lib/lighttpd/mod_openssl.so" },
    Debian { package: "h2o", file: "/usr/bin/h2o" },
    Debian { package: "wrk", file: "/usr/bin/wrk" },
    Debian { package: "nghttp2-client", file: "/usr/bin/h2load" },
    Debian { package: "openssl", file: "/usr/bin/openssl" },
    Debian { package: "valgrind", file: "/usr/bin/valgrind" },
    Debian { package: "php-fpm", file: "/usr/share/doc/php-fpm" },
    Debian { package: "mariadb-server-core", file: "/usr/sbin/mariadbd" },
    Debian { package: "mariadb-client-core", file: "/usr/bin/mariadb" },
    Debian { package: "wordpress", file: "/usr/share/wordpress" },
    Debian {
        package: "wordpress-theme-twentytwentythree",
        file: "/usr/share/wordpress/wp-content/themes/twentytwentythree",
    },
    Debian { package: "pebble", file: "/usr/bin/pebble" },
];

/// The packages of Debian that have a build learn what is used most.
const RELEASE: [Debian; 3] = [
    Debian { package: "wrk", file: "/usr/bin/wrk" },
    Debian { package: "nghttp2-client", file: "/usr/bin/h2load" },
    Debian { package: "php-fpm", file: "/usr/share/doc/php-fpm" },
];

/// The cargo-deny that we know to understand deny.toml; building it takes two to three minutes.
const DENY: &str = "cargo-deny@0.20.2";

/// The cargo-fuzz that runs our targets; it takes a minute to build.
const FUZZ: &str = "cargo-fuzz@0.13.2";

/// Programs in Python, each with the exact versions of all that it needs, for pip.
const PYTHON: [(&str, &str); 3] = [
    ("redbot", include_str!("../redbot.txt")),
    ("sslyze", include_str!("../sslyze.txt")),
    ("otlp", include_str!("../otlp.txt")),
];

/// Where their environments lie, below the root; the tests look there.
const PYTHON_FOLDER: &str = "target/tools";

/// The httpwg-cli that judges HTTP/2, and where it lies, below the root: it is nobody else's.
const HTTPWG: &str = "httpwg-cli@0.2.5";
const HTTPWG_FOLDER: &str = "target/tools/httpwg";

/// Seconds for downloads and for building a tool.
const INSTALL_SECONDS_MAX: u32 = 1200;

/// Installs what is missing.
///
/// # Errors
/// Names what is missing when it cannot be installed: no test is left out in silence.
pub(crate) fn install(root: &Path) -> Result<(), String> {
    install_debian(root, &missing(&DEBIAN))?;
    PYTHON.iter().try_for_each(|(name, versions)| install_python(root, name, versions))?;
    install_verb(root, "deny", DENY)
}

/// Installs what the bench needs.
///
/// # Errors
/// Names what is missing when it cannot be installed.
pub(crate) fn install_bench(root: &Path) -> Result<(), String> {
    install_debian(root, &missing(&BENCH))
}

/// Installs what `release` needs, and returns where the program is that reads counts: a part of
/// Rust that has to be of the compiler's own version.
///
/// # Errors
/// Names what is missing when it cannot be installed.
pub(crate) fn install_release(root: &Path, host: &str) -> Result<PathBuf, String> {
    install_debian(root, &missing(&RELEASE))?;
    let sysroot = command::output(Command::new("rustc").args(["--print", "sysroot"]))?;
    let parts = Path::new(sysroot.trim()).join("lib/rustlib").join(host);
    let program = parts.join("bin/llvm-profdata");
    if !program.exists() {
        let mut install = command::bounded("rustup", INSTALL_SECONDS_MAX, root);
        let done = command::finish(install.args(["component", "add", "llvm-tools"]))?;
        if !done.is_success || !program.exists() {
            let (place, way_out) = (program.display(), "rustup component add llvm-tools");
            return Err(format!(
                "{}{place} is missing: it comes with a Rust of rustup, by {way_out}",
                done.output
            ));
        }
    }
    Ok(program)
}

/// Installs what only `--full` needs.
///
/// # Errors
/// Says what came in the way.
pub(crate) fn install_fuzz(root: &Path) -> Result<(), String> {
    install_verb(root, "fuzz", FUZZ)
}

/// Installs the judge of HTTP/2, which only `--full` needs, and returns where it is.
///
/// # Errors
/// Says what came in the way.
pub(crate) fn install_httpwg(root: &Path) -> Result<PathBuf, String> {
    let program = root.join(HTTPWG_FOLDER).join("bin/httpwg");
    if !program.exists() {
        let mut install = command::bounded("cargo", INSTALL_SECONDS_MAX, root);
        install.args(["install", "--locked", "--root", HTTPWG_FOLDER, HTTPWG]);
        let done = command::finish(&mut install)?;
        if !done.is_success {
            return Err(done.output);
        }
    }
    Ok(program)
}

fn missing(wanted: &[Debian]) -> Vec<&'static str> {
    let absent = wanted.iter().filter(|debian| !Path::new(debian.file).exists());
    absent.map(|debian| debian.package).collect()
}

fn install_debian(root: &Path, packages: &[&'static str]) -> Result<(), String> {
    if packages.is_empty() {
        return Ok(());
    }
    let way_out = format!("install them: sudo apt-get install {}", packages.join(" "));
    let Some(prefix) = privilege() else {
        return Err(format!("packages are missing and you are not root; {way_out}"));
    };
    let apt = |words: &[&str]| {
        let mut all: Vec<&str> = prefix.to_vec();
        all.extend(["DEBIAN_FRONTEND=noninteractive", "apt-get", "--yes", "--quiet"]);
        all.extend(words);
        command::finish(command::bounded(all[0], INSTALL_SECONDS_MAX, root).args(&all[1..]))
    };
    let install = [&["install", "--no-install-recommends"], packages].concat();
    // A machine whose lists are fresh is spared the update.
    if !apt(&install)?.is_success {
        apt(&["update"])?;
        let second = apt(&install)?;
        if !second.is_success {
            return Err(format!("{}\n{way_out}", second.output));
        }
    }
    Ok(())
}

/// How a command becomes root's, ending in `env`; `None` if it cannot without a password.
fn privilege() -> Option<&'static [&'static str]> {
    let is_root = command::output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    if is_root {
        return Some(&["env"]);
    }
    let can = command::output(Command::new("sudo").args(["-n", "true"])).is_ok();
    can.then_some(&["sudo", "-n", "env"])
}

/// Teaches cargo a verb that it does not know yet.
fn install_verb(root: &Path, verb: &str, package: &str) -> Result<(), String> {
    if command::output(Command::new("cargo").args([verb, "--version"])).is_ok() {
        return Ok(());
    }
    let mut install = command::bounded("cargo", INSTALL_SECONDS_MAX, root);
    let done = command::finish(install.args(["install", "--locked", package]))?;
    if done.is_success { Ok(()) } else { Err(done.output) }
}

/// A program in Python, into an environment that nothing else on the machine sees.
fn install_python(root: &Path, name: &str, versions: &str) -> Result<(), String> {
    let folder = root.join(PYTHON_FOLDER).join(name);
    let (wanted, installed) = (folder.join("wanted.txt"), folder.join("installed.txt"));
    if std::fs::read_to_string(&installed).is_ok_and(|installed| installed == versions) {
        return Ok(());
    }
    let run = |program: &Path, words: &[&str]| {
        let mut command = command::bounded(&program.to_string_lossy(), INSTALL_SECONDS_MAX, root);
        let done = command::finish(command.args(words))?;
        if done.is_success { Ok(()) } else { Err(format!("{name}: {}", done.output)) }
    };
    let write = |path: &Path| {
        let fail = |error| format!("{}: {error}", path.display());
        std::fs::write(path, versions).map_err(fail)
    };
    run(Path::new("/usr/bin/python3"), &["-m", "venv", "--clear", &folder.to_string_lossy()])?;
    write(&wanted)?;
    let words = ["install", "--quiet", "--no-deps", "--requirement", &wanted.to_string_lossy()];
    run(&folder.join("bin/pip"), &words)?;
    // Only once all is there, so that a download that broke off is begun anew.
    write(&installed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_absent_is_missing() {
        let wanted = [
            Debian { package: "root", file: "/" },
            Debian { package: "unicorn", file: "/usr/bin/unicorn" },
        ];
        assert_eq!(missing(&wanted), ["unicorn"]);
    }
}
