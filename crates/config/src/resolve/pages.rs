//! Pages of a site's own: for errors, for listings, for what is missing; and where their paths end.

use super::{context::Context, policy::last};
use crate::{
    mistake::{Mistake, quote},
    plan::{
        Content, ErrorPage, ErrorPages, ErrorValues, Errors, ListingEntry, ListingValues, Template,
        TrailingSlash, Value,
    },
    source::Word,
    unsent,
    written::Policy,
};
use message::Path;
use std::sync::Arc;

/// Bytes of a page or a template at most.
const PAGE_BYTES_MAX: u64 = 1024 * 1024;

/// What an error page may cost, in instructions or 64 bytes of text: it is made on a loop.
const ERROR_FUEL: u64 = 50_000;

/// What a listing may cost, in the same measure: some 200 for each of its entries.
const LISTING_FUEL: u64 = 2_000_000;

/// What the ending of a page's name says of its type.
const TYPES: [(&str, &str); 6] = [
    ("html", "text/html; charset=utf-8"),
    ("htm", "text/html; charset=utf-8"),
    ("txt", "text/plain; charset=utf-8"),
    ("json", "application/json"),
    ("xml", "application/xml"),
    ("svg", "image/svg+xml"),
];

/// The pages for errors that `chain` comes to: the last word on each key counts.
pub(crate) fn error_pages(chain: &[&Policy], context: &mut Context<'_>) -> ErrorPages {
    let mut said: Vec<(Errors, &Word<String>)> = Vec::new();
    for (at, words) in chain.iter().enumerate() {
        for (key, file) in words.error_pages.iter().flat_map(|pages| &pages.value) {
            let Some(errors) = Errors::parse(&key.value) else {
                // What is inherited was judged where it was typed.
                if at + 1 == chain.len() {
                    let cause = format!("{} does not stand for errors", quote(&key.value));
                    let mistake = Mistake::new(key.span, cause, "not an error");
                    let help = "there are `400` to `599`, `4xx`, `5xx` and `any`";
                    context.mistakes.push(mistake.help(help));
                }
                continue;
            };
            said.retain(|(other, _)| *other != errors);
            if !file.value.is_empty() {
                said.push((errors, file));
            }
        }
    }
    let pages = said.into_iter().filter_map(|(errors, file)| {
        let page = error_page(file, context)?;
        Some((errors, page, context.at(file.span)))
    });
    ErrorPages::new(pages.collect())
}

fn error_page(file: &Word<String>, context: &mut Context<'_>) -> Option<Arc<ErrorPage>> {
    let path = context.sources.path(file);
    if let Some(known) = context.error_pages.get(&path) {
        return known.clone();
    }
    let page = read_error_page(file, context).map(Arc::new);
    context.error_pages.insert(path, page.clone());
    page
}

fn read_error_page(file: &Word<String>, context: &mut Context<'_>) -> Option<ErrorPage> {
    let template_of = Template::page_name(&file.value);
    let ending = template_of.unwrap_or(&file.value).rsplit('.').next().unwrap_or_default();
    let Some((_, media_type)) = TYPES.iter().find(|(known, _)| *known == ending) else {
        let cause = format!("{} does not say what kind of page it is", quote(&file.value));
        context.mistakes.push(
            Mistake::new(file.span, cause, "an ending that is not known")
                .help("end it in .html, .txt, .json, .xml or .svg, and a template in .jinja too"),
        );
        return None;
    };
    let bytes = read("error-pages", file, context)?;
    let content = match template_of {
        None => Content::Fixed(bytes.into()),
        Some(_) => {
            let samples = ErrorValues::SAMPLE.named();
            Content::Template(Box::new(compile(file, bytes, ERROR_FUEL, &samples, context)?))
        }
    };
    Some(ErrorPage { media_type, content })
}

/// The template that listings are made with.
pub(crate) fn listing_template(
    chain: &[&Policy],
    context: &mut Context<'_>,
) -> Option<Arc<Template>> {
    let file = last(chain, |words| words.listing_template.as_ref());
    let file = file.filter(|file| !file.value.is_empty())?;
    let path = context.sources.path(file);
    if let Some(known) = context.listing_templates.get(&path) {
        return known.clone();
    }
    let template = read_listing_template(file, context).map(Arc::new);
    context.listing_templates.insert(path, template.clone());
    template
}

/// Notes a template of the last of `chain` for listings that are never made.
pub(crate) fn check_listing(chain: &[&Policy], context: &mut Context<'_>) {
    let is_listed = last(chain, |words| words.listing.as_ref()).is_some_and(|word| word.value);
    let own = chain.last().and_then(|own| own.listing_template.as_ref());
    if let Some(file) = own.filter(|file| !is_listed && !file.value.is_empty()) {
        context.mistakes.push(
            Mistake::new(file.span, "`listing-template` has no effect here", "nothing is listed")
                .help("add `listing = true`, or leave it out"),
        );
    }
}

fn read_listing_template(file: &Word<String>, context: &mut Context<'_>) -> Option<Template> {
    let page = Template::page_name(&file.value);
    if !page.is_some_and(|page| page.ends_with(".html") || page.ends_with(".htm")) {
        let cause = format!("{} is not the name of a page that is a template", quote(&file.value));
        context.mistakes.push(
            Mistake::new(file.span, cause, "another ending")
                .help("for example: `listing-template = \"listing.html.jinja\"`"),
        );
        return None;
    }
    let bytes = read("listing-template", file, context)?;
    let values = ListingValues {
        path: "/",
        entries: ListingEntry::samples().into_iter(),
        sort: "name",
        order: "asc",
        left_out: 0,
    };
    compile(file, bytes, LISTING_FUEL, &values.named(), context)
}

fn read(name: &str, file: &Word<String>, context: &mut Context<'_>) -> Option<Vec<u8>> {
    let path = context.sources.path(file);
    let read = context.world.read(&path, PAGE_BYTES_MAX).map(|content| content.bytes);
    let refuse = |cause: String| {
        let cause = format!("{} cannot be read: {cause}", quote(&file.value));
        let label = format!("stands for {}", path.display());
        let help = format!("make it, or correct `{name}`");
        context.mistakes.push(Mistake::new(file.span, cause, label).help(help));
    };
    read.map_err(refuse).ok()
}

fn compile(
    file: &Word<String>,
    bytes: Vec<u8>,
    fuel: u64,
    samples: &[(&'static str, Value)],
    context: &mut Context<'_>,
) -> Option<Template> {
    let Ok(source) = String::from_utf8(bytes) else {
        let cause = format!("{} is not UTF-8", quote(&file.value));
        let mistake = Mistake::new(file.span, cause, "this template");
        context.mistakes.push(mistake.help("save the file as UTF-8"));
        return None;
    };
    let refused = match Template::compile(&file.value, source, fuel, samples) {
        Ok(template) => return Some(template),
        Err(refused) => refused,
    };
    let line = refused.line.map(|line| format!(", line {line}")).unwrap_or_default();
    let cause = format!("{}{line}: {}", quote(&file.value), refused.cause);
    let mistake = Mistake::new(file.span, cause, "this template");
    let help = refused.help.unwrap_or_else(|| "templates are in docs/book/pages.md".to_owned());
    context.mistakes.push(mistake.help(help));
    None
}

/// The path that is sent where a page is missing.
pub(crate) fn fallback(chain: &[&Policy], context: &mut Context<'_>) -> Option<Box<str>> {
    let word = last(chain, |words| words.fallback.as_ref());
    let word = word.filter(|word| !word.value.is_empty())?;
    let is_own = chain.last().is_some_and(|own| own.fallback.is_some());
    // It is looked up as it stands, so it must be in the form that paths have here.
    let path = Path::parse(&word.value).ok();
    let is_fine = path.as_ref().is_some_and(|path| path.as_bytes() == word.value.as_bytes());
    if !is_fine && is_own {
        let cause = format!("{} is not the path of a file", quote(&word.value));
        context.mistakes.push(
            Mistake::new(word.span, cause, "not a path")
                .help("write it as seen from the root: `fallback = \"/index.html\"`"),
        );
    }
    if is_own && path.is_some_and(|path| unsent::is_unsent(&path)) {
        let cause =
            format!("{} is a dotfile or PHP source, which is never sent", quote(&word.value));
        let mistake = Mistake::new(word.span, cause, "has no effect");
        context.mistakes.push(mistake.help("name a page that everybody may see"));
    }
    Some(word.value.as_str().into())
}

/// Where paths end.
pub(crate) fn trailing_slash(chain: &[&Policy], context: &mut Context<'_>) -> TrailingSlash {
    let Some(word) = last(chain, |words| words.trailing_slash.as_ref()) else {
        return TrailingSlash::Keep;
    };
    let listing = last(chain, |words| words.listing.as_ref()).filter(|listing| listing.value);
    let own = chain.last();
    let is_own = own.is_some_and(|own| own.trailing_slash.is_some() || own.listing.is_some());
    if let (TrailingSlash::Remove, Some(listing), true) = (word.value, listing, is_own) {
        let cause = "a folder without its slash cannot be listed: its links would lead elsewhere";
        context.mistakes.push(
            Mistake::new(word.span, cause, "contradicts `listing`")
                .also(listing.span, "lists folders")
                .help("leave one of them out"),
        );
    }
    word.value
}
