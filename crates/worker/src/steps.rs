//! The steps of a request through `flow`, in words.

use crate::refusal::Trouble;
use base::Network;
use config::{
    Plan,
    plan::{Access, Action, Files, Place, Policy, Pool, Upstream},
    unsent,
};
use handle::php::Call;
use message::{Exchange, Name, Response, Status};
use route::{REFUSED, Step, Trace};
use std::net::IpAddr;

/// What the step is called in which a preflight is answered.
pub(crate) const PREFLIGHT: &str = "preflight";

/// Who may enter, guard by guard.
pub(crate) fn guards(policy: &Policy, trace: &mut impl Trace) {
    let Access { addresses, methods, preflight: _, limit, password, looking: _ } = &policy.access;
    let lists = addresses.as_ref().map(|addresses| [&addresses.allow, &addresses.deny]);
    for (lists, what) in lists.into_iter().flatten().zip(["allow", "deny"]) {
        for (networks, place) in lists {
            let text = || networks.iter().map(Network::to_string).collect::<Vec<_>>().join(", ");
            trace.note(|| Step::new(what, text(), place));
        }
    }
    if let Some(methods) = methods {
        trace.note(|| {
            Step::new("methods", methods.allow.text().unwrap_or_default(), &methods.place)
        });
    }
    if let Some(limit) = limit {
        let trial = if limit.is_dry_run { ", dry run" } else { "" };
        trace.note(|| Step::new("limit", format!("{}{trial}", limit.text), &limit.place));
    }
    if let Some(password) = password {
        trace.note(|| {
            Step::new("auth", password.challenge.text().unwrap_or_default(), &password.place)
        });
    }
}

/// Which guard refused a request, or answered its preflight.
pub(crate) fn answered(policy: &Policy, exchange: &Exchange<'_>, answer: &Response) -> Step {
    let Policy { access, adjust, .. } = policy;
    if answer.status == Status::NO_CONTENT {
        let place = adjust.cors.as_ref().map(|cors| cors.place.clone());
        let text = "pages of other origins are told what they may ask".to_owned();
        return Step { what: PREFLIGHT, text, place };
    }
    let text = match answer.status {
        Status::FORBIDDEN => "the client's address may not enter",
        Status::METHOD_NOT_ALLOWED => "the method may not be used",
        Status::UNAUTHORIZED if !exchange.request.fields.contains(Name::Authorization) => {
            "no password was given"
        }
        Status::UNAUTHORIZED => "there is no user with that password",
        status => status.reason(),
    };
    let said = access::said(access, exchange, answer.status);
    let place = said.map(|(_, place)| place.clone());
    Step { what: REFUSED, text: text.to_owned(), place }
}

/// Whose guards are asked as well, as what is sent lies there.
pub(crate) fn other(path: &[u8], place: &Place) -> Step {
    Step::new("sent", format!("as {}", path.escape_ascii()), place)
}

/// Whom a trusted proxy names as the client.
pub(crate) fn client(client: Option<IpAddr>) -> Step {
    let text = client.map_or_else(|| "unix".to_owned(), |client| client.to_string());
    Step { what: "client", text, place: None }
}

/// Why it cannot be answered as it was meant.
pub(crate) fn failed(trouble: &Trouble) -> Step {
    let what = if trouble.is_ours() { "failed" } else { REFUSED };
    Step { what, text: trouble.reason.to_owned(), place: trouble.place().cloned() }
}

/// What a path was rewritten to.
pub(crate) fn rewrite(exchange: &Exchange<'_>, place: &Place) -> Step {
    let mut text = exchange.path_bytes().escape_ascii().to_string();
    if let Some(query) = exchange.query() {
        text.push('?');
        text.push_str(query);
    }
    Step::new("rewrite", text, place)
}

/// What answers.
pub(crate) fn action(action: &Action, plan: &Plan) -> Step {
    match action {
        Action::Files(files) => {
            Step::new("action", format!("files of {}", root(files, plan)), &files.place)
        }
        Action::Php(php) => {
            let text = format!("PHP of {}", root(&php.files, plan));
            Step::new("action", text, &php.place)
        }
        Action::Redirect(redirect) => Step::new("action", "redirect", &redirect.place),
        Action::Respond(respond) => Step::new("action", "respond", &respond.place),
        Action::Live => {
            let text = "the changes of files, for the pages that are open".to_owned();
            Step { what: "action", text, place: None }
        }
        Action::Admin => Step { what: "action", text: "how the server is".to_owned(), place: None },
        Action::NotFound => {
            let text = "nothing: neither a root nor another answer is set".to_owned();
            Step { what: "action", text, place: None }
        }
    }
}

/// What keeps a program of the folder from being run, if that is `php-deny`.
pub(crate) fn denied(action: &Action, exchange: &Exchange<'_>) -> Option<Step> {
    let Action::Php(php) = action else { return None };
    let path = exchange.path.as_ref().ok()?;
    let is_denied = path.segments().any(unsent::is_source) && php.is_denied(path.as_bytes());
    is_denied.then(|| {
        let path = path.as_bytes().escape_ascii();
        let text = format!("{path} is neither run nor sent: programs are not run there");
        Step::new("php-deny", text, php.denied_at.as_ref().unwrap_or(&php.place))
    })
}

/// The folder that `files` are sent from.
pub(crate) fn root(files: &Files, plan: &Plan) -> String {
    let folder = plan.folders.get(files.folder);
    folder.map(|folder| folder.root.display().to_string()).unwrap_or_default()
}

/// The program that answers, and who runs it.
pub(crate) fn program(call: &Call, plan: &Plan) -> Step {
    let Call { php, script, .. } = call;
    let (root, file) = (script.program.root.escape_ascii(), script.program.file.escape_ascii());
    let kept = php.cache.map_or_else(String::new, |cache| {
        format!("; a page for everybody is kept for {:?}", cache.time)
    });
    let address = &php.application.address;
    let is_started = |pool: &&Pool| matches!(address, Upstream::Unix(at) if *at == pool.socket);
    let by = match plan.pools.iter().find(is_started) {
        Some(pool) => format!("the php-fpm of {}", pool.name),
        None => address.to_string(),
    };
    let text = format!("{root}{file}, run by {by}{kept}");
    Step::new("program", text, &php.place)
}

/// Whose page an error gets; a text of the config is content already.
pub(crate) fn page(policy: &Policy, status: Status) -> Option<Step> {
    let has_content = matches!(&policy.action, Action::Respond(respond) if respond.text.is_some());
    let (_, place) = policy.adjust.error_pages.find(status).filter(|_| !has_content)?;
    Some(Step::new("page", format!("the site's own for {status}"), place))
}

/// The part of the server that sends a field where no setting does.
pub(crate) fn built_in(name: &str) -> &'static str {
    match name {
        "server" | "date" | "connection" | "content-length" | "transfer-encoding" => "HTTP/1.1",
        "content-type" => "the kind of content",
        "etag" | "last-modified" | "accept-ranges" => "the file",
        "content-encoding" | "vary" => "the choice among forms",
        "content-range" => "the range that was asked for",
        "location" => "the action",
        "x-request-id" => "request-id",
        "cache-status" => "micro-cache",
        "retry-after" => "the limit",
        "allow" => "the methods that there are",
        _ => "the answer",
    }
}
