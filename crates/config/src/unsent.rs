//! Names of files that are never sent, whatever a config says.

use message::Path;
use std::{os::unix::ffi::OsStrExt, path};

/// Endings of names that hold program source; see [`is_source`].
const SOURCE: [&[u8]; 6] = [b".php", b".phps", b".phpt", b".phtml", b".phar", b".pht"];

/// Whether a file or folder is sent where all of the folder `root` is; both are without links.
#[must_use]
pub fn is_sent_from(root: &path::Path, real: &path::Path) -> bool {
    real.strip_prefix(root).is_ok_and(|below| {
        let path = [b"/", below.as_os_str().as_bytes()].concat();
        Path::of_decoded(&path).is_ok_and(|path| !is_unsent(&path))
    })
}

/// Whether nothing is sent at this path: some segment is a dotfile or PHP source. `/.well-known/`
/// is public by its purpose (RFC 8615).
#[must_use]
pub fn is_unsent(path: &Path<'_>) -> bool {
    is_hidden(path) || path.segments().any(is_source)
}

/// Whether some segment is a dotfile, but for `/.well-known/`.
#[must_use]
pub fn is_hidden(path: &Path<'_>) -> bool {
    let is_well_known = |at: usize, name: &[u8]| at == 0 && name == b".well-known";
    path.segments().enumerate().any(|(at, name)| is_dotfile(name) && !is_well_known(at, name))
}

/// Whether a name is a dotfile: settings, passwords and histories of the programs that made the
/// site.
#[must_use]
pub fn is_dotfile(name: &[u8]) -> bool {
    name.first() == Some(&b'.')
}

/// Whether a name is PHP source or a copy of one: `x.php`, `x.PHP`, `x.php7`, `x.php~`,
/// `x.php.bak`, `x.php.`, `x.phtml`. A site whose PHP does not run must not show its passwords.
#[must_use]
pub fn is_source(name: &[u8]) -> bool {
    (0..name.len()).filter(|&at| name[at] == b'.').any(|at| {
        SOURCE.iter().any(|ending| {
            name[at..].split_at_checked(ending.len()).is_some_and(|(head, tail)| {
                head.eq_ignore_ascii_case(ending)
                    && !tail.first().is_some_and(|byte| byte.is_ascii_alphabetic())
            })
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_is_known_by_any_of_its_names() {
        for source in [
            "x.php",
            "x.PHP",
            "x.php7",
            "x.php~",
            "x.php.bak",
            "x.php.",
            "x.php ",
            "x.phtml",
            "x.phps",
            "x.phpt",
            "x.phar",
            "a.b.pht",
            ".php",
        ] {
            assert!(is_source(source.as_bytes()), "{source}");
        }
        for other in ["", "php", "x.phpx", "x.html", "php.html", "x.photo", "phpinfo.txt"] {
            assert!(!is_source(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn source_is_source_wherever_it_stands_in_a_path() {
        for source in ["/x.php", "/x.php%20", "/x.php/", "/x.php/info", "/a/.php"] {
            assert!(is_unsent(&Path::parse(source).unwrap()), "{source}");
        }
        assert!(!is_unsent(&Path::parse("/php/x.html").unwrap()));
    }

    #[test]
    fn what_lies_below_a_root_is_sent_unless_its_name_says_otherwise() {
        let is_sent = |root: &str, real: &str| is_sent_from(root.as_ref(), real.as_ref());
        for real in ["/srv", "/srv/a/b.pem", "/srv/.well-known/a"] {
            assert!(is_sent("/srv", real), "{real}");
        }
        for real in ["/", "/srv2", "/srv/.a/b", "/srv/a.php", "/srv/a/.well-known"] {
            assert!(!is_sent("/srv", real), "{real}");
        }
    }

    #[test]
    fn dotfiles_are_hidden_but_the_well_known() {
        for hidden in ["/.git/config", "/a/.env", "/%2egit/", "/a/.well-known/x"] {
            assert!(is_unsent(&Path::parse(hidden).unwrap()), "{hidden}");
        }
        for open in ["/", "/a.b", "/.well-known/acme", "/a./b"] {
            assert!(!is_unsent(&Path::parse(open).unwrap()), "{open}");
        }
    }
}
