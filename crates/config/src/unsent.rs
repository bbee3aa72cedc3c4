//! Names of files that are never sent, whatever a config says.

/// Endings of names that hold program source; see [`is_source`].
const SOURCE: [&[u8]; 6] = [b".php", b".phps", b".phpt", b".phtml", b".phar", b".pht"];

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
}
