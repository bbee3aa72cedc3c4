//! Content that is read to the place where it belongs, without the heads of its records.
//!
//! A long answer comes in records of one length, but for the first and the last. So it can be told
//! before they are there where content ends and a head stands, and the kernel puts each where it
//! is wanted:
//!
//! ```text
//!   content │ head │ content │ head │ …       as it comes
//!   content          content          …       one behind the other
//!             head             head   …       aside
//! ```
//!
//! What turns out to be something else is put in order again, and read like any bytes.

use super::{Answer, Record, State};
use crate::record::{HEADER_BYTES, Header, VERSION, kind};
use std::iter;

/// What is expected to come.
#[derive(Clone, Copy, Debug)]
pub struct Course {
    /// What is left of the record under way.
    under_way: Record,
    /// What each has that follows; no content where nobody can tell.
    next: Record,
}

impl Course {
    /// How many bytes of content come, and then of what stands between records, again and again, as
    /// long as there is room for so many bytes of content.
    pub fn turns(&self, room_bytes: usize) -> impl Iterator<Item = (usize, usize)> + Clone {
        let mut left = room_bytes;
        let more = Some(self.next).filter(|next| next.content_bytes > 0);
        let records = iter::once(self.under_way).chain(more.into_iter().cycle());
        records.map_while(move |Record { content_bytes, padding_bytes, .. }| {
            if left == 0 {
                return None;
            }
            let bytes = content_bytes.min(left);
            left -= bytes;
            // Nothing but content follows where there is no room for all of it.
            let gap_bytes = if bytes == content_bytes { padding_bytes + HEADER_BYTES } else { 0 };
            Some((bytes, gap_bytes))
        })
    }
}

impl Answer {
    /// What is expected to come next, if that is content which is worth to be read to its place.
    /// Nothing may be unread.
    #[must_use]
    pub fn course(&self) -> Option<Course> {
        if self.state != State::Content {
            return None;
        }
        let nothing = Record { kind: kind::STDOUT, content_bytes: 0, padding_bytes: 0 };
        let under_way = self.record.unwrap_or(nothing);
        let bytes_min = self.limits.placed_bytes_min;
        let next = self.last.filter(|last| last.content_bytes >= bytes_min);
        let is_worth_it = next.is_some() || under_way.content_bytes >= bytes_min;
        let next = next.unwrap_or(nothing);
        (under_way.kind == kind::STDOUT && is_worth_it).then_some(Course { under_way, next })
    }

    /// Takes note of what has come by the turns of that `course`, nothing having been read since
    /// that was told: `content` from `start` on, and what stands `between`. What is no content is
    /// taken off its end; returned is what has still to be read by [`Answer::receive`].
    #[must_use]
    pub fn follow(
        &mut self,
        course: &Course,
        (content, start): (&mut Vec<u8>, usize),
        mut between: &[u8],
    ) -> Vec<u8> {
        let (mut at, mut record) = (start, course.under_way);
        loop {
            let count = record.content_bytes.min(content.len() - at);
            at += count;
            let gap_bytes = record.padding_bytes + HEADER_BYTES;
            record.content_bytes -= count;
            self.record = Some(record);
            let Some((gap, rest)) = between.split_at_checked(gap_bytes) else { break };
            let is_as_expected = gap.last_chunk().is_some_and(|head| self.expects(course, *head));
            if at == content.len() || !is_as_expected {
                break;
            }
            (record, between) = (course.next, rest);
        }
        let misplaced = content.split_off(at);
        in_order(course, record.padding_bytes, &misplaced, between)
    }

    /// Whether that is the head of a record such as `course` has it.
    fn expects(&self, course: &Course, head: [u8; HEADER_BYTES]) -> bool {
        let Record { kind, content_bytes, padding_bytes } = course.next;
        let Header { version, kind: its_kind, id, content_bytes: bytes, padding_bytes: padding } =
            Header::parse(head);
        let is_alike = usize::from(bytes) == content_bytes && usize::from(padding) == padding_bytes;
        is_alike && content_bytes > 0 && (version, its_kind, id) == (VERSION, kind, self.id)
    }
}

/// What has come by turns, of which the first is so much padding and a head, one behind the other.
fn in_order(course: &Course, padding_bytes: usize, content: &[u8], between: &[u8]) -> Vec<u8> {
    let Record { content_bytes: next_bytes, padding_bytes: next_padding, .. } = course.next;
    let mut all = Vec::with_capacity(content.len() + between.len());
    let (mut content, mut between) = (content, between);
    let mut gap_bytes = padding_bytes + HEADER_BYTES;
    // Where no content has come, all that is left follows each other.
    while !content.is_empty() && next_bytes > 0 {
        let (gap, rest) = between.split_at(gap_bytes.min(between.len()));
        let (piece, more) = content.split_at(next_bytes.min(content.len()));
        all.extend_from_slice(gap);
        all.extend_from_slice(piece);
        (between, content) = (rest, more);
        gap_bytes = next_padding + HEADER_BYTES;
    }
    all.extend_from_slice(between);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Event, FIRST_ID, Limits};
    use proptest::prelude::*;

    /// Content of an answer whose bytes tell their places.
    fn content(bytes: usize) -> Vec<u8> {
        (0..bytes.div_ceil(4) as u32).flat_map(u32::to_le_bytes).take(bytes).collect()
    }

    /// An answer with content in records of these lengths, with so much padding behind each.
    fn answer(lengths: &[(usize, u8)]) -> (Vec<u8>, Vec<u8>) {
        let record = |kind: u8, content: &[u8], padding: u8| {
            let [high, low] = (content.len() as u16).to_be_bytes();
            let head = [VERSION, kind, 0, 1, high, low, padding, 0];
            [&head, content, &vec![0; usize::from(padding)]].concat()
        };
        let all = content(lengths.iter().map(|(bytes, _)| bytes).sum());
        let (mut bytes, mut at) = (record(kind::STDOUT, b"\r\n", 0), 0);
        for (number, (length, padding)) in lengths.iter().enumerate() {
            bytes.extend(record(kind::STDOUT, &all[at..at + length], *padding));
            if number % 7 == 6 {
                bytes.extend(record(kind::STDERR, b"a word", 2));
            }
            at += length;
        }
        bytes.extend(record(kind::END_REQUEST, &[0; 8], 0));
        (bytes, all)
    }

    /// The content of an answer that comes in steps of so many bytes, and how many bytes of it were
    /// read to their place. A socket is played by `bytes`.
    fn read(mut bytes: &[u8], step: usize, room_bytes: usize) -> (Vec<u8>, usize) {
        let mut answer = Answer::new(FIRST_ID, Limits::default());
        let (mut seen, mut unread, mut placed) = (Vec::new(), Vec::new(), 0);
        loop {
            let came = step.min(bytes.len());
            let (mut stream, later) = bytes.split_at(came);
            bytes = later;
            match answer.course().filter(|_| unread.is_empty()) {
                None => unread.extend_from_slice(stream),
                Some(course) => {
                    let (start, mut between) = (seen.len(), Vec::new());
                    for (piece, gap) in course.turns(room_bytes).take(16) {
                        let mut take = |bytes: usize| {
                            let (taken, left) = stream.split_at(bytes.min(stream.len()));
                            stream = left;
                            taken
                        };
                        seen.extend_from_slice(take(piece));
                        between.extend_from_slice(take(gap));
                    }
                    between.extend_from_slice(stream);
                    unread = answer.follow(&course, (&mut seen, start), &between);
                    placed += seen.len() - start;
                }
            }
            loop {
                let (used, event) = answer.receive(&unread).unwrap();
                match event {
                    Event::End => return (seen, placed),
                    Event::Incomplete => {
                        unread.drain(..used);
                        break;
                    }
                    Event::Content(piece) => seen.extend_from_slice(piece),
                    Event::Head(_) | Event::Stderr(_) | Event::Early(_) => {}
                }
                unread.drain(..used);
            }
        }
    }

    #[test]
    fn an_answer_of_php_is_read_to_its_place_but_for_its_beginning() {
        let (bytes, all) = answer(&[&[(8184, 0); 6][..], &[(777, 7)]].concat());
        let (seen, placed) = read(&bytes, 100_000, 64 * 1024);
        assert!(seen == all && placed == 0, "it is there at once");
        let (seen, placed) = read(&bytes, 8192, 64 * 1024);
        assert!(seen == all && placed > 40_000, "{placed}");
    }

    proptest! {
        #[test]
        fn content_is_the_same_however_it_comes(
            lengths in prop::collection::vec((4090_usize..4100, 0_u8..2), 1..30),
            like in any::<bool>(),
            step in 1_usize..40_000,
            room in 1_usize..70_000,
        ) {
            let alike = vec![lengths[0]; lengths.len()];
            let (bytes, all) = answer(if like { &alike } else { &lengths });
            let (seen, _) = read(&bytes, step, room);
            prop_assert!(seen == all);
        }
    }
}
