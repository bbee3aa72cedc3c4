//! Files that are sent by another path than their own, past the guards that stand there.

use super::{context::Context, key::Key};
use crate::{
    mistake::{Mistake, quote},
    plan::{Action, Folder, Place, Policy},
    source::Span,
};

/// What is known of a route by then.
pub(super) struct Known {
    /// Who is let in, by who said so.
    guards: [Option<Place>; 3],
    /// The folder that is sent from, how many segments are skipped for it, and the fallback.
    files: Option<(Folder, usize, Option<Box<str>>)>,
}

impl Known {
    pub(super) fn of(policy: &Policy, context: &Context<'_>) -> Self {
        let addresses = policy.access.addresses.as_ref();
        let allow = addresses.and_then(|addresses| addresses.allow.as_ref());
        let deny = addresses.and_then(|addresses| addresses.deny.as_ref());
        let password = policy.access.password.as_ref().map(|password| &password.place);
        let lists = [allow, deny].map(|list| list.map(|(_, place)| place));
        let files = match &policy.action {
            Action::Files(files) if policy.rewrite.is_none() => {
                let folder = context.folders.get(files.folder).cloned();
                folder.map(|folder| (folder, files.segments_skipped, files.fallback.clone()))
            }
            _ => None,
        };
        Self { guards: [lists[0], lists[1], password].map(Option::<&Place>::cloned), files }
    }

    /// Whether a guard stands here that does not stand at `other`, which sends the same files.
    fn guards_more(&self, other: &Self) -> bool {
        let mut guards = self.guards.iter().zip(&other.guards);
        let (Some((here, skipped, _)), Some((there, others, _))) = (&self.files, &other.files)
        else {
            return false;
        };
        here.root == there.root
            && skipped == others
            && guards.any(|(here, there)| here.is_some() && here != there)
    }
}

/// Notes each guard of a file that the index of its folder, or a fallback, leads past. What holds
/// where none of `routes` matches stands first in it.
pub(super) fn check(routes: &[(&Key, Span, Known)], context: &mut Context<'_>) {
    let [(.., site), others @ ..] = routes else { return };
    if others.iter().all(|(.., route)| route.guards == site.guards) {
        return;
    }
    let find = |path: &[u8]| {
        let asked = Key::of_file(path);
        let found = routes.iter().filter(|(key, ..)| key.covers(&asked));
        found.max_by_key(|(key, ..)| (key.rank(), key.method.is_some()))
    };
    for (key, span, route) in others {
        let folder = key.folder();
        let sender = find(folder).map(|(.., sender)| sender);
        let Some(Known { files: Some((sent, ..)), .. }) = sender else { continue };
        for name in &sent.index {
            let file = [folder, name.as_bytes()].concat();
            let is_own = find(&file).is_some_and(|(.., found)| std::ptr::eq(found, route));
            if is_own && sender.is_some_and(|sender| route.guards_more(sender)) {
                let folder = String::from_utf8_lossy(folder);
                let cause = format!("{} is its index, and sent past this guard", quote(name));
                let label = format!("not asked for {}", quote(&folder));
                let help = format!("guard what leads to it as well: `\"{folder}*\"`");
                context.mistakes.push(Mistake::new(*span, cause, label).help(help));
            }
        }
    }
    for (_, span, sender) in routes {
        let Some((_, 0, Some(fallback))) = &sender.files else { continue };
        let Some((_, guarded, page)) = find(fallback.as_bytes()) else { continue };
        // What is said of the site is not said again of the routes that have its fallback.
        let is_inherited = !std::ptr::eq(sender, site)
            && site.files.as_ref().is_some_and(|(.., other)| other.as_ref() == Some(fallback));
        if page.guards_more(sender) && !(is_inherited && page.guards_more(site)) {
            let cause = format!("the fallback {} is sent past its guard", quote(fallback));
            context.mistakes.push(
                Mistake::new(*span, cause, "not guarded alike")
                    .also(*guarded, "has the guard")
                    .help("guard both alike, or write `fallback = \"\"` here"),
            );
        }
    }
}
