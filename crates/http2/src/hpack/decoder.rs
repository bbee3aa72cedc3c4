//! From a field block to its fields (RFC 7541 sections 3 and 6).

use super::{huffman, table::Table};
use crate::{
    block::Block,
    fault::{Code, Fault},
};

/// One direction's decoder.
#[derive(Debug)]
pub(crate) struct Decoder {
    table: Table,
}

/// The bytes of an integer beyond its prefix, at most: 28 bits are more than any length that
/// could be allowed.
const INTEGER_BYTES_MAX: u32 = 4;

const BROKEN: Fault = Fault::new(Code::CompressionError, "a field block is malformed");

const ENDLESS: Fault =
    Fault::new(Code::EnhanceYourCalm, "a field block unfolds to much more than a head may be");

impl Decoder {
    pub(crate) const fn new() -> Self {
        Self { table: Table::new() }
    }

    /// Takes no more memory than it has to, until the next block.
    pub(crate) fn settle(&mut self) {
        self.table.settle();
    }

    /// Adds the fields of a whole block to `block`.
    pub(crate) fn decode(&mut self, coded: &[u8], block: &mut Block) -> Result<(), Fault> {
        let mut rest = coded;
        let mut has_fields = false;
        while let Some(&first) = rest.first() {
            match first {
                0x80.. => {
                    let number = integer(&mut rest, 7)?;
                    let (name, value) = self.table.get(number).ok_or(BROKEN)?;
                    block.push(name, value);
                }
                0x40..0x80 => self.literal(&mut rest, 6, block)?,
                0x20..0x40 => {
                    // Section 4.2: only before the first field.
                    let bytes_max = integer(&mut rest, 5)?;
                    if has_fields || self.table.resize(bytes_max).is_none() {
                        return Err(BROKEN);
                    }
                    continue;
                }
                _ => self.literal(&mut rest, 4, block)?,
            }
            if block.is_beyond_measure() {
                return Err(ENDLESS);
            }
            has_fields = true;
        }
        Ok(())
    }

    /// A field that is told in full, or but for its name; after a prefix of six bits it is added
    /// to the table.
    fn literal(&mut self, rest: &mut &[u8], prefix: u32, block: &mut Block) -> Result<(), Fault> {
        let number = integer(rest, prefix)?;
        let mut field = block.begin();
        if number == 0 {
            text(rest, field.text())?;
        } else {
            let (name, _) = self.table.get(number).ok_or(BROKEN)?;
            field.text().extend_from_slice(name);
        }
        field.end_name();
        text(rest, field.text())?;
        if prefix == 6 {
            let (name, value) = field.parts();
            self.table.add(name, value);
        }
        field.end();
        Ok(())
    }
}

/// A number whose first bits stand in the lowest `prefix` bits of the first byte (section 5.1).
fn integer(rest: &mut &[u8], prefix: u32) -> Result<usize, Fault> {
    let (&first, mut more) = rest.split_first().ok_or(BROKEN)?;
    let full = (1_usize << prefix) - 1;
    let mut value = usize::from(first) & full;
    if value == full {
        let mut at = 0;
        loop {
            let (&byte, after) = more.split_first().ok_or(BROKEN)?;
            if at == INTEGER_BYTES_MAX {
                return Err(BROKEN);
            }
            value += usize::from(byte & 0x7f) << (7 * at);
            (more, at) = (after, at + 1);
            if byte < 0x80 {
                break;
            }
        }
    }
    *rest = more;
    Ok(value)
}

/// Appends a string (section 5.2).
fn text(rest: &mut &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
    let is_coded = rest.first().is_some_and(|&byte| byte >= 0x80);
    let bytes = integer(rest, 7)?;
    let (text, more) = rest.split_at_checked(bytes).ok_or(BROKEN)?;
    *rest = more;
    if is_coded {
        return huffman::decode(text, out).ok_or(BROKEN);
    }
    out.extend_from_slice(text);
    Ok(())
}
