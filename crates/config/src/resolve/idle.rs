//! What can never have an effect where it stands.
//!
//! A site says for its routes, and a route for those it covers and for its cases, what they
//! inherit; so only those are looked at that nobody inherits from.

use super::{context::Context, key::Key, pages, policy::last};
use crate::{
    mistake::Mistake,
    plan::{self, Action},
    source::Span,
    written::Policy,
};

/// The methods that files are sent for, and the one that asks for them.
const METHODS_OF_FILES: [&str; 3] = ["GET", "HEAD", "OPTIONS"];

/// Notes what the last of `chain` says in vain, which came to `policy`.
pub(crate) fn check(
    chain: &[&Policy],
    policy: &plan::Policy,
    key: &Key,
    context: &mut Context<'_>,
) {
    let Some(own) = chain.last() else { return };
    if !context.is_site_sound
        && policy.rewrite.is_none()
        && matches!(policy.action, Action::NotFound)
    {
        // What answers here may be what was not understood.
        return;
    }
    match &policy.action {
        _ if policy.rewrite.is_some() => {
            let help = "leave it out, or say it of the route that the rewrite leads to";
            note(of_files(own), "nothing is sent from here", help, context);
            if policy.access.is_open() {
                note(of_answers(own), "nothing is answered here", help, context);
            }
        }
        Action::Php(_) => pages::check_listing(chain, context),
        Action::Files(_) => {
            pages::check_listing(chain, context);
            // Where PHP was to run and cannot, that is what is wrong.
            let is_wanted = chain.iter().any(|policy| policy.php.is_some());
            let denied = own.php_deny.as_ref().filter(|_| !is_wanted).map(|word| word.span);
            let help = "leave it out, or add `php = true`";
            note(vec![("php-deny", denied)], "no PHP is run here", help, context);
        }
        _ => note(of_files(own), "no files are sent", "leave it out, or add a `root`", context),
    }
    check_caching(own, policy, context);
    check_methods(chain, policy, key, context);
}

/// Settings with the places where they were typed.
type Typed = Vec<(&'static str, Option<Span>)>;

fn note(settings: Typed, label: &'static str, help: &'static str, context: &mut Context<'_>) {
    for (name, span) in settings {
        let Some(span) = span else { continue };
        let mistake = Mistake::new(span, format!("`{name}` has no effect here"), label);
        context.mistakes.push(mistake.help(help));
    }
}

/// What is said of how files are sent.
fn of_files(own: &Policy) -> Typed {
    vec![
        ("index", own.index.as_ref().map(|word| word.span)),
        ("listing", own.listing.as_ref().map(|word| word.span)),
        ("listing-template", own.listing_template.as_ref().map(|word| word.span)),
        ("links", own.links.as_ref().map(|word| word.span)),
        ("fallback", own.fallback.as_ref().map(|word| word.span)),
        ("trailing-slash", own.trailing_slash.as_ref().map(|word| word.span)),
        ("php", own.php.as_ref().map(|word| word.span)),
        ("php-deny", own.php_deny.as_ref().map(|word| word.span)),
    ]
}

/// What is said of how any answer is adjusted, sent and put down.
fn of_answers(own: &Policy) -> Typed {
    let compress = [
        own.compress.on.as_ref().map(|word| word.span),
        own.compress.codings.as_ref().map(|word| word.span),
        own.compress.least.as_ref().map(|word| word.span),
        own.compress.most.as_ref().map(|word| word.span),
    ];
    let log = [
        own.log.format.as_ref().map(|word| word.span),
        own.log.file.as_ref().map(|word| word.span),
        own.log.only.as_ref().map(|word| word.span),
        own.log.sample.as_ref().map(|word| word.span),
    ];
    vec![
        ("error-pages", own.error_pages.as_ref().map(|word| word.span)),
        ("fields", own.fields.as_ref().map(|word| word.span)),
        ("security", own.security.as_ref().map(|word| word.span)),
        ("bandwidth", own.bandwidth.as_ref().map(|word| word.span)),
        ("compress", compress.into_iter().flatten().next()),
        ("log", log.into_iter().flatten().next()),
    ]
}

/// Whether anything is said of how answers are adjusted: that concerns those who are kept out, too.
pub(super) fn adjusts(own: &Policy) -> bool {
    of_answers(own).iter().any(|(_, span)| span.is_some())
}

/// Caches are told what they may keep of what is found.
fn check_caching(own: &Policy, policy: &plan::Policy, context: &mut Context<'_>) {
    let help = match (&policy.rewrite, &policy.action) {
        (Some(_), _) => "leave it out, or say it of the route that the rewrite leads to",
        (None, Action::Redirect(_) | Action::NotFound) => IN_FIELDS,
        (None, Action::Respond(respond)) if !respond.status.is_success() => IN_FIELDS,
        _ => return,
    };
    let span = own.cache_control.as_ref().map(|word| word.span);
    note(vec![("cache-control", span)], "nothing is found here", help, context);
}

const IN_FIELDS: &str =
    "say it in `fields`, which are for every answer: `fields = { Cache-Control = \"max-age=60\" }`";

/// Some method must be let in by the key and by `methods`, and be one that is answered.
fn check_methods(chain: &[&Policy], policy: &plan::Policy, key: &Key, context: &mut Context<'_>) {
    let methods = policy.access.methods.as_ref().map(|methods| &methods.names);
    let guard = last(chain, |words| words.methods.as_ref()).map(|word| word.span);
    let is_named = |method: &str| {
        methods.is_none_or(|names| {
            // A name in small letters is a mistake of its own.
            let has = |name: &str| names.iter().any(|known| known.eq_ignore_ascii_case(name));
            has(method) || (method == "HEAD" && has("GET"))
        })
    };
    if let (Some(method), Some(span)) = (&key.method, guard)
        && !is_named(method)
    {
        let cause = format!("`methods` leaves out {method}, the only one that this route is for");
        context.mistakes.push(
            Mistake::new(span, cause, "refuses every request")
                .also(key.span, "is for this method")
                .help("leave it out: the route is for one method anyway"),
        );
        return;
    }
    if policy.rewrite.is_some() || !matches!(policy.action, Action::Files(_)) {
        return;
    }
    let is_for = |method: &str| {
        let named = key.method.as_deref();
        is_named(method)
            && named.is_none_or(|named| named == method || (named == "GET" && method == "HEAD"))
    };
    // Whoever is kept out is answered.
    let access = &policy.access;
    let is_open = access.addresses.is_none() && access.limit.is_none() && access.password.is_none();
    let span = key.method.as_ref().filter(|_| is_open).map(|_| key.span).or(guard);
    if let Some(span) = span.filter(|_| !METHODS_OF_FILES.into_iter().any(is_for)) {
        context.mistakes.push(
            Mistake::new(span, "files are sent for GET and HEAD alone", "never answered")
                .help("name GET, or say what answers: `respond`, `redirect` or `rewrite`"),
        );
    }
}
