//! What a folder looks like from outside: what is to be done with it, and the line that says so at
//! the start.

use config::QuickPhp;
use std::path::{Path, PathBuf};

/// Where applications start from: what lies in the folder, and which of its folders is served.
const FRONT_CONTROLLERS: [(&str, &str); 2] = [("index.php", ""), ("public/index.php", "public")];

/// Folders that known applications keep uploads in, each with a file that tells the application.
const UPLOADS: [(&str, &str); 2] = [
    ("wp-includes/version.php", "/wp-content/uploads/"),
    ("includes/DefaultSettings.php", "/images/"),
];

/// Where packages of Debian link to, out of the folder of their application: a link of each, and
/// the folder that it leads to, which is public there as well.
const LINKS: [(&str, &str); 4] = [
    ("wp-includes/js/underscore.min.js", "/usr/share/javascript"),
    ("js/vendor/jquery/jquery.min.js", "/usr/share/javascript"),
    ("includes", "/usr/share/mediawiki"),
    ("extensions", "/var/lib/mediawiki"),
];

/// An application of PHP, as far as it is known before somebody runs it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Application {
    /// The folder that is served.
    pub(crate) root: PathBuf,
    /// The program at its top, as seen from the folder that was named.
    pub(crate) script: &'static str,
    /// What is to be said of it in a plan.
    pub(crate) php: QuickPhp,
}

/// The application that lies in `root`, if one does.
pub(crate) fn application(root: &Path) -> Option<Application> {
    let is_there = |(script, _): &&(&str, &str)| root.join(script).is_file();
    let (script, folder) = FRONT_CONTROLLERS.iter().find(is_there)?;
    let root = if folder.is_empty() { root.to_owned() } else { root.join(folder) };
    let known = UPLOADS.iter().filter(|(file, _)| root.join(file).is_file());
    let denied = known.map(|(_, uploads)| (*uploads).into()).collect();
    let links = links(&root);
    Some(Application { root, script, php: QuickPhp { socket: None, denied, links } })
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
        assert_eq!(application(root.path()), None);
        write("public/index.php");
        let found = application(root.path()).unwrap();
        assert_eq!((found.root, found.script), (root.path().join("public"), "public/index.php"));
        write("index.php");
        write("wp-includes/version.php");
        let found = application(root.path()).unwrap();
        assert_eq!((&*found.root, found.script), (root.path(), "index.php"));
        assert_eq!(found.php.denied, ["/wp-content/uploads/".into()]);
    }
}
