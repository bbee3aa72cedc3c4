//! Small things the standard library lacks; this room has never heard of HTTP.

pub mod moment;
pub mod bucket;
pub mod text;

pub use bucket::Bucket;
pub use moment::Moment;
