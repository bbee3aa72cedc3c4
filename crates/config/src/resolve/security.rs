//! The fields that `security = "strict"` and `hsts` stand for; each can be changed by `fields`.

/// What tells browsers to ask by TLS only, for two years (RFC 6797 section 6.1).
pub(crate) const HSTS: (&str, &str) = ("strict-transport-security", "max-age=63072000");

/// What keeps the visitors of a page safe, by name in lower case. The book says of each what it
/// does. `Strict-Transport-Security` is missing because it means nothing over plain HTTP (RFC 6797
/// section 7.2). Styles may stand in a page, as they do in the pages that the server itself makes.
pub(crate) const STRICT: [(&str, &str); 7] = [
    (
        "content-security-policy",
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
         object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'",
    ),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    (
        "permissions-policy",
        "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    ),
    ("referrer-policy", "strict-origin-when-cross-origin"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "SAMEORIGIN"),
];
