//! When a missing path is a page of a single-page application, which the script of another page
//! draws, and when it is simply missing.

use config::plan::Files;
use content::negotiation;
use message::{Method, Request};

/// What is sent in place of the missing `path`, if that asks for a page. A file that is missing
/// must never be answered with one: a script or a picture that is HTML fails in ways that nobody
/// understands.
pub(super) fn page<'f>(files: &'f Files, path: &[u8], request: &Request<'_>) -> Option<&'f [u8]> {
    let is_page = varies(files, path, request) && negotiation::accepts_html(&request.fields);
    files.fallback.as_deref().filter(|_| is_page).map(str::as_bytes)
}

/// Whether what is sent for the missing `path` hangs on what the client accepts.
pub(super) fn varies(files: &Files, path: &[u8], request: &Request<'_>) -> bool {
    let is_read = matches!(request.method, Method::Get | Method::Head);
    files.fallback.is_some() && is_read && has_name_of_page(path)
}

/// Whether the last segment could be the name of a page: it has no ending, or that of one. A slash
/// behind it makes no page of a missing picture.
fn has_name_of_page(path: &[u8]) -> bool {
    let path = path.strip_suffix(b"/").unwrap_or(path);
    let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    match name.iter().rposition(|&byte| byte == b'.') {
        None => true,
        Some(dot) => {
            let ending = &name[dot + 1..];
            ending.eq_ignore_ascii_case(b"html") || ending.eq_ignore_ascii_case(b"htm")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_no_other_ending() {
        for (path, expect) in [
            ("/", true),
            ("/deep/link", true),
            ("/deep/link/", true),
            ("/v1.2/link", true),
            ("/a.html", true),
            ("/a.HTM", true),
            ("/a.html/", true),
            ("/app.js", false),
            ("/app.css/", false),
            ("/app.css", false),
            ("/picture.webp", false),
            ("/john.doe", false),
            ("/a.html.map", false),
            ("/a.", false),
        ] {
            assert_eq!(has_name_of_page(path.as_bytes()), expect, "{path}");
        }
    }
}
