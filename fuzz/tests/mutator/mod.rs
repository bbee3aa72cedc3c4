//! Makes new inputs of the first ones, the same from the same seed.

/// The longest input that is made, in bytes.
const INPUT_BYTES_MAX: usize = 4096;

/// Changes to one input, at most.
const CHANGES_MAX: usize = 5;

/// Numbers at the borders where arithmetic goes wrong.
const NUMBERS: [&str; 12] = [
    "0",
    "1",
    "-1",
    "255",
    "256",
    "65536",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
];

/// SplitMix64: small, and good enough to find bugs with.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number below `end`; 0 if there is none.
    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % (end.max(1) as u64)).unwrap_or(0)
    }

    fn pick<'c, T>(&mut self, choices: &'c [T]) -> Option<&'c T> {
        choices.get(self.below(choices.len()))
    }
}

/// What new inputs are made of.
pub(crate) struct Mutator<'t> {
    pub(crate) seeds: Vec<Vec<u8>>,
    pub(crate) tokens: &'t [&'t str],
}

impl Mutator<'_> {
    /// One of the first inputs with some changes.
    pub(crate) fn input(&self, random: &mut Random) -> Vec<u8> {
        let mut bytes = random.pick(&self.seeds).cloned().unwrap_or_default();
        for _ in 0..=random.below(CHANGES_MAX) {
            self.change(&mut bytes, random);
            bytes.truncate(INPUT_BYTES_MAX);
        }
        bytes
    }

    fn change(&self, bytes: &mut Vec<u8>, random: &mut Random) {
        let at = random.below(bytes.len() + 1);
        let end = at + random.below((bytes.len() - at).min(32) + 1);
        match random.below(8) {
            0 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
            1 => bytes.insert(at, random.next() as u8),
            2 => drop(bytes.drain(at..end)),
            3 => {
                // The tail of another input in the place of this one's.
                let other = random.pick(&self.seeds).map_or(&[][..], |other| other);
                let from = random.below(other.len() + 1);
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
            4 => {
                let repeated = bytes[at..end].repeat(1 + random.below(40));
                bytes.splice(at..at, repeated);
            }
            5 => {
                let number = random.pick(&NUMBERS).copied().unwrap_or_default();
                let digits = digits_at(bytes, at);
                bytes.splice(digits, number.bytes());
            }
            // Pieces that mean something lead furthest.
            _ => {
                let token = random.pick(self.tokens).copied().unwrap_or_default();
                bytes.splice(at..at, token.bytes());
            }
        }
    }
}

/// The first number that stands at `at` or behind it; nothing at `at` if there is none.
fn digits_at(bytes: &[u8], at: usize) -> std::ops::Range<usize> {
    let Some(start) = (at..bytes.len()).find(|&at| bytes[at].is_ascii_digit()) else {
        return at..at;
    };
    let count = bytes[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    start..start + count
}
