//! Sites: the host each answers for, and the folder it sends.

use crate::{
    host,
    mistake::{Mistake, quote},
    plan::{Action, Files, Site, index_default},
    source::{Span, Word},
    unsent,
    world::{World, absolute},
    written::Named,
};
use std::{collections::HashMap, path::PathBuf};

/// The sites that were typed, each under the one form of its host.
pub(crate) fn resolve(
    sites: Vec<Named>,
    world: &dyn World,
    mistakes: &mut Vec<Mistake>,
) -> Vec<Site> {
    let mut seen: HashMap<Box<str>, Span> = HashMap::with_capacity(sites.len());
    let mut all = Vec::with_capacity(sites.len());
    for site in sites {
        let span = site.key.span;
        let host = host::parse(&site.key.value);
        let files = files(site, world, mistakes);
        let name = match host {
            Ok(name) => name,
            Err(refusal) => {
                let mistake = Mistake::new(span, refusal.cause, "not a host name");
                mistakes.push(mistake.help(refusal.help));
                continue;
            }
        };
        // TOML has seen keys that are the same; these differ in case, dots or spelling only.
        if let Some(first) = seen.insert(name.clone(), span) {
            let cause = format!("there are two sites for the host {}", quote(&name));
            let (first, again) = (first.min(span), first.max(span));
            mistakes.push(
                Mistake::new(again, cause, "the same host")
                    .also(first, "first here")
                    .help("leave one of them out, or move its settings into the other"),
            );
        }
        all.extend(files.map(|files| Site { name, action: Action::Files(files) }));
    }
    all
}

/// What a site sends; `None` with a mistake where it has no root.
fn files(site: Named, world: &dyn World, mistakes: &mut Vec<Mistake>) -> Option<Files> {
    let Named { key, words, is_sound } = site;
    let index = words.index.map_or_else(index_default, |list| index(list.value, mistakes));
    let Some(root) = words.root else {
        if is_sound {
            let cause = format!("the site {} has no root", quote(&key.value));
            mistakes.push(
                Mistake::new(key.span, cause, "nothing to send")
                    .help("add the folder of its files: `root = \"/srv/site\"`"),
            );
        }
        return None;
    };
    let links = words.links.map_or_else(Vec::new, |list| list.value);
    let root = Word { value: folder("root", &root, world, mistakes), span: root.span };
    let links = links.iter().map(|link| {
        let folder = folder("links", link, world, mistakes);
        if folder.starts_with(&root.value) {
            mistakes.push(
                Mistake::new(link.span, "a link to this folder is followed anyway", "in the root")
                    .also(root.span, "the root")
                    .help("leave it out"),
            );
        }
        folder
    });
    let links = links.collect();
    let listing = words.listing.is_some_and(|word| word.value);
    Some(Files { id: 0, root: root.value, index, listing, links })
}

/// The names in `list`, each of which must be able to name a file of a folder that may be sent.
fn index(list: Vec<Word<String>>, mistakes: &mut Vec<Mistake>) -> Vec<String> {
    let mut seen: HashMap<String, Span> = HashMap::new();
    for word in &list {
        let name = word.value.as_bytes();
        let is_path = matches!(name, b"." | b"..") || name.contains(&b'/');
        if is_path || name.iter().any(u8::is_ascii_control) {
            let cause = format!("{} is not the name of a file", quote(&word.value));
            mistakes.push(
                Mistake::new(word.span, cause, "not a file name")
                    .help("for example: `index = \"index.html\"`"),
            );
        }
        if !is_path && (unsent::is_dotfile(name) || unsent::is_source(name)) {
            let (what, help) = match unsent::is_source(name) {
                true => ("PHP source", "leave it out: PHP does not run here"),
                false => ("a dotfile", "leave it out, or give the file a name without the dot"),
            };
            let cause = format!("{} is {what}, which is never sent", quote(&word.value));
            mistakes.push(Mistake::new(word.span, cause, "has no effect").help(help));
        }
        if let Some(first) = seen.insert(word.value.clone(), word.span) {
            let cause = format!("`index` names {} twice", quote(&word.value));
            let mistake = Mistake::new(word.span, cause, "has no effect");
            mistakes.push(mistake.also(first, "first here").help("leave it out"));
        }
    }
    list.into_iter().map(|word| word.value).collect()
}

/// The folder that `word` names, which must be there.
fn folder(
    name: &str,
    word: &Word<String>,
    world: &dyn World,
    mistakes: &mut Vec<Mistake>,
) -> PathBuf {
    let path = absolute(&word.value, world);
    if let Err(cause) = world.check_folder(&path) {
        let help = match word.value.strip_prefix('~') {
            Some(_) => "`~` is not known here: write the whole path".to_owned(),
            None => format!("make it, or correct `{name}`"),
        };
        let cause = format!("`{name}` is not a folder that can be read: {cause}");
        let label = format!("stands for {}", path.display());
        mistakes.push(Mistake::new(word.span, cause, label).help(help));
    }
    path
}
