//! The content of a response, as pieces that nobody has to copy.

use crate::room;
use base::Moment;
use std::{
    cell::Cell,
    fmt, mem,
    ops::Range,
    os::fd::OwnedFd,
    rc::{Rc, Weak},
    sync::Arc,
    task::{Context, Poll},
};

/// Bytes shared by all who send them on one event loop, and the range of them that is meant.
#[derive(Clone)]
pub struct Shared {
    bytes: Bytes,
    range: Range<usize>,
}

/// For how long the bytes are there.
#[derive(Clone)]
enum Bytes {
    /// As long as somebody sends them.
    Kept(Rc<Kept>),
    /// For good: they are part of the plan, or of the program.
    Standing(&'static [u8]),
}

/// Where the bytes are. To share them once more counts on this loop alone in either case.
enum Kept {
    /// They belong to this loop.
    Here(Vec<u8>),
    /// Other loops hold them too.
    Everywhere(Arc<Vec<u8>>),
}

/// Whether somebody still sends bytes that their owner has parted with.
pub struct Lent(Weak<Kept>);

impl Lent {
    /// How many bytes that keeps; zero once nobody sends them any more.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.upgrade().map_or(0, |kept| kept.as_slice().len())
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Self::Here(bytes) = self {
            room::give_back(mem::take(bytes));
        }
    }
}

impl Kept {
    fn as_slice(&self) -> &[u8] {
        match self {
            Self::Here(bytes) => bytes,
            Self::Everywhere(bytes) => bytes,
        }
    }
}

impl Shared {
    /// What will tell whether somebody still sends these bytes, once this is gone.
    #[must_use]
    pub fn lent(&self) -> Lent {
        Lent(match &self.bytes {
            Bytes::Kept(kept) => Rc::downgrade(kept),
            Bytes::Standing(_) => Weak::new(),
        })
    }

    /// The bytes of `range`, cut to what is there.
    #[must_use]
    pub fn slice(&self, range: Range<usize>) -> Self {
        let end = self.range.start.saturating_add(range.end).min(self.range.end);
        let start = self.range.start.saturating_add(range.start).min(end);
        Self { bytes: self.bytes.clone(), range: start..end }
    }

    /// The bytes themselves.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        let bytes: &[u8] = match &self.bytes {
            Bytes::Kept(kept) => kept.as_slice(),
            Bytes::Standing(bytes) => bytes,
        };
        &bytes[self.range.clone()]
    }
}

impl Shared {
    /// All bytes of which this is a range, if nobody holds them but so many like this.
    fn own_bytes(&self, holders: usize) -> usize {
        let Bytes::Kept(kept) = &self.bytes else { return 0 };
        let is_everywhere = match &**kept {
            Kept::Here(_) => false,
            Kept::Everywhere(bytes) => Arc::strong_count(bytes) > 1,
        };
        if is_everywhere || Rc::strong_count(kept) > holders { 0 } else { kept.as_slice().len() }
    }

    /// Whether both are ranges of the same bytes.
    fn is_akin(&self, other: &Self) -> bool {
        match (&self.bytes, &other.bytes) {
            (Bytes::Kept(one), Bytes::Kept(other)) => Rc::ptr_eq(one, other),
            _ => false,
        }
    }
}

impl From<Vec<u8>> for Shared {
    fn from(bytes: Vec<u8>) -> Self {
        Self { range: 0..bytes.len(), bytes: Bytes::Kept(Rc::new(Kept::Here(bytes))) }
    }
}

impl From<Arc<Vec<u8>>> for Shared {
    fn from(bytes: Arc<Vec<u8>>) -> Self {
        let range = 0..bytes.len();
        Self { range, bytes: Bytes::Kept(Rc::new(Kept::Everywhere(bytes))) }
    }
}

impl From<&'static [u8]> for Shared {
    fn from(bytes: &'static [u8]) -> Self {
        Self { range: 0..bytes.len(), bytes: Bytes::Standing(bytes) }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shared({} bytes)", self.range.len())
    }
}

/// An open file that answers are made of.
#[derive(Debug)]
pub struct OpenFile {
    /// The file; reading it by offset leaves no trace, so many may read it at once. Shared, since
    /// the thread that reads ahead may outlive the connection that asked for it.
    pub descriptor: Arc<OwnedFd>,
    /// Whether reading it may stall for long (a network file system): never do it on a loop.
    pub may_stall: bool,
    /// The number of the folder that it was found in: what waits for a disk waits beside others of
    /// its folder, and never before those of another.
    pub folder: usize,
    /// Whether it lies in memory for good, and no disk is ever waited for.
    pub is_memory: bool,
    /// What of it was found in memory.
    pub resident: Cell<Resident>,
    /// What of it seemed to be there when somebody looked who does not send it yet. It stands
    /// apart, so that a file that was opened stays small where it is handed on.
    pub looked_at: Box<Cell<Resident>>,
}

impl OpenFile {
    /// A file of which nobody knows yet what is in memory.
    #[must_use]
    pub fn new(descriptor: Arc<OwnedFd>, may_stall: bool, folder: usize) -> Self {
        let nothing = Resident { at: Moment::NEVER, start: 0, end: 0 };
        let (resident, looked_at) = (Cell::new(nothing), Box::new(Cell::new(nothing)));
        Self { descriptor, may_stall, folder, is_memory: false, resident, looked_at }
    }

    /// Bytes in memory that look like a file, which the kernel sends without a copy.
    #[must_use]
    pub fn in_memory(descriptor: Arc<OwnedFd>) -> Self {
        Self { is_memory: true, ..Self::new(descriptor, false, 0) }
    }
}

/// Bytes of a file that were in memory when somebody looked, counted from its start. Within the
/// same tick of the clock nobody has to look again, whoever they are sent to.
#[derive(Clone, Copy, Debug)]
pub struct Resident {
    /// When that was.
    pub at: Moment,
    /// The first of them.
    pub start: u64,
    /// The first that was not looked for.
    pub end: u64,
}

/// A range of an open file, counted from its start in bytes.
#[derive(Clone, Debug)]
pub struct FileRange {
    /// The file.
    pub file: Rc<OpenFile>,
    /// Which bytes of it.
    pub range: Range<u64>,
}

/// One piece of a body that is put together from several.
#[derive(Clone, Debug)]
pub enum Part {
    /// Bytes in memory.
    Bytes(Shared),
    /// Bytes of a file.
    File(FileRange),
}

impl Part {
    /// Its length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.range.len() as u64,
            Self::File(file) => file.range.end.saturating_sub(file.range.start),
        }
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes `range` of this part, cut to what is there.
    #[must_use]
    pub fn slice(&self, range: Range<u64>) -> Self {
        match self {
            Self::Bytes(bytes) => {
                let at = |offset| usize::try_from(offset).unwrap_or(usize::MAX);
                Self::Bytes(bytes.slice(at(range.start)..at(range.end)))
            }
            Self::File(file) => {
                let end = file.range.start.saturating_add(range.end).min(file.range.end);
                let start = file.range.start.saturating_add(range.start).min(end);
                Self::File(FileRange { file: Rc::clone(&file.file), range: start..end })
            }
        }
    }
}

/// Content that comes into being while it is sent.
pub trait Source {
    /// The next piece; `None` at the end. A broken source means that the message is cut off.
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Vec<u8>, Broken>>>;

    /// How many bytes all pieces have together, where that is known; then they do, or the source is
    /// broken.
    fn length(&self) -> Option<u64> {
        None
    }

    /// Bytes of memory that it holds for this answer alone, where they may be many.
    fn memory_bytes(&self) -> usize {
        0
    }
}

/// A source could not be read to its end; and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken(pub &'static str);

impl Broken {
    /// Nothing is known but that it is so.
    pub const CUT_OFF: Self = Self("cut off");
}

/// A response's content.
pub enum Body {
    /// None.
    Empty,
    /// Bytes in memory.
    Bytes(Shared),
    /// Bytes of a file.
    File(FileRange),
    /// Several pieces, one after the other.
    Parts(Vec<Part>),
    /// Content that is not there yet.
    Stream(Box<dyn Source>),
}

impl Body {
    /// Its length in bytes; `None` for a stream that does not know its own.
    #[must_use]
    pub fn len(&self) -> Option<u64> {
        match self {
            Self::Empty => Some(0),
            Self::Bytes(bytes) => Some(bytes.range.len() as u64),
            Self::File(file) => Some(file.range.end.saturating_sub(file.range.start)),
            Self::Parts(parts) => Some(parts.iter().map(Part::len).sum()),
            Self::Stream(source) => source.length(),
        }
    }

    /// Whether there is certainly nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }

    /// Bytes of memory that it holds and nobody else does: not those of files, which are kept for
    /// all who are sent them.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        match self {
            Self::Empty | Self::File(_) => 0,
            Self::Bytes(bytes) => bytes.own_bytes(1),
            Self::Parts(parts) => {
                let bytes = parts.iter().filter_map(|part| match part {
                    Part::Bytes(bytes) => Some(bytes),
                    Part::File(_) => None,
                });
                own_bytes(&bytes.collect::<Vec<_>>())
            }
            Self::Stream(source) => source.memory_bytes(),
        }
    }
}

/// Bytes of memory that these hold together and nobody else does.
fn own_bytes(all: &[&Shared]) -> usize {
    let own = all.iter().enumerate().map(|(at, one)| {
        let is_counted = all[..at].iter().any(|other| one.is_akin(other));
        let holders = all.iter().filter(|other| one.is_akin(other)).count();
        if is_counted { 0 } else { one.own_bytes(holders) }
    });
    own.sum()
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Bytes(bytes) => bytes.fmt(f),
            Self::File(file) => file.fmt(f),
            Self::Parts(parts) => parts.fmt(f),
            Self::Stream(_) => f.write_str("Stream"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_is_cut_to_what_is_there_wherever_the_bytes_are() {
        let text = b"0123456789";
        let standing: &'static [u8] = text;
        let kinds = [
            Shared::from(text.to_vec()),
            Shared::from(Arc::new(text.to_vec())),
            Shared::from(standing),
        ];
        for shared in kinds {
            assert_eq!(shared.as_slice(), text);
            let middle = shared.slice(2..8);
            assert_eq!(middle.as_slice(), b"234567");
            assert_eq!(middle.slice(4..usize::MAX).as_slice(), b"67");
            assert_eq!(middle.clone().slice(9..10).as_slice(), b"");
            let lent = shared.lent();
            drop(shared);
            let is_kept = lent.bytes() == text.len();
            assert!(is_kept || lent.bytes() == 0, "those of the program are nobody's");
            drop(middle);
            assert_eq!(lent.bytes(), 0);
        }
    }

    #[test]
    fn memory_is_what_nobody_else_holds() {
        let own = |bytes: &Shared| Body::Bytes(bytes.clone());
        let one = Shared::from(vec![0; 100]);
        assert_eq!(own(&one).memory_bytes(), 0, "another holds it");
        assert_eq!(Body::Bytes(one.slice(3..4)).memory_bytes(), 0);
        let part = one.slice(3..4);
        drop(one);
        assert_eq!(Body::Bytes(part.clone().slice(0..1)).memory_bytes(), 0);
        let parts = [part.slice(0..1), part, Shared::from(vec![0; 7]), Shared::from(&b"text"[..])];
        assert_eq!(Body::Parts(parts.map(Part::Bytes).into()).memory_bytes(), 107);
        let everybodys = Arc::new(vec![0; 100]);
        assert_eq!(Body::Bytes(Shared::from(Arc::clone(&everybodys))).memory_bytes(), 0);
        assert_eq!(Body::Bytes(Shared::from(everybodys)).memory_bytes(), 100);
    }
}
