//! How many connections there are, in all and for each client address, over all loops.
//!
//! Touched when a connection comes and goes, never for a request. An IPv6 client counts by its /64,
//! since a single host owns all of that. Clients on a Unix socket count in all only: as a rule they
//! are one other server of this machine, which speaks for many.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

/// Locks that the table is split over, so that loops seldom meet at one.
const SHARDS: usize = 16;

/// The table that all loops of a process share.
#[derive(Default)]
pub(crate) struct Clients {
    total: AtomicUsize,
    shards: [Mutex<HashMap<u64, u32>>; SHARDS],
}

/// One connection's share in the counts; leaves them when dropped.
pub(crate) struct Seat {
    clients: Arc<Clients>,
    /// None for a client without an address.
    key: Option<u64>,
}

impl Clients {
    /// How many connections there are in all.
    pub(crate) fn total(&self) -> usize {
        self.total.load(Ordering::Relaxed)
    }

    /// Counts a connection from `address`; `None` if that would be more than `per_client_max`.
    pub(crate) fn enter(
        self: &Arc<Self>,
        address: Option<IpAddr>,
        per_client_max: u32,
    ) -> Option<Seat> {
        let key = address.map(key);
        if let Some(key) = key {
            let mut shard = self.shard(key).lock().unwrap_or_else(PoisonError::into_inner);
            let count = shard.entry(key).or_insert(0);
            if *count >= per_client_max {
                return None;
            }
            *count += 1;
        }
        self.total.fetch_add(1, Ordering::Relaxed);
        Some(Seat { clients: Arc::clone(self), key })
    }

    fn shard(&self, key: u64) -> &Mutex<HashMap<u64, u32>> {
        // The low bits of an IPv4 address and of an IPv6 network are the ones that differ most.
        &self.shards[(key ^ key >> 16) as usize % SHARDS]
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            let shard = self.clients.shard(key);
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(count) = shard.get_mut(&key) {
                *count -= 1;
                if *count == 0 {
                    shard.remove(&key);
                }
            }
        }
        self.clients.total.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What stands for a client: the IPv4 address, or the first half of the IPv6 address.
fn key(address: IpAddr) -> u64 {
    match address.to_canonical() {
        IpAddr::V4(address) => u64::from(u32::from(address)),
        // No /64 is all zeros above 32 bits but the loopback's, which then counts as 0.0.0.0 does.
        IpAddr::V6(address) => (u128::from(address) >> 64) as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_may_have_so_many_and_no_more() {
        let clients = Arc::new(Clients::default());
        let address = "127.0.0.1".parse().ok();
        let seats: Vec<_> = (0..3).filter_map(|_| clients.enter(address, 3)).collect();
        assert_eq!(seats.len(), 3);
        assert!(clients.enter(address, 3).is_none());
        assert!(clients.enter("127.0.0.2".parse().ok(), 3).is_some());
        drop(seats);
        assert_eq!(clients.total(), 0);
        assert!(clients.enter(address, 3).is_some());
    }

    #[test]
    fn clients_without_an_address_count_in_all_only() {
        let clients = Arc::new(Clients::default());
        let seats: Vec<_> = (0..3).filter_map(|_| clients.enter(None, 1)).collect();
        assert_eq!((seats.len(), clients.total()), (3, 3));
        drop(seats);
        assert_eq!(clients.total(), 0);
    }

    #[test]
    fn an_ipv6_client_is_its_network() {
        let clients = Arc::new(Clients::default());
        let _seat = clients.enter("2001:db8::1".parse().ok(), 1).unwrap();
        assert!(clients.enter("2001:db8::2:3".parse().ok(), 1).is_none());
        assert!(clients.enter("2001:db8:0:1::1".parse().ok(), 1).is_some());
    }
}
