//! Field compression (RFC 7541): a decoder with a table that the client fills, and an encoder that
//! fills none.

mod huffman;
mod table;
mod decoder;
mod encoder;

pub(crate) use decoder::Decoder;
pub(crate) use encoder::{content_length, date, lines, no_table, status};
