//! A page as it is sent: its plain form and its compressed ones, each with its fields worked out.

use super::load::{Bytes, CONTENT_BYTES_MAX, Content, Page, Siblings, Wish};
use base::{Moment, text::push_hex};
use config::plan::Compress;
use content::{
    media_type,
    negotiation::{Codings, NotAcceptable},
    range::{self, Ranges},
};
use message::{
    Body, Coding, FileRange, Name, OpenFile, Prepared, Request, Shared, body::Lent, date,
    response::Line,
};
use net::Stat;
use std::{os::fd::AsFd, rc::Rc, sync::Arc};

/// Sent with every page that has, or might get, compressed forms.
pub(super) const VARY: Line = Line::fixed("vary", "accept-encoding");

/// A file changed this recently may change again within the resolution of its times, so that its
/// entity-tag is weak until then (RFC 9110 section 8.8.1).
const SETTLING_SECONDS: i64 = 2;

/// Bytes that cost no more to be copied into each answer than to be referred to.
const COPIED_BYTES_MAX: usize = 8 * 1024;

/// Files of so many bytes at most are taken into memory for who needs the bytes, once they are
/// asked for again within a tick: to read more would hold up the others of the loop.
const BUSY_BYTES_MAX: u64 = 1024 * 1024;

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
    /// Whether it is known that a compressed form would hardly be smaller.
    pub(super) is_worthless: bool,
    pub(super) media_type: &'static str,
}

/// Which form of a page to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// The one at this position.
    Form(usize),
    /// One that has to be made.
    Make(Coding),
    /// The client refuses each there is.
    Refused,
}

/// One form of a page.
pub(super) struct Variant {
    pub(super) coding: Coding,
    /// Whether it was made on the fly, from the plain form that it lies beside.
    pub(super) is_made: bool,
    /// Where it lies below the root.
    pub(super) path: Vec<u8>,
    pub(super) stat: Stat,
    pub(super) prepared: Rc<Prepared>,
    content: Held,
    /// The same once more, for the kernel to send without a copy; it is made once somebody asks
    /// again within a tick.
    sealed: Option<Rc<OpenFile>>,
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
        Self {
            variants,
            looked,
            passed_over,
            is_quick,
            looked_at: now,
            is_compressible,
            is_worthless: false,
            media_type,
        }
    }

    /// The page as it lies on the disk.
    pub(super) fn plain(&self) -> &Variant {
        &self.variants[0]
    }

    /// Adds a form that was made, in the place of another in its coding.
    pub(super) fn add(&mut self, variant: Variant) -> &Variant {
        self.variants.retain(|other| !other.is_made || other.coding != variant.coding);
        let at = self.variants.len();
        self.variants.push(variant);
        &self.variants[at]
    }

    /// The form to send. Where a client likes several equally, files that lie there go before forms
    /// that are made on the fly, as `compress` says, and those before the plain one.
    pub(super) fn choose(&self, request: &Request<'_>, compress: Option<&Compress>) -> Choice {
        if !self.is_compressible || !request.fields.contains(Name::AcceptEncoding) {
            return Choice::Form(0);
        }
        let made = compress.filter(|compress| self.is_worth(compress));
        let made = made.map_or(&[][..], |compress| &compress.codings);
        // Ranges are cut from what lies on the disk, since what is made has other bytes from one
        // version of its encoder to the next.
        let size = self.plain().stat.size;
        let is_cut = !made.is_empty() && range::asked(request, size) != Ranges::Whole;
        let offered = if is_cut { &[] } else { made };
        if offered.is_empty() && self.variants.len() == 1 && !may_refuse_identity(request) {
            return Choice::Form(0);
        }
        let coding = match self.best(request, offered) {
            // A field that may be ignored is no reason to refuse.
            Err(NotAcceptable) if is_cut => self.best(request, made),
            best => best,
        };
        let Ok(coding) = coding else { return Choice::Refused };
        let at = self.variants.iter().position(|variant| variant.coding == coding);
        at.map_or(Choice::Make(coding), Choice::Form)
    }

    /// The coding that the client likes best of those that lie there or are `made`.
    fn best(&self, request: &Request<'_>, made: &[Coding]) -> Result<Coding, NotAcceptable> {
        let files = self.variants[1..].iter().filter(|variant| !variant.is_made);
        let mut available = [Coding::Identity; 2 * Coding::COUNT];
        let candidates = files.map(|variant| variant.coding).chain(made.iter().copied());
        available.iter_mut().zip(candidates).for_each(|(place, coding)| *place = coding);
        Codings::accepted(&request.fields).best(&available)
    }

    /// Whether a form may be made, or sent if it has been.
    fn is_worth(&self, compress: &Compress) -> bool {
        let size = self.plain().stat.size;
        !self.is_worthless && (compress.bytes_min..=compress.bytes_max).contains(&size)
    }

    /// What it holds in memory, in bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        self.variants.iter().map(Variant::memory_bytes).sum::<usize>() + size_of::<Self>()
    }

    /// How many descriptors it keeps open.
    pub(super) fn descriptors(&self) -> usize {
        let is_open = |variant: &&Variant| {
            variant.sealed.is_some() || matches!(variant.content, Held::Open(_))
        };
        self.variants.iter().filter(is_open).count()
    }
}

impl Variant {
    /// A form that lies on the disk.
    pub(super) fn new(
        coding: Coding,
        content: Content,
        media_type: &'static str,
        now: Moment,
        wall_seconds: i64,
    ) -> Self {
        let Content { path, stat, bytes } = content;
        let settled_at = stat.modified.seconds.saturating_add(SETTLING_SECONDS);
        let settles = (wall_seconds < settled_at).then_some(settled_at);
        let tag = entity_tag(&stat, coding, settles.is_some());
        let mut lines = lines(coding, tag, &stat, media_type, wall_seconds);
        lines.push(Line::fixed("accept-ranges", "bytes"));
        let content = match bytes {
            Bytes::Memory(bytes) => Held::Memory(Shared::from(bytes)),
            Bytes::Open(file) => Held::Open(Rc::new(file)),
        };
        let prepared = Rc::new(Prepared::new(lines));
        Self {
            coding,
            is_made: false,
            path,
            stat,
            prepared,
            content,
            sealed: None,
            checked: now,
            settles,
        }
    }

    /// A form that was made of the file at `path`. Its entity-tag is weak, since another version of
    /// the encoder makes other bytes of the same file (RFC 9110 section 8.8.1).
    pub(super) fn made(
        coding: Coding,
        (path, stat): (Vec<u8>, Stat),
        bytes: Arc<Vec<u8>>,
        media_type: &'static str,
        wall_seconds: i64,
    ) -> Self {
        let tag = entity_tag(&stat, coding, true);
        let prepared = Prepared::new(lines(coding, tag, &stat, media_type, wall_seconds));
        Self {
            coding,
            is_made: true,
            path,
            stat,
            prepared: Rc::new(prepared),
            content: Held::Memory(Shared::from(bytes)),
            sealed: None,
            checked: Moment(0),
            settles: None,
        }
    }

    /// Whether it is wanted in memory and is not there.
    pub(super) fn is_missing(&self, wish: Wish) -> bool {
        matches!(self.content, Held::Open(_)) && self.stat.size <= wish.bytes_max
    }

    /// What will tell whether somebody still sends its content, where that is more than what the
    /// kernel would not be left to send.
    pub(super) fn lent(&self) -> Option<Lent> {
        match &self.content {
            Held::Memory(bytes) if bytes.as_slice().len() as u64 > CONTENT_BYTES_MAX => {
                Some(bytes.lent())
            }
            Held::Memory(_) | Held::Open(_) => None,
        }
    }

    /// The content with its place on the disk, once more; what is in memory is copied.
    pub(super) fn content(&self) -> Content {
        let bytes = match &self.content {
            Held::Memory(bytes) => Bytes::Memory(bytes.as_slice().to_vec()),
            Held::Open(file) => {
                let descriptor = Arc::clone(&file.descriptor);
                Bytes::Open(OpenFile::new(descriptor, file.may_stall, file.folder))
            }
        };
        Content { path: self.path.clone(), stat: self.stat, bytes }
    }

    /// The whole content, shared; in memory for who `needs_bytes`, if it is there.
    pub(super) fn body(&self, needs_bytes: bool) -> Body {
        let sealed = self.sealed.as_ref().filter(|_| !needs_bytes);
        match (&self.content, sealed) {
            (Held::Memory(bytes), None) => Body::Bytes(bytes.clone()),
            (Held::Memory(bytes), Some(file)) => {
                let range = 0..bytes.as_slice().len() as u64;
                Body::File(FileRange { file: Rc::clone(file), range })
            }
            (Held::Open(file), _) => {
                Body::File(FileRange { file: Rc::clone(file), range: 0..self.stat.size })
            }
        }
    }

    /// How many bytes [`Variant::seal`] would put into memory once more.
    pub(super) fn unsealed_bytes(&self) -> Option<usize> {
        let Held::Memory(bytes) = &self.content else { return None };
        let bytes = bytes.as_slice().len();
        (bytes > COPIED_BYTES_MAX && self.sealed.is_none()).then_some(bytes)
    }

    /// Gives the kernel what is in memory, to send it without a copy from now on. Without memory or
    /// a descriptor for that it is sent as before.
    pub(super) fn seal(&mut self) -> bool {
        let Held::Memory(bytes) = &self.content else { return false };
        let sealed = net::sealed::bytes(c"gannet-page", bytes.as_slice());
        self.sealed = sealed.ok().map(|file| Rc::new(OpenFile::in_memory(Arc::new(file))));
        self.sealed.is_some()
    }

    /// How many bytes [`Variant::bring_in`] would put into memory.
    pub(super) fn open_bytes(&self) -> Option<usize> {
        let Held::Open(file) = &self.content else { return None };
        let is_wanted = self.stat.size <= BUSY_BYTES_MAX && !file.may_stall;
        is_wanted.then_some(self.stat.size as usize)
    }

    /// Takes the content into memory and lets go of the descriptor, if no disk has to be waited
    /// for.
    pub(super) fn bring_in(&mut self) -> bool {
        let (Some(size), Held::Open(file)) = (self.open_bytes(), &self.content) else {
            return false;
        };
        let mut bytes = vec![0; size];
        let mut filled = 0;
        while filled < size {
            match net::file::read_now(file.descriptor.as_fd(), &mut bytes[filled..], filled as u64)
            {
                Ok(count @ 1..) => filled += count,
                Ok(0) | Err(_) => return false,
            }
        }
        self.content = Held::Memory(Shared::from(bytes));
        true
    }

    fn memory_bytes(&self) -> usize {
        let content = match &self.content {
            Held::Memory(bytes) if self.sealed.is_some() => 2 * bytes.as_slice().len(),
            Held::Memory(bytes) => bytes.as_slice().len(),
            Held::Open(_) => size_of::<OpenFile>(),
        };
        content + self.prepared.memory_bytes() + self.path.capacity() + size_of::<Self>()
    }
}

/// The fields that every form of a page has.
fn lines(
    coding: Coding,
    tag: String,
    stat: &Stat,
    media_type: &'static str,
    wall_seconds: i64,
) -> Vec<Line> {
    let modified = date::format(stat.modified.seconds.min(wall_seconds));
    let mut lines = vec![Line::fixed("content-type", media_type)];
    if coding != Coding::Identity {
        lines.push(Line::fixed("content-encoding", coding.as_str()));
    }
    lines.push(Line::new("etag", tag));
    lines.push(Line::new("last-modified", modified));
    if media_type::is_compressible(media_type) {
        lines.push(VARY);
    }
    lines.push(Line::fixed("x-content-type-options", "nosniff"));
    lines
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
