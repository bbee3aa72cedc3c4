//! Sites: their hosts, and the routes below them.

use super::{
    by_itself::{self, Who},
    context::Context,
    listen, route, tls,
};
use crate::{
    host,
    mistake::{Mistake, quote},
    plan::{Claim, DEFAULT_SITE, Issuer, Routes, Site, Tls},
    source::{Span, Word},
    written::Named,
};
use foldhash::HashMap;

/// The sites that were typed, each with the hosts that it answers for.
pub(crate) fn resolve(sites: Vec<Named>, context: &mut Context<'_>) -> Vec<(Site, Vec<Claim>)> {
    let mut claimed: HashMap<String, Span> = HashMap::default();
    let mut all = Vec::with_capacity(sites.len());
    for site in sites {
        let Named { key, words, is_sound } = site;
        context.is_site_sound = is_sound;
        let mut claims = Vec::new();
        let name = claim(&key, "site", context);
        if let Some((name, is_wildcard)) = &name {
            take(&mut claimed, name, *is_wildcard, key.span, context);
            if **name != *DEFAULT_SITE {
                let (host, is_wildcard) = (name.clone(), *is_wildcard);
                claims.push(Claim { host, is_wildcard, moved: None });
            }
        }
        let others = [("aliases", words.aliases), ("redirect-from", words.redirect_from)];
        for (setting, list) in others {
            for word in list.into_iter().flat_map(|list| list.value) {
                let Some((host, is_wildcard)) = claim(&word, setting, context) else { continue };
                if !take(&mut claimed, &host, is_wildcard, word.span, context) {
                    continue;
                }
                let is_moved = setting == "redirect-from";
                let is_nameless = name
                    .as_ref()
                    .is_some_and(|(name, is_wildcard)| *is_wildcard || **name == *DEFAULT_SITE);
                if is_moved && is_nameless {
                    let cause = "`redirect-from` needs a site with a name of its own to lead to";
                    context.mistakes.push(
                        Mistake::new(word.span, cause, "leads nowhere")
                            .also(key.span, "stands for many hosts")
                            .help("write it in the site that requests shall be sent on to"),
                    );
                }
                let moved = is_moved.then(|| context.at(word.span));
                claims.push(Claim { host, is_wildcard, moved });
            }
        }
        let listeners = listen::of_site(words.listen, context);
        let place = context.at(key.span);
        let mut policy = words.policy;
        let is = |word: Option<&Word<bool>>, preset| word.map_or(preset, |word| word.value);
        let typed = words.tls.as_ref().map(|word| &word.value);
        let redirects = is(typed.and_then(|tls| tls.redirect.as_ref()), true);
        if let Some(hsts) = typed.and_then(|tls| tls.hsts.as_ref()).filter(|word| word.value) {
            policy.hsts = Some(hsts.span);
        }
        let hosts = claims.iter().map(|claim| match claim.is_wildcard {
            true => format!("*.{}", claim.host).into(),
            false => claim.host.clone(),
        });
        let (hosts, listeners_here) = (hosts.collect(), listeners.as_deref());
        let who = Who { key: key.span, hosts, listeners: listeners_here };
        let mut tls = tls::of_site(words.tls.as_ref(), &who, context);
        let span = words.tls.as_ref().map(|word| word.span);
        context.site = site_name(name.as_ref());
        let mut routes = route::resolve(&key, policy, words.routes, context);
        add_proof(tls.as_mut(), &mut routes, context);
        if let Some((name, is_wildcard)) = name {
            let name = site_name(Some(&(name, is_wildcard)));
            context.typed.push(tls::Typed { key: key.span, tls: span, redirects });
            all.push((Site { name, place, listeners, tls, routes, label: 0 }, claims));
        }
    }
    all
}

/// Has authorities that look for a proof find it, with TLS and without.
fn add_proof(tls: Option<&mut Tls>, routes: &mut Routes, context: &mut Context<'_>) {
    let Some(tls) = tls else { return };
    let numbers = tls.certificates.iter().filter_map(|&number| context.certificates.get(number));
    if !numbers.into_iter().any(|one| matches!(one.issuer, Issuer::Authority(_))) {
        return;
    }
    tls.proof = by_itself::proof(&tls.place, context).map(|(_, route)| Box::new(route));
    if let Some((key, own)) = by_itself::proof(&tls.place, context) {
        route::add(routes, &key, own);
    }
}

/// What a site is called that claims this.
fn site_name(claim: Option<&(Box<str>, bool)>) -> Box<str> {
    match claim {
        Some((host, true)) => format!("*.{host}").into(),
        Some((host, false)) => host.clone(),
        None => "".into(),
    }
}

/// The host that `word` claims, and whether it stands for those below it.
fn claim(
    word: &Word<String>,
    setting: &str,
    context: &mut Context<'_>,
) -> Option<(Box<str>, bool)> {
    match host::parse(&word.value) {
        Ok((host, _)) if setting != "site" && *host == *DEFAULT_SITE => {
            let cause = format!("`{setting}` takes hosts, not the site of all others");
            let help = format!("make `[site.{DEFAULT_SITE}]` of it");
            context.mistakes.push(Mistake::new(word.span, cause, "every host").help(help));
            None
        }
        Ok(claim) => Some(claim),
        Err(refusal) => {
            let mistake = Mistake::new(word.span, refusal.cause, "not a host name");
            context.mistakes.push(mistake.help(refusal.help));
            None
        }
    }
}

/// Notes who has the host; false, with a mistake, if somebody has it already.
fn take(
    claimed: &mut HashMap<String, Span>,
    host: &str,
    is_wildcard: bool,
    span: Span,
    context: &mut Context<'_>,
) -> bool {
    let name = if is_wildcard { format!("*.{host}") } else { host.to_owned() };
    let cause = format!("there are two sites for the host {}", quote(&name));
    // TOML has seen keys that are the same; these differ in case, dots or spelling only.
    let Some(first) = claimed.insert(name, span) else { return true };
    let (first, again) = (first.min(span), first.max(span));
    context.mistakes.push(
        Mistake::new(again, cause, "the same host")
            .also(first, "first here")
            .help("leave one of them out, or move its settings into the other"),
    );
    false
}
