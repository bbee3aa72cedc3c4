//! One entry of a folder, and the orders that entries may be shown in.

use message::path::push_encoded_segment;
use std::{borrow::Cow, cmp::Ordering};

/// A file or a folder in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name, in whatever bytes the file system keeps.
    pub name: Vec<u8>,
    /// Whether it is a folder.
    pub is_directory: bool,
    /// Its size in bytes; of no meaning for a folder.
    pub size: u64,
    /// When it was last modified, in seconds since 1970.
    pub modified: i64,
}

impl Entry {
    /// Bytes of memory that its name takes, with what an allocator needs to know of them.
    pub(super) fn name_bytes(&self) -> usize {
        const ALLOCATION_BYTES: usize = 16;
        self.name.capacity() + ALLOCATION_BYTES
    }

    /// Its name as text, with U+FFFD for what is none.
    pub(super) fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.name)
    }

    /// Appends what leads to it from its folder, whatever bytes its name has.
    pub(super) fn push_href(&self, href: &mut String) {
        push_encoded_segment(href, &self.name);
        if self.is_directory {
            href.push('/');
        }
    }

    fn cmp_name(&self, other: &Self) -> Ordering {
        let folded = self.name.iter().map(u8::to_ascii_lowercase);
        let folded = folded.cmp(other.name.iter().map(u8::to_ascii_lowercase));
        folded.then_with(|| self.name.cmp(&other.name))
    }
}

/// What entries are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// The name, capitals beside small letters.
    Name,
    /// The size in bytes.
    Size,
    /// The time of the last modification.
    Date,
}

impl Key {
    /// All of them, in the order of their columns.
    pub const ALL: [Self; 3] = [Self::Name, Self::Size, Self::Date];

    /// The word for it in a query.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Size => "size",
            Self::Date => "date",
        }
    }
}

/// An order of entries; folders come first in every one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// What decides.
    pub key: Key,
    /// Whether the greatest comes first.
    pub is_descending: bool,
}

impl Order {
    /// Reads `sort=name|size|date` and `order=asc|desc` from a query; whatever else it says means
    /// nothing here.
    #[must_use]
    pub fn parse(query: &str) -> Self {
        let mut order = Self { key: Key::Name, is_descending: false };
        for pair in query.split('&') {
            match pair.split_once('=') {
                Some(("sort", word)) => {
                    let known = Key::ALL.into_iter().find(|key| key.as_str() == word);
                    order.key = known.unwrap_or(order.key);
                }
                Some(("order", word)) => order.is_descending = word == "desc",
                _ => {}
            }
        }
        order
    }

    /// Brings `entries` into this order. Equals are in the order of their names.
    pub(super) fn sort(self, entries: &mut [Entry]) {
        entries.sort_unstable_by(|a, b| self.compare(a, b));
    }

    fn compare(self, a: &Entry, b: &Entry) -> Ordering {
        let folders_first = b.is_directory.cmp(&a.is_directory);
        let by_key = || match self.key {
            Key::Name => a.cmp_name(b),
            Key::Size if a.is_directory => Ordering::Equal,
            Key::Size => a.size.cmp(&b.size),
            Key::Date => a.modified.cmp(&b.modified),
        };
        let in_direction = || if self.is_descending { by_key().reverse() } else { by_key() };
        folders_first.then_with(in_direction).then_with(|| a.cmp_name(b))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(query: &str, expect: &str) {
        let entry = |name: &str, is_directory, size, modified| {
            let name = name.as_bytes().to_vec();
            Entry { name, is_directory, size, modified }
        };
        let mut entries = [
            entry("b", false, 20, 3),
            entry("B", false, 10, 5),
            entry("a", false, 30, 3),
            entry("y", true, 4096, 1),
            entry("X", true, 8192, 9),
            entry("a1", false, 20, -7),
        ];
        Order::parse(query).sort(&mut entries);
        let names: Vec<_> = entries.iter().map(Entry::text).collect();
        assert_eq!(names.join(" "), expect, "{query}");
    }

    #[test]
    fn folders_first_in_every_order() {
        check("", "X y a a1 B b");
        check("sort=name&order=asc", "X y a a1 B b");
        check("sort=name&order=desc", "y X b B a1 a");
        check("sort=size", "X y B a1 b a");
        check("sort=size&order=desc", "X y a a1 b B");
        check("sort=date", "y X a1 a b B");
        check("order=desc&sort=date", "X y B a b a1");
    }
}
