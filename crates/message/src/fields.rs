//! A request's field lines, in the order they came (RFC 9110 section 5).

use crate::name::Name;

/// One field line, borrowed from the head it came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'h> {
    /// The name as it was sent.
    pub name: &'h [u8],
    /// The value without the white space around it.
    pub value: &'h [u8],
}

/// All field lines of a request, with an index of those that the server knows.
///
/// Whoever builds it says of each line which known name it has; looking one up is then one step.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'h> {
    lines: &'h [Field<'h>],
    index: Index,
}

/// Some of the known names.
#[derive(Clone, Copy, Debug)]
pub struct Names(u32);

impl Names {
    /// These.
    #[must_use]
    pub const fn of(names: &[Name]) -> Self {
        let (mut bits, mut rest) = (0, names);
        while let [name, more @ ..] = rest {
            bits |= 1 << *name as u32;
            rest = more;
        }
        Self(bits)
    }
}

/// Where each known name stands first among the lines.
#[derive(Clone, Copy, Debug, Default)]
pub struct Index {
    /// Position of the first line plus one, or 0 for "not there".
    first: [u16; Name::COUNT],
    present: u32,
    repeated: u32,
}

impl Index {
    /// Notes that line number `position` has the name `name`.
    pub fn note(&mut self, name: Name, position: usize) {
        let bit = 1 << name as u32;
        if self.present & bit != 0 {
            self.repeated |= bit;
            return;
        }
        self.present |= bit;
        self.first[name as usize] = u16::try_from(position + 1).unwrap_or(0);
    }

    /// Whether more than one line has the name.
    #[must_use]
    pub fn is_repeated(&self, name: Name) -> bool {
        self.repeated & 1 << name as u32 != 0
    }
}

impl<'h> Fields<'h> {
    /// The lines with the index that was made of them.
    #[must_use]
    pub fn new(lines: &'h [Field<'h>], index: Index) -> Self {
        Self { lines, index }
    }

    /// Indexes `lines`; for callers that do not read them one by one anyway.
    #[must_use]
    pub fn of(lines: &'h [Field<'h>]) -> Self {
        let mut index = Index::default();
        for (position, line) in lines.iter().enumerate() {
            if let Some(name) = Name::parse(line.name) {
                index.note(name, position);
            }
        }
        Self { lines, index }
    }

    /// The first value of a known field.
    #[must_use]
    pub fn get(&self, name: Name) -> Option<&'h [u8]> {
        let position = self.index.first[name as usize];
        (position != 0).then(|| self.lines[usize::from(position) - 1].value)
    }

    /// Every value of a known field, in order; a list field may be split over several lines.
    pub fn all(&self, name: Name) -> impl Iterator<Item = &'h [u8]> + use<'h> {
        // Most fields stand once, and the index knows where: no need to look at the others.
        let wanted = match usize::from(self.index.first[name as usize]) {
            0 => &[],
            first if self.is_repeated(name) => &self.lines[first - 1..],
            first => &self.lines[first - 1..first],
        };
        let is_only = wanted.len() == 1;
        wanted
            .iter()
            .filter(move |line| is_only || line.name.eq_ignore_ascii_case(name.as_str().as_bytes()))
            .map(|line| line.value)
    }

    /// Whether there is a line of that name.
    #[must_use]
    pub fn contains(&self, name: Name) -> bool {
        self.index.present & 1 << name as u32 != 0
    }

    /// Whether there is a line of any of these names; one step for all of them.
    #[must_use]
    pub fn contains_any(&self, names: Names) -> bool {
        self.index.present & names.0 != 0
    }

    /// Whether more than one line has the name.
    #[must_use]
    pub fn is_repeated(&self, name: Name) -> bool {
        self.index.is_repeated(name)
    }

    /// All lines in the order they came.
    #[must_use]
    pub fn lines(&self) -> &'h [Field<'h>] {
        self.lines
    }
}

/// Field lines that there is room for without asking for memory; a browser sends some fifteen.
const FIELDS_USUAL: usize = 24;

/// Room for the field lines of one head.
pub struct Slots<'b> {
    usual: [Field<'b>; FIELDS_USUAL],
    /// All lines, where there are more.
    many: Vec<Field<'b>>,
}

impl<'b> Slots<'b> {
    /// Room on the stack.
    #[inline]
    #[must_use]
    pub const fn new() -> Self {
        Self { usual: [Field { name: b"", value: b"" }; FIELDS_USUAL], many: Vec::new() }
    }

    /// Puts down line number `position`; the lines before it are there. A line that is put together
    /// elsewhere first costs more than all the rest of it.
    #[inline]
    pub fn put(&mut self, position: usize, name: &'b [u8], value: &'b [u8]) {
        match self.usual.get_mut(position) {
            Some(line) => (line.name, line.value) = (name, value),
            None => self.put_beyond(Field { name, value }),
        }
    }

    #[cold]
    fn put_beyond(&mut self, line: Field<'b>) {
        if self.many.is_empty() {
            self.many.extend(self.usual);
        }
        self.many.push(line);
    }

    /// The first `count` lines.
    #[must_use]
    pub fn lines(&self, count: usize) -> &[Field<'b>] {
        if self.many.is_empty() { &self.usual[..count] } else { &self.many }
    }
}

impl Default for Slots<'_> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_field_may_be_split_over_lines() {
        let lines = [
            Field { name: b"Accept-Encoding", value: b"gzip" },
            Field { name: b"x", value: b"1" },
            Field { name: b"accept-encoding", value: b"br" },
        ];
        let fields = Fields::of(&lines);
        assert_eq!(fields.get(Name::AcceptEncoding), Some(&b"gzip"[..]));
        assert_eq!(fields.all(Name::AcceptEncoding).collect::<Vec<_>>(), [&b"gzip"[..], b"br"]);
        assert!(fields.is_repeated(Name::AcceptEncoding));
        assert!(!fields.contains(Name::Host));
        assert_eq!(fields.all(Name::Host).count(), 0);
        let once = Fields::of(&lines[..2]);
        assert_eq!(once.all(Name::AcceptEncoding).collect::<Vec<_>>(), [b"gzip"]);
        assert!(fields.contains_any(Names::of(&[Name::Host, Name::AcceptEncoding])));
    }
}
