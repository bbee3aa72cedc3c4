//! The first message of TLS: it is found at the same place however its bytes come in, and a name in
//! it is one that a site can have.

use tls::{HELLO_BYTES_MAX, Hello, read_hello};

/// Pieces of one.
pub const TOKENS: &[&str] = &[
    "\x16\x03\x01\0",
    "\x16\x03\x03\x02\0",
    "\x01\0",
    "\0\0\x0e\0\x0c\0\0\x09a.example",
    "\0",
    "\0\0",
    "\x02\x13\x01",
    "\x01\0",
    "127.0.0.1",
    "a.example",
    "\0\x10\0\x05\0\x03\x02h2",
    "\0\x10\0\x0d\0\x0b\x0aacme-tls/1",
    "GET / HTTP/1.1\r\n",
];

/// Reads the bytes whole, and with every end that a read may have.
pub fn run(data: &[u8]) {
    let data = &data[..data.len().min(HELLO_BYTES_MAX)];
    let whole = read_hello(data);
    for end in (0..data.len()).take(2048) {
        match read_hello(&data[..end]) {
            Hello::Incomplete => {}
            // Only whether anything may follow is not known before it does.
            found @ (Hello::Of(_) | Hello::Proof(_) | Hello::Old) => {
                assert!(whole == found || whole == Hello::Malformed);
                break;
            }
            other => {
                assert_eq!(other, whole);
                break;
            }
        }
    }
    if let Hello::Of(Some(name)) | Hello::Proof(name) = whole {
        assert!(!name.is_empty() && name.len() < HELLO_BYTES_MAX);
        assert!(!name.bytes().any(|byte| byte.is_ascii_uppercase() || byte <= b' '));
    }
}
