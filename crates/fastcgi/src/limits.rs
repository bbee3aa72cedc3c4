//! What one answer of an application may cost.

/// The limits of an answer. One that goes over them is the application's fault (502).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a whole head.
    pub head_bytes_max: usize,
    /// Field lines of a head.
    pub fields_max: usize,
    /// Heads that come before the answer's own (103).
    pub early_heads_max: u32,
    /// Bytes of one line of its standard error; what is longer comes as several.
    pub stderr_line_bytes_max: usize,
    /// Bytes of all of its standard error that are told; the rest is thrown away.
    pub stderr_bytes_max: usize,
    /// Bytes of content of a record that is worth to be read to its place.
    pub placed_bytes_min: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_bytes_max: 64 * 1024,
            fields_max: 256,
            early_heads_max: 8,
            stderr_line_bytes_max: 2 * 1024,
            stderr_bytes_max: 32 * 1024,
            placed_bytes_min: 4 * 1024,
        }
    }
}
