//! What several files and what is filled in make of a config.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

mod machine;

use config::{
    Content, Plan, World, load,
    plan::{Action, Folder, Phrase},
};
use machine::Machine;
use std::{ffi::OsString, path::Path};

/// The folder whose files are sent for a host.
fn folder<'p>(plan: &'p Plan, host: &str) -> &'p Folder {
    let (site, _) = plan.site(host, 0).unwrap();
    match &site.routes.rest.policy.action {
        Action::Files(files) => &plan.folders[files.folder],
        other => panic!("{host} has {other:?}"),
    }
}

#[test]
fn files_of_a_pattern_are_read_and_paths_start_from_them() {
    let text = "include = ['sites/*.toml']\n[site.default]\nroot = 'main'\n";
    let plan = load("/etc/gannet/main.toml", text, &Machine).unwrap();
    let root = |host| folder(&plan, host).root.to_str();
    assert_eq!(root("one.example"), Some("/etc/gannet/sites/one"));
    assert_eq!(root("two.example"), Some("/srv/two"));
    assert_eq!(root("else.example"), Some("/etc/gannet/main"));
    assert_eq!(plan.sites.len(), 3, "neither a hidden file nor notes are a config");
}

#[test]
fn plan_knows_which_file_a_site_stands_in() {
    let text = "include = 'sites/*.toml'\n[site.default]\nroot = 'main'\n";
    let plan = load("etc/main.toml", text, &Machine).unwrap();
    let place = |host| plan.site(host, 0).map(|(site, _)| site.place.to_string()).unwrap();
    assert_eq!(place("two.example"), "etc/sites/two.toml:1:7");
    assert_eq!(place("else.example"), "etc/main.toml:2:7");
}

#[test]
fn a_pattern_may_stand_for_nothing_yet() {
    let text = "include = ['sites/*.conf']\n[site.default]\nroot = '/srv'\n";
    assert!(load("main.toml", text, &Machine).is_ok());
}

#[test]
fn ten_files_may_include_each_the_next() {
    let text = "include = 'deep/02.toml'";
    let plan = load("main.toml", text, &Machine).unwrap();
    assert_eq!(folder(&plan, "deep.example").root.to_str(), Some("/srv"));
}

#[test]
fn texts_are_filled_in_once() {
    fn check(written: &str, expect: &str) {
        let text = format!("[site.default]\nroot = '/srv'\nindex = [{written}]\n");
        let plan = load("main.toml", text, &Machine).map_err(|errors| errors.to_string()).unwrap();
        assert_eq!(folder(&plan, "any").index, [expect], "{written}");
    }
    check("'${PORT}.html'", "7890.html");
    check("'a$PORT}$'", "a$PORT}$");
    check("'$${PORT}${PORT}'", "${PORT}7890");
    check("'$$${PORT}'", "$${PORT}");
    check("'${file:secrets/name}'", "a name");
    check("'${NESTED}'", "${PORT} $${PORT}");
    check("\"\\u0024{PORT}\"", "7890");
    check("'${EMPTY}x${EMPTY}'", "x");
}

#[test]
fn braces_that_are_filled_in_are_no_placeholders() {
    let text = "site.default.respond = '{host} $${host} ${file:secrets/json}'";
    let plan = load("main.toml", text, &Machine).unwrap();
    let (site, _) = plan.site("any", 0).unwrap();
    let Action::Respond(respond) = &site.routes.rest.policy.action else {
        panic!("{site:?}");
    };
    let typed = Phrase::parse("{host} ${host} {{\"a\": {{}}}}").unwrap();
    assert_eq!(format!("{:?}", respond.text), format!("{:?}", Some(typed)));
}

/// A machine with ten thousand sites, each in a file.
struct Crowded;

impl World for Crowded {
    fn read(&self, path: &Path, _bytes_max: u64) -> Result<Content, String> {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let text = format!("[site.\"{name}.example\"]\nroot = \"/srv/{name}\"\n");
        Ok(Content { bytes: text.into_bytes(), path: path.to_owned() })
    }

    fn list(&self, _path: &Path) -> Result<Vec<OsString>, String> {
        Ok((0..10_000).map(|at| format!("host{at}.toml").into()).collect())
    }
}

#[test]
fn ten_thousand_files_are_read() {
    let plan = load("main.toml", "include = 'sites/*.toml'", &Crowded).unwrap();
    assert_eq!(plan.sites.len(), 10_000);
    assert_eq!(folder(&plan, "host9999.example").root.to_str(), Some("/srv/host9999"));
}

/// A machine on which each folder has ten folders.
struct Deep;

impl World for Deep {
    fn list(&self, _path: &Path) -> Result<Vec<OsString>, String> {
        Ok((0..10).map(|at| at.to_string().into()).collect())
    }
}

#[test]
fn a_pattern_for_too_much_is_refused() {
    let errors = load("main.toml", "include = '*/*/*/*/*/*/*/*/*/*'", &Deep).unwrap_err();
    let problem = errors.problems().next().unwrap();
    assert!(problem.message.contains("more than 200000 files and folders"), "{errors}");
    assert_eq!(problem.help, Some("name the folders, with a `*` only for what differs"));
}
