//! How certificates are had that come by themselves.

use super::context::Context;
use crate::{
    mistake::{Mistake, quote},
    plan::{Authority, DnsServer, Issuing, Listen, Secret, Way},
    source::{Listed, Word},
    written::{self, Certificates},
};
use std::{net::SocketAddr, sync::Arc, time::Duration};

/// Authorities that are known by a word, with their directories.
const KNOWN: [(&str, &str); 2] = [
    ("letsencrypt", "https://acme-v02.api.letsencrypt.org/directory"),
    ("letsencrypt-staging", "https://acme-staging-v02.api.letsencrypt.org/directory"),
];

/// The ways by their words.
const WAYS: [(&str, Way); 3] = [("http", Way::Http), ("tls", Way::Tls), ("dns", Way::Dns)];

/// How long the other name servers of a zone are given to hear of a record.
const WAIT: Duration = Duration::from_secs(30);

/// Bytes of a file of authorities at most.
const FILE_BYTES_MAX: u64 = 256 * 1024;

/// What was typed, or holds where nothing was.
pub(crate) fn resolve(words: Certificates, context: &mut Context<'_>) -> Issuing {
    let Certificates { folder, email, authority, proof, dns_program, dns_server } = words;
    context.keeps = folder.as_ref().map(|word| word.span);
    let folder = match &folder {
        Some(word) => context.sources.path(word),
        None => context.world.keep(),
    };
    let dns_server = dns_server.and_then(|word| server(&word, context));
    let dns_program = dns_program.map(|word| context.sources.path(&word));
    let has_dns = dns_server.is_some() || dns_program.is_some();
    let ways = match proof {
        Some(list) => ways(&list, has_dns, context),
        None => {
            let usual = [has_dns.then_some(Way::Dns), Some(Way::Http), Some(Way::Tls)];
            usual.into_iter().flatten().collect()
        }
    };
    let authorities = authorities(authority, context);
    let email = email.map(|word| word.value);
    Issuing { folder, email, authorities, ways, dns_program, dns_server }
}

/// Puts the way by port 443 before the one by port 80 where nothing listens without TLS.
pub(crate) fn order(issuing: &mut Issuing, listen: &[Listen]) {
    if listen.iter().all(|listen| listen.tls) {
        issuing.ways.sort_by_key(|way| *way == Way::Http);
    }
}

/// Whether the world's usual authorities alone are asked.
pub(crate) fn is_usual(issuing: &Issuing) -> bool {
    issuing.authorities.iter().all(|one| KNOWN.iter().any(|(_, url)| *url == one.url))
}

fn authorities(typed: Listed<written::Authority>, context: &mut Context<'_>) -> Vec<Authority> {
    let Some(list) = typed else {
        let (_, url) = KNOWN[0];
        return vec![Authority { url: url.to_owned(), trusted: None, profile: None, eab: None }];
    };
    if list.value.is_empty() {
        let mistake = Mistake::new(list.span, "`authority` is an empty list", "nobody to ask");
        context.mistakes.push(mistake.help("for example: `authority = \"letsencrypt\"`"));
    }
    list.value.iter().filter_map(|word| authority(word, context)).collect()
}

fn authority(word: &Word<written::Authority>, context: &mut Context<'_>) -> Option<Authority> {
    let written::Authority { url, trusted, profile, eab_id, eab_key } = &word.value;
    let typed = url.as_ref().map_or(KNOWN[0].0, |word| &word.value);
    let known = KNOWN.iter().find(|(name, _)| *name == typed);
    let url_text = known.map_or(typed, |(_, url)| url);
    if !url_text.starts_with("https://") || url_text.len() < "https://a".len() {
        let cause = format!("{} is not the URL of an authority", quote(typed));
        let span = url.as_ref().map_or(word.span, |word| word.span);
        let help = "write the URL of its directory, with https://, or \"letsencrypt\"";
        context.mistakes.push(Mistake::new(span, cause, "not a URL").help(help));
        return None;
    }
    let trusted = trusted.as_ref().and_then(|file| {
        let path = context.sources.path(file);
        let read = context.world.read(&path, FILE_BYTES_MAX);
        let read = read.map_err(|why| (why, "name a file with certificates, as PEM".to_owned()));
        let checked = read.and_then(|content| {
            let checked = context.world.check_authorities(&path, &content.bytes);
            checked.map(|()| content.bytes).map_err(|fault| (fault.cause, fault.help))
        });
        match checked {
            Ok(bytes) => Some(Arc::from(bytes)),
            Err((why, help)) => {
                let cause = format!("the file of `trusted` cannot be used: {why}");
                let label = format!("stands for {}", path.display());
                context.mistakes.push(Mistake::new(file.span, cause, label).help(help));
                None
            }
        }
    });
    let eab = match (eab_id, eab_key) {
        (Some(id), Some(key)) => Some((id.value.clone(), Secret(key.value.clone()))),
        (None, None) => None,
        (Some(one), None) | (None, Some(one)) => {
            let cause = "an external account needs both `eab-id` and `eab-key`";
            let mistake = Mistake::new(one.span, cause, "only one of them");
            context.mistakes.push(mistake.help("the authority hands out both"));
            None
        }
    };
    let profile = profile.as_ref().map(|word| word.value.clone());
    Some(Authority { url: url_text.to_owned(), trusted, profile, eab })
}

fn ways(list: &Word<Vec<Word<String>>>, has_dns: bool, context: &mut Context<'_>) -> Vec<Way> {
    let mut ways = Vec::new();
    for word in &list.value {
        match WAYS.iter().find(|(name, _)| *name == word.value) {
            Some((_, Way::Dns)) if !has_dns => {
                let cause = "nobody is named who sets records of DNS";
                let mistake = Mistake::new(word.span, cause, "has no effect");
                context.mistakes.push(mistake.help("name a `dns-program` or a `dns-server`"));
            }
            Some((_, way)) => ways.push(*way),
            None => {
                let cause = format!("{} is no way to show that a host is ours", quote(&word.value));
                let mistake = Mistake::new(word.span, cause, "unknown");
                context.mistakes.push(mistake.help("there are \"http\", \"tls\" and \"dns\""));
            }
        }
    }
    if list.value.is_empty() {
        let mistake = Mistake::new(list.span, "`proof` is an empty list", "no way");
        context.mistakes.push(mistake.help("leave it out, or name a way"));
    }
    ways
}

fn server(word: &Word<written::DnsServer>, context: &mut Context<'_>) -> Option<DnsServer> {
    let written::DnsServer { address, key_name, key, wait } = &word.value;
    let Some(typed) = address else {
        if context.is_sound {
            let mistake = Mistake::new(word.span, "`dns-server` has no `address`", "is nowhere");
            context.mistakes.push(mistake.help("add it: `address = \"192.0.2.53:53\"`"));
        }
        return None;
    };
    let Ok(address) = typed.value.parse::<SocketAddr>() else {
        let cause = format!("{} is not an address with a port", quote(&typed.value));
        let mistake = Mistake::new(typed.span, cause, "not an address");
        context.mistakes.push(mistake.help("for example: `address = \"192.0.2.53:53\"`"));
        return None;
    };
    let key = match (key_name, key) {
        (Some(name), Some(key)) => Some((name.value.clone(), Secret(key.value.clone()))),
        (None, None) => None,
        (Some(one), None) | (None, Some(one)) => {
            let cause = "a key needs both `key-name` and `key`";
            let mistake = Mistake::new(one.span, cause, "only one of them");
            context.mistakes.push(mistake.help("the name server has both"));
            None
        }
    };
    let wait = wait.as_ref().map_or(WAIT, |word| word.value);
    Some(DnsServer { address, key, wait })
}
