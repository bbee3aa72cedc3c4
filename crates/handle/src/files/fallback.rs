//! When a missing path is a page of a single-page application, which the script of another page
//! draws, and when it is simply missing.

use crate::negotiation;
use message::{Method, Request};

/// Whether a missing `path` asks for a page. A file that is missing must never be answered with
/// one: a script or a picture that is HTML fails in ways that nobody understands.
pub(super) fn is_page(path: &[u8], request: &Request<'_>) -> bool {
    matches!(request.method, Method::Get | Method::Head)
        && has_name_of_page(path)
        && negotiation::accepts_html(&request.fields)
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
