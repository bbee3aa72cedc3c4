//! Words → plan: the only place that says no to what is well written but makes no sense.

mod listeners;
mod context;
mod listen;
mod admin;
mod otlp;
mod log;
mod limits;
mod site;
mod issuing;
mod by_itself;
mod tls;
mod route;
mod key;
mod own;
mod php;
mod case;
mod policy;
mod idle;
mod circle;
mod fields;
mod pages;
mod security;
mod password;
mod cors;
mod compress;
mod networks;
mod politeness;

use crate::{
    fill::Filled,
    mistake::{Mistake, quote},
    plan::{Address, Plan},
    source::{Sources, Span, set},
    world::World,
    written::{Server, Written},
};
use context::Context;
use log::Book;
use std::num::NonZero;

/// The plan that `written` asks for. It counts only if no mistake was made.
pub(crate) fn resolve(
    written: Written,
    sources: &Sources,
    filled: &[Filled],
    world: &dyn World,
    mistakes: &mut Vec<Mistake>,
) -> Plan {
    let Written { server, sites, .. } = written;
    // Where something was not understood, that may have been the site.
    if sites.is_empty() && mistakes.is_empty() {
        let start = Span { start: 0, end: 0 };
        mistakes.push(
            Mistake::new(start, "there is no site", "no site in this file")
                .help("add one: `[site.\"example.com\"]` and below it `root = \"/srv/site\"`"),
        );
    }
    let has = ids(&server, mistakes);
    let machine = (sources, world);
    let logs = Book::new(server.log, server.error_log, has, machine, mistakes);
    let mut context = Context::new(sources, filled, world, logs, mistakes);
    (context.request_id, context.user) = (server.request_id, server.user.map(|word| word.value));
    let is_default = server.listen.is_none();
    listen::of_server(server.listen, &mut context);
    context.issuing = issuing::resolve(server.certificates, &mut context);
    let mut sites = site::resolve(sites, &mut context);
    let mut of_sites: Vec<_> = sites.iter_mut().map(|(site, _)| site).collect();
    let listen = listen::resolve(is_default, &mut of_sites, &mut context);
    let mut proxies = server.trusted_proxies.map_or_else(Vec::new, |list| list.value);
    let unix: Vec<_> = proxies.extract_if(.., |word| word.value == "unix").collect();
    let has_unix = listen.iter().any(|listen| matches!(listen.address, Address::Unix { .. }));
    if let Some(word) = unix.first().filter(|_| context.is_sound && !has_unix) {
        context.mistakes.push(
            Mistake::new(word.span, "nobody comes by a Unix socket", "has no effect")
                .help("add a listener `\"unix:PATH\"`, or leave it out"),
        );
    }
    let trusted_proxies = networks::resolve(&proxies, &mut context);
    let forms = server.compress_cache.folder.as_ref();
    let forms = forms.map(|word| (sources.path(word), word.span));
    let mut files = std::mem::take(&mut context.own);
    files.extend(context.logs.own.drain(..).chain(forms));
    own::check(files, &mut context);
    let Context { folders, certificates, authorities, mut issuing, .. } = context;
    let Context { applications, pools, logs, request_id, user, mistakes, .. } = context;
    issuing::order(&mut issuing, &listen);
    let mut plan = Plan::new(sites, folders);
    (plan.certificates, plan.authorities, plan.issuing) = (certificates, authorities, issuing);
    (plan.applications, plan.pools) = (applications, pools);
    plan.logs = logs.close(mistakes);
    plan.request_id = request_id.and_then(|word| word.value);
    plan.trace = server.trace.map(|word| word.value);
    plan.trusted_proxies = trusted_proxies;
    plan.trusts_unix = !unix.is_empty();
    plan.listen_at(listen);
    plan.threads = server.threads.and_then(|word| NonZero::new(word.value));
    plan.workers = server.workers.and_then(|word| NonZero::new(word.value)).unwrap_or(plan.workers);
    plan.user = user;
    plan.admin = admin::resolve(server.admin, &plan, sources, mistakes);
    plan.otlp = otlp::resolve(server.otlp, &plan, mistakes);
    plan.control = server.control.map(|word| listen::control(&word, sources, world, mistakes));
    set(&mut plan.file_cache_bytes_max, server.file_cache);
    plan.compress_cache = compress::cache(server.compress_cache, sources, world, mistakes);
    limits::resolve(server.limits, &mut plan.limits, &mut plan.capacity, mistakes);
    plan
}

/// Whether exchanges have ids, and whether they are traced.
fn ids(server: &Server, mistakes: &mut Vec<Mistake>) -> (bool, bool) {
    let name = server.request_id.as_ref().and_then(|word| Some((word.value.as_ref()?, word.span)));
    if let Some((name, span)) = name.filter(|(name, _)| fields::has_meaning(name)) {
        let cause = format!("{} has a meaning of its own in answers", quote(name));
        let mistake = Mistake::new(span, cause, "no field for an id");
        mistakes.push(mistake.help("for example: `request-id = \"X-Request-Id\"`"));
    }
    if let Some(word) = server.trace.as_ref().filter(|_| name.is_none()) {
        let cause = "`trace` has no effect: no exchange has an id";
        let mistake = Mistake::new(word.span, cause, "never used");
        mistakes.push(mistake.help("add `request-id = true` to [server], or leave it out"));
    }
    (name.is_some(), server.trace.is_some())
}
