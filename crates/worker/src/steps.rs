//! The steps of a request through `flow`, in words.

use base::Network;
use config::{
    Plan,
    plan::{Access, Action, Place},
};
use message::{Exchange, Response, Status};
use route::{REFUSED, Step, Trace};

/// Who may enter, guard by guard.
pub(crate) fn guards(access: &Access, trace: &mut impl Trace) {
    let Access { addresses, methods } = access;
    let lists = addresses.as_ref().map(|addresses| [&addresses.allow, &addresses.deny]);
    for (list, what) in lists.into_iter().flatten().zip(["allow", "deny"]) {
        let Some((networks, place)) = list else { continue };
        let text = || networks.iter().map(Network::to_string).collect::<Vec<_>>().join(", ");
        trace.note(|| Step::new(what, text(), place));
    }
    if let Some(methods) = methods {
        trace.note(|| Step::new("methods", &*methods.allow.value, &methods.place));
    }
}

/// Who refused a request.
pub(crate) fn refusal(access: &Access, refusal: &Response) -> Step {
    let addresses = access.addresses.as_ref();
    let lists = addresses.map(|addresses| [&addresses.allow, &addresses.deny]);
    let list = lists.into_iter().flatten().flatten().next();
    let (text, place) = match refusal.status {
        Status::FORBIDDEN => ("the client's address may not enter", list.map(|(_, place)| place)),
        Status::METHOD_NOT_ALLOWED => {
            ("the method may not be used", access.methods.as_ref().map(|methods| &methods.place))
        }
        status => (status.reason(), None),
    };
    Step { what: REFUSED, text: text.to_owned(), place: place.cloned() }
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
            let folder = plan.folders.get(files.folder);
            let root = folder.map(|folder| folder.root.display().to_string());
            Step::new("action", format!("files of {}", root.unwrap_or_default()), &files.place)
        }
        Action::Redirect(redirect) => Step::new("action", "redirect", &redirect.place),
        Action::Respond(respond) => Step::new("action", "respond", &respond.place),
        Action::NotFound => {
            let text = "nothing: neither a root nor another answer is set".to_owned();
            Step { what: "action", text, place: None }
        }
    }
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
        "allow" => "the methods that there are",
        _ => "the answer",
    }
}
