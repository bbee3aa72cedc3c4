//! A compressed form as it lies in a folder: known by its whole key, and checked byte by byte.
//!
//! ```text
//!   magic │ coding, device, inode, size, times of the file │ length and sum of the form │ form
//! ```

use super::forms::Key;
use base::text::push_hex;
use net::Time;

/// What such a file begins with; another number stands for another layout.
const MAGIC: &[u8; 8] = b"gannet\x00\x01";

/// Bytes before the form.
pub(super) const HEAD_BYTES: usize = MAGIC.len() + 11 * size_of::<u64>();

/// The name of the file for `key`. Two keys might share one; the head tells them apart.
pub(super) fn name(key: &Key) -> String {
    let mut name = Vec::with_capacity(32);
    for seed in [0xcbf2_9ce4_8422_2325, 0x6c62_272e_07bb_0142] {
        push_hex(&mut name, sum(seed, &key_bytes(key)));
    }
    String::from_utf8(name).unwrap_or_default()
}

/// What stands before `form`.
pub(super) fn head(key: &Key, form: &[u8]) -> Vec<u8> {
    let mut head = Vec::with_capacity(HEAD_BYTES);
    head.extend_from_slice(MAGIC);
    head.extend_from_slice(&key_bytes(key));
    head.extend_from_slice(&(form.len() as u64).to_be_bytes());
    head.extend_from_slice(&sum(SEED, form).to_be_bytes());
    head.resize(HEAD_BYTES, 0);
    head
}

/// The form in `content`, if that is a whole and sound file for `key`.
pub(super) fn form(key: &Key, mut content: Vec<u8>) -> Option<Vec<u8>> {
    let stored = content.get(HEAD_BYTES..)?;
    if content[..HEAD_BYTES] != head(key, stored) {
        return None;
    }
    content.drain(..HEAD_BYTES);
    Some(content)
}

const SEED: u64 = 0xcbf2_9ce4_8422_2325;

fn key_bytes(key: &Key) -> Vec<u8> {
    let Key { stat, coding } = key;
    let time = |time: Time| [time.seconds.cast_unsigned(), u64::from(time.nanos)];
    let [modified, changed] = [time(stat.modified), time(stat.changed)];
    let head = [*coding as u64, stat.identity.device, stat.identity.inode, stat.size];
    head.into_iter().chain(modified).chain(changed).flat_map(u64::to_be_bytes).collect()
}

/// FNV-1a over eight bytes at a time: it finds what a crash may have left, and nobody attacks it.
fn sum(seed: u64, bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks();
    let add =
        |sum: u64, word: u64| (sum ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23);
    let sum = words.iter().fold(seed, |sum, word| add(sum, u64::from_le_bytes(*word)));
    rest.iter().fold(sum, |sum, byte| add(sum, u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use message::Coding;
    use net::{Identity, Kind, Stat};

    #[test]
    fn only_the_whole_form_of_the_same_file_is_taken() {
        let time = Time { seconds: -1, nanos: 7 };
        let identity = Identity { device: 1, inode: 2 };
        let stat = Stat { kind: Kind::File, size: 3, identity, modified: time, changed: time };
        let key = Key { stat, coding: Coding::Gzip };
        let file = [head(&key, b"the form, 20 bytes !"), b"the form, 20 bytes !".to_vec()].concat();
        assert_eq!(form(&key, file.clone()).as_deref(), Some(&b"the form, 20 bytes !"[..]));
        let other = Key { coding: Coding::Zstd, ..key };
        let newer = Time { seconds: 0, ..time };
        let changed = Key { stat: Stat { changed: newer, ..stat }, ..key };
        for other in [other, changed] {
            assert_eq!(form(&other, file.clone()), None);
            assert_ne!(name(&other), name(&key));
        }
        for length in 0..file.len() {
            assert_eq!(form(&key, file[..length].to_vec()), None, "cut off at {length}");
            let mut spoiled = file.clone();
            spoiled[length] ^= 1;
            assert_eq!(form(&key, spoiled), None, "spoiled at {length}");
            let mut holed = file.clone();
            holed[length..].fill(0);
            assert_eq!(form(&key, holed), None, "zeros from {length}");
        }
    }
}
