//! How often wrong tokens come, so that guessing is answered in the same way and does not fill the log.
//!
//! It locks nobody out: a good token is good however many wrong ones came from the same address, which many may share.
//! Guessing is made hopeless by how long tokens are.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lru::LruCache;

use crate::domain::Time;

/// Wrong tries of one address in a while.
const LIMIT: u32 = 10;
pub(super) const WHILE: Duration = Duration::from_secs(60);
/// Addresses that are kept in mind.
const ADDRESSES: NonZeroUsize = NonZeroUsize::new(4_096).unwrap();

/// Counts wrong tokens by the address that they come from.
pub(super) struct Tries(Mutex<LruCache<IpAddr, (Time, u32)>>);

impl Default for Tries {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(ADDRESSES)))
    }
}

impl Tries {
    /// Whether a wrong token of this address is one of many.
    pub(super) fn are_many(&self, from: IpAddr, now: Time) -> bool {
        let tries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tries.peek(&network(from)).is_some_and(|(since, count)| now.since(*since) < WHILE && *count >= LIMIT)
    }

    pub(super) fn note_wrong(&self, from: IpAddr, now: Time) {
        let mut tries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, count) = tries.get_or_insert_mut(network(from), || (now, 0));
        if now.since(*since) >= WHILE {
            (*since, *count) = (now, 0);
        }
        *count += 1;
    }
}

/// Who has one address of the sixth version has 2^64 of them.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_wrong_tries_a_minute_of_one_network() {
        let (tries, now) = (Tries::default(), Time::from_ticks(0));
        let one: IpAddr = "2001:db8::1".parse().unwrap();
        for _ in 0..LIMIT {
            assert!(!tries.are_many(one, now));
            tries.note_wrong(one, now);
        }
        assert!(tries.are_many(one, now));
        assert!(tries.are_many("2001:db8::2".parse().unwrap(), now));
        assert!(!tries.are_many("2001:db9::1".parse().unwrap(), now));
        assert!(!tries.are_many(one, now.plus(WHILE)));
        tries.note_wrong(one, now.plus(WHILE));
        assert!(!tries.are_many(one, now.plus(WHILE)));
    }
}
