//! Small things the standard library lacks; this room has never heard of HTTP.

pub mod moment;
pub mod bucket;
pub mod date;
pub mod text;
pub mod network;
pub mod private;
pub mod pack;
pub mod stable;
pub mod held;

pub use bucket::Bucket;
pub use date::Date;
pub use held::Held;
pub use moment::Moment;
pub use network::Network;
