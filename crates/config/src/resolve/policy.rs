//! What is done for the requests that match a route: its own settings, and what it inherits.
//!
//! `chain` holds what was typed, from the site over every route that covers this one to the route
//! itself: of scalars the last word counts; fields, and lists of addresses, add up.

use super::{
    compress, context::Context, cors, fields, key::Key, networks, pages, password, php, politeness,
    route::allow,
};
use crate::{
    mistake::{Mistake, quote},
    plan::{self, Access, Action, Adjust, Files, Folder, Methods, Phrase, Rewrite, index_default},
    source::{Span, Word},
    unsent,
    written::Policy,
};
use foldhash::HashMap;
use message::{Path, PathError, Status, name::is_token};

/// The policy that `chain` comes to, for a route with the key `key`.
pub(crate) fn resolve(chain: &[&Policy], key: &Key, context: &mut Context<'_>) -> plan::Policy {
    let mut action = action(chain, key, context);
    let error_pages = pages::error_pages(chain, context);
    if let Action::Files(files) = &mut action {
        files.has_missing_page = !error_pages.is_named(Status::NOT_FOUND);
    }
    let access = access(chain, &action, context);
    if let (Action::Files(files), Some(methods)) = (&mut action, &access.methods) {
        files.allow = methods.allow.clone();
    }
    plan::Policy {
        access,
        rewrite: rewrite(chain, key, context),
        action,
        adjust: Adjust {
            fields: fields::resolve(chain, key, context),
            error_pages,
            cors: cors::of_chain(chain, context),
            compress: compress::resolve(chain, context),
        },
        log: context.logs.policy(chain.iter().map(|words| &words.log), context.mistakes),
        bandwidth: politeness::bandwidth(chain, context),
    }
}

/// The last word on one setting.
pub(super) fn last<'w, T>(
    chain: &[&'w Policy],
    place: impl Fn(&'w Policy) -> Option<&'w Word<T>>,
) -> Option<&'w Word<T>> {
    chain.iter().rev().find_map(|words| place(words))
}

/// What answers: as the last of the chain says that says anything.
fn action(chain: &[&Policy], key: &Key, context: &mut Context<'_>) -> Action {
    for (at, words) in chain.iter().enumerate().rev() {
        let Policy { root, alias, redirect, respond, .. } = words;
        let respond_span = [
            respond.status.as_ref().map(|word| word.span),
            respond.text.as_ref().map(|word| word.span),
            respond.media_type.as_ref().map(|word| word.span),
        ];
        let said: Vec<(&str, Span)> = [
            ("root", root.as_ref().map(|word| word.span)),
            ("alias", alias.as_ref().map(|word| word.span)),
            ("redirect", redirect.to.as_ref().map(|word| word.span)),
            ("respond", respond_span.into_iter().flatten().next()),
        ]
        .into_iter()
        .filter_map(|(name, span)| span.map(|span| (name, span)))
        .collect();
        // What is inherited was judged where it was typed.
        let is_own = at + 1 == chain.len();
        let rewrite = words.rewrite.as_ref().map(|word| ("rewrite", word.span));
        let answers: Vec<_> = said.iter().copied().chain(rewrite).collect();
        if let [(first, first_span), (second, second_span), ..] = &*answers
            && is_own
        {
            let cause = format!("`{second}` contradicts `{first}`: one request has one answer");
            context.mistakes.push(
                Mistake::new(*second_span, cause, "another answer")
                    .also(*first_span, "an answer")
                    .help("leave one of them out, or give it a route of its own"),
            );
        }
        if let Some(status) = &redirect.status
            && redirect.to.is_none()
        {
            let mistake = Mistake::new(status.span, "`redirect` does not say where to", "no `to`");
            context.mistakes.push(mistake.help("for example: `redirect = \"/new/{rest}\"`"));
        }
        match said.first() {
            Some(("root" | "alias", _)) => return of_folder(chain, words, key, context),
            Some(("redirect", _)) => return redirect_to(words, key, context),
            Some(_) => return respond_with(words, key, context),
            None => {}
        }
    }
    Action::NotFound
}

/// What answers where `words`, which are part of `chain`, name a folder.
fn of_folder(chain: &[&Policy], words: &Policy, key: &Key, context: &mut Context<'_>) -> Action {
    if let (None, Some(word)) = (&words.root, &words.alias)
        && !key.is_prefix
    {
        let cause = "`alias` needs a route with a `*`, whose rest is looked up";
        let mistake = Mistake::new(word.span, cause, "nothing to look up");
        context.mistakes.push(mistake.help("write `root`, or a route such as `\"/a/*\"`"));
    }
    let Some(files) = files(chain, words, key.segments().count(), context) else {
        return Action::NotFound;
    };
    match php::resolve(chain, &files, context) {
        Some(php) => {
            let whole = whole(chain, context).map(Box::new);
            Action::Php(Box::new(plan::Php { whole, ..php }))
        }
        None => Action::Files(files),
    }
}

/// The application that the folder is a part of, where it has one of its own: whoever says `php`
/// has an application in its folder, and a folder named further in has none for that alone.
fn whole(chain: &[&Policy], context: &mut Context<'_>) -> Option<plan::Php> {
    let last = |is_it: fn(&Policy) -> bool| chain.iter().rposition(|words| is_it(words));
    let has_folder = |words: &Policy| words.root.is_some() || words.alias.is_some();
    let said = last(|words| words.php.is_some())?;
    let wider = chain.get(..=said).filter(|_| last(has_folder) > Some(said))?;
    let at = wider.iter().rposition(|words| has_folder(words))?;
    let segments = context.segments.get(at).copied()?;
    let files = files(wider, wider[at], segments, context)?;
    php::resolve(wider, &files, context)
}

/// The files of the folder that `words` name, where so many segments come before what the `*` of an
/// alias stands for.
fn files(
    chain: &[&Policy],
    words: &Policy,
    segments: usize,
    context: &mut Context<'_>,
) -> Option<Files> {
    let (name, word, segments_skipped) = match (&words.root, &words.alias) {
        (Some(root), _) => ("root", root, 0),
        (None, Some(alias)) => ("alias", alias, segments),
        (None, None) => return None,
    };
    let root = context.folder(name, word);
    context.served.entry(root.clone()).or_insert(word.span);
    let listed = |words: &Word<Vec<Word<String>>>| words.value.clone();
    let links = last(chain, |words| words.links.as_ref()).map(listed).unwrap_or_default();
    let links = links.iter().map(|link| {
        let folder = context.folder("links", link);
        context.linked.entry(folder.clone()).or_insert(link.span);
        if folder.starts_with(&root) {
            context.mistakes.push(
                Mistake::new(link.span, "a link to this folder is followed anyway", "in the root")
                    .also(word.span, "the root")
                    .help("leave it out"),
            );
        }
        folder
    });
    let links = links.collect();
    let index = last(chain, |words| words.index.as_ref());
    let index = index.map_or_else(index_default, |list| index_names(&list.value, context));
    let listing = last(chain, |words| words.listing.as_ref()).is_some_and(|word| word.value);
    let place = context.at(word.span);
    let fallback = pages::fallback(chain, context);
    let trailing_slash = pages::trailing_slash(chain, context);
    let listing_template = pages::listing_template(chain, context);
    let folder = context.number(Folder { id: 0, root, index, listing, links }, trailing_slash);
    Some(Files {
        segments_skipped,
        fallback,
        trailing_slash,
        listing_template,
        has_doors: context.has_doors,
        ..Files::of_folder(folder, place)
    })
}

/// The names in `list`, each of which must be able to name a file of a folder that may be sent.
fn index_names(list: &[Word<String>], context: &mut Context<'_>) -> Vec<String> {
    let mut seen: HashMap<&str, Span> = HashMap::default();
    for word in list {
        let name = word.value.as_bytes();
        let is_path = matches!(name, b"." | b"..") || name.contains(&b'/');
        if is_path || name.iter().any(u8::is_ascii_control) {
            let cause = format!("{} is not the name of a file", quote(&word.value));
            context.mistakes.push(
                Mistake::new(word.span, cause, "not a file name")
                    .help("for example: `index = \"index.html\"`"),
            );
        }
        if !is_path && (unsent::is_dotfile(name) || unsent::is_source(name)) {
            let (what, help) = match unsent::is_source(name) {
                true => {
                    ("PHP source", "leave it out: where `php` is on, index.php is found by itself")
                }
                false => ("a dotfile", "leave it out, or give the file a name without the dot"),
            };
            let cause = format!("{} is {what}, which is never sent", quote(&word.value));
            context.mistakes.push(Mistake::new(word.span, cause, "has no effect").help(help));
        }
        if let Some(first) = seen.insert(&word.value, word.span) {
            let cause = format!("`index` names {} twice", quote(&word.value));
            let mistake = Mistake::new(word.span, cause, "has no effect");
            context.mistakes.push(mistake.also(first, "first here").help("leave it out"));
        }
    }
    list.iter().map(|word| word.value.clone()).collect()
}

fn redirect_to(words: &Policy, key: &Key, context: &mut Context<'_>) -> Action {
    let Some(to) = &words.redirect.to else { return Action::NotFound };
    let Some(phrase) = context.phrase("redirect", to) else { return Action::NotFound };
    if !phrase.is_location() {
        let cause = "a client could lead this redirect to any host";
        context.mistakes.push(
            Mistake::new(to.span, cause, "where the host ends is not said").help(
                "begin with a path (`/new/{rest}`) or a whole host (`https://example.com/{rest}`, \
                 `https://{host}{path}`)",
            ),
        );
    }
    check_rest(&phrase, "redirect", to, key, context);
    let status = words.redirect.status.as_ref().map(|word| word.value);
    let keeps_query = !to.value.contains(['?', '#']);
    let place = context.at(to.span);
    let status = status.unwrap_or(Status::PERMANENT_REDIRECT);
    Action::Redirect(plan::Redirect { to: phrase, status, keeps_query, place })
}

fn respond_with(words: &Policy, key: &Key, context: &mut Context<'_>) -> Action {
    let respond = &words.respond;
    let status = respond.status.as_ref().map_or(Status::OK, |word| Status(word.value));
    let text = respond.text.as_ref();
    let span = text.map(|word| word.span).or(respond.status.as_ref().map(|word| word.span));
    let span = span.or(respond.media_type.as_ref().map(|word| word.span));
    let media_type = respond.media_type.as_ref();
    if let Some(word) = media_type
        && text.is_none()
    {
        let mistake = Mistake::new(word.span, "`type` has no effect without a text", "no text");
        context.mistakes.push(mistake.help("add `text`, or leave it out"));
    }
    if let (Some(word), true) = (text, status.is_bodiless()) {
        let cause = format!("an answer with status {} has no content", status.0);
        context.mistakes.push(Mistake::new(word.span, cause, "never sent").help("leave it out"));
    }
    if let Some(word) = media_type.filter(|word| !is_media_type(&word.value)) {
        let cause = format!("{} is not a media type", quote(&word.value));
        let mistake = Mistake::new(word.span, cause, "not a media type");
        context.mistakes.push(mistake.help("for example: `type = \"text/html; charset=utf-8\"`"));
    }
    let phrase = text.and_then(|word| {
        let phrase = context.phrase("respond", word)?;
        check_rest(&phrase, "respond", word, key, context);
        Some(phrase)
    });
    let default = "text/plain; charset=utf-8";
    let media_type = media_type.map_or(default, |word| &word.value).into();
    let place = context.at(span.unwrap_or(Span { start: 0, end: 0 }));
    Action::Respond(plan::Respond { status, text: phrase, media_type, place })
}

/// Whether `text` is a type, a subtype and perhaps parameters (RFC 9110 section 8.3.1).
fn is_media_type(text: &str) -> bool {
    let (essence, parameters) = text.split_once(';').unwrap_or((text, "="));
    let names = essence.trim_end().split_once('/');
    names
        .is_some_and(|(kind, subtype)| [kind, subtype].iter().all(|name| is_token(name.as_bytes())))
        && parameters.contains('=')
        && parameters.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

fn access(chain: &[&Policy], action: &Action, context: &mut Context<'_>) -> Access {
    let addresses = networks::addresses(chain, context);
    let methods = last(chain, |words| words.methods.as_ref()).filter(|list| !list.value.is_empty());
    let methods = methods.map(|list| {
        for word in &list.value {
            if !word.value.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-') {
                let cause = format!("{} is not a method", quote(&word.value));
                let mistake = Mistake::new(word.span, cause, "not a method");
                context.mistakes.push(mistake.help("methods are in capitals, such as `\"GET\"`"));
            }
        }
        let names: Vec<Box<str>> =
            list.value.iter().map(|word| word.value.as_str().into()).collect();
        // Files are only ever read, whatever else a site may do.
        let is_taken =
            |name: &&str| !matches!(action, Action::Files(_)) || ["GET", "HEAD"].contains(name);
        let allow = allow(names.iter().map(|name| &**name).filter(is_taken));
        Methods { names, allow, place: context.at(list.span) }
    });
    let auth = last(chain, |words| words.auth.as_ref());
    let password = auth.and_then(|auth| password::resolve(auth, context));
    password::check_caching(chain, context);
    let preflight = last(chain, |words| words.cors.as_ref()).and_then(cors::preflight);
    let limit = politeness::limit(chain, context);
    Access { addresses, methods, preflight, limit, password, looking: None }
}

/// The path that is looked for instead. It is not inherited: a rewritten path that is covered by
/// its own route would be rewritten for ever.
fn rewrite(chain: &[&Policy], key: &Key, context: &mut Context<'_>) -> Option<Rewrite> {
    let word = chain.last()?.rewrite.as_ref()?;
    let phrase = context.phrase("rewrite", word)?;
    check_rest(&phrase, "rewrite", word, key, context);
    let (path, query) = phrase.split_query();
    // Of what is filled in, only whole segments can be judged that stand before it.
    let known = path.literal().unwrap_or_else(|| {
        let head = path.head();
        &head[..head.rfind('/').map_or(0, |slash| slash + 1)]
    });
    match Path::of_decoded(known.as_bytes()) {
        Err(PathError::NoSlash) => {
            let mistake = Mistake::new(word.span, "`rewrite` takes a path", "no `/` at its start");
            context.mistakes.push(mistake.help("for example: `rewrite = \"/v2/{rest}\"`"));
        }
        Err(error) => {
            let cause = format!("`rewrite` leads nowhere: {error}");
            let mistake = Mistake::new(word.span, cause, "never answered");
            context.mistakes.push(mistake.help("write it without dot segments"));
        }
        Ok(_) => {}
    }
    let keeps_slash = key.is_prefix && key.suffix.is_none() && path.ends_as_asked();
    Some(Rewrite { path, query, keeps_slash, place: context.at(word.span) })
}

/// A phrase that speaks of the rest needs a route that leaves one.
pub(super) fn check_rest(
    phrase: &Phrase,
    name: &str,
    word: &Word<String>,
    key: &Key,
    context: &mut Context<'_>,
) {
    if phrase.has_rest() && !key.is_prefix {
        let cause = format!("`{name}` speaks of the rest of a path, and this route leaves none");
        let mistake = Mistake::new(word.span, cause, "no `*` in the route");
        context.mistakes.push(mistake.help("write `{path}`, or put a `*` at the end of the route"));
    }
}
