//! The fields that can be told by a number: the standing ones, and those that came before.

use crate::limits::{ENTRY_BYTES, TABLE_BYTES_MAX};
use std::collections::VecDeque;

/// Fields that everybody knows (RFC 7541 appendix A), from number 1 on.
pub(crate) static STANDING: [(&str, &str); 61] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];

/// The fields of one direction of a connection, newest last.
#[derive(Debug)]
pub(crate) struct Table {
    entries: VecDeque<Entry>,
    /// Their texts, one after the other, behind those of entries that are gone.
    text: Vec<u8>,
    /// What they count for.
    bytes: usize,
    bytes_max: usize,
}

/// Bytes of room that are not worth being let go of.
const ROOM_KEPT: usize = 512;

#[derive(Clone, Copy, Debug)]
struct Entry {
    start: usize,
    name_bytes: usize,
    value_bytes: usize,
}

impl Entry {
    const fn bytes(self) -> usize {
        self.name_bytes + self.value_bytes + ENTRY_BYTES
    }
}

impl Table {
    pub(crate) const fn new() -> Self {
        Self { entries: VecDeque::new(), text: Vec::new(), bytes: 0, bytes_max: TABLE_BYTES_MAX }
    }

    /// Name and value of the field of that number, standing or not.
    #[inline]
    pub(crate) fn get(&self, number: usize) -> Option<(&[u8], &[u8])> {
        let at = number.checked_sub(1)?;
        if let Some((name, value)) = STANDING.get(at) {
            return Some((name.as_bytes(), value.as_bytes()));
        }
        let newest = self.entries.len().checked_sub(1)?;
        let entry = self.entries[newest.checked_sub(at - STANDING.len())?];
        let text = &self.text[entry.start..][..entry.name_bytes + entry.value_bytes];
        Some(text.split_at(entry.name_bytes))
    }

    /// Adds a field; the oldest ones make room for it. One that is too large leaves nothing.
    pub(crate) fn add(&mut self, name: &[u8], value: &[u8]) {
        let (name_bytes, value_bytes) = (name.len(), value.len());
        let mut entry = Entry { start: 0, name_bytes, value_bytes };
        self.shrink(self.bytes_max.checked_sub(entry.bytes()));
        if entry.bytes() > self.bytes_max {
            return;
        }
        entry.start = self.text.len();
        self.text.extend_from_slice(name);
        self.text.extend_from_slice(value);
        self.bytes += entry.bytes();
        self.entries.push_back(entry);
    }

    /// Sets what the entries may count for; `None` if that is more than was ever allowed.
    pub(crate) fn resize(&mut self, bytes_max: usize) -> Option<()> {
        if bytes_max > TABLE_BYTES_MAX {
            return None;
        }
        self.bytes_max = bytes_max;
        self.shrink(Some(bytes_max));
        Some(())
    }

    /// Lets go of room that many fields have made and few have left.
    pub(crate) fn settle(&mut self) {
        let start = self.entries.front().map_or(self.text.len(), |entry| entry.start);
        if self.text.capacity() > 2 * (self.text.len() - start) + ROOM_KEPT {
            self.forget(start);
            self.text.shrink_to_fit();
            self.entries.shrink_to_fit();
        }
    }

    /// Drops the oldest entries until the others count for `bytes` at most; all where not even
    /// that is left.
    fn shrink(&mut self, bytes: Option<usize>) {
        while bytes.is_none_or(|bytes| self.bytes > bytes) {
            let Some(oldest) = self.entries.pop_front() else { break };
            self.bytes -= oldest.bytes();
        }
        let Some(start) = self.entries.front().map(|entry| entry.start) else {
            return self.text.clear();
        };
        // What is gone is moved over only once it is as much as can be there.
        if start > TABLE_BYTES_MAX {
            self.forget(start);
        }
    }

    /// Moves what is there over so many bytes of what is gone.
    fn forget(&mut self, start: usize) {
        self.text.drain(..start);
        self.entries.iter_mut().for_each(|entry| entry.start -= start);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn an_idle_table_takes_no_more_than_its_fields_do() {
        let mut table = Table::new();
        for round in 0..1000 {
            table.add(b"x-name", format!("{round:0300}").as_bytes());
        }
        let newest = table.get(62).map(|(name, value)| (name.to_vec(), value.to_vec()));
        assert!(table.text.capacity() > TABLE_BYTES_MAX, "{}", table.text.capacity());
        table.settle();
        assert!(table.text.capacity() <= TABLE_BYTES_MAX, "{}", table.text.capacity());
        assert_eq!(table.get(62).map(|(name, value)| (name.to_vec(), value.to_vec())), newest);
        let oldest = 61 + table.entries.len();
        assert!(table.get(oldest).is_some() && table.get(oldest + 1).is_none());
        table.add(b"a", b"b");
        assert_eq!(table.get(62), Some((&b"a"[..], &b"b"[..])));
        table.resize(0);
        table.settle();
        assert_eq!(table.text.capacity(), 0);
    }

    #[test]
    fn the_standing_table_is_everybodys() {
        let script = "from hpack.table import HeaderTable\n\
                      for name, value in HeaderTable.STATIC_TABLE:\n \
                      print(name.decode(), value.decode(), sep='=')";
        let output = Command::new("/usr/bin/python3").args(["-c", script]).output().unwrap();
        let table: String =
            STANDING.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), table);
        assert_eq!(STANDING.len(), 61);
    }
}
