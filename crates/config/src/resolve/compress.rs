//! What is compressed on the fly, into what, and where it is kept.

use super::{
    context::{Context, blame},
    fields,
    policy::last,
};
use crate::{
    guess,
    mistake::{Mistake, quote},
    plan::{Compress, CompressCache},
    source::{Sources, Word, set},
    unit::SIZES,
    world::World,
    written::{self, Policy},
};
use message::Coding;

/// The codings by their names.
const CODINGS: [Coding; 3] = [Coding::Zstd, Coding::Br, Coding::Gzip];

/// What `chain` comes to; `None` where nothing is compressed.
pub(crate) fn resolve(chain: &[&Policy], context: &mut Context<'_>) -> Option<Compress> {
    if let Some(own) = chain.last() {
        check(own, context);
    }
    let mut compress = Compress::default();
    let list = last(chain, |words| words.compress.codings.as_ref());
    if let Some(list) = list {
        compress.codings = list.value.iter().filter_map(coding).collect();
    }
    let least = last(chain, |words| words.compress.least.as_ref());
    let most = last(chain, |words| words.compress.most.as_ref());
    compress.bytes_min = least.map_or(compress.bytes_min, |word| word.value);
    compress.bytes_max = most.map_or(compress.bytes_max, |word| word.value);
    // What is inherited was judged where it was typed.
    let own = chain.last().map(|own| &own.compress);
    if let Some(word) = own.and_then(|own| own.least.as_ref().or(own.most.as_ref()))
        && compress.bytes_min > compress.bytes_max
    {
        let cause = "nothing is as large as `least` and as small as `most`";
        let [least, most] = [compress.bytes_min, compress.bytes_max].map(|size| SIZES.show(size));
        let label = format!("from {least} to {most}");
        let mistake = Mistake::new(word.span, cause, label);
        context
            .mistakes
            .push(mistake.help("raise `most`, lower `least`, or say `compress = false`"));
    }
    let is_on = last(chain, |words| words.compress.on.as_ref()).is_none_or(|word| word.value);
    // Whoever forbids others to transform the content does not do it either.
    let may_transform = fields::caching(chain)
        .is_none_or(|(_, value, _)| !value.to_ascii_lowercase().contains("no-transform"));
    (is_on && may_transform && !compress.codings.is_empty()).then_some(compress)
}

/// Notes what is wrong with the words of one place by themselves.
fn check(own: &Policy, context: &mut Context<'_>) {
    let words = &own.compress;
    if let Some(on) = words.on.as_ref().filter(|on| !on.value) {
        let spans = [
            words.codings.as_ref().map(|word| word.span),
            words.least.as_ref().map(|word| word.span),
            words.most.as_ref().map(|word| word.span),
        ];
        for span in spans.into_iter().flatten() {
            context.mistakes.push(
                Mistake::new(span, "this has no effect where `compress` is off", "no effect")
                    .also(on.span, "off")
                    .help("leave it out, or say `on = true`"),
            );
        }
    }
    let Some(list) = &words.codings else { return };
    for (at, word) in list.value.iter().enumerate() {
        if coding(word).is_none() {
            let cause = format!("{} is not a coding", quote(&word.value));
            let mistake = Mistake::new(word.span, cause, "not a coding");
            let guess = guess::nearest(&word.value, CODINGS.map(Coding::as_str));
            context.mistakes.push(match guess {
                Some(guess) => mistake.help(format!("did you mean \"{guess}\"?")),
                None => mistake.help("there are \"zstd\", \"br\" and \"gzip\""),
            });
        } else if let Some(first) = list.value[..at].iter().find(|other| other.value == word.value)
        {
            let cause = format!("`codings` names {} twice", quote(&word.value));
            let mistake = Mistake::new(word.span, cause, "has no effect");
            context.mistakes.push(mistake.also(first.span, "first here").help("leave it out"));
        }
    }
}

/// Where what was compressed is kept.
pub(crate) fn cache(
    words: written::CompressCache,
    sources: &Sources,
    world: &dyn World,
    mistakes: &mut Vec<Mistake>,
) -> CompressCache {
    let mut cache = CompressCache::default();
    if let Some(disk) = &words.disk
        && words.folder.is_none()
    {
        mistakes.push(
            Mistake::new(disk.span, "`disk` has no effect without a `folder`", "no folder")
                .help("add `folder`, or leave it out"),
        );
    }
    set(&mut cache.memory_bytes_max, words.memory);
    set(&mut cache.disk_bytes_max, words.disk);
    cache.folder = words.folder.map(|word| {
        let folder = sources.path(&word);
        if let Err(cause) = world.check_folder(&folder) {
            let cause = blame("folder", &folder, &cause);
            let label = format!("stands for {}", folder.display());
            let mistake = Mistake::new(word.span, cause, label);
            mistakes.push(mistake.help("make it, or correct `folder`"));
        } else if let Err(cause) = world.check_private(&folder) {
            let mistake = Mistake::new(word.span, cause, "what lies there is sent");
            mistakes.push(mistake.help("let nobody else write there, or name another folder"));
        }
        folder
    });
    cache
}

fn coding(word: &Word<String>) -> Option<Coding> {
    CODINGS.into_iter().find(|coding| coding.as_str() == word.value)
}
