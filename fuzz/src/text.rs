//! Inputs that are lines, and bytes that are looked at as text.

/// The lines of an input, without their ends; a last line need not have one.
pub(crate) fn lines(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    data.strip_suffix(b"\n").unwrap_or(data).split(|&byte| byte == b'\n')
}

/// The first line and what follows it.
pub(crate) fn first_line(data: &[u8]) -> (&[u8], &[u8]) {
    match data.iter().position(|&byte| byte == b'\n') {
        Some(at) => (&data[..at], &data[at + 1..]),
        None => (data, &[]),
    }
}

/// One character for each byte, so that bytes of any kind can be split and compared as text.
pub(crate) fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}

/// The list in a field's value as RFC 9110 section 5.6.1 has it: members without the blanks around
/// them, without the empty ones. Commas between quotes are no matter of this function.
pub(crate) fn members(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(|member| member.trim_matches([' ', '\t'])).filter(|m| !m.is_empty())
}
