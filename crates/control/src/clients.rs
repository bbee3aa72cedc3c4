//! What each client has used up of each limit: one table for all loops, without a lock.
//!
//! ```text
//!   words │ head │ line │ line │ … eight lines are a set │ line │ …      a line: 64 bytes
//!   line  │ owner │ state │ …    state │ generation 8 │ in change 1 │ level 55 │
//! ```
//!
//! An owner is a limit and a client, hashed with a seed that no client knows: whose lines share a
//! set is nobody's choice. A level is the time at which a bucket is full again, or a number of
//! connections. A line whose bucket is full, or that counts no connection, says nothing that is not
//! said by no line at all, so a newcomer may have it; no other line is ever given away. Where a set
//! has none to give, the newcomer goes uncounted: to refuse it, or to forget an offender for it,
//! would let many addresses do harm to others.
//!
//! State and level are one word, so a change is one compare-and-swap. The generation moves on
//! whenever a line changes hands, so whoever looked at it before cannot change it after.

use crate::seats::{self, Seats};
use base::{Bucket, Moment, bucket};
use std::{
    hash::{DefaultHasher, Hasher},
    net::IpAddr,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// Words in a line of the processor's cache. No two clients share one.
const LINE_WORDS: usize = 8;

/// Lines that a client's entry may be in.
const WAYS: usize = 8;

/// How often to look again at a line that another loop is just handing over, or to swap again what
/// another loop has changed, before the client goes uncounted. A change takes some nanoseconds, so
/// this is only reached where its loop was interrupted or has died.
const TRIES: u32 = 100;

/// The limit number of the connections of a client; the plan's limits have the others.
pub const CONNECTIONS: u32 = 0;

const LEVEL: u64 = (1 << 55) - 1;
const IN_CHANGE: u64 = 1 << 55;
const GENERATION: u64 = 1 << 56;

/// The table, as one of its users holds it.
#[derive(Clone, Copy, Debug)]
pub struct Clients {
    words: &'static [AtomicU64],
    sets: u64,
    seed: [u64; 2],
    seats: Seats,
}

/// One connection's part in the counts; leaves them when dropped.
#[derive(Debug)]
pub struct Seat {
    total: &'static AtomicU64,
    state: Option<&'static AtomicU64>,
    seat: Option<&'static AtomicU64>,
}

/// What became of a request to enter.
#[derive(Debug)]
pub enum Entry {
    /// It is counted, with its client's others unless the table had no room for that.
    Counted(Seat, Room),
    /// The client has as many as it may have.
    Full,
}

/// What came of taking from a client's bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It was there.
    Given(Room),
    /// It will be there after this time.
    Refused(Duration),
}

/// Whether the table had room for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// It had.
    Found,
    /// It had not; what the client does is not counted.
    None,
}

/// Who a line is for. The lowest bit tells whether its level is a count; no owner is 0.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Owner(u64);

/// Where to go on.
enum Place<'w> {
    /// The owner's own line, and its state.
    Own(Line<'w>, u64),
    /// A line that may be given to the owner, and its state.
    Vacant(Line<'w>, u64),
    /// Somebody else is changing a line that may be the owner's.
    InChange,
    /// None at all.
    Nowhere,
}

#[derive(Clone, Copy)]
struct Line<'w> {
    owner: &'w AtomicU64,
    state: &'w AtomicU64,
}

impl Clients {
    /// How many words a table for `lines` entries has.
    #[must_use]
    pub const fn words(lines: usize) -> usize {
        (lines.div_ceil(WAYS) * WAYS + 1) * LINE_WORDS
    }

    /// The table in these words, which are all 0 in the beginning and the same for all its users,
    /// as is the seed.
    #[must_use]
    pub const fn new(words: &'static [AtomicU64], seed: [u64; 2]) -> Self {
        let sets = (words.len() / LINE_WORDS).saturating_sub(1) / WAYS;
        Self { words, sets: sets as u64, seed, seats: Seats::new(&[]) }
    }

    /// The same table for a process that has these seats.
    #[must_use]
    pub const fn with_seats(self, seats: Seats) -> Self {
        Self { seats, ..self }
    }

    /// Takes off all connections that a process has counted which is gone; `seats` is what its
    /// [`Seats`] hold, from the first one on.
    pub fn vacate(&self, seats: &[u64]) {
        let (order, seen) = (Ordering::AcqRel, Ordering::Relaxed);
        for place in seats::taken(seats) {
            // Never below nothing, whatever the process has written there.
            let one_less = |count: u64| count.checked_sub(1);
            let total = self.words.first().map(|total| total.fetch_update(order, seen, one_less));
            let line = place.filter(|place| *place >= LINE_WORDS && place % LINE_WORDS == 1);
            let state = line.and_then(|place| self.words.get(place)).filter(|_| total.is_some());
            let one_less = |state: u64| (state & LEVEL > 0).then(|| state - 1);
            let _ = state.map(|state| state.fetch_update(order, seen, one_less));
        }
    }

    /// How many connections there are in all.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.words.first().map_or(0, |total| total.load(Ordering::Relaxed))
    }

    /// Counts a connection of `client`, which may have `max` of them; of nobody in particular where
    /// it is `None`.
    #[must_use]
    pub fn enter(&self, client: Option<IpAddr>, max: u32, now: Moment) -> Entry {
        let Some(total) = self.words.first() else { return Entry::Full };
        let (mut state, mut room) = (None, Room::Found);
        if let Some(client) = client {
            let one_more = |count| if count < u64::from(max) { Ok(count + 1) } else { Err(()) };
            let owner = self.owner(CONNECTIONS, client);
            match self.change(owner, bucket::ticks(now), one_more) {
                Some((line, Ok(_))) => state = Some(line.state),
                Some((_, Err(()))) => return Entry::Full,
                None => room = Room::None,
            }
        }
        total.fetch_add(1, Ordering::Relaxed);
        let start = self.words.as_ptr().addr();
        let place =
            state.map(|state| (std::ptr::from_ref(state).addr() - start) / size_of::<u64>());
        let seat = self.seats.take(place);
        Entry::Counted(Seat { total, state, seat }, room)
    }

    /// Takes `amount` from what `client` has left of the limit with this number, if it has that.
    #[must_use]
    pub fn take(
        &self,
        limit: u32,
        client: IpAddr,
        bucket: Bucket,
        amount: u64,
        now: Moment,
    ) -> Taken {
        let ticks = bucket::ticks(now);
        let take = |full_at| match bucket.take(full_at, ticks, amount) {
            bucket::Taken::Given(full_at) => Ok(full_at),
            bucket::Taken::Refused(wait) => Err(wait),
        };
        match self.change(self.owner(limit, client), ticks, take) {
            Some((_, Ok(_))) => Taken::Given(Room::Found),
            Some((_, Err(wait))) => Taken::Refused(wait),
            None => Taken::Given(Room::None),
        }
    }

    /// Takes `amount` from what `client` has left, now or in advance; tells from when on it may be
    /// used.
    #[must_use]
    pub fn reserve(
        &self,
        limit: u32,
        client: IpAddr,
        bucket: Bucket,
        amount: u64,
        now: Moment,
    ) -> (Moment, Room) {
        let ticks = bucket::ticks(now);
        let reserve = |full_at| Ok::<_, ()>(bucket.reserve(full_at, ticks, amount).0);
        match self.change(self.owner(limit, client), ticks, reserve) {
            Some((_, Ok(full_at))) => {
                let usable_at = bucket.reserve(full_at, 0, 0).1;
                (bucket::moment(usable_at).max(now), Room::Found)
            }
            Some((_, Err(()))) | None => (now, Room::None),
        }
    }

    /// Changes the level of `owner`'s line as `new` says, and tells where that is and what it is
    /// now; an error of `new` leaves everything as it is. `None` where no line is to be had.
    fn change<E>(
        &self,
        owner: Owner,
        now: u64,
        new: impl Fn(u64) -> Result<u64, E>,
    ) -> Option<(Line<'static>, Result<u64, E>)> {
        let swap = |line: Line<'_>, old, new| {
            let (success, failure) = (Ordering::AcqRel, Ordering::Relaxed);
            line.state.compare_exchange(old, new, success, failure).is_ok()
        };
        for attempt in 0..TRIES {
            match self.find(owner, now, attempt + 1 < TRIES) {
                Place::Own(line, state) => match new(state & LEVEL) {
                    Ok(level) => {
                        let level = level.min(LEVEL);
                        if swap(line, state, state & !LEVEL | level) {
                            return Some((line, Ok(level)));
                        }
                    }
                    Err(error) => return Some((line, Err(error))),
                },
                Place::Vacant(line, state) => {
                    let level = match new(0) {
                        Ok(level) => level.min(LEVEL),
                        Err(error) => return Some((line, Err(error))),
                    };
                    let next = (state & !(LEVEL | IN_CHANGE)).wrapping_add(GENERATION);
                    if swap(line, state, next | IN_CHANGE) {
                        line.owner.store(owner.0, Ordering::Relaxed);
                        line.state.store(next | level, Ordering::Release);
                        return Some((line, Ok(level)));
                    }
                }
                Place::InChange => {}
                Place::Nowhere => return None,
            }
            std::hint::spin_loop();
        }
        None
    }

    /// Looks through the owner's set, from a line on that is its own: alone in its set, it is found
    /// at once. `is_patient` says whether to wait for lines that are changing hands.
    fn find(&self, owner: Owner, now: u64, is_patient: bool) -> Place<'static> {
        let mut vacant = Place::Nowhere;
        let mut is_in_change = false;
        for way in 0..WAYS as u64 {
            let Some(line) = self.line(owner, way) else { return Place::Nowhere };
            let state = line.state.load(Ordering::Acquire);
            if state & IN_CHANGE != 0 {
                is_in_change = true;
                continue;
            }
            let there = Owner(line.owner.load(Ordering::Relaxed));
            if there == owner {
                return Place::Own(line, state);
            }
            let level = state & LEVEL;
            let is_vacant = level == 0 || (!there.counts() && level <= now);
            if is_vacant && matches!(vacant, Place::Nowhere) {
                vacant = Place::Vacant(line, state);
            }
            // A line that once had an owner always has one, so this was never passed over.
            if there.0 == 0 {
                break;
            }
        }
        if is_in_change && is_patient { Place::InChange } else { vacant }
    }

    fn line(&self, owner: Owner, way: u64) -> Option<Line<'static>> {
        let set = ((owner.0 >> 32) * self.sets) >> 32;
        let line = 1 + set * WAYS as u64 + ((owner.0 >> 8) + way) % WAYS as u64;
        let at = usize::try_from(line).ok()? * LINE_WORDS;
        Some(Line { owner: self.words.get(at)?, state: self.words.get(at + 1)? })
    }

    fn owner(&self, limit: u32, client: IpAddr) -> Owner {
        let mut hasher = DefaultHasher::new();
        self.seed.iter().for_each(|&half| hasher.write_u64(half));
        // An IPv6 client is its /64, since a single host owns all of that.
        let prefix = match client.to_canonical() {
            IpAddr::V4(address) => u64::from(address.to_bits()),
            IpAddr::V6(address) => {
                hasher.write_u8(6);
                (address.to_bits() >> 64) as u64
            }
        };
        hasher.write_u32(limit);
        hasher.write_u64(prefix);
        let kind = u64::from(limit == CONNECTIONS);
        // One bit more keeps it from being 0.
        Owner(hasher.finish() & !0b11 | 0b10 | kind)
    }
}

impl Owner {
    /// Whether its level is a count, and not a time.
    fn counts(self) -> bool {
        self.0 & 1 != 0
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(seat) = self.seat {
            seat.store(0, Ordering::Release);
        }
        // A line that counts a connection does not change hands, so this is still the client's.
        if let Some(state) = self.state {
            state.fetch_sub(1, Ordering::AcqRel);
        }
        self.total.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        net::{Ipv4Addr, Ipv6Addr},
        num::NonZero,
        sync::{Barrier, atomic::AtomicUsize},
        thread,
    };

    const SEED: [u64; 2] = [0x9e37_79b9_7f4a_7c15, 0xd1b5_4a32_d192_ed03];

    fn table(lines: usize) -> Clients {
        let words = (0..Clients::words(lines)).map(|_| AtomicU64::new(0)).collect::<Vec<_>>();
        Clients::new(words.leak(), SEED)
    }

    fn bucket(count: u64, burst: u64) -> Bucket {
        Bucket::new(NonZero::new(count).unwrap(), Duration::from_secs(1), burst)
    }

    fn client(number: u32) -> IpAddr {
        Ipv4Addr::from_bits(number).into()
    }

    fn is_given(taken: Taken) -> bool {
        matches!(taken, Taken::Given(_))
    }

    fn seat(entry: Entry) -> Option<Seat> {
        match entry {
            Entry::Counted(seat, Room::Found) => Some(seat),
            Entry::Counted(_, Room::None) => panic!("no room"),
            Entry::Full => None,
        }
    }

    #[test]
    fn a_client_may_have_so_many_connections_and_no_more() {
        let clients = table(64);
        let enter = |client| seat(clients.enter(Some(client), 3, Moment(5)));
        let seats: Vec<_> = (0..4).filter_map(|_| enter(client(1))).collect();
        assert_eq!((seats.len(), clients.connections()), (3, 3));
        let other = enter(client(2));
        assert!(other.is_some());
        drop(seats);
        assert_eq!(clients.connections(), 1);
        assert!(enter(client(1)).is_some());
        let nobody = clients.enter(None, 0, Moment(5));
        assert!(matches!(nobody, Entry::Counted(..)) && clients.connections() == 2);
    }

    /// A process that was killed, and another that was not.
    #[test]
    fn the_connections_of_the_dead_are_taken_off() {
        let words = |count| (0..count).map(|_| AtomicU64::new(0)).collect::<Vec<_>>().leak();
        let (dead, alive) = (words(Seats::words(4)), words(Seats::words(4)));
        let table = table(64);
        let [dead_one, alive_one] =
            [&*dead, &*alive].map(|words| table.with_seats(Seats::new(words)));
        let left = alive_one.enter(Some(client(1)), 9, Moment(5));
        let lost = [Some(client(1)), Some(client(1)), None, Some(client(2))]
            .map(|client| dead_one.enter(client, 9, Moment(5)));
        drop(dead_one.enter(Some(client(3)), 9, Moment(5)));
        std::mem::forget(lost);
        assert_eq!(table.connections(), 5);
        let seats: Vec<_> =
            dead[Seats::FIRST..].iter().map(|seat| seat.load(Ordering::Relaxed)).collect();
        table.vacate(&seats);
        assert_eq!(table.connections(), 1);
        let enter = || seat(table.enter(Some(client(1)), 3, Moment(5)));
        let seats: Vec<_> = (0..3).filter_map(|_| enter()).collect();
        assert_eq!(seats.len(), 2, "one of three is still there");
        drop((seats, left));
        assert_eq!(table.connections(), 0);
        // Whatever a process has written there.
        table.vacate(&[1, 2, 9, 9, 64, u64::MAX]);
        assert_eq!(table.connections(), 0);
    }

    #[test]
    fn an_ipv6_client_is_its_network() {
        let clients = table(64);
        let take = |address: &str| {
            is_given(clients.take(1, address.parse().unwrap(), bucket(1, 1), 1, Moment(9)))
        };
        assert!(take("2001:db8::1"));
        assert!(!take("2001:db8::2:3") && take("2001:db8:0:1::1"));
        assert!(take("::1") && !take("::2") && take("0.0.0.0"));
        assert!(take("192.0.2.1") && !take("::ffff:192.0.2.1"));
    }

    #[test]
    fn limits_and_clients_do_not_touch_each_other() {
        let clients = table(1024);
        let one = bucket(1, 1);
        for limit in 1..10 {
            for number in 0..10 {
                assert!(is_given(clients.take(limit, client(number), one, 1, Moment(1))));
                let wait = Taken::Refused(Duration::from_millis(400));
                assert_eq!(clients.take(limit, client(number), one, 1, Moment(601)), wait);
            }
        }
    }

    /// Two loops, one client: together they let through what one would.
    #[test]
    fn all_loops_take_from_one_bucket() {
        for _ in 0..20 {
            let clients = table(64);
            let now = AtomicU64::new(1_000);
            let barrier = Barrier::new(2);
            let given = AtomicUsize::new(0);
            let flood = || {
                barrier.wait();
                loop {
                    let moment = now.fetch_add(1, Ordering::Relaxed);
                    if moment > 200_000 {
                        return;
                    }
                    // A hundred looks at the clock in a millisecond.
                    let now = Moment(1_000 + moment / 200);
                    if is_given(clients.take(1, client(7), bucket(20, 2), 1, now)) {
                        given.fetch_add(1, Ordering::Relaxed);
                    }
                }
            };
            thread::scope(|scope| (0..2).for_each(|_| drop(scope.spawn(flood))));
            // From 1005 to 2000 ms.
            let given = given.load(Ordering::Relaxed);
            assert!((20..=22).contains(&given), "{given}");
        }
    }

    /// Many loops, clients that come and go, hardly any room: no count is ever wrong.
    #[test]
    fn counts_come_out_even() {
        let clients = table(16);
        let most = AtomicUsize::new(0);
        let now_here = AtomicUsize::new(0);
        let come_and_go = |start: u32| {
            let (most, now_here) = (&most, &now_here);
            move || {
                for round in 0..20_000 {
                    let other = clients.enter(Some(client(start + round % 50)), 9, Moment(1));
                    if let Entry::Counted(seat, Room::Found) =
                        clients.enter(Some(client(0)), 2, Moment(1))
                    {
                        most.fetch_max(now_here.fetch_add(1, Ordering::SeqCst), Ordering::SeqCst);
                        now_here.fetch_sub(1, Ordering::SeqCst);
                        drop(seat);
                    }
                    drop(other);
                }
            }
        };
        thread::scope(|scope| {
            for start in [1_000, 2_000, 3_000, 4_000] {
                scope.spawn(come_and_go(start));
            }
        });
        assert_eq!(clients.connections(), 0);
        // Where its line went to another between two visits it may stand twice for a moment.
        assert!(most.load(Ordering::SeqCst) < 4);
        let is_at_rest = |line: &[AtomicU64]| line[1].load(Ordering::Relaxed) & LEVEL == 0;
        assert!(clients.words.chunks(LINE_WORDS).skip(1).all(is_at_rest));
    }

    /// Threat O12: whatever addresses come, offenders stay known, and newcomers are let in.
    #[test]
    fn a_flood_of_addresses_frees_no_offender() {
        let clients = table(1024);
        let limit = bucket(1, 1);
        let offenders = 1_000_000..1_000_256;
        for offender in offenders.clone() {
            assert!(is_given(clients.take(1, client(offender), limit, 1, Moment(1))));
        }
        let mut uncounted = 0;
        for number in 0..50_000 {
            let taken = clients.take(1, client(number), limit, 1, Moment(2));
            uncounted += u32::from(taken == Taken::Given(Room::None));
            assert!(is_given(taken), "{number} is refused for what others did");
        }
        assert!(uncounted >= 50_000 - 1024, "{uncounted}");
        for offender in offenders.clone() {
            let taken = clients.take(1, client(offender), limit, 1, Moment(900));
            assert!(matches!(taken, Taken::Refused(_)), "{offender} is forgotten");
        }
        // Once their buckets are full again, their lines are given away.
        for fresh in 7_000_000..7_000_200 {
            let taken = clients.take(1, client(fresh), limit, 1, Moment(2000));
            assert_eq!(taken, Taken::Given(Room::Found), "{fresh}");
        }
    }

    /// Threat O12: neighbours in number are spread over all sets, and another seed spreads them in
    /// another way.
    #[test]
    fn clients_are_spread_by_the_seed() {
        let sets = |seed| {
            let clients = Clients { seed, ..table(8 * 512) };
            let networks = (0..4096u128).map(|number| {
                let address = Ipv6Addr::from_bits(0x2001_0db8 << 96 | number << 64);
                let line = clients.line(clients.owner(1, address.into()), 0).unwrap();
                let at = std::ptr::from_ref(line.owner).addr() - clients.words.as_ptr().addr();
                (at / 64 - 1) / WAYS
            });
            networks.collect::<Vec<_>>()
        };
        let (one, other) = (sets(SEED), sets([1, 2]));
        let mut crowd = [0; 512];
        one.iter().for_each(|&set| crowd[set] += 1);
        assert!(crowd.iter().all(|&count| count < 32), "eight on average: {crowd:?}");
        let same = one.iter().zip(&other).filter(|(one, other)| one == other).count();
        assert!(same < 64, "{same} of 4096 stand in the same set");
    }

    /// A loop that was interrupted between its look at a line and its change of it.
    #[test]
    fn who_has_looked_before_a_line_changed_hands_cannot_change_it_after() {
        let clients = table(WAYS);
        let come_and_go = |number| drop(clients.enter(Some(client(number)), 1, Moment(1)));
        come_and_go(0);
        let owner = clients.owner(CONNECTIONS, client(0));
        let Place::Own(line, seen) = clients.find(owner, 0, true) else { panic!("not found") };
        for number in 1.. {
            if line.owner.load(Ordering::Relaxed) != owner.0 {
                break;
            }
            come_and_go(number);
        }
        let state = line.state.load(Ordering::Relaxed);
        assert_eq!(state & LEVEL, seen & LEVEL, "it says the same");
        assert_ne!(state, seen, "of somebody else");
    }

    #[test]
    fn a_line_left_in_change_by_a_loop_that_died_harms_nobody() {
        let clients = table(8);
        clients.words[LINE_WORDS + 1].store(IN_CHANGE, Ordering::Relaxed);
        for number in 0..7 {
            let taken = clients.take(1, client(number), bucket(1, 1), 1, Moment(1));
            assert_eq!(taken, Taken::Given(Room::Found), "{number}");
        }
    }

    #[test]
    fn what_is_reserved_comes_at_the_rate() {
        let clients = table(64);
        let reserve = |now| clients.reserve(3, client(1), bucket(1_000, 200), 100, Moment(now)).0;
        let times: Vec<_> = (0..4).map(|_| reserve(1_000)).collect();
        assert_eq!(times, [1_000, 1_000, 1_100, 1_200].map(Moment));
        assert_eq!(reserve(5_000), Moment(5_000));
    }

    #[test]
    fn a_table_without_lines_counts_nothing_and_breaks_nothing() {
        let clients = Clients::new(&[], SEED);
        assert_eq!(
            clients.take(1, client(1), bucket(1, 1), 1, Moment(1)),
            Taken::Given(Room::None)
        );
        assert!(matches!(clients.enter(None, 1, Moment(1)), Entry::Full));
    }
}
