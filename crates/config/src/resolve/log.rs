//! The access log.

use crate::{
    mistake::Mistake,
    plan::{Log, LogFormat},
    source::{Sources, set},
    world::World,
    written,
};
use std::path::Path;

/// The log that was asked for; lines for eyes only where a person watches.
pub(crate) fn resolve(
    words: written::Log,
    sources: &Sources,
    world: &dyn World,
    mistakes: &mut Vec<Mistake>,
) -> Log {
    let is_watched = words.file.is_none() && world.is_terminal();
    let mut log = Log { format: LogFormat::usual(is_watched), ..Log::default() };
    if let Some(format) = &words.format
        && format.value == LogFormat::Off
    {
        let others = [
            ("file", words.file.as_ref().map(|word| word.span)),
            ("buffer", words.buffer.as_ref().map(|word| word.span)),
            ("flush", words.flush.as_ref().map(|word| word.span)),
        ];
        for (name, span) in others {
            let Some(span) = span else { continue };
            mistakes.push(
                Mistake::new(span, format!("`{name}` has no effect"), "never used")
                    .also(format.span, "there are no lines")
                    .help(format!("leave `{name}` out, or set `format` to \"json\"")),
            );
        }
    }
    set(&mut log.format, words.format);
    set(&mut log.buffer_bytes, words.buffer);
    set(&mut log.flush_time, words.flush);
    log.file = words.file.map(|word| {
        let file = sources.path(&word);
        // The file may not be there yet; its folder must be.
        let folder = file.parent().unwrap_or(Path::new("/"));
        let name = file.file_name();
        if let Err(cause) = world.check_folder(folder) {
            mistakes.push(
                Mistake::new(
                    word.span,
                    format!("the log file cannot be written: {cause}"),
                    format!("stands for {}", file.display()),
                )
                .help("make the folder, or name a file in another one"),
            );
        } else if name.is_none() || word.value.ends_with('/') {
            mistakes.push(
                Mistake::new(word.span, "`file` names a folder", "no file name at its end")
                    .help("add a name: `file = \"/var/log/gannet.log\"`"),
            );
        }
        file
    });
    log
}
