//! Files of the server's own that lie where files are sent from: configs, passwords, secrets, logs,
//! compressed forms.

use super::context::Context;
use crate::{
    mistake::{Mistake, quote},
    source::Span,
    unsent,
};
use foldhash::HashMap;
use message::Path;
use std::{os::unix::ffi::OsStrExt, path::PathBuf};

/// A file or folder of the server's own, and where it is named; of a config file its start.
pub(crate) type Own = (PathBuf, Span);

/// Notes each of `own`, and of the files that the config is and is made of, that would be sent.
pub(crate) fn check(own: Vec<Own>, context: &mut Context<'_>) {
    let configs = context.sources.files().map(|(path, start)| (path, "a config file", start));
    let secrets = context.filled.iter().flat_map(|filled| {
        filled.files.iter().map(|path| (path.clone(), "a file that is filled in", filled.span()))
    });
    let own = own.into_iter().map(|(path, span)| (path, "a file of the server's own", span));
    let roots = context.served.iter().map(|(root, span)| (context.world.real(root), *span));
    let roots: HashMap<PathBuf, Span> = roots.collect();
    for (path, what, span) in configs.chain(secrets).chain(own) {
        let real = context.world.real(&path);
        let sender = real.ancestors().find_map(|folder| {
            let root = roots.get(folder)?;
            let below = real.strip_prefix(folder).ok()?;
            let path = [b"/", below.as_os_str().as_bytes()].concat();
            let is_sent = Path::of_decoded(&path).is_ok_and(|path| !unsent::is_unsent(&path));
            is_sent.then_some(root)
        });
        if let Some(root) = sender {
            let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
            let cause = format!("{}, {what}, lies where files are sent from", quote(&name));
            context.mistakes.push(
                Mistake::new(span, cause, format!("{} would be sent", real.display()))
                    .also(*root, "all of this folder is sent")
                    .help("keep it outside of every root, or let its name begin with a dot"),
            );
        }
    }
}
