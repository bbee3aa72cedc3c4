//! What a folder looks like from outside, for the line that says so at the start.

use std::path::Path;

/// Names that an application starts from.
const FRONT_CONTROLLERS: [&str; 2] = ["index.php", "public/index.php"];

/// One line about what lies in `root`.
pub(crate) fn describe(root: &Path) -> String {
    if let Some(script) = FRONT_CONTROLLERS.iter().find(|script| root.join(script).is_file()) {
        return format!("a PHP application ({script}); PHP does not run here, its scripts are 404");
    }
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
        fs::write(root.path().join("index.php"), "").unwrap();
        check("a PHP application (index.php); PHP does not run here, its scripts are 404");
    }
}
