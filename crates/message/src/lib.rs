//! The vocabulary of every protocol room: requests, responses, fields, bodies, paths and limits.
//!
//! One `Request` and one `Response` serve HTTP/1.1, 2 and 3 alike. Nothing here reads, waits or
//! looks at a clock.

pub mod method;
pub mod status;
pub mod name;
pub mod coding;
pub mod scan;
pub mod fields;
pub mod authority;
pub mod forwarded;
pub mod path;
pub mod date;
pub mod request;
pub mod exchange;
mod request_id;
mod trace_context;
pub mod room;
pub mod body;
pub mod response;
pub mod output;
pub mod limits;
pub mod clock;
mod reasons;

pub use body::{Body, Broken, FileRange, OpenFile, Part, Shared, Source};
pub use coding::Coding;
pub use exchange::Exchange;
pub use fields::{Field, Fields, Slots};
pub use limits::Limits;
pub use method::Method;
pub use name::Name;
pub use output::Output;
pub use path::{Path, PathError};
pub use request::{Length, Request, Version};
pub use request_id::RequestId;
pub use response::{Prepared, Response};
pub use status::Status;
pub use trace_context::TraceContext;
