//! Files of the server's own that lie where files are sent from: configs, passwords, secrets, logs,
//! compressed forms, and the folder of certificates that come by themselves.

use super::{by_itself::SITES, context::Context};
use crate::{
    mistake::{Mistake, quote},
    source::Span,
    unsent::is_sent_from,
    world::World,
};
use foldhash::HashMap;
use std::path::{Path, PathBuf};

/// A file or folder of the server's own, and where it is named; of a config file its start.
pub(crate) type Own = (PathBuf, Span);

/// Folders that files are sent from, without links: where each is named, and what is said of it.
type Senders = HashMap<PathBuf, (Span, &'static str)>;

/// Notes each of `own`, of the files that the config is and is made of, and of the folders where
/// keys are kept, that would be sent.
pub(crate) fn check(own: Vec<Own>, context: &mut Context<'_>) {
    let configs = context.sources.files().map(|(path, start)| (path, "a config file", start));
    let secrets = context.filled.iter().flat_map(|filled| {
        filled.files.iter().map(|path| (path.clone(), "a file that is filled in", filled.span()))
    });
    let own = own.into_iter().map(|(path, span)| (path, "a file of the server's own", span));
    let world = context.world;
    let senders = |folders: &HashMap<PathBuf, Span>, label: &'static str| {
        let all = folders.iter().map(|(folder, span)| (world.real(folder), (*span, label)));
        all.collect::<Senders>()
    };
    let roots = senders(&context.served, "all of this folder is sent");
    let all = configs.chain(secrets).chain(own);
    let found = all.filter_map(|(path, what, span)| sent(&path, (what, span), &roots, world));
    context.mistakes.extend(found);
    let Some(span) = context.keeps else { return };
    // Whoever may make links, as may the owner of a site, leads there to whatever he likes.
    let mut places = senders(&context.linked, "links may lead to all of this folder");
    places.extend(roots);
    let folder = &context.issuing.folder;
    let what = ("where private keys are kept", span);
    let mut all = [folder.clone(), folder.join(SITES)].into_iter();
    context.mistakes.extend(all.find_map(|path| sent(&path, what, &places, world)));
}

/// What to say of `path` where it would be sent.
fn sent(
    path: &Path,
    (what, span): (&str, Span),
    senders: &Senders,
    world: &dyn World,
) -> Option<Mistake> {
    let real = world.real(path);
    let (sender, label) = real
        .ancestors()
        .find_map(|folder| senders.get(folder).filter(|_| is_sent_from(folder, &real)))?;
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    let cause = format!("{}, {what}, lies where files are sent from", quote(&name));
    let mistake = Mistake::new(span, cause, format!("{} would be sent", real.display()));
    let mistake = mistake.also(*sender, label);
    Some(mistake.help("keep it outside of every root, or let its name begin with a dot"))
}
