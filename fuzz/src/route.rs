//! Routes: whatever keys a site has, a path takes the one that the rules of the book say, told here
//! as plainly as there and without a tree.

use crate::{
    machine::{self, Machine},
    text::lines,
};
use config::{Plan, load};
use message::{Exchange, Fields, Length, Method, Path, Request, Version};

/// Pieces of keys and targets.
pub const TOKENS: &[&str] = &[
    "/", "/a", "/a/", "/a/b", "/*", "/a/*", "/a/b/*", "*.pdf", "*.x.pdf", "/a/*.pdf", "*.", "*",
    ".pdf", "GET ", "HEAD ", "POST ", "OPTIONS ", "a", "b", ".", "..", "//", "%61", "%2f", "%ff",
    "\u{fc}", " ", "\n", "\n\n",
];

/// Keys of one input; further ones are left out, so that an input stays quick.
const KEYS_MAX: usize = 32;

/// Line of the config that the first key stands on; each has one more below it.
const FIRST_LINE: usize = 3;

/// Takes the lines up to an empty one for keys, and those behind it for requests.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut lines = lines(text.as_bytes()).map(String::from_utf8_lossy);
    let keys: Vec<_> = lines.by_ref().take_while(|line| !line.is_empty()).take(KEYS_MAX).collect();
    let mut keys: Vec<&str> = keys.iter().map(|key| &**key).collect();
    let Some(plan) = plan(&mut keys) else { return };
    let patterns: Vec<_> = keys.iter().map(|key| Pattern::of(key)).collect();
    for line in lines {
        let (method, target) = line.split_once(' ').unwrap_or(("GET", &line));
        check(&plan, &patterns, method, target);
    }
}

/// The plan of a site with these keys. Those that are refused are taken out of the list.
fn plan(keys: &mut Vec<&str>) -> Option<Plan> {
    loop {
        let routes: String = keys
            .iter()
            .map(|key| format!("[site.default.route.{}]\nrespond = \"here\"\n", machine::key(key)))
            .collect();
        let text = format!("[site.default]\nrespond = \"elsewhere\"\n{routes}");
        let errors = match load("t.toml", &text, &Machine) {
            Ok(plan) => return Some(plan),
            Err(errors) => errors,
        };
        let mut refused: Vec<_> =
            errors.problems().filter_map(|problem| number(problem.line, keys.len())).collect();
        refused.sort_unstable();
        refused.dedup();
        assert!(!refused.is_empty(), "refused for no key: {errors}");
        for at in refused.into_iter().rev() {
            keys.remove(at);
        }
    }
}

/// Which of `count` keys stands on a line of the config.
fn number(line: usize, count: usize) -> Option<usize> {
    line.checked_sub(FIRST_LINE).map(|line| line / 2).filter(|&at| at < count)
}

fn check(plan: &Plan, patterns: &[Pattern<'_>], method: &str, target: &str) {
    let request = Request {
        version: Version::Http11,
        method: Method::parse(method),
        host: "a.example",
        port: "",
        path: target,
        query: None,
        fields: Fields::of(&[]),
        length: Length::Known(0),
    };
    let exchange = Exchange::new(&request, None, 0);
    let found = route::find(plan, &exchange, &mut ());
    let told = (number(found.route.place.line, patterns.len()), found.refused.is_some());
    let path = Path::parse(target);
    let expect =
        path.as_ref().map_or((None, false), |path| choice(patterns, method, path.as_bytes()));
    let keys: Vec<_> = patterns.iter().map(|pattern| pattern.key).collect();
    assert_eq!(told, expect, "{method} {target:?} among {keys:?}");
    let rest = exchange.path_bytes().get(found.rest.clone());
    assert!(rest.is_some(), "{method} {target:?} among {keys:?}: {:?}", found.rest);
    if let (Some(pattern), Some(rest)) = (told.0.map(|at| &patterns[at]), rest) {
        assert_eq!(rest, pattern.rest(exchange.path_bytes()), "{target:?} by {:?}", pattern.key);
    }
}

/// A key, taken apart.
struct Pattern<'k> {
    key: &'k str,
    method: Option<&'k str>,
    /// What stands before the `*`, or all.
    start: String,
    /// What stands behind the `*`.
    end: Option<&'k str>,
}

impl<'k> Pattern<'k> {
    fn of(key: &'k str) -> Self {
        let typed = key.trim();
        let (method, path) = match typed.split_once(' ') {
            Some((method, path)) => (Some(method), path.trim_start()),
            None => (None, typed),
        };
        let (start, end) = match path.split_once('*') {
            Some((start, end)) => (start, Some(end)),
            None => (path, None),
        };
        let start = if start.is_empty() { "/" } else { start }.to_owned();
        Self { key, method, start, end }
    }

    /// How exactly it matches `path`: more is more exact; `None` for not at all.
    fn weight(&self, path: &[u8]) -> Option<(bool, usize, usize)> {
        let start = self.start.as_bytes();
        match self.end {
            None => (path == start).then_some((true, 0, 0)),
            Some("") => {
                let is_folder_itself = [path, b"/"].concat() == start;
                (path.starts_with(start) || is_folder_itself).then_some((false, start.len(), 0))
            }
            Some(end) => {
                let rest = path.strip_prefix(start)?;
                rest.ends_with(end.as_bytes()).then_some((false, start.len(), end.len()))
            }
        }
    }

    /// What its `*` stands for in `path`, which it matches.
    fn rest<'p>(&self, path: &'p [u8]) -> &'p [u8] {
        let Some(end) = self.end else { return b"" };
        let rest = path.strip_prefix(self.start.as_bytes()).unwrap_or_default();
        rest.strip_suffix(end.as_bytes()).unwrap_or(rest)
    }
}

/// The key that `path` takes, and whether its pattern has none for the method.
fn choice(patterns: &[Pattern<'_>], method: &str, path: &[u8]) -> (Option<usize>, bool) {
    let Some(best) = patterns.iter().filter_map(|pattern| pattern.weight(path)).max() else {
        return (None, false);
    };
    let by_method = |method: Option<&str>| {
        let is_it =
            |pattern: &Pattern<'_>| pattern.weight(path) == Some(best) && pattern.method == method;
        patterns.iter().position(is_it)
    };
    let own = by_method(Some(method));
    let own = own.or_else(|| by_method(Some("GET")).filter(|_| method == "HEAD"));
    let found = own.or_else(|| by_method(None));
    (found, found.is_none())
}
