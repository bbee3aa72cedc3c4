//! A page as it is sent: its plain form and its compressed ones, each with its fields worked out.

use super::load::{Bytes, Content, Page, Siblings};
use base::{Moment, text::push_hex};
use content::{media_type, negotiation::Codings};
use message::{Body, Coding, FileRange, Name, OpenFile, Prepared, Request, Shared, date, response::Line};
use net::Stat;
use std::rc::Rc;

/// Sent with every page that has, or might get, compressed forms.
pub(super) const VARY: Line = Line::fixed("vary", "accept-encoding");

/// A file changed this recently may change again within the resolution of its times, so that its
/// entity-tag is weak until then (RFC 9110 section 8.8.1).
const SETTLING_SECONDS: i64 = 2;

/// A page with all its forms.
pub(super) struct Entry {
    /// The forms: the plain one first, then by the server's preference.
    pub(super) variants: Vec<Variant>,
    /// What is known of compressed forms.
    pub(super) looked: Siblings,
    /// Whether an index name was passed over that did not exist, and may come to be.
    pub(super) passed_over: bool,
    /// Whether a loop may ask its file system whether it has changed.
    pub(super) is_quick: bool,
    /// When it was last certain that nothing has come to be which was not there.
    pub(super) looked_at: Moment,
    pub(super) is_compressible: bool,
}

/// One form of a page.
pub(super) struct Variant {
    pub(super) coding: Coding,
    /// Where it lies below the root.
    pub(super) path: Vec<u8>,
    pub(super) stat: Stat,
    pub(super) prepared: Rc<Prepared>,
    content: Held,
    /// The tick in which the file was last seen to be the same.
    pub(super) checked: Moment,
    /// The second from which the entity-tag can be a strong one, where it is weak.
    pub(super) settles: Option<i64>,
}

enum Held {
    Memory(Shared),
    Open(Rc<OpenFile>),
}

impl Entry {
    pub(super) fn new(page: Page, now: Moment, wall_seconds: i64) -> Self {
        let Page { plain, siblings, looked, passed_over, is_quick, media_type } = page;
        let is_compressible = media_type::is_compressible(media_type);
        let mut variants = Vec::with_capacity(1 + siblings.len());
        for (coding, content) in std::iter::once((Coding::Identity, plain)).chain(siblings) {
            variants.push(Variant::new(coding, content, media_type, now, wall_seconds));
        }
        Self { variants, looked, passed_over, is_quick, looked_at: now, is_compressible }
    }

    /// The position of the form to send; `None` when the client refuses each there is.
    pub(super) fn choose(&self, request: &Request<'_>) -> Option<usize> {
        if !self.is_compressible || !request.fields.contains(Name::AcceptEncoding) {
            return Some(0);
        }
        if self.variants.len() == 1 && !may_refuse_identity(request) {
            return Some(0);
        }
        let accepted = Codings::accepted(&request.fields);
        let mut available = [Coding::Identity; Coding::COUNT];
        for (place, variant) in available.iter_mut().zip(&self.variants[1..]) {
            *place = variant.coding;
        }
        let coding = accepted.best(&available).ok()?;
        self.variants.iter().position(|variant| variant.coding == coding)
    }

    /// What it holds in memory, in bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        self.variants.iter().map(Variant::memory_bytes).sum::<usize>() + size_of::<Self>()
    }

    /// How many descriptors it keeps open.
    pub(super) fn descriptors(&self) -> usize {
        let is_open = |variant: &&Variant| matches!(variant.content, Held::Open(_));
        self.variants.iter().filter(is_open).count()
    }
}

impl Variant {
    fn new(
        coding: Coding,
        content: Content,
        media_type: &'static str,
        now: Moment,
        wall_seconds: i64,
    ) -> Self {
        let Content { path, stat, bytes } = content;
        let settled_at = stat.modified.seconds.saturating_add(SETTLING_SECONDS);
        let settles = (wall_seconds < settled_at).then_some(settled_at);
        let mut lines = vec![Line::fixed("content-type", media_type)];
        if coding != Coding::Identity {
            lines.push(Line::fixed("content-encoding", coding.as_str()));
        }
        lines.push(Line::new("etag", entity_tag(&stat, coding, settles.is_some())));
        lines.push(Line::new(
            "last-modified",
            date::format(stat.modified.seconds.min(wall_seconds)),
        ));
        lines.push(Line::fixed("accept-ranges", "bytes"));
        if media_type::is_compressible(media_type) {
            lines.push(VARY);
        }
        lines.push(Line::fixed("x-content-type-options", "nosniff"));
        let content = match bytes {
            Bytes::Memory(bytes) => Held::Memory(Shared::from(bytes)),
            Bytes::Open(file) => Held::Open(Rc::new(file)),
        };
        let prepared = Rc::new(Prepared::new(lines));
        Self { coding, path, stat, prepared, content, checked: now, settles }
    }

    /// The whole content, shared.
    pub(super) fn body(&self) -> Body {
        match &self.content {
            Held::Memory(bytes) => Body::Bytes(bytes.clone()),
            Held::Open(file) => {
                Body::File(FileRange { file: Rc::clone(file), range: 0..self.stat.size })
            }
        }
    }

    fn memory_bytes(&self) -> usize {
        let content = match &self.content {
            Held::Memory(bytes) => bytes.as_slice().len(),
            Held::Open(_) => size_of::<OpenFile>(),
        };
        content + self.prepared.memory_bytes() + self.path.capacity() + size_of::<Self>()
    }
}

/// Whether some coding carries a weight: without one nothing is refused, and there is no need to
/// read on.
fn may_refuse_identity(request: &Request<'_>) -> bool {
    request.fields.all(Name::AcceptEncoding).any(|value| value.contains(&b';'))
}

/// Time of modification in seconds and nanoseconds, size and coding, each part set off from the
/// next (RFC 9110 section 8.8.3). Two files of one name share a tag only if somebody gave them the
/// same time and size; the time of change would tell them apart, but differs between mirrors.
fn entity_tag(stat: &Stat, coding: Coding, is_weak: bool) -> String {
    let mut tag = Vec::with_capacity(48);
    tag.extend_from_slice(if is_weak { b"W/\"" } else { b"\"" });
    push_hex(&mut tag, stat.modified.seconds.unsigned_abs());
    tag.push(b'.');
    push_hex(&mut tag, u64::from(stat.modified.nanos));
    tag.push(b'-');
    push_hex(&mut tag, stat.size);
    tag.extend_from_slice(coding.tag_ending().as_bytes());
    tag.push(b'"');
    String::from_utf8(tag).unwrap_or_default()
}
