//! When a missing path is a page of a single-page application, which the script of another page
//! draws, and when it is simply missing.

use config::plan::Files;
use content::negotiation;
use message::{Method, Request};

/// What is sent in place of the missing `path`, if that asks for a page. A file that is missing
/// must never be answered with one: a script or a picture that is HTML fails in ways that nobody
/// understands.
pub(super) fn page<'f>(files: &'f Files, path: &[u8], request: &Request<'_>) -> Option<&'f [u8]> {
    let page = files.fallback.as_deref()?;
    let is_page = matches!(request.method, Method::Get | Method::Head)
        && has_name_of_page(path)
        && negotiation::accepts_html(&request.fields);
    is_page.then_some(page.as_bytes())
}

/// Whether the last segment could be the name of a page: it has no ending, or that of one.
fn has_name_of_page(path: &[u8]) -> bool {
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
            ("/app.js", false),
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
