//! Session tickets: what a client brings back to spare both sides a handshake, sealed by keys that
//! all loops, workers and generations share.
//!
//! ```text
//!   the key's number (8) │ nonce (12) │ what was sealed │ tag (16)
//! ```
//!
//! A ticket is bound to the terms that it was made under. Where a site has other terms by now, or
//! another site is asked for, nobody can open it, and there is a whole handshake.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use control::TicketKeys;
use rustls::server::ProducesTickets;
use std::fmt;

/// How long a client is told to keep a ticket. The keys are there for longer.
const LIFETIME_SECONDS: u32 = 12 * 60 * 60;

const NUMBER_BYTES: usize = size_of::<u64>();

/// Makes the tickets of one site, and takes them.
pub(crate) struct Tickets {
    pub(crate) keys: TicketKeys,
    /// What the terms are.
    pub(crate) terms: Box<[u8]>,
}

impl fmt::Debug for Tickets {
    /// Nothing of the keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tickets")
    }
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        LIFETIME_SECONDS
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let key = self.keys.newest()?;
        let sealer = RandomizedNonceKey::new(&AES_256_GCM, &key.key).ok()?;
        let mut sealed = plain.to_vec();
        let nonce = sealer.seal_in_place_append_tag(Aad::from(&*self.terms), &mut sealed).ok()?;
        let mut ticket = Vec::with_capacity(NUMBER_BYTES + NONCE_LEN + sealed.len());
        ticket.extend_from_slice(&key.number.to_be_bytes());
        ticket.extend_from_slice(nonce.as_ref());
        ticket.extend_from_slice(&sealed);
        Some(ticket)
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let (number, rest) = ticket.split_first_chunk::<NUMBER_BYTES>()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>()?;
        let key = self.keys.find(u64::from_be_bytes(*number))?;
        let opener = RandomizedNonceKey::new(&AES_256_GCM, &key.key).ok()?;
        let mut plain = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let length = opener.open_in_place(nonce, Aad::from(&*self.terms), &mut plain).ok()?.len();
        plain.truncate(length);
        Some(plain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::Moment;
    use std::sync::atomic::AtomicU64;

    fn keys() -> TicketKeys {
        let words: Vec<_> = (0..TicketKeys::WORDS).map(|_| AtomicU64::new(0)).collect();
        TicketKeys::new(words.leak())
    }

    fn tickets(keys: TicketKeys, terms: &[u8]) -> Tickets {
        Tickets { keys, terms: terms.into() }
    }

    #[test]
    fn a_ticket_is_opened_under_its_own_terms_and_while_its_key_is_there() {
        let keys = keys();
        let own = tickets(keys, b"a.example");
        assert!(own.encrypt(b"state").is_none(), "there is no key yet");
        keys.rotate(&[1; 32], Moment(0));
        let ticket = own.encrypt(b"state").unwrap();
        assert_ne!(own.encrypt(b"state").unwrap(), ticket);
        assert_eq!(own.decrypt(&ticket).as_deref(), Some(&b"state"[..]));
        assert_eq!(tickets(keys, b"b.example").decrypt(&ticket), None);
        for key in 2..5 {
            assert!(own.decrypt(&ticket).is_some());
            keys.rotate(&[key; 32], Moment(0));
        }
        assert!(own.decrypt(&ticket).is_some());
        keys.rotate(&[5; 32], Moment(0));
        assert_eq!(own.decrypt(&ticket), None);
    }

    #[test]
    fn what_was_changed_or_cut_is_no_ticket() {
        let keys = keys();
        keys.rotate(&[1; 32], Moment(0));
        let own = tickets(keys, b"a.example");
        let ticket = own.encrypt(b"state").unwrap();
        for end in 0..ticket.len() {
            assert_eq!(own.decrypt(&ticket[..end]), None);
            let mut changed = ticket.clone();
            changed[end] ^= 1;
            assert_eq!(own.decrypt(&changed), None);
        }
    }
}
