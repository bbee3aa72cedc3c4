//! FastCGI on the web server's side: requests to records, and records to the head and the content
//! of an answer. Bytes go in and out; sockets and clocks are the caller's.
//!
//! ```text
//!   Exchange ─► Variables ─► begin ─► stdin… ─► application
//!                                                    │
//!   Event ◄─────────── Answer::receive ◄─────────────┘
//!     Head ─► Content… ─► End          Stderr at any time
//! ```
//!
//! A connection carries one request, and the application closes it behind the answer, unless it is
//! asked to wait for another one. Whatever is not as the specification has it is a [`Fault`], and
//! nothing behind a fault is looked at: an answer whose head has been sent is cut off then, never
//! ended as if it were whole.

mod limits;
mod record;
mod variables;
mod fault;
mod head;
mod answer;

pub use answer::{Answer, Course, Event};
pub use fault::Fault;
pub use head::{Head, Named};
pub use limits::Limits;
pub use record::{FIRST_ID, stdin};
pub use variables::{Ends, Program, Script, Variables};
