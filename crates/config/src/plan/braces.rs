//! Text with names in braces, such as `/new/{rest}`, taken apart.

/// A piece of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece<'t> {
    /// Text of its own, not empty.
    Literal(String),
    /// What stood between braces.
    Name(&'t str),
}

/// Why a text cannot be taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PhraseError {
    /// A `{` without its `}`.
    Open,
    /// A `}` without its `{`.
    Close,
    /// Nothing has this name.
    Unknown(Box<str>),
}

/// The pieces of `text`. `{{` and `}}` stand for braces.
pub(super) fn pieces(text: &str) -> Result<Vec<Piece<'_>>, PhraseError> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        literal.push_str(&rest[..at]);
        let (brace, behind) = rest[at..].split_at(1);
        rest = behind;
        if let Some(behind) = rest.strip_prefix(brace) {
            literal.push_str(brace);
            rest = behind;
            continue;
        }
        if brace == "}" {
            return Err(PhraseError::Close);
        }
        let (name, behind) = rest.split_once('}').ok_or(PhraseError::Open)?;
        rest = behind;
        if !literal.is_empty() {
            pieces.push(Piece::Literal(std::mem::take(&mut literal)));
        }
        pieces.push(Piece::Name(name));
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal));
    }
    Ok(pieces)
}
