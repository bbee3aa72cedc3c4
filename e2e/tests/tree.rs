//! A large tree of real pages is served whole: the manual of Python, from Debian's `python3-doc`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use e2e::{Client, Server};
use std::{
    collections::BTreeSet,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    thread,
};

/// Clients that share the work.
const CLIENTS: usize = 4;

/// The manual; some of its scripts are links into the tree of JavaScript libraries.
fn manual() -> PathBuf {
    fs::canonicalize("/usr/share/doc/python3-doc/html")
        .unwrap_or_else(|e| panic!("{e}: apt-get install python3-doc"))
}

fn serve(links: &str) -> Server {
    Server::run(&format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nlog = \"json\"\nthreads = 2\n\
         [site.\"default\"]\nroot = {:?}\nlinks = [{links}]\n",
        manual(),
    ))
}

/// All files below `folder`, links followed.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// Asks for all of `targets` on connections that are kept, and hands each answer to `judge`.
fn crawl(addr: SocketAddr, targets: &[String], judge: impl Fn(&str, &e2e::Response) + Sync) {
    let judge = &judge;
    thread::scope(|scope| {
        for share in targets.chunks(targets.len().div_ceil(CLIENTS)) {
            scope.spawn(move || {
                let mut client = Client::connect(addr);
                for target in share {
                    let response = client.get(target).unwrap_or_else(|e| panic!("{target}: {e}"));
                    assert!(!response.closes(), "{target}: the connection is not kept");
                    judge(target, &response);
                }
            });
        }
    });
}

/// The target that a file of the manual is found at.
fn target(path: &Path) -> String {
    format!("/{}", path.strip_prefix(manual()).unwrap().to_str().unwrap())
}

#[test]
fn every_file_is_what_the_disk_holds() {
    let server = serve("\"/usr/share/javascript\"");
    let targets: Vec<_> = files(&manual()).iter().map(|path| target(path)).collect();
    assert!(targets.len() > 1000, "only {} files", targets.len());
    crawl(server.addr(), &targets, |target, response| {
        if target.contains("/.") {
            assert_eq!(response.status, 404, "{target} is hidden");
            return;
        }
        assert_eq!(response.status, 200, "{target}");
        let content = fs::read(manual().join(&target[1..])).unwrap();
        assert!(response.body == content, "{target} is not what the disk holds");
        if target.ends_with(".html") {
            assert_eq!(response.get("content-type"), Some("text/html; charset=utf-8"), "{target}");
        }
    });
    let stopped = server.stop();
    let logged = stopped.lines.iter().filter(|line| line["event"] == "request").count();
    assert_eq!(logged, targets.len(), "each request has its line in the log");
}

#[test]
fn every_link_of_a_page_leads_somewhere() {
    let server = serve("\"/usr/share/javascript\"");
    let mut targets = BTreeSet::new();
    for path in files(&manual()).iter().filter(|path| path.extension().is_some_and(|e| e == "html"))
    {
        let page = fs::read_to_string(path).unwrap();
        targets.extend(links(&page).filter_map(|link| resolve(&target(path), &link)));
    }
    assert!(targets.len() > 500, "only {} links", targets.len());
    let targets: Vec<_> = targets.into_iter().collect();
    crawl(server.addr(), &targets, |target, response| {
        let path = target.split('?').next().unwrap_or_default().replace("%20", " ");
        let path = manual().join(&path[1..]);
        let is_there = path.is_file() || path.join("index.html").is_file();
        let expect = if is_there { 200 } else { 404 };
        assert_eq!(response.status, expect, "{target}");
    });
    server.stop();
}

/// What `href` and `src` of a page say.
fn links(page: &str) -> impl Iterator<Item = String> {
    let parts = ["href=\"", "src=\""].into_iter().flat_map(|name| page.split(name).skip(1));
    parts.filter_map(|rest| rest.split_once('"')).map(|(link, _)| link.replace("&amp;", "&"))
}

/// The target of a link that stands on the page `base`; `None` if it leads to another host, or to
/// another place of the same page.
fn resolve(base: &str, link: &str) -> Option<String> {
    let link = link.split('#').next().unwrap_or_default();
    if link.is_empty() || link.contains(':') || link.starts_with("//") {
        return None;
    }
    let folder = base.rsplit_once('/').map_or("", |(folder, _)| folder);
    let joined = if link.starts_with('/') { link.to_owned() } else { format!("{folder}/{link}") };
    let mut parts = Vec::new();
    for part in joined.split('/').skip(1) {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    Some(format!("/{}", parts.join("/")))
}

#[test]
fn a_link_into_a_tree_that_is_not_named_is_not_followed() {
    let is_outside = |path: &&PathBuf| !fs::canonicalize(path).unwrap().starts_with(manual());
    let outside: Vec<_> = files(&manual()).iter().filter(is_outside).map(|p| target(p)).collect();
    assert!(!outside.is_empty(), "the manual has links to other trees");
    for (links, expect) in
        [("", 404), ("\"/usr/share/javascript\"", 200), ("\"/usr/share/man\"", 404)]
    {
        let server = serve(links);
        crawl(server.addr(), &outside, |target, response| {
            assert_eq!(response.status, expect, "{target} with links = [{links}]");
        });
        assert_eq!(Client::connect(server.addr()).get("/index.html").unwrap().status, 200);
        server.stop();
    }
}
