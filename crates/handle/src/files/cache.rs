//! The pages that one loop keeps in memory, within a bound, each checked once a tick.
//!
//! A page counts as unchanged while its file has the same device, inode, size and times. The bound
//! is kept by a clock hand: it passes over what was used since its last round and drops the rest.

use super::{
    folder::Folder,
    forms::Forms,
    load::{CACHE_PART, Siblings, Wish},
    program::Lately,
    survey::{self, Surveys},
    variant::{Choice, Entry, Variant},
};
use base::{Held, Moment};
use config::plan::Compress;
use control::{Counter, Row};
use foldhash::HashMap;
use message::{Name, Request, body::Lent};
use std::{hash::BuildHasher, sync::Arc, time::Duration};

/// How long an entry goes on that depends on files which were not there (a compressed sibling, an
/// index name): after that it is loaded anew.
const ABSENCE_TIME: Duration = Duration::from_secs(1);

/// Descriptors of large files and of sealed pages that one loop keeps open at most.
const DESCRIPTORS_MAX: usize = 256;

/// With as many descriptors no further page is sealed: large files come first.
const SEALED_MAX: usize = DESCRIPTORS_MAX / 2;

/// Time after which the descriptors of what nobody asks for are closed: a file that was deleted
/// takes room on its disk as long as one is open, and its disk cannot be unmounted. Twice that
/// passes at most.
const UNUSED_TIME: Duration = Duration::from_mins(1);

/// Fingerprints of recent misses; once the cache is full, only what is missed twice gets in, so
/// that one walk over a large tree does not push everything out.
const MISSES: usize = 4096;

/// Bytes of book-keeping for an entry, beside what it holds: its slot and its place in the map, in
/// tables that double when they are full, and what the allocator adds to a dozen allocations.
const SLOT_BYTES: usize = 2 * (size_of::<Option<Slot>>() + size_of::<(Box<[u8]>, usize)>()) + 384;

/// Hot pages of one loop.
pub struct Cache {
    /// What lies in each folder.
    shelves: Vec<Shelf>,
    slots: Vec<Option<Slot>>,
    free: Vec<usize>,
    hand: usize,
    bytes: usize,
    bytes_max: usize,
    descriptors: usize,
    /// When those of what was not used since were closed.
    swept: Option<Moment>,
    /// Large contents that are not here any more, and may still be sent to somebody.
    lent: Vec<Lent>,
    misses: Box<[u32]>,
    pub(super) surveys: Surveys,
    /// The programs that were found a moment ago.
    pub(crate) programs: Lately,
    /// What all loops share: it is asked for a form that is not here.
    pub(super) forms: Arc<Forms>,
    /// What all loops' listings hold.
    pub(super) listed: Held,
    hasher: foldhash::fast::RandomState,
    counters: Row,
}

/// The pages of one folder.
#[derive(Default)]
struct Shelf {
    /// Slot numbers by path.
    slots: HashMap<Box<[u8]>, usize>,
    /// The opening of the folder that they were found by. Nothing outlives it: another folder of
    /// that number may be another folder altogether.
    opening: u64,
}

/// Who looks for a page, and when.
pub(super) struct Seeker<'a> {
    pub(super) request: &'a Request<'a>,
    pub(super) compress: Option<&'a Compress>,
    /// Whether who sends it needs it in memory.
    pub(super) needs_bytes: bool,
    pub(super) now: Moment,
    pub(super) wall_seconds: i64,
}

struct Slot {
    folder: usize,
    path: Box<[u8]>,
    entry: Entry,
    bytes: usize,
    was_used: bool,
}

impl Cache {
    /// An empty cache for that many folders which never holds more than `bytes_max` bytes, and
    /// finds compressed forms among `forms`; what listings hold is counted in `listed`, what comes
    /// of it in `counters`.
    #[must_use]
    pub fn new(
        (folders, bytes_max): (usize, usize),
        forms: Arc<Forms>,
        listed: Held,
        counters: Row,
    ) -> Self {
        Self {
            shelves: std::iter::repeat_with(Shelf::default).take(folders).collect(),
            slots: Vec::new(),
            free: Vec::new(),
            hand: 0,
            bytes: 0,
            bytes_max,
            descriptors: 0,
            swept: None,
            lent: Vec::new(),
            misses: vec![0; MISSES].into_boxed_slice(),
            surveys: Surveys::new(folders),
            programs: Lately::default(),
            forms,
            listed,
            hasher: foldhash::fast::RandomState::default(),
            counters,
        }
    }

    /// The page at `path`, if it is here and still what the disk holds, with the form to send.
    pub(super) fn get(
        &mut self,
        folder: &Folder,
        path: &[u8],
        seeker: &Seeker<'_>,
    ) -> Option<(&Entry, Choice)> {
        let Seeker { request, compress, needs_bytes, now, wall_seconds } = *seeker;
        let shelf = self.shelves.get(folder.id)?;
        if shelf.opening != folder.opening {
            self.clear(folder);
            return None;
        }
        let at = *shelf.slots.get(path)?;
        let slot = self.slots[at].as_mut()?;
        if is_whole(&mut slot.entry, &mut self.surveys, folder, request, now) {
            let choice = slot.entry.choose(request, compress);
            let chosen = if let Choice::Form(at) = choice { at } else { 0 };
            let is_busy = slot.entry.variants[chosen].checked == now;
            if is_fresh(&mut slot.entry, chosen, folder, now, wall_seconds) {
                slot.was_used = true;
                match (is_busy, needs_bytes) {
                    (true, true) => self.bring_in(at, chosen),
                    (true, false) => self.seal(at, chosen),
                    (false, _) => {}
                }
                self.counters.add(Counter::PagesFromMemory, 1);
                let slot = self.slots[at].as_ref()?;
                return Some((&slot.entry, choice));
            }
        }
        self.discard(at);
        None
    }

    /// Has the kernel send that form of a page without a copy, if there is room for it once more.
    fn seal(&mut self, at: usize, form: usize) {
        let Some(slot) = self.slots[at].as_mut() else { return };
        let variant = &mut slot.entry.variants[form];
        if let Some(bytes) = variant.unsealed_bytes()
            && self.bytes + bytes <= self.bytes_max
            && self.descriptors < SEALED_MAX
            && variant.seal()
        {
            slot.bytes += bytes;
            self.bytes += bytes;
            self.counters.hold(self.bytes);
            self.descriptors += 1;
        }
    }

    /// Has the bytes of that form of a page in memory, if there is room for them.
    fn bring_in(&mut self, at: usize, form: usize) {
        let bytes_max = self.bytes_max / CACHE_PART;
        let has_room = self.has_room();
        let Some(slot) = self.slots[at].as_mut() else { return };
        let variant = &mut slot.entry.variants[form];
        if let Some(bytes) = variant.open_bytes().filter(|&bytes| bytes <= bytes_max)
            && has_room
            && self.bytes + bytes <= self.bytes_max
            && variant.bring_in()
        {
            slot.bytes += bytes;
            self.bytes += bytes;
            self.counters.hold(self.bytes);
            self.descriptors -= 1;
        }
    }

    /// Whether what is still being sent though it is not here any more takes less memory than all
    /// that is may take.
    fn has_room(&self) -> bool {
        self.lent.iter().map(Lent::bytes).sum::<usize>() < self.bytes_max
    }

    /// How a page is wanted of whose siblings that is known, where who sends it `needs_bytes`.
    pub(super) fn wish(&self, looked: Siblings, needs_bytes: bool) -> Wish {
        match needs_bytes && self.has_room() {
            true => Wish::in_memory(looked, self.bytes_max),
            false => Wish::new(looked),
        }
    }

    /// Takes the page at `path` out, to be changed and kept again.
    pub(super) fn take(&mut self, folder: &Folder, path: &[u8]) -> Option<Entry> {
        let at = *self.shelf(folder)?.slots.get(path)?;
        self.remove(at)
    }

    /// Keeps `entry`, if it is worth its place.
    pub(super) fn insert(&mut self, folder: &Folder, path: &[u8], entry: Entry) {
        let bytes = entry.memory_bytes() + 2 * path.len() + SLOT_BYTES;
        let descriptors = entry.descriptors();
        let Some(shelf) = self.shelf(folder) else { return self.part_with(entry) };
        if !entry.is_quick || bytes > self.bytes_max / 4 {
            return self.part_with(entry);
        }
        if let Some(&at) = shelf.slots.get(path) {
            self.discard(at);
        }
        let fits = |cache: &Self| {
            cache.bytes + bytes <= cache.bytes_max
                && cache.descriptors + descriptors <= DESCRIPTORS_MAX
        };
        if !fits(self) && !self.was_missed(folder.id, path) {
            return self.part_with(entry);
        }
        while !fits(self) {
            if !self.drop_one() {
                return self.part_with(entry);
            }
        }
        let at = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        self.bytes += bytes;
        self.counters.hold(self.bytes);
        self.descriptors += descriptors;
        self.shelves[folder.id].slots.insert(path.into(), at);
        let slot = Slot { folder: folder.id, path: path.into(), entry, bytes, was_used: false };
        self.slots[at] = Some(slot);
    }

    /// Closes the descriptors of what nobody has asked for since this was done last, some time ago;
    /// when to do it again, which is never while it keeps none open.
    pub fn sweep(&mut self, now: Moment) -> Moment {
        let swept = *self.swept.get_or_insert(now);
        if now.since(swept) < UNUSED_TIME {
            return self.next_sweep(swept);
        }
        self.swept = Some(now);
        for at in 0..self.slots.len() {
            let Some(slot) = self.slots[at].as_mut().filter(|slot| slot.entry.descriptors() > 0)
            else {
                continue;
            };
            if !std::mem::take(&mut slot.was_used) {
                self.discard(at);
            }
        }
        self.next_sweep(now)
    }

    fn next_sweep(&self, swept: Moment) -> Moment {
        if self.descriptors == 0 { Moment::NEVER } else { swept.after(UNUSED_TIME) }
    }

    /// Moves the hand on to the next page that was not used since its last round, and drops that.
    fn drop_one(&mut self) -> bool {
        for _ in 0..2 * self.slots.len() {
            self.hand = (self.hand + 1) % self.slots.len();
            match &mut self.slots[self.hand] {
                Some(slot) if slot.was_used => slot.was_used = false,
                Some(_) => {
                    self.counters.add(Counter::PagesDropped, 1);
                    self.discard(self.hand);
                    return true;
                }
                None => {}
            }
        }
        false
    }

    fn discard(&mut self, at: usize) {
        self.remove(at).into_iter().for_each(|entry| self.part_with(entry));
    }

    /// Lets go of a page that may still be sent to somebody.
    fn part_with(&mut self, entry: Entry) {
        let lent = entry.variants.iter().filter_map(Variant::lent);
        let before = self.lent.len();
        self.lent.extend(lent);
        drop(entry);
        if self.lent.len() > before {
            self.lent.retain(|lent| lent.bytes() > 0);
        }
    }

    fn remove(&mut self, at: usize) -> Option<Entry> {
        let slot = self.slots[at].take()?;
        self.shelves[slot.folder].slots.remove(&slot.path);
        self.bytes -= slot.bytes;
        self.counters.hold(self.bytes);
        self.descriptors -= slot.entry.descriptors();
        self.free.push(at);
        Some(slot.entry)
    }

    /// What was found by this opening of `folder`; none for a job that was under way for a folder
    /// which is not the current one any more.
    fn shelf(&self, folder: &Folder) -> Option<&Shelf> {
        self.shelves.get(folder.id).filter(|shelf| shelf.opening == folder.opening)
    }

    /// Drops what was found by another opening of `folder`.
    fn clear(&mut self, folder: &Folder) {
        let shelf = &mut self.shelves[folder.id];
        shelf.opening = folder.opening;
        for at in std::mem::take(&mut shelf.slots).into_values() {
            self.discard(at);
        }
    }

    /// Whether the page was missed before, not long ago; notes that it is missed now.
    fn was_missed(&mut self, folder: usize, path: &[u8]) -> bool {
        let hash = self.hasher.hash_one((folder, path));
        let fingerprint = (hash >> 32) as u32 | 1;
        let place = &mut self.misses[hash as usize % MISSES];
        std::mem::replace(place, fingerprint) == fingerprint
    }
}

/// Whether nothing can have come to be that would change the entry: a compressed sibling, an index
/// file that goes before this one.
fn is_whole(
    entry: &mut Entry,
    surveys: &mut Surveys,
    folder: &Folder,
    request: &Request<'_>,
    now: Moment,
) -> bool {
    let wants_coding = entry.is_compressible && request.fields.contains(Name::AcceptEncoding);
    let is_current = match entry.looked {
        Siblings::Unasked if wants_coding => return false,
        _ if now.since(entry.looked_at) < ABSENCE_TIME => return true,
        Siblings::Unasked => true,
        Siblings::Sought => !entry.is_compressible,
        Siblings::Absent => {
            let path = survey::parent(&entry.plain().path);
            surveys.ask(folder, path, now) == Some(Siblings::Absent)
        }
    };
    if is_current && !entry.passed_over {
        entry.looked_at = now;
        return true;
    }
    false
}

/// Whether the `chosen` form still says what the disk says. A compressed one is only as current as
/// the plain one that it was made from; one that was made here lies nowhere else.
fn is_fresh(
    entry: &mut Entry,
    chosen: usize,
    folder: &Folder,
    now: Moment,
    wall_seconds: i64,
) -> bool {
    let lies_alone = chosen == 0 || entry.variants[chosen].is_made;
    let forms = if lies_alone { &[0][..] } else { &[0, chosen] };
    forms.iter().all(|&at| {
        let variant = &mut entry.variants[at];
        if variant.settles.is_some_and(|settles| settles <= wall_seconds) {
            return false;
        }
        if variant.checked != now {
            if !folder.root.stat(&variant.path).is_ok_and(|stat| stat == variant.stat) {
                return false;
            }
            variant.checked = now;
        }
        true
    })
}

#[cfg(test)]
mod tests {
    use super::{
        super::load::{self, Loaded, Patience, Wish},
        *,
    };
    use config::plan;
    use message::{Body, Fields, FileRange, Length, Method, Version};
    use std::{fs, os::fd::AsFd};

    const PATH: &[u8] = b"/page.txt";
    const NOW: Moment = Moment(1);

    fn request() -> Request<'static> {
        Request {
            version: Version::Http11,
            method: Method::Get,
            host: "a.example",
            port: "",
            path: "/page.txt",
            query: None,
            fields: Fields::of(&[]),
            length: Length::Known(0),
        }
    }

    fn cache_of(bytes_max: usize) -> Cache {
        Cache::new((1, bytes_max), Forms::new(0, None), Held::default(), Row::default())
    }

    fn seeker<'a>(request: &'a Request<'a>, now: Moment) -> Seeker<'a> {
        Seeker { request, compress: None, needs_bytes: false, now, wall_seconds: 0 }
    }

    fn entry(folder: &Folder, wish: Wish) -> Entry {
        let page = load::attempt(folder, PATH, wish, Patience::Wait);
        let Some(Loaded::Page(page)) = page else { unreachable!("there is a page") };
        Entry::new(page, NOW, 0)
    }

    /// The folder of a page with that content, opened twice.
    fn site(content: &[u8]) -> (tempfile::TempDir, [Folder; 2]) {
        let site = tempfile::tempdir().unwrap();
        fs::write(site.path().join("page.txt"), content).unwrap();
        let root = site.path().to_owned();
        let wanted = plan::Folder { id: 0, root, index: vec![], listing: false, links: vec![] };
        let opened = |opening| Folder { opening, ..Folder::open(&wanted).unwrap() };
        (site, [opened(1), opened(2)])
    }

    #[test]
    fn what_is_still_being_sent_takes_no_more_memory_than_the_cache() {
        const LENGTH: usize = 100_000;
        let (_site, [folder, _]) = site(&[b'x'; LENGTH]);
        let mut cache = cache_of(4 << 20);
        let is_in_memory = |entry: &Entry| entry.descriptors() == 0;
        let plain = cache.wish(Siblings::Unasked, false);
        assert!(!is_in_memory(&entry(&folder, plain)), "the kernel sends it");
        assert!(cache.get(&folder, PATH, &seeker(&request(), NOW)).is_none());
        let mut bodies = Vec::new();
        loop {
            let wish = cache.wish(Siblings::Unasked, true);
            let entry = entry(&folder, wish);
            assert!(!entry.plain().is_missing(wish), "it is as it was wanted");
            if !is_in_memory(&entry) {
                break;
            }
            bodies.push(entry.plain().body(true));
            cache.insert(&folder, PATH, entry);
        }
        // One of them is in the cache.
        assert_eq!(bodies.len() - 1, (4 << 20) / LENGTH + 1);
        bodies.truncate(20);
        let wish = cache.wish(Siblings::Unasked, true);
        assert!(is_in_memory(&entry(&folder, wish)), "there is room again");
        // A small cache holds no such file.
        let small = cache_of(1 << 20);
        assert!(!is_in_memory(&entry(&folder, small.wish(Siblings::Unasked, true))));
    }

    /// The kernel sends it, and it is what it was: also once the file has other bytes.
    #[test]
    fn what_is_asked_for_again_in_a_tick_is_sent_without_a_copy() {
        let check = |length: usize, asks: [(Moment, bool); 3], expect: [bool; 3]| {
            let (_site, [folder, _]) = site(&vec![b'x'; length]);
            let mut cache = cache_of(1 << 20);
            assert!(cache.get(&folder, PATH, &seeker(&request(), NOW)).is_none());
            cache.insert(&folder, PATH, entry(&folder, Wish::new(Siblings::Unasked)));
            for ((now, needs_bytes), is_file) in asks.into_iter().zip(expect) {
                let request = request();
                let seeker = Seeker { needs_bytes, ..seeker(&request, now) };
                let (entry, _) = cache.get(&folder, PATH, &seeker).unwrap();
                let body = entry.plain().body(needs_bytes);
                assert_eq!(body.len(), Some(length as u64));
                let Body::File(FileRange { file, .. }) = body else {
                    assert!(!is_file, "{length} {now:?}");
                    continue;
                };
                assert!(is_file && file.is_memory, "{length} {now:?}");
                let mut bytes = vec![0; length];
                net::file::read(file.descriptor.as_fd(), &mut bytes, 0).unwrap();
                assert!(bytes.iter().all(|&byte| byte == b'x'));
            }
            assert_eq!(cache.descriptors > 0, expect.contains(&true));
        };
        let (first, second) = (Moment(2), Moment(3));
        // When it was loaded counts as well, as it was looked at then.
        check(20_000, [(first, false), (first, false), (second, false)], [false, true, true]);
        check(20_000, [(NOW, false), (NOW, true), (second, true)], [true, false, false]);
        check(20_000, [(first, false), (second, false), (Moment(4), false)], [false; 3]);
        check(20_000, [(NOW, true), (NOW, true), (NOW, true)], [false; 3]);
        check(8192, [(NOW, false), (NOW, false), (NOW, false)], [false; 3]);
    }

    #[test]
    fn what_is_asked_for_again_in_a_tick_is_in_memory_for_who_needs_the_bytes() {
        let check = |length: usize, bytes_max: usize, now: [Moment; 3], expect: [bool; 3]| {
            let content: Vec<u8> = (0..length).map(|at| at as u8).collect();
            let (_site, [folder, _]) = site(&content);
            let mut cache = cache_of(bytes_max);
            assert!(cache.get(&folder, PATH, &seeker(&request(), NOW)).is_none());
            cache.insert(&folder, PATH, entry(&folder, cache.wish(Siblings::Unasked, true)));
            for (now, is_in_memory) in now.into_iter().zip(expect) {
                let request = request();
                let seeker = Seeker { needs_bytes: true, ..seeker(&request, now) };
                let (entry, _) = cache.get(&folder, PATH, &seeker).unwrap();
                match entry.plain().body(true) {
                    Body::Bytes(bytes) => assert!(is_in_memory && bytes.as_slice() == content),
                    _ => assert!(!is_in_memory, "{length} {now:?}"),
                }
                assert_eq!(cache.descriptors > 0, !is_in_memory);
                assert_eq!(cache.bytes > length, is_in_memory);
            }
        };
        let (first, second) = (Moment(2), Moment(3));
        check(300_000, 32 << 20, [first, first, second], [false, true, true]);
        check(1 << 20, 32 << 20, [NOW, second, second], [true; 3]);
        check(300_000, 32 << 20, [first, second, Moment(4)], [false; 3]);
        check((1 << 20) + 1, 64 << 20, [NOW; 3], [false; 3]);
        // A small cache holds no such file.
        check(300_000, 8 << 20, [NOW; 3], [false; 3]);
    }

    #[test]
    fn what_nobody_asks_for_any_more_keeps_no_descriptor() {
        let (_site, [folder, _]) = site(&[b'x'; 100_000]);
        let mut cache = cache_of(1 << 20);
        let at = |seconds| NOW.after(Duration::from_secs(seconds));
        cache.sweep(at(60));
        assert!(cache.get(&folder, PATH, &seeker(&request(), at(61))).is_none());
        cache.insert(&folder, PATH, entry(&folder, Wish::new(Siblings::Unasked)));
        for seconds in [70, 119] {
            assert!(cache.get(&folder, PATH, &seeker(&request(), at(seconds))).is_some());
            cache.sweep(at(seconds));
        }
        for (seconds, next) in [(121, 181), (179, 181), (182, u64::MAX)] {
            let next = if next == u64::MAX { Moment::NEVER } else { at(next) };
            assert_eq!(cache.sweep(at(seconds)), next, "{seconds}");
            assert_eq!(cache.descriptors > 0, next != Moment::NEVER, "{seconds}");
        }
        assert!(cache.get(&folder, PATH, &seeker(&request(), at(183))).is_none());
    }

    #[test]
    fn what_one_opening_of_a_folder_found_is_not_there_for_another() {
        let (_site, [first, second]) = site(b"page");
        let plain = Wish::new(Siblings::Unasked);
        let mut cache = cache_of(1 << 20);
        let mut check = |folder: &Folder, is_there: bool| {
            assert_eq!(cache.get(folder, PATH, &seeker(&request(), NOW)).is_some(), is_there);
            cache.insert(folder, PATH, entry(folder, plain));
        };
        check(&first, false);
        check(&first, true);
        check(&second, false);
        check(&second, true);
        // A job that was under way when the second one came is too late.
        cache.insert(&first, PATH, entry(&first, plain));
        cache.insert(&second, PATH, entry(&second, plain));
        assert_eq!(cache.slots.len() - cache.free.len(), 1);
    }
}
