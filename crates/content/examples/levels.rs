//! Encodes a file over and over at one level, so that time and ratio of levels can be compared.
//!
//! `levels CODING LEVEL WINDOW_LOG COUNT FILE`; window 0 leaves it to the codec.

use brotli::CompressorWriter;
use flate2::{Compression, write::GzEncoder};
use std::{error::Error, io::Write};
use zstd::zstd_safe::CParameter;

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<_> = std::env::args().skip(1).collect();
    let [coding, level, window, count, file] = &words[..] else {
        return Err("levels CODING LEVEL WINDOW_LOG COUNT FILE".into());
    };
    let (level, window, count): (u32, u32, u32) = (level.parse()?, window.parse()?, count.parse()?);
    let content = std::fs::read(file)?;
    let mut bytes = 0;
    for _ in 0..count {
        bytes = encode(coding, level, window, &content)?.len();
    }
    let ratio = content.len() as f64 / bytes as f64;
    writeln!(std::io::stdout(), "{coding} {level} {bytes} bytes, ratio {ratio:.2}")?;
    Ok(())
}

fn encode(
    coding: &str,
    level: u32,
    window: u32,
    content: &[u8],
) -> Result<Vec<u8>, Box<dyn Error>> {
    Ok(match coding {
        "br" => {
            let window = if window == 0 { 22 } else { window };
            let mut encoder = CompressorWriter::new(Vec::new(), 16 * 1024, level, window);
            encoder.write_all(content)?;
            encoder.into_inner()
        }
        "zstd" => {
            let level = i32::try_from(level)?;
            let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), level)?;
            if window > 0 {
                encoder.set_parameter(CParameter::WindowLog(window))?;
            } else {
                encoder.set_pledged_src_size(Some(content.len() as u64))?;
            }
            encoder.write_all(content)?;
            encoder.finish()?
        }
        "gzip" => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::new(level));
            encoder.write_all(content)?;
            encoder.finish()?
        }
        other => return Err(format!("unknown coding {other}").into()),
    })
}
