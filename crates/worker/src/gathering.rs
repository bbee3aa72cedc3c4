//! Pieces of an answer put together: those that are short share a record of TLS, or a call of the
//! kernel.

use message::{FileRange, Output, output::Piece};
use net::file::{self, ReadError};
use std::{io, os::fd::AsFd};

/// Copies what stands in front of `output` to `room`, and takes none of it off: how many bytes.
/// Zero if a file ends before its time; `None` if a disk would have to be waited for, unless that
/// `was_waited_for`.
pub(crate) fn gather(
    output: &Output,
    room: &mut [u8],
    was_waited_for: bool,
) -> io::Result<Option<usize>> {
    let mut filled = 0;
    for piece in output.pieces() {
        let free = &mut room[filled..];
        let (count, bytes) = match piece {
            Piece::Bytes(bytes) => {
                let count = bytes.len().min(free.len());
                free[..count].copy_from_slice(&bytes[..count]);
                (count, bytes.len())
            }
            Piece::File(file) => {
                let bytes = usize::try_from(file.range.end - file.range.start);
                let bytes = bytes.unwrap_or(usize::MAX);
                let wanted = bytes.min(free.len());
                let is_front = filled == 0;
                match read(file, &mut free[..wanted], is_front && was_waited_for) {
                    Ok(count) => (count, bytes),
                    Err(ReadError::WouldBlock) if is_front => return Ok(None),
                    Err(ReadError::Failed(error)) if is_front => return Err(error),
                    // Once it stands in front, somebody waits for it, or finds what is wrong.
                    Err(_) => (0, bytes),
                }
            }
        };
        filled += count;
        if count < bytes {
            break;
        }
    }
    Ok(Some(filled))
}

/// Reads the beginning of a piece of a file: what is in memory of it, or what there is.
fn read(
    FileRange { file, range }: &FileRange,
    room: &mut [u8],
    was_waited_for: bool,
) -> Result<usize, ReadError> {
    let descriptor = file.descriptor.as_fd();
    match was_waited_for {
        true => file::read(descriptor, room, range.start).map_err(ReadError::Failed),
        false if file.may_stall => Err(ReadError::WouldBlock),
        false => file::read_now(descriptor, room, range.start),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use message::{OpenFile, Part};
    use std::{
        fs::{self, File},
        rc::Rc,
        sync::Arc,
    };

    const NAME: &str = "Cargo.toml";

    /// Three frames: a head, and so many bytes of this crate's manifest.
    fn frames(bytes: u64, may_stall: bool) -> Output {
        let descriptor = Arc::new(File::open(NAME).unwrap().into());
        let file = Rc::new(OpenFile::new(descriptor, may_stall, 0));
        let mut output = Output::default();
        for start in [0, bytes, 2 * bytes] {
            output.bytes().extend_from_slice(b"head:");
            output.push(Part::File(FileRange {
                file: Rc::clone(&file),
                range: start..start + bytes,
            }));
        }
        output.bytes().extend_from_slice(b"end");
        output
    }

    #[test]
    fn pieces_stand_behind_each_other_as_far_as_there_is_room() {
        let text = fs::read(NAME).unwrap();
        let all =
            [b"head:", &text[..50], b"head:", &text[50..100], b"head:", &text[100..150], b"end"];
        let all = all.concat();
        for room in [1, 5, 6, 55, 56, 60, 61, 168, 200] {
            let mut bytes = vec![0; room];
            let mut output = frames(50, false);
            assert!(output.is_in_pieces());
            let mut came = Vec::new();
            while !output.is_empty() {
                let count = gather(&output, &mut bytes, true).unwrap().unwrap();
                assert_eq!(count, room.min(all.len() - came.len()));
                came.extend_from_slice(&bytes[..count]);
                output.advance(count);
            }
            assert!(came == all, "{room} at a time");
        }
    }

    #[test]
    fn what_may_stall_or_has_ended_is_left_until_it_stands_in_front() {
        let mut bytes = [0; 1000];
        let mut output = frames(50, true);
        assert_eq!(gather(&output, &mut bytes, false).unwrap(), Some(5));
        output.advance(5);
        assert_eq!(gather(&output, &mut bytes, false).unwrap(), None);
        assert_eq!(gather(&output, &mut bytes, true).unwrap(), Some(55));
        // The second of these pieces ends before its time; reading it all brings it into memory.
        let length = fs::read(NAME).unwrap().len() as u64;
        let mut output = frames(length - 10, false);
        let mut room = vec![0; 3 * length as usize];
        let whole = length as usize + 10;
        assert_eq!(gather(&output, &mut room, true).unwrap(), Some(whole));
        output.advance(whole);
        assert_eq!(gather(&output, &mut room, false).unwrap(), Some(0));
    }
}
