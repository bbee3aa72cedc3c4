//! A readable page for an error or a redirect that a handler gave no content: the site's own, or a
//! built-in one.

use base::text::push_html;
use config::plan::{Content, ErrorPages, ErrorValues, Value};
use control::{Counter, Row};
use message::{
    Body, Exchange, Path, RequestId, Response, Shared, Status, limits::Exceeded, response::Line,
};

/// Gives an error the page that the site has for it, if it has one, unless the response has content
/// or a content-type of its own. What a template fails to make is left to the built-in page.
#[must_use]
pub fn own(
    pages: &'static ErrorPages,
    exchange: &Exchange<'_>,
    mut response: Response,
    counters: &Row,
) -> Response {
    let status = response.status;
    if !status.is_error() || !response.body.is_empty() || response.has("content-type") {
        return response;
    }
    let Some((page, _)) = pages.find(status) else { return response };
    let content = match &page.content {
        Content::Fixed(bytes) => Shared::from(&**bytes),
        Content::Template(template) => match template.render(values(status, exchange)) {
            Ok(text) => Shared::from(text.into_bytes()),
            Err(_) => {
                counters.add(Counter::TemplatesFailed, 1);
                return response;
            }
        },
    };
    response.body = Body::Bytes(content);
    response
        .with(Line::fixed("content-type", page.media_type))
        .with(Line::fixed("x-content-type-options", "nosniff"))
}

/// What a template may say of the error. The path is the one that the client knows.
fn values(status: Status, exchange: &Exchange<'_>) -> Vec<(&'static str, Value)> {
    let request = exchange.request;
    let path = Path::parse(request.path);
    let path = path.as_ref().map_or(request.path.as_bytes(), Path::as_bytes);
    let values = ErrorValues {
        status,
        reason: reason(status),
        host: request.host,
        path: &String::from_utf8_lossy(path),
        method: request.method.as_str(),
        request_id: exchange.id.as_ref().map(RequestId::as_str),
    };
    values.named()
}

/// Gives an error (4xx, 5xx) or a redirect (3xx with a Location) its page, unless the response has
/// content or a content-type of its own.
#[must_use]
pub fn apply(response: Response) -> Response {
    let status = response.status;
    if status.0 < 300 || !response.body.is_empty() || response.has("content-type") {
        return response;
    }
    let page = match response.get("location") {
        Some(location) if !status.is_error() && !status.is_bodiless() => redirect(status, location),
        _ if status.is_error() => error(status),
        _ => return response,
    };
    with_page(response, page)
}

/// The answer to a message that went over that limit: its page says which, for whoever has written
/// the client, or may raise it.
#[must_use]
pub fn exceeded(status: Status, limit: Exceeded) -> Response {
    let Exceeded { setting, most, unit } = limit;
    let page = page(status, |text| {
        text.push_str(advice(status));
        text.push_str(&format!(" This server takes at most {most} {unit} ({setting})."));
    });
    with_page(Response::empty(status), page)
}

fn with_page(mut response: Response, page: String) -> Response {
    response.body = Body::Bytes(Shared::from(page.into_bytes()));
    response
        .with(Line::fixed("content-type", "text/html; charset=utf-8"))
        .with(Line::fixed("x-content-type-options", "nosniff"))
}

/// The page of an error: what went wrong, and what its reader can do about it.
fn error(status: Status) -> String {
    page(status, |text| text.push_str(advice(status)))
}

/// The page of a redirect, for the clients that do not follow by themselves.
fn redirect(status: Status, location: &str) -> String {
    page(status, |text| {
        text.push_str("What you asked for is at <a href=\"");
        push_html(text, location);
        text.push_str("\">");
        push_html(text, location);
        text.push_str("</a>.");
    })
}

/// Up to the title. The colour scheme leaves light and dark to the reader's own browser.
const START: &str = "<!doctype html>
<html lang=\"en\">
<meta charset=\"utf-8\">
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">
<meta name=\"color-scheme\" content=\"light dark\">
<style>
body { font: 1.1rem/1.6 system-ui, sans-serif }
body { max-width: 34rem; margin: 15vh auto; padding: 0 1.5rem }
h1 { font-size: 1.5rem; line-height: 1.3 }
p { overflow-wrap: anywhere }
</style>
<title>";

fn page(status: Status, push_text: impl FnOnce(&mut String)) -> String {
    let name = format!("{} {}", status.0, reason(status));
    let mut page = String::with_capacity(START.len() + 512);
    page.push_str(START);
    page.push_str(&name);
    page.push_str("</title>\n<h1>");
    page.push_str(&name);
    page.push_str("</h1>\n<p>");
    push_text(&mut page);
    page.push_str("</p>\n</html>\n");
    page
}

/// The reason phrase, or what the status's class means where it has none.
fn reason(status: Status) -> &'static str {
    match (status.reason(), status.0) {
        ("", ..400) => "Elsewhere",
        ("", 400..500) => "Request Refused",
        ("", _) => "Server Error",
        (reason, _) => reason,
    }
}

fn advice(status: Status) -> &'static str {
    match status.0 {
        400 => {
            "The server could not make sense of this request. Check the address, or delete this \
             site's cookies, and try again."
        }
        401 => "This page is for those who sign in.",
        403 => "This page is not for everyone. If it should be for you, ask who runs this site.",
        404 => {
            "There is nothing at this address. Check its spelling, or begin at the \
             <a href=\"/\">front page</a>."
        }
        405 => "This address does not take requests of this kind.",
        406 => "The content exists, but in none of the forms that your browser accepts.",
        408 => "The request took too long to arrive. Check your connection and try again.",
        410 => "What was here is gone for good. Begin at the <a href=\"/\">front page</a>.",
        412 => "The content has changed since you last saw it. Reload it and try again.",
        413 => "What you sent is larger than this site accepts. Send something smaller.",
        414 => "The address is too long. Try a shorter one.",
        416 => "The part that was asked for does not exist. Download the whole again.",
        421 => {
            "No site answers to that name on this connection. Reload the page; where that does not \
             help, check the address."
        }
        429 => "These are too many requests. Wait a little and try again.",
        502 | 504 => "A server behind this one did not answer as it should. Try again in a minute.",
        503 => "The server has too much to do just now. Try again in a minute.",
        505 => "The request is in a version of HTTP that is not spoken here.",
        500.. => {
            "Something failed on the server, and it is not your fault. Try again later, or tell \
             who runs this site."
        }
        431 => {
            "What your browser sends along is too much. Delete this site's cookies, and try again."
        }
        _ => "The server refused this request. Check the address and try again.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page_of(response: Response) -> String {
        match apply(response).body {
            Body::Bytes(bytes) => String::from_utf8(bytes.as_slice().to_vec()).unwrap(),
            _ => String::new(),
        }
    }

    #[test]
    fn an_error_says_what_it_is_and_what_to_do() {
        let page = page_of(Response::empty(Status::NOT_FOUND));
        assert!(page.starts_with("<!doctype html>\n<html lang=\"en\">"));
        assert!(page.contains("<meta name=\"viewport\""));
        assert!(page.contains("<title>404 Not Found</title>"));
        assert!(page.contains("Check its spelling"));
        assert!(!page.contains("<script") && !page.contains("//"));
        let response = apply(Response::empty(Status::NOT_FOUND));
        assert_eq!(response.get("content-type"), Some("text/html; charset=utf-8"));
        assert_eq!(response.get("x-content-type-options"), Some("nosniff"));
        for (status, words) in [
            (418, "418 Request Refused"),
            (599, "599 Server Error"),
            (503, "Try again in a minute"),
            (421, "on this connection. Reload"),
            (999, "not your fault"),
        ] {
            let page = page_of(Response::empty(Status(status)));
            assert!(page.contains(words), "{status}: {page}");
        }
    }

    #[test]
    fn who_goes_over_a_limit_is_told_which() {
        let limits = message::Limits::default();
        for (status, limit, words) in [
            (Status::FIELDS_TOO_LARGE, limits.fields(), "at most 100 fields (fields-max)."),
            (Status::URI_TOO_LONG, limits.target(), "at most 8192 bytes (target-bytes-max)."),
        ] {
            let response = exceeded(status, limit);
            assert_eq!(response.status, status);
            let page = page_of(response);
            assert!(page.contains(words) && page.contains("ry "), "{page}");
        }
    }

    #[test]
    fn a_redirect_has_a_link_that_cannot_be_broken_out_of() {
        let to = |location: &str| {
            let line = Line::new("location", location.to_owned());
            page_of(Response::empty(Status::PERMANENT_REDIRECT).with(line))
        };
        assert!(to("/a/?b=1&c=2").contains("<a href=\"/a/?b=1&amp;c=2\">/a/?b=1&amp;c=2</a>"));
        let hostile = to("/\"><script>alert('x')</script>");
        assert!(!hostile.contains("<script") && !hostile.contains("\"><s"), "{hostile}");
    }

    #[test]
    fn what_says_something_itself_is_left_alone() {
        let own = |status| Response::empty(Status(status));
        for response in [
            own(200),
            own(204),
            own(300),
            own(304).with(Line::fixed("location", "/")),
            own(404).with(Line::fixed("content-type", "text/plain")),
        ] {
            assert_eq!(page_of(response), "");
        }
        let content = Body::Bytes(Shared::from(b"own words".to_vec()));
        assert_eq!(page_of(Response { body: content, ..own(500) }), "own words");
    }
}
