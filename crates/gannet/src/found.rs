//! What a folder looks like from outside: what is to be done with it, and the line that says so at
//! the start.

use crate::{php, wordpress};
use config::QuickPhp;
use std::path::{Path, PathBuf};

/// Where applications start from: the program at their top, and which of the folders is served; of
/// some only where a file tells that it is theirs. The first that is there counts.
const FRONT_CONTROLLERS: [(Option<&str>, &str, &str); 8] = [
    // These have a program beside the folder that is meant to be served.
    (Some("bin/cake"), "webroot/index.php", "webroot"),
    (Some("bin/magento"), "pub/index.php", "pub"),
    (None, "index.php", ""),
    (None, "public/index.php", "public"),
    // Drupal, Bedrock, Yii and others whose parts Composer puts together.
    (None, "web/index.php", "web"),
    (Some("composer.json"), "docroot/index.php", "docroot"),
    (Some("composer.json"), "htdocs/index.php", "htdocs"),
    (Some("composer.json"), "public_html/index.php", "public_html"),
];

/// Folders that known applications keep uploads in, each with a file that tells the application.
const UPLOADS: [(&str, &str); 4] = [
    ("wp-includes/version.php", "/wp-content/uploads/*"),
    // WordPress as Bedrock lays it out.
    ("wp/wp-includes/version.php", "/app/uploads/*"),
    ("includes/DefaultSettings.php", "/images/*"),
    ("core/lib/Drupal.php", "/sites/default/files/*"),
];

/// Where packages of Debian link to, out of the folder of their application: a link of each, and
/// the folder that it leads to, which is public there as well.
const LINKS: [(&str, &str); 5] = [
    ("wp-includes/js/underscore.min.js", "/usr/share/javascript"),
    ("js/vendor/jquery/jquery.min.js", "/usr/share/javascript"),
    ("doc/html/index.html", "/usr/share/doc/phpmyadmin"),
    ("includes", "/usr/share/mediawiki"),
    ("extensions", "/var/lib/mediawiki"),
];

/// Folders of known applications from which nothing is to be given, each list with a file that
/// tells the application: phpMyAdmin has others closed by Apache.
const CLOSED: [(&str, &[&str]); 1] = [("show_config_errors.php", &["libraries", "templates"])];

/// An application of PHP, as far as it is known before somebody runs it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Application {
    /// The folder that is served.
    pub(crate) root: PathBuf,
    /// The program at its top, as seen from the folder that was named.
    pub(crate) script: &'static str,
    /// What is to be said of it in a plan.
    pub(crate) php: QuickPhp,
    /// What of it cannot be said there, if anything cannot.
    pub(crate) untold: Option<&'static str>,
}

/// The application that lies in `root`, if one does.
pub(crate) fn application(root: &Path) -> Option<Application> {
    let has = |name: &str| root.join(name).is_file();
    let is_there = |(mark, script, _): &&(Option<&str>, &'static str, &str)| {
        mark.is_none_or(has) && has(script)
    };
    let (_, script, folder) = FRONT_CONTROLLERS.iter().find(is_there)?;
    let root = if folder.is_empty() { root.to_owned() } else { root.join(folder) };
    let known = UPLOADS.iter().filter(|(file, _)| root.join(file).is_file());
    let mut denied: Vec<Box<str>> = known.map(|(_, uploads)| (*uploads).into()).collect();
    let own = wordpress::uploads(&root).into_iter().filter(|path| !denied.contains(path));
    denied.extend(own.collect::<Vec<_>>());
    let (links, user) = (links(&root), php::to_name(&root));
    let (parts, untold) = wordpress::parts(&root, &links);
    let closed = CLOSED.iter().find(|(file, _)| root.join(file).is_file());
    let closed = closed.map_or(&[][..], |(_, names)| *names);
    let php = QuickPhp { socket: None, user, denied, links, parts, closed };
    Some(Application { root, script, php, untold })
}

/// The folders out of `root` that links of known packages lead to.
fn links(root: &Path) -> Vec<PathBuf> {
    let leads_there = |(link, folder): &&(&str, &str)| {
        !root.starts_with(folder)
            && root.join(link).canonicalize().is_ok_and(|path| path.starts_with(folder))
    };
    LINKS.iter().filter(leads_there).map(|(_, folder)| PathBuf::from(folder)).collect()
}

/// One line about what lies in `root`, which is no application.
pub(crate) fn describe(root: &Path) -> String {
    let has = |name: &&str| root.join(name).is_file();
    if has(&"index.html") {
        let also = ["404.html", "favicon.ico"].into_iter().filter(has).collect::<Vec<_>>();
        let with =
            if also.is_empty() { String::new() } else { format!(" with {}", also.join(", ")) };
        return format!("a site: index.html{with}");
    }
    let is_empty = std::fs::read_dir(root).is_ok_and(|mut entries| entries.next().is_none());
    if is_empty { "an empty folder" } else { "a folder to list: no index.html here" }.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_folder_is_described_by_what_its_visitors_will_see() {
        let root = tempfile::tempdir().unwrap();
        let check = |expect: &str| assert_eq!(describe(root.path()), expect);
        check("an empty folder");
        fs::write(root.path().join("a.txt"), "").unwrap();
        check("a folder to list: no index.html here");
        fs::write(root.path().join("index.html"), "").unwrap();
        check("a site: index.html");
        fs::write(root.path().join("404.html"), "").unwrap();
        check("a site: index.html with 404.html");
    }

    #[test]
    fn an_application_is_known_by_the_program_at_its_top() {
        let root = tempfile::tempdir().unwrap();
        let write = |name: &str| {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        };
        let check = |folder: &str, script: &str, denied: &[&str]| {
            let found = application(root.path()).unwrap();
            assert_eq!((found.root, found.script), (root.path().join(folder), script));
            assert_eq!(found.php.denied.iter().map(|path| &**path).collect::<Vec<_>>(), denied);
        };
        assert_eq!(application(root.path()), None);
        write("public_html/index.php");
        assert_eq!(application(root.path()), None, "it may be anybody's");
        write("composer.json");
        check("public_html", "public_html/index.php", &[]);
        write("web/index.php");
        write("web/core/lib/Drupal.php");
        check("web", "web/index.php", &["/sites/default/files/*"]);
        write("public/index.php");
        check("public", "public/index.php", &[]);
        write("index.php");
        write("wp-includes/version.php");
        check("", "index.php", &["/wp-content/uploads/*"]);
        write("webroot/index.php");
        write("bin/cake");
        check("webroot", "webroot/index.php", &[]);
    }
}
