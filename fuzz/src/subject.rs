//! Whom a certificate is of: whatever it says, that is short, ends no line, and is never nothing.

use tls::subject::{NAME_BYTES_MAX, name};

/// Pieces of one.
pub const TOKENS: &[&str] = &[
    "\x30\x0c\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x0c\x01a",
    "\x30\x08\x06\x03\x55\x04\x0a\x13\x01b",
    "\x31\0",
    "\x30\0",
    "\x06\x01\x7f",
    "\x0c\x02\\,",
    "\x1e\x02\0a",
    "\x16\x01\n",
    "\x04\x01\0",
];

/// Names the certificate that the bytes are, or are not.
pub fn run(data: &[u8]) {
    let name = name(data);
    assert!(!name.chars().any(char::is_control), "{name:?}");
    match name.strip_prefix("sha256:") {
        Some(print) => {
            assert!(print.len() == 64 && print.bytes().all(|byte| byte.is_ascii_hexdigit()));
        }
        None => assert!(name.len() <= NAME_BYTES_MAX && name.contains('='), "{name:?}"),
    }
}
