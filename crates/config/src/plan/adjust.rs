//! How an answer is adjusted, whoever made it.

use super::{Compress, Cors, Phrase, Place};
use message::Prepared;

/// What is adjusted.
#[derive(Debug, Default)]
pub struct Adjust {
    /// Fields that are added, replaced and removed.
    pub fields: FieldEdits,
    /// Which pages of other origins may read it.
    pub cors: Option<Cors>,
    /// What is compressed on the fly; `None` for nothing.
    pub compress: Option<Compress>,
}

/// Fields that are added, replaced and removed.
#[derive(Debug, Default)]
pub struct FieldEdits {
    /// The fields whose values are known beforehand, in the form they are sent in.
    pub standing: Option<Prepared>,
    /// The same for what is found: with `Cache-Control`, since an error is nobody's to keep.
    pub found: Option<Prepared>,
    /// Fields whose values differ from request to request.
    pub phrases: Vec<(Box<str>, Phrase)>,
    /// Names, in lower case, of fields that an answer keeps none of its own of: those that are
    /// replaced and those that are removed.
    pub replaced: Vec<Box<str>>,
    /// Which setting put each field there, or took it away, by its name in lower case.
    pub origins: Vec<Origin>,
}

impl FieldEdits {
    /// Whether there is nothing to do.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.origins.is_empty()
    }
}

/// Where an edit comes from.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The field's name in lower case.
    pub name: Box<str>,
    /// The setting.
    pub setting: &'static str,
    /// Where it is written.
    pub place: Place,
}
