//! Puts content into a coding: piece by piece, with an end to each piece if need be.
//!
//! The levels and windows were chosen by measurement: see decision 8.

use brotli::CompressorWriter;
use flate2::{Compression, write::GzEncoder};
use message::Coding;
use std::{fmt, io, io::Write};
use zstd::zstd_safe::CParameter;

/// How much work is put into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// Little: the content is sent once, and nobody knows how long it will be.
    Quick,
    /// More: the content, this many bytes, is sent many times.
    Kept(u64),
}

/// The codings that are worth it with little effort, best first. Brotli is not among them: it takes
/// longer than gzip for the same ratio until it takes its time.
pub const QUICK_CODINGS: [Coding; 2] = [Coding::Zstd, Coding::Gzip];

/// Content on its way into a coding.
pub struct Encoder(Form);

enum Form {
    Br(Box<CompressorWriter<Vec<u8>>>),
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
    Gzip(GzEncoder<Vec<u8>>),
    Identity(Vec<u8>),
}

/// Brotli and gzip have one level each: below it the first is no smaller than gzip, and the second
/// no smaller than what others send; above it, the second takes longer than zstd for the same.
const BR_QUALITY: u32 = 5;
const GZIP_LEVEL: u32 = 2;
const ZSTD_LEVEL_QUICK: i32 = 1;
const ZSTD_LEVEL_KEPT: i32 = 3;

/// Window of a quick encoder as a power of two in bytes; it decides what a stream costs in memory.
const QUICK_WINDOW_LOG: u32 = 17;
/// Window of kept content at most: what a browser sets aside for Zstandard is 8 MiB (RFC 9659).
const KEPT_WINDOW_LOG: u32 = 22;
/// The smallest windows that Brotli and Zstandard have in common.
const WINDOW_LOG_MIN: u32 = 10;
/// Bytes that Brotli gathers before it hands them on.
const BR_BUFFER_BYTES: usize = 16 * 1024;

impl Encoder {
    /// An encoder of content that has not begun yet.
    ///
    /// # Errors
    /// There is no memory for it.
    pub fn new(coding: Coding, effort: Effort) -> io::Result<Self> {
        let window_log = match effort {
            Effort::Quick => QUICK_WINDOW_LOG,
            Effort::Kept(bytes) => window_log(bytes),
        };
        Ok(Self(match (coding, effort) {
            (Coding::Br, _) => {
                let writer =
                    CompressorWriter::new(Vec::new(), BR_BUFFER_BYTES, BR_QUALITY, window_log);
                Form::Br(Box::new(writer))
            }
            (Coding::Zstd, Effort::Quick) => {
                let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), ZSTD_LEVEL_QUICK)?;
                encoder.set_parameter(CParameter::WindowLog(window_log))?;
                Form::Zstd(encoder)
            }
            (Coding::Zstd, Effort::Kept(bytes)) => {
                let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), ZSTD_LEVEL_KEPT)?;
                encoder.set_parameter(CParameter::WindowLog(window_log))?;
                encoder.set_pledged_src_size(Some(bytes))?;
                Form::Zstd(encoder)
            }
            (Coding::Gzip, _) => {
                Form::Gzip(GzEncoder::new(Vec::new(), Compression::new(GZIP_LEVEL)))
            }
            (Coding::Identity, _) => Form::Identity(Vec::new()),
        }))
    }

    /// Takes more of the content in.
    ///
    /// # Errors
    /// There is no memory for it, or it is more than was announced.
    pub fn write(&mut self, content: &[u8]) -> io::Result<()> {
        match &mut self.0 {
            Form::Br(encoder) => encoder.write_all(content),
            Form::Zstd(encoder) => encoder.write_all(content),
            Form::Gzip(encoder) => encoder.write_all(content),
            Form::Identity(out) => out.write_all(content),
        }
    }

    /// Ends a piece: what was written can be decoded from what [`Encoder::take`] gives then.
    ///
    /// # Errors
    /// There is no memory for it.
    pub fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Form::Br(encoder) => encoder.flush(),
            Form::Zstd(encoder) => encoder.flush(),
            Form::Gzip(encoder) => encoder.flush(),
            Form::Identity(_) => Ok(()),
        }
    }

    /// What has come out since the last time; perhaps nothing.
    #[must_use]
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(match &mut self.0 {
            Form::Br(encoder) => encoder.get_mut(),
            Form::Zstd(encoder) => encoder.get_mut(),
            Form::Gzip(encoder) => encoder.get_mut(),
            Form::Identity(out) => out,
        })
    }

    /// Ends the content and gives what has come out since the last [`Encoder::take`].
    ///
    /// # Errors
    /// There is no memory for it, or it was less than was announced.
    pub fn finish(self) -> io::Result<Vec<u8>> {
        match self.0 {
            Form::Br(encoder) => Ok(encoder.into_inner()),
            Form::Zstd(encoder) => encoder.finish(),
            Form::Gzip(encoder) => encoder.finish(),
            Form::Identity(out) => Ok(out),
        }
    }
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Form::Br(_) => "Encoder(br)",
            Form::Zstd(_) => "Encoder(zstd)",
            Form::Gzip(_) => "Encoder(gzip)",
            Form::Identity(_) => "Encoder(identity)",
        })
    }
}

/// All of `content` in `coding`.
///
/// # Errors
/// There is no memory for it.
pub fn encode(coding: Coding, effort: Effort, content: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = Encoder::new(coding, effort)?;
    encoder.write(content)?;
    encoder.finish()
}

/// The smallest window that holds `bytes`, within what decoders take.
fn window_log(bytes: u64) -> u32 {
    let log = u64::BITS - bytes.saturating_sub(1).leading_zeros();
    log.clamp(WINDOW_LOG_MIN, KEPT_WINDOW_LOG)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Read;

    /// What can be decoded of `coded`, which may be cut off where it was flushed.
    fn decoded(coding: Coding, coded: &[u8]) -> Vec<u8> {
        let mut decoder: Box<dyn Read> = match coding {
            Coding::Br => Box::new(brotli::Decompressor::new(coded, 4096)),
            Coding::Zstd => Box::new(zstd::stream::read::Decoder::new(coded).unwrap()),
            Coding::Gzip => Box::new(flate2::read::GzDecoder::new(coded)),
            Coding::Identity => Box::new(coded),
        };
        let (mut content, mut room) = (Vec::new(), [0; 4096]);
        while let Ok(count @ 1..) = decoder.read(&mut room) {
            content.extend_from_slice(&room[..count]);
        }
        content
    }

    fn content() -> impl Strategy<Value = Vec<u8>> {
        let words = prop::collection::vec("[a-e]{1,6} |[ -~]{3}|<p>gannet</p>", 0..4000);
        prop_oneof![
            words.prop_map(|words| words.concat().into_bytes()),
            prop::collection::vec(any::<u8>(), 0..3000),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn what_goes_in_comes_out_again(
            content in content(),
            at in any::<prop::sample::Index>(),
            is_kept: bool,
        ) {
            for coding in Coding::ALL {
                let effort = match is_kept {
                    true => Effort::Kept(content.len() as u64),
                    false => Effort::Quick,
                };
                let coded = encode(coding, effort, &content).unwrap();
                prop_assert_eq!(&decoded(coding, &coded), &content);

                let (head, tail) = content.split_at(at.index(content.len() + 1));
                let mut encoder = Encoder::new(coding, effort).unwrap();
                encoder.write(head).unwrap();
                encoder.flush().unwrap();
                let mut coded = encoder.take();
                prop_assert_eq!(&decoded(coding, &coded), head, "{:?}", coding);
                encoder.write(tail).unwrap();
                coded.extend(encoder.take());
                coded.extend(encoder.finish().unwrap());
                prop_assert_eq!(&decoded(coding, &coded), &content, "{:?}", coding);
            }
        }
    }

    #[test]
    fn nothing_can_be_encoded_too() {
        for coding in [Coding::Br, Coding::Zstd, Coding::Gzip] {
            for effort in [Effort::Quick, Effort::Kept(0)] {
                let coded = encode(coding, effort, b"").unwrap();
                assert!(!coded.is_empty() && decoded(coding, &coded).is_empty(), "{coding:?}");
            }
        }
    }

    #[test]
    fn content_of_another_length_than_was_announced_is_no_content() {
        assert!(encode(Coding::Zstd, Effort::Kept(3), b"four").is_err());
        assert!(encode(Coding::Zstd, Effort::Kept(5), b"four").is_err());
    }

    #[test]
    fn windows_are_no_larger_than_browsers_allow() {
        for (bytes, expect) in [(0, 10), (1, 10), (1024, 10), (1025, 11), (1 << 20, 20)] {
            assert_eq!(window_log(bytes), expect, "{bytes}");
        }
        assert_eq!(window_log(u64::MAX), KEPT_WINDOW_LOG);
    }
}
