//! PHP: where it runs, and who runs it.

use super::{context::Context, policy::last};
use crate::{
    mistake::{Mistake, quote},
    plan::{self, Application, Files, Upstream},
    source::Word,
    written::{Php as Words, Policy},
};
use message::Path;
use std::net::SocketAddr;

/// The folders in which distributions have php-fpm listen.
const FOLDERS: [&str; 2] = ["/run/php", "/run/php-fpm"];

const SOCKET_HELP: &str = "for example: `php = { socket = \"/run/php/php8.2-fpm.sock\" }`";

/// Who runs the programs that lie beside `files`, where `chain` says that they are run.
pub(crate) fn resolve(
    chain: &[&Policy],
    files: &Files,
    context: &mut Context<'_>,
) -> Option<plan::Php> {
    let word = last(chain, |words| words.php.as_ref())?;
    let is_own = chain.last().is_some_and(|own| own.php.is_some());
    let Words { on, socket, address, time, content_bytes_max, buffer_bytes_max, requests_max } =
        &word.value;
    if on.as_ref().is_some_and(|on| !on.value) {
        return None;
    }
    if let Some(fallback) = last(chain, |words| words.fallback.as_ref())
        && is_own
        && !fallback.value.is_empty()
    {
        let cause = "`fallback` has no effect beside `php`: /index.php answers what is not there";
        let mistake = Mistake::new(fallback.span, cause, "never sent");
        context.mistakes.push(mistake.also(word.span, "PHP").help("leave it out"));
    }
    if let (Some(socket), Some(address), true) = (socket, address, is_own) {
        let cause = "`address` contradicts `socket`: one php-fpm is asked";
        context.mistakes.push(
            Mistake::new(address.span, cause, "another one")
                .also(socket.span, "one")
                .help("leave one of them out"),
        );
    }
    let upstream = match (socket, address) {
        (Some(socket), _) => Some(Upstream::Unix(context.sources.path(socket))),
        (None, Some(address)) => of_address(address, is_own, context),
        (None, None) => usual(word, is_own, context),
    }?;
    let application = Application { number: context.application(&upstream), address: upstream };
    let mut php = plan::Php::of(files.clone(), application);
    php.denied = denied(chain, context);
    php.time = time.as_ref().map_or(php.time, |word| word.value);
    php.content_bytes_max =
        content_bytes_max.as_ref().map_or(php.content_bytes_max, |word| word.value);
    php.buffer_bytes_max =
        buffer_bytes_max.as_ref().map_or(php.buffer_bytes_max, |word| word.value);
    php.requests_max = requests_max.as_ref().map_or(php.requests_max, |word| word.value);
    Some(php)
}

fn of_address(word: &Word<String>, is_own: bool, context: &mut Context<'_>) -> Option<Upstream> {
    let address: Option<SocketAddr> = word.value.parse().ok();
    if address.is_none() && is_own {
        let cause = format!("{} is not an address with a port", quote(&word.value));
        let mistake = Mistake::new(word.span, cause, "not an address");
        context.mistakes.push(mistake.help("for example: `address = \"127.0.0.1:9000\"`"));
    }
    address.map(Upstream::Tcp)
}

/// The php-fpm that this machine has by itself.
fn usual(word: &Word<Words>, is_own: bool, context: &mut Context<'_>) -> Option<Upstream> {
    let found = FOLDERS.iter().find_map(|folder| {
        let names = context.world.list(folder.as_ref()).unwrap_or_default();
        let names = names.iter().filter_map(|name| name.to_str());
        // Debian names the version in use `php-fpm.sock`, others have a pool `www`.
        let usual = |name: &&str| {
            matches!(*name, "php-fpm.sock" | "www.sock")
                || (name.starts_with("php") && name.ends_with("-fpm.sock"))
        };
        let best = names.filter(usual).max_by_key(|name| (*name == "php-fpm.sock", *name))?;
        Some(Upstream::Unix([folder, best].iter().collect()))
    });
    if found.is_none() && is_own {
        let cause = "no php-fpm listens on this machine";
        context.mistakes.push(Mistake::new(word.span, cause, "nobody to run PHP").help(format!(
            "install it (Debian: `apt install php-fpm`), or say where it listens, {SOCKET_HELP}"
        )));
    }
    found
}

/// What begins so holds no programs that are run: each a path up to its `*`.
fn denied(chain: &[&Policy], context: &mut Context<'_>) -> Vec<Box<str>> {
    let Some(list) = last(chain, |words| words.php_deny.as_ref()) else { return Vec::new() };
    let is_own = chain.last().is_some_and(|own| own.php_deny.is_some());
    let mut prefixes = Vec::with_capacity(list.value.len());
    for word in &list.value {
        let prefix = word.value.strip_suffix('*').unwrap_or(&word.value);
        let path = Path::parse(prefix).ok();
        let is_path = path.is_some_and(|path| path.as_bytes() == prefix.as_bytes());
        if (!is_path || prefix.contains('*')) && is_own {
            let cause = format!("{} is not a path with a `*` at its end", quote(&word.value));
            let mistake = Mistake::new(word.span, cause, "matches nothing");
            context.mistakes.push(mistake.help("for example: `php-deny = \"/uploads/*\"`"));
        }
        prefixes.push(prefix.into());
    }
    prefixes
}
