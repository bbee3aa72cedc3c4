//! The algorithms of TLS, all from one library.

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use std::sync::{Arc, OnceLock};

/// The algorithms, a key exchange that withstands quantum computers among them. The client's own
/// order counts: it knows whether its machine is quick at AES, and what it has made a key for.
pub(crate) fn provider() -> &'static Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    PROVIDER.get_or_init(|| Arc::new(aws_lc_rs::default_provider()))
}
