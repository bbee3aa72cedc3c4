//! What somebody may have meant: the known word that is the fewest slips away.

/// Longer words are not guessed at: the table of slips grows with the square of their length.
const WORD_CHARS_MAX: usize = 64;

/// The word of `known` nearest to `typed`, if it is near enough to be worth a question.
#[must_use]
pub fn nearest<'k>(typed: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let typed = plain(typed);
    if typed.len() > WORD_CHARS_MAX {
        return None;
    }
    let slips_max = (typed.len() / 3).max(1);
    let near = known.into_iter().filter_map(|word| {
        let slips = slips(&typed, &plain(word));
        (slips <= slips_max).then_some((slips, word))
    });
    near.min_by_key(|(slips, _)| *slips).map(|(_, word)| word)
}

/// Case and the choice between `-` and `_` are no slips.
fn plain(word: &str) -> Vec<char> {
    word.chars().map(|c| if c == '_' { '-' } else { c.to_ascii_lowercase() }).collect()
}

/// Characters to add, drop, change or swap with their neighbour to get from one word to the other
/// (the optimal string alignment distance).
fn slips(from: &[char], to: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=to.len()).collect();
    for (row, c) in from.iter().enumerate() {
        let mut line = vec![row + 1];
        for (column, d) in to.iter().enumerate() {
            let change = above[column] + usize::from(c != d);
            let mut least = change.min(above[column + 1] + 1).min(line[column] + 1);
            if row > 0 && column > 0 && from[row - 1] == *d && to[column - 1] == *c {
                least = least.min(before[column - 1] + 1);
            }
            line.push(least);
        }
        before = std::mem::replace(&mut above, line);
    }
    above.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_word_is_found() {
        const KNOWN: [&str; 5] = ["listen", "threads", "log", "listing", "head-bytes-max"];
        fn check(typed: &str, expect: Option<&str>) {
            assert_eq!(nearest(typed, KNOWN), expect, "{typed:?}");
        }
        check("lisen", Some("listen"));
        check("Listen", Some("listen"));
        check("lsiten", Some("listen"));
        check("listings", Some("listing"));
        check("lag", Some("log"));
        check("thread", Some("threads"));
        check("head_bytes_max", Some("head-bytes-max"));
        check("headbytesmax", Some("head-bytes-max"));
        check("port", None);
        check("x", None);
        check("", None);
        check(&"listen".repeat(100_000), None);
    }
}
