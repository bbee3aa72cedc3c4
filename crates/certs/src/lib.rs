//! Certificates by themselves: made here by a local authority, or asked of one that the world
//! trusts (ACME, RFC 8555).
//!
//! Nothing here has a socket, a file or a clock: what must be known of the world, or done in it, is
//! asked of [`Hands`]. What is made here is PEM, what is decided is a time.
//!
//! ```text
//!   names ──► Local ──────────────► certificate and key, in memory only
//!         └─► Agenda ─(due)─► obtain ─► Object, which is kept in one file
//!                ▲               │
//!                └── Attempts ◄──┘ (what went wrong, and when to try again)
//! ```

mod der;
mod key;
mod x509;
mod local;
mod object;
mod agenda;
mod account;
mod problem;
mod session;
mod order;
mod update;

pub use account::{Account, External};
pub use agenda::{Attempts, Term, due};
pub use key::{Key, NoKey};
pub use local::{LEAF_SECONDS, Local, stand_in};
pub use object::Object;
pub use order::{Wanted, Wish, introduce, obtain, renewal, revoke};
pub use problem::{About, Failure};
pub use session::{Hands, Method, Proof, ProofKind, Reply, Request};
pub use update::{DnsKey, Update, is_done, update};
pub use x509::{proof, thumbprint_of};
