//! Where a WordPress keeps what its users bring along, if that is not in its own folder: as its
//! config says, or, as Debian packages it, the configs of its hosts.

use config::QuickPart;
use std::{
    fs::{self, File, Metadata},
    io::Read,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// What the folder is called in a URL, wherever it lies.
const NAME: &str = "wp-content";

/// The constant that says where it lies, and the one by which a host of Debian's has it in the
/// folder of WordPress after all.
const FOLDER: &str = "WP_CONTENT_DIR";
const NO_FOLDER: &str = "DONT_SET_WP_CONTENT_DIR";

/// The constant that says where uploads lie, below the folder that WordPress itself lies in.
const UPLOADS: &str = "UPLOADS";

/// Where Debian's config looks for those of its hosts.
const HOSTS: &str = "/etc/wordpress";

/// Bytes of a config that are read.
const CONFIG_BYTES_MAX: u64 = 256 * 1024;

/// What is said where its hosts have a folder each, and one command can serve but one.
const SEVERAL: &str = ", whose hosts have a wp-content each, of which none is served: name \
                       them in a config, by `alias`";

/// The folders that the WordPress in `root` has elsewhere, if there is one; `links` lead out of it.
/// With what is to be said of those that are left out.
pub(crate) fn parts(root: &Path, links: &[PathBuf]) -> (Vec<QuickPart>, Option<&'static str>) {
    parts_by(root, links, Path::new(HOSTS))
}

fn parts_by(
    root: &Path,
    links: &[PathBuf],
    hosts: &Path,
) -> (Vec<QuickPart>, Option<&'static str>) {
    let Some(config) = read(&root.join("wp-config.php")) else { return (Vec::new(), None) };
    let mut folders = match config.contains(&format!("{HOSTS}/config-")) {
        true => of_hosts(&config, hosts),
        false => named(&config).into_iter().collect(),
    };
    folders.sort_unstable();
    folders.dedup();
    let is_elsewhere = |folder: &PathBuf| !folder.starts_with(root);
    match &*folders {
        [] => (Vec::new(), None),
        [only] => {
            let own = Some(root.join(NAME)).filter(|own| own.is_dir());
            let links = links.iter().cloned().chain(own).collect();
            let part = QuickPart { name: NAME, root: only.clone(), links };
            (Some(part).filter(|part| is_elsewhere(&part.root)).into_iter().collect(), None)
        }
        _ => (Vec::new(), Some(SEVERAL)),
    }
}

/// Where uploads lie in `root` as the config of a WordPress says, besides the usual place: each as
/// `php-deny` has it. No more than that comes of the config, whoever has written it.
pub(crate) fn uploads(root: &Path) -> Vec<Box<str>> {
    let Some((config, _)) = text(&root.join("wp-config.php")) else { return Vec::new() };
    // A URL may have the folder as it is typed, or as it is called where that is a link.
    let typed = value(&config, FOLDER).map(PathBuf::from);
    let folders = typed
        .into_iter()
        .chain(named(&config))
        .filter_map(|folder| folder.strip_prefix(root).ok().map(|below| below.join("uploads")));
    let own = Path::new(if root.join("wp/wp-includes").is_dir() { "wp" } else { "" });
    let said = value(&config, UPLOADS).map(|folder| own.join(folder.trim_matches('/')));
    let mut denied: Vec<_> = folders.chain(said).filter_map(|folder| denied(&folder)).collect();
    denied.sort_unstable();
    denied.dedup();
    denied
}

/// All below a folder of the site, as `php-deny` has it, if that can be said.
fn denied(folder: &Path) -> Option<Box<str>> {
    let path = folder.to_str()?;
    let is_plain = |name: &str| !["", ".", ".."].contains(&name) && !name.contains('*');
    path.split('/').all(is_plain).then(|| format!("/{path}/*").into())
}

/// The folders that the configs of the hosts name, and `config`, where one of them does not; where
/// none can be read that one alone.
fn of_hosts(config: &str, hosts: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(hosts).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_config = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with("config-") && name.ends_with(".php")
    };
    let texts: Vec<_> = entries.filter(is_config).filter_map(|path| read(&path)).collect();
    let usual = named(config);
    if texts.is_empty() {
        return usual.into_iter().collect();
    }
    let of = |text: &String| match value(text, NO_FOLDER) {
        Some(_) => None,
        None => named(text).or_else(|| usual.clone()),
    };
    texts.iter().filter_map(of).collect()
}

/// The text of a config, if nobody but root, or who starts this, can have written it: what it names
/// is served.
fn read(path: &Path) -> Option<String> {
    let (text, found) = text(path)?;
    let is_own = found.uid() == 0 || found.uid() == net::process::user();
    (is_own && found.mode() & 0o022 == 0).then_some(text)
}

/// The text of a config, and what is known of the file.
fn text(path: &Path) -> Option<(String, Metadata)> {
    // Whoever opens a FIFO waits for somebody at its other end.
    let file =
        fs::metadata(path).ok().filter(Metadata::is_file).and_then(|_| File::open(path).ok())?;
    let found = file.metadata().ok().filter(Metadata::is_file)?;
    let mut text = Vec::new();
    file.take(CONFIG_BYTES_MAX).read_to_end(&mut text).ok()?;
    Some((String::from_utf8_lossy(&text).into_owned(), found))
}

/// The folder that `config` names, if that is there.
fn named(config: &str) -> Option<PathBuf> {
    let folder = value(config, FOLDER)?;
    Some(folder).filter(|folder| folder.starts_with('/')).map(PathBuf::from)?.canonicalize().ok()
}

/// What the constant of that name is defined as: the text in quotes, or a word as it stands there.
fn value<'t>(config: &'t str, constant: &str) -> Option<&'t str> {
    let is_code = |line: &&str| !["//", "#", "*", "/*"].iter().any(|sign| line.starts_with(sign));
    let lines = config.lines().map(str::trim).filter(is_code);
    let all = lines.flat_map(|line| line.split("define").skip(1));
    all.map(str::trim_start).find_map(|rest| {
        let rest = rest.strip_prefix('(')?.trim_start();
        let rest = rest.strip_prefix(['\'', '"'])?.strip_prefix(constant)?;
        let rest = rest.strip_prefix(['\'', '"'])?.trim_start().strip_prefix(',')?;
        let (value, _) = rest.split_once(')')?;
        let value = value.trim();
        let quoted = value.strip_prefix(['\'', '"']);
        let quoted = quoted.and_then(|text| text.strip_suffix(['\'', '"']));
        let value = quoted.unwrap_or(value);
        // What has to be worked out only PHP knows.
        (!value.contains(['$', '\\', '\'', '"'])).then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs::Permissions, os::unix::fs::PermissionsExt};

    #[test]
    fn a_constant_is_read_where_it_is_plain() {
        fn check(config: &str, expect: Option<&str>) {
            assert_eq!(value(config, FOLDER), expect, "{config}");
        }
        check("<?php\ndefine('WP_CONTENT_DIR', '/a/b');", Some("/a/b"));
        check("    define ( \"WP_CONTENT_DIR\" , \"/a\" );", Some("/a"));
        check("if (!defined('WP_CONTENT_DIR'))\n  define('WP_CONTENT_DIR', '/a');", Some("/a"));
        check("defined('WP_CONTENT_DIR') || define('WP_CONTENT_DIR', '/a');", Some("/a"));
        for config in [
            "",
            "// define('WP_CONTENT_DIR', '/a');",
            " * define('WP_CONTENT_DIR', '/a');",
            "define('WP_CONTENT_DIR_2', '/a');",
            "define('WP_CONTENT_DIR', __DIR__ . '/a');",
            "define('WP_CONTENT_DIR', \"$home/a\");",
            "define('WP_CONTENT_DIR'",
            "define('WP_CONTENT_URL', '/a');",
        ] {
            check(config, None);
        }
    }

    #[test]
    fn uploads_within_the_site_are_known_as_its_config_has_them() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("data")).unwrap();
        std::os::unix::fs::symlink("data", root.join("content")).unwrap();
        let check = |constant: &str, value: &str, expect: &[&str]| {
            let config = root.join("wp-config.php");
            fs::write(&config, format!("<?php\ndefine('{constant}', '{value}');\n")).unwrap();
            // It only denies: whoever may write it can do so.
            fs::set_permissions(&config, Permissions::from_mode(0o666)).unwrap();
            let denied = uploads(&root);
            let denied: Vec<_> = denied.iter().map(|path| &**path).collect();
            assert_eq!(denied, expect, "{constant} {value}");
        };
        let below = |name: &str| root.join(name).display().to_string();
        assert!(uploads(&root).is_empty());
        check(FOLDER, &below("data"), &["/data/uploads/*"]);
        check(FOLDER, &below("data/"), &["/data/uploads/*"]);
        check(FOLDER, &below("content"), &["/content/uploads/*", "/data/uploads/*"]);
        check(FOLDER, &below("content/../data"), &["/data/uploads/*"]);
        check(FOLDER, "/usr/share", &[]);
        check(UPLOADS, "media", &["/media/*"]);
        check(UPLOADS, "/media/own/", &["/media/own/*"]);
        for value in ["", "/", "../media", "a//b", "a*"] {
            check(UPLOADS, value, &[]);
        }
        fs::create_dir_all(root.join("wp/wp-includes")).unwrap();
        check(UPLOADS, "media", &["/wp/media/*"]);
    }

    #[test]
    fn its_folder_is_where_its_configs_agree_on() {
        let place = tempfile::tempdir().unwrap();
        let path = |name: &str| place.path().canonicalize().unwrap().join(name);
        let (root, hosts) = (path("root"), path("hosts"));
        for folder in ["root/wp-content", "a", "b", "hosts"] {
            fs::create_dir_all(path(folder)).unwrap();
        }
        let define =
            |name: &str| format!("define('WP_CONTENT_DIR', '{}');\n", path(name).display());
        let write = |file: &str, text: &str| {
            fs::write(path(file), text).unwrap();
            fs::set_permissions(path(file), Permissions::from_mode(0o644)).unwrap();
        };
        let check = |expect: Option<&str>, untold: bool| {
            let (parts, said) = parts_by(&root, &["/usr/share/js".into()], &hosts);
            let links = vec!["/usr/share/js".into(), root.join(NAME)];
            let part = |name| QuickPart { name: NAME, root: path(name), links };
            assert_eq!(parts, expect.map(part).into_iter().collect::<Vec<_>>());
            assert_eq!(said.is_some(), untold);
        };
        check(None, false);
        write("root/wp-config.php", "<?php\n");
        check(None, false);
        write("root/wp-config.php", &define("root/wp-content"));
        check(None, false);
        write("root/wp-config.php", &define("nowhere"));
        check(None, false);
        write("root/wp-config.php", &define("a"));
        write("hosts/config-x.php", &define("b"));
        check(Some("a"), false);
        // As Debian has it, each host may say something else.
        let debian = format!("require '/etc/wordpress/config-x.php';\n{}", define("a"));
        write("root/wp-config.php", &debian);
        check(Some("b"), false);
        write("hosts/config-x.php", "<?php\n");
        check(Some("a"), false);
        write("hosts/config-y.php", &define("b"));
        check(None, true);
        write("hosts/config-x.php", "define('DONT_SET_WP_CONTENT_DIR', true);");
        check(Some("b"), false);
        // Whoever may write it could have anything served.
        fs::set_permissions(path("hosts/config-y.php"), Permissions::from_mode(0o666)).unwrap();
        check(None, false);
        fs::remove_file(path("hosts/config-x.php")).unwrap();
        check(Some("a"), false);
    }
}
