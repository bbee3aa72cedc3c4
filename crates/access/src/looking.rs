//! Who may look at the server itself: whoever knows the token, and where there is none, whoever
//! comes by this machine; but no page of another site, by whatever name it has the browser come.

use crate::credentials::Credentials;
use config::plan::Looking;
use message::{Exchange, Fields, Name, Request, Response, Status, response::Line};
use std::{hint, net::IpAddr};

/// 421 for a name that somebody else could have given this address, 403 for what another site asks
/// a browser to fetch, 401 without the token.
pub(crate) fn check(looking: &Looking, exchange: &Exchange<'_>) -> Option<Response> {
    let Request { host, fields, .. } = exchange.request;
    let Looking { token } = looking;
    // A browser cannot be led to a Unix socket, and a token is not sent to another name.
    let is_guarded = token.is_some() || exchange.client.is_none();
    if !is_guarded && !is_of_this_machine(host) {
        return Some(Response::empty(Status::MISDIRECTED_REQUEST));
    }
    if is_led(exchange.request) {
        return Some(Response::empty(Status::FORBIDDEN));
    }
    if token.as_ref().is_none_or(|token| knows(fields, token)) {
        return None;
    }
    let realm = Line::fixed("www-authenticate", "Basic realm=\"gannet admin\", charset=\"UTF-8\"");
    Some(Response::empty(Status::UNAUTHORIZED).with(realm))
}

/// Whether nobody else can have the name lead here: it is an address, or stands for this machine
/// everywhere.
fn is_of_this_machine(host: &str) -> bool {
    let address = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok()
}

/// Whether a page of another site asks for it, and does not just lead a person there (Fetch
/// Metadata; where a browser has none, the origin of the page).
fn is_led(request: &Request<'_>) -> bool {
    let Request { host, port, fields, .. } = request;
    let field = |name: &str| {
        let mut lines = fields.lines().iter();
        lines.find(|line| line.name.eq_ignore_ascii_case(name.as_bytes())).map(|line| line.value)
    };
    let is_foreign = |site: &[u8]| !matches!(site, b"same-origin" | b"none");
    if field("sec-fetch-site").is_some_and(is_foreign) {
        let is_visit = field("sec-fetch-mode") == Some(b"navigate")
            && field("sec-fetch-dest") == Some(b"document");
        return !is_visit;
    }
    let is_own = |origin: &[u8]| origin == format!("http://{host}{port}").as_bytes();
    fields.get(Name::Origin).is_some_and(|origin| !is_own(origin))
}

/// Whether the token was sent, as a bearer's or as a password of whatever user.
fn knows(fields: &Fields<'_>, token: &str) -> bool {
    let is_it = |sent: &[u8]| is_same(sent, token.as_bytes());
    if let Some(credentials) = Credentials::of(fields) {
        return is_it(credentials.password().as_bytes());
    }
    let sent = fields.get(Name::Authorization).filter(|_| !fields.is_repeated(Name::Authorization));
    let parts = sent.and_then(|sent| sent.split_at_checked(b"Bearer ".len()));
    parts.is_some_and(|(scheme, rest)| scheme.eq_ignore_ascii_case(b"Bearer ") && is_it(rest))
}

/// Whether both are the same; how long that takes says nothing of where they differ.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    let differences = one.iter().zip(other).fold(0, |all, (one, other)| all | (one ^ other));
    hint::black_box(differences) == 0 && one.len() == other.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use message::{Field, Length, Method, Version};

    const TOKEN: &str = "carrots and 27 umbrellas";

    /// What comes of a request by TCP.
    fn check_of(host: &str, fields: &[(&str, &str)], token: Option<&str>) -> Option<u16> {
        let lines = fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        let lines: Vec<_> = lines.map(|(name, value)| Field { name, value }).collect();
        let request = Request {
            version: Version::Http11,
            method: Method::Get,
            host,
            port: ":7891",
            path: "/",
            query: None,
            fields: Fields::of(&lines),
            length: Length::Known(0),
        };
        let client = Some("127.0.0.1".parse().unwrap());
        let looking = Looking { token: token.map(Into::into) };
        let response = check(&looking, &Exchange::new(&request, client, 0));
        response.map(|response| response.status.0)
    }

    #[test]
    fn a_name_that_somebody_else_gives_this_address_leads_nowhere() {
        for (host, expect) in [
            ("localhost", None),
            ("LocalHost", None),
            ("127.0.0.1", None),
            ("[::1]", None),
            ("192.0.2.1", None),
            ("evil.example", Some(421)),
            ("127.0.0.1.evil.example", Some(421)),
            ("localhost.evil.example", Some(421)),
            ("", Some(421)),
        ] {
            assert_eq!(check_of(host, &[], None), expect, "{host}");
        }
    }

    #[test]
    fn a_page_of_another_site_fetches_nothing() {
        let (site, mode, dest) = ("Sec-Fetch-Site", "Sec-Fetch-Mode", "Sec-Fetch-Dest");
        for (fields, expect) in [
            (&[(site, "same-origin"), (mode, "cors")][..], None),
            (&[(site, "none"), (mode, "navigate"), (dest, "document")], None),
            (&[(site, "cross-site"), (mode, "navigate"), (dest, "document")], None),
            (&[(site, "cross-site"), (mode, "navigate"), (dest, "iframe")], Some(403)),
            (&[(site, "cross-site"), (mode, "no-cors")], Some(403)),
            (&[(site, "same-site"), (mode, "cors")], Some(403)),
            (&[("Origin", "http://localhost:7891")], None),
            (&[("Origin", "http://localhost:80")], Some(403)),
            (&[("Origin", "null")], Some(403)),
        ] {
            assert_eq!(check_of("localhost", fields, None), expect, "{fields:?}");
        }
    }

    #[test]
    fn who_does_not_know_the_token_sees_nothing() {
        let name = "Authorization";
        // Of `me:` and the token.
        let basic = "Basic bWU6Y2Fycm90cyBhbmQgMjcgdW1icmVsbGFz";
        for (fields, expect) in [
            (&[(name, "Bearer carrots and 27 umbrellas")][..], None),
            (&[(name, "bearer carrots and 27 umbrellas")], None),
            (&[(name, basic)], None),
            (&[], Some(401)),
            (&[(name, "Bearer carrots and 27 umbrella")], Some(401)),
            (&[(name, "Bearer carrots and 27 umbrellas ")], Some(401)),
            (&[(name, "Bearer ")], Some(401)),
            (&[(name, "Basic bWU6")], Some(401)),
            (&[(name, basic), (name, basic)], Some(401)),
        ] {
            assert_eq!(check_of("any.example", fields, Some(TOKEN)), expect, "{fields:?}");
        }
    }
}
