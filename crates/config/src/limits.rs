//! How much a config may be: each limit with its name, unit and number.

/// Bytes of one config file; 10,000 sites need a tenth of this.
pub const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Files of a config, all included ones together.
pub const FILES_MAX: usize = 100_000;

/// Files and folders that are looked at to find those.
pub const LOOKED_AT_MAX: usize = 2 * FILES_MAX;

/// Files that include the next one, one inside the other, the main one not counted.
pub const INCLUDE_DEPTH_MAX: usize = 10;

/// Bytes of a file whose content is filled in for `${file:…}`.
pub const FILLED_BYTES_MAX: u64 = 64 * 1024;
