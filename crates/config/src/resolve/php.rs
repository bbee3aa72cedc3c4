//! PHP: where it runs, and who runs it.

use super::{context::Context, policy::last};
use crate::{
    mistake::{Mistake, quote},
    plan::{self, Application, Cache, Files, Folder, Pool, Sending, TrailingSlash, Upstream},
    source::{Span, Word},
    written::{Php as Words, Policy},
};
use message::Path;
use std::{net::SocketAddr, os::unix::ffi::OsStringExt, time::Duration};

/// Who runs the programs that lie beside `files`, where `chain` says that they are run.
pub(crate) fn resolve(
    chain: &[&Policy],
    files: &Files,
    context: &mut Context<'_>,
) -> Option<plan::Php> {
    let word = said(chain)?;
    let Words { on, socket, address, send_root, time, .. } = &word.value;
    let Words { slow, content_bytes_max, buffer_bytes_max, requests_max, keep, .. } = &word.value;
    if on.as_ref().is_some_and(|on| !on.value) {
        return None;
    }
    // What is inherited was judged where it was typed.
    if let Some(own) = chain.last().and_then(|own| own.php.as_ref()) {
        check(own, chain, context);
        check_keep(&own.value, &word.value, context);
        check_cache(&own.value, &word.value, context);
    }
    let upstream = match (socket, address) {
        (Some(socket), _) => Some(Upstream::Unix(context.sources.path(socket))),
        (None, Some(address)) => address.value.parse().ok().map(Upstream::Tcp),
        (None, None) => own(&word, files, context),
    }?;
    let application = Application { number: context.application(&upstream), address: upstream };
    let mut php = plan::Php::of(files.clone(), application);
    php.place = context.at(word.span);
    php.denied = denied(chain, context);
    let deny = last(chain, |words| words.php_deny.as_ref()).filter(|list| !list.value.is_empty());
    php.denied_at = deny.map(|list| context.at(list.span));
    php.sending = send_root.as_ref().map(|word| sending(word, context));
    php.slow = slow.as_ref().map_or(php.slow, |word| word.value);
    php.time = time.as_ref().map_or(php.time, |word| word.value);
    php.content_bytes_max =
        content_bytes_max.as_ref().map_or(php.content_bytes_max, |word| word.value);
    php.buffer_bytes_max =
        buffer_bytes_max.as_ref().map_or(php.buffer_bytes_max, |word| word.value);
    php.requests_max = requests_max.as_ref().map_or(php.requests_max, |word| word.value);
    php.keep = keep.as_ref().map_or(php.keep, |word| word.value);
    php.cache = cache(&word.value);
    Some(php)
}

/// All that is said of PHP, from the site over every route that covers this one to the route
/// itself: what one does not say, those before it do.
fn said(chain: &[&Policy]) -> Option<Word<Words>> {
    let all = chain.iter().filter_map(|words| words.php.as_ref());
    all.cloned().reduce(|wider, own| Word { value: own.value.within(wider.value), span: own.span })
}

/// Notes what is wrong with the words of one place by themselves.
fn check(own: &Word<Words>, chain: &[&Policy], context: &mut Context<'_>) {
    let Words { socket, address, .. } = &own.value;
    if let Some(fallback) = last(chain, |words| words.fallback.as_ref())
        && !fallback.value.is_empty()
    {
        let cause = "`fallback` has no effect beside `php`: /index.php answers what is not there";
        let mistake = Mistake::new(fallback.span, cause, "never sent");
        context.mistakes.push(mistake.also(own.span, "PHP").help("leave it out"));
    }
    if let (Some(socket), Some(address)) = (socket, address) {
        let cause = "`address` contradicts `socket`: one php-fpm is asked";
        context.mistakes.push(
            Mistake::new(address.span, cause, "another one")
                .also(socket.span, "one")
                .help("leave one of them out"),
        );
    }
    if let Some(address) = address
        && address.value.parse::<SocketAddr>().is_err()
    {
        let cause = format!("{} is not an address with a port", quote(&address.value));
        let mistake = Mistake::new(address.span, cause, "not an address");
        context.mistakes.push(mistake.help("for example: `address = \"127.0.0.1:9000\"`"));
    }
    if let Some(other) = socket.as_ref().or(address.as_ref()) {
        check_idle(&own.value, other, context);
    }
}

/// Notes where more connections are to be kept than may be, by what is said here, or because of it.
fn check_keep(own: &Words, all: &Words, context: &mut Context<'_>) {
    let Words { keep: Some(keep), workers, socket: None, address: None, .. } = all else { return };
    let count = workers.as_ref().map_or(plan::WORKERS, |word| word.value);
    if (own.keep.is_some() || own.workers.is_some()) && keep.value > count / 2 {
        let cause = format!("`keep = {}` is more than half of the {count} `workers`", keep.value);
        let mistake = Mistake::new(keep.span, cause, "nobody else could have those");
        let help = match count / 2 {
            0 => "leave it out: the one worker is for whoever comes".to_owned(),
            most => format!("at most `keep = {most}`, or more `workers`"),
        };
        context.mistakes.push(mistake.help(help));
    }
}

/// Notes what is said here of pages that are kept, where none is.
fn check_cache(own: &Words, all: &Words, context: &mut Context<'_>) {
    let more = own.cache_stale.as_ref().map(|word| ("micro-cache-stale", word.span));
    let more = more.or(own.cache_bytes_max.as_ref().map(|word| ("micro-cache-max", word.span)));
    let is_on = all.cache.as_ref().is_some_and(|word| word.value.is_some());
    if let (Some((name, span)), false) = (more, is_on) {
        let cause = format!("`{name}` has no effect without `micro-cache`");
        let mistake = Mistake::new(span, cause, "no page is kept");
        context.mistakes.push(mistake.help("for example: `micro-cache = \"1s\"`"));
    }
}

/// For how long pages are kept, if they are.
fn cache(words: &Words) -> Option<Cache> {
    let Words { cache, cache_stale, cache_bytes_max, .. } = words;
    let time = cache.as_ref()?.value?;
    let stale = cache_stale.as_ref().map_or(Duration::from_secs(10), |word| word.value);
    let bytes_max = cache_bytes_max.as_ref().map_or(64 << 20, |word| word.value);
    let bytes_max = usize::try_from(bytes_max).unwrap_or(usize::MAX);
    Some(Cache { label: 0, time, stale, bytes_max })
}

/// The php-fpm that the server starts for this site.
fn own(word: &Word<Words>, files: &Files, context: &mut Context<'_>) -> Option<Upstream> {
    let Words { version, user, workers, ini, slow, content_bytes_max, .. } = &word.value;
    let text = |word: &Option<Word<String>>| word.as_ref().map(|word| word.value.clone());
    let span = |own: &Option<Word<String>>| own.as_ref().map_or(word.span, |own| own.span);
    let root = context.folders.get(files.folder)?.root.clone();
    if user.is_none() && context.is_refused(&root) {
        // That was said of the folder; whose it is, and so who runs its programs, is not known.
        return None;
    }
    let fpm = context.world.fpm(text(version).as_deref(), context.user.as_deref());
    let runner = context.world.runner(text(user).as_deref(), &root);
    let fpm = fpm.map_err(|cause| blame(span(version), cause, "nobody to run PHP", context));
    let runner = runner.map_err(|cause| blame(span(user), cause, "nobody to run it as", context));
    let (Ok(fpm), Ok(user)) = (fpm, runner) else { return None };
    let most = content_bytes_max.as_ref().map(|word| word.value);
    let mut settings = plan::usual(most.unwrap_or(plan::Php::CONTENT_BYTES_MAX));
    for (name, value) in ini.iter().flat_map(|ini| &ini.value) {
        settings.retain(|(usual, _)| *usual != name.value);
        settings.push((name.value.clone(), value.clone()));
    }
    let mut pool = Pool {
        name: context.site.clone(),
        program: fpm.program,
        stamp: fpm.stamp,
        user,
        group: fpm.group,
        workers: workers.as_ref().map_or(plan::WORKERS, |word| word.value),
        slow_seconds: slow.as_ref().map_or(plan::Php::SLOW, |word| word.value).as_secs().max(1),
        ini: settings,
        socket: std::path::PathBuf::new(),
    };
    pool.place(&fpm.sockets);
    let upstream = Upstream::Unix(pool.socket.clone());
    if !context.pools.contains(&pool) {
        context.pools.push(pool);
    }
    Some(upstream)
}

/// The files of the folder that programs may have sent.
fn sending(word: &Word<String>, context: &mut Context<'_>) -> Sending {
    let root = context.folder("send-root", word);
    context.served.entry(root.clone()).or_insert(word.span);
    let typed = root.clone().into_os_string().into_vec();
    let (index, links) = (Vec::new(), Vec::new());
    let folder = Folder { id: 0, root, index, listing: false, links };
    let folder = context.number(folder, TrailingSlash::Keep);
    let files = Files::of_folder(folder, context.at(word.span));
    Sending { files: Files { has_missing_page: false, ..files }, root: typed }
}

/// Notes what keeps a php-fpm from being started, each thing once: routes inherit it, and may lead
/// to a folder of somebody else.
fn blame(span: Span, cause: String, label: &'static str, context: &mut Context<'_>) {
    if context.said_of_pools.insert((span, cause.clone())) {
        // What is to be done stands behind the first colon.
        let (cause, help) = match cause.split_once(": ") {
            Some((cause, help)) => (cause.to_owned(), help.to_owned()),
            None => (cause, "name one that runs: `php = { socket = \"PATH\" }`".to_owned()),
        };
        context.mistakes.push(Mistake::new(span, cause, label).help(help));
    }
}

/// Notes what is said in vain of a php-fpm that runs already, which `other` names.
fn check_idle(words: &Words, other: &Word<String>, context: &mut Context<'_>) {
    let said = [
        ("version", words.version.as_ref().map(|word| word.span)),
        ("user", words.user.as_ref().map(|word| word.span)),
        ("workers", words.workers.as_ref().map(|word| word.span)),
        ("ini", words.ini.as_ref().map(|word| word.span)),
    ];
    for (name, span) in said {
        let Some(span) = span else { continue };
        let cause = format!("`{name}` has no effect on a php-fpm that runs already");
        let mistake = Mistake::new(span, cause, "that one has a config of its own");
        context.mistakes.push(mistake.also(other.span, "which is this one").help("leave it out"));
    }
}

/// Where no programs are run: each a path, or what begins as it does before its `*`.
fn denied(chain: &[&Policy], context: &mut Context<'_>) -> Vec<Box<str>> {
    let Some(list) = last(chain, |words| words.php_deny.as_ref()) else { return Vec::new() };
    let is_own = chain.last().is_some_and(|own| own.php_deny.is_some());
    let mut denied = Vec::with_capacity(list.value.len());
    for word in &list.value {
        let prefix = word.value.strip_suffix('*').unwrap_or(&word.value);
        let path = Path::parse(prefix).ok();
        let is_path = path.is_some_and(|path| path.as_bytes() == prefix.as_bytes());
        if (!is_path || prefix.contains('*')) && is_own {
            let cause = format!("{} is not a path with a `*` at its end", quote(&word.value));
            let mistake = Mistake::new(word.span, cause, "matches nothing");
            context.mistakes.push(mistake.help("for example: `php-deny = \"/uploads/*\"`"));
        }
        denied.push(word.value.as_str().into());
    }
    denied
}
