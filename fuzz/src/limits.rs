//! The limits that targets run under: the usual ones, and narrow ones that are met more often.

use message::Limits;
use std::sync::LazyLock;

static USUAL: LazyLock<Limits> = LazyLock::new(Limits::default);

static TIGHT: LazyLock<Limits> = LazyLock::new(|| Limits {
    head_bytes_max: 150,
    fields_max: 4,
    target_bytes_max: 24,
    chunk_extension_bytes_max: 8,
    trailer_bytes_max: 10,
    drain_bytes_max: 30,
    requests_max: 5,
    ..Limits::default()
});

static ROOMY: LazyLock<Limits> = LazyLock::new(|| Limits {
    head_bytes_max: 1 << 20,
    target_bytes_max: 1 << 20,
    fields_max: Limits::FIELDS_CEILING,
    ..Limits::default()
});

/// Those that hold where nothing else is said.
pub(crate) fn usual() -> &'static Limits {
    &USUAL
}

/// Those that a short input can go over.
pub(crate) fn tight() -> &'static Limits {
    &TIGHT
}

/// Those that no input goes over only because it was written in a longer way.
pub(crate) fn roomy() -> &'static Limits {
    &ROOMY
}
