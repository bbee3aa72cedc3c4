//! What was known of connections a while ago: what limits one now is in what has changed since, not
//! in sums since it began.

use super::ends;
use control::lives::Ends;
use net::diag::{Path, Socket};
use std::collections::HashMap;

/// How far two looks are apart at least that are compared, and at most.
const APART_US: u64 = 1_000_000;
const APART_MAX_US: u64 = 60_000_000;

/// What was known when somebody looked at connections before.
#[derive(Debug, Default)]
pub struct Looks(HashMap<Ends, Look>);

/// The last two looks at one that are far enough apart.
#[derive(Clone, Copy, Debug)]
struct Look {
    last: (u64, Path),
    before: Option<(u64, Path)>,
}

impl Looks {
    /// How the way to the client of `socket` was a while before `now_us`; as far as that is known.
    pub(super) fn before(&self, socket: &Socket, now_us: u64) -> Option<Path> {
        let Look { last, before } = self.0.get(&ends(socket))?;
        let is_apart = |(at_us, _): &&(u64, Path)| {
            (APART_US..=APART_MAX_US).contains(&now_us.saturating_sub(*at_us))
        };
        // A port may be that of another connection by now.
        let now = socket.path.as_deref()?;
        let is_same = |path: &Path| {
            path.busy_us <= now.busy_us
                && path.segments_out <= now.segments_out
                && path.received <= now.received
        };
        let found = [Some(last), before.as_ref()].into_iter().flatten().find(is_apart);
        found.map(|(_, path)| *path).filter(is_same)
    }

    /// Keeps in mind what is known of `sockets`, and nothing of what nobody has looked at lately.
    pub(super) fn note<'s>(&mut self, sockets: impl Iterator<Item = &'s Socket>, now_us: u64) {
        for socket in sockets {
            let Some(path) = socket.path.as_deref() else { continue };
            let now = (now_us, *path);
            let look = self.0.entry(ends(socket)).or_insert(Look { last: now, before: None });
            if now_us.saturating_sub(look.last.0) >= APART_US {
                *look = Look { last: now, before: Some(look.last) };
            }
        }
        self.0.retain(|_, look| now_us.saturating_sub(look.last.0) <= APART_MAX_US);
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::socket, *};
    use net::diag::State;

    #[test]
    fn a_look_is_compared_with_one_a_second_or_more_before() {
        let with = |busy_us| socket(State::Established, Some(Path { busy_us, ..Path::default() }));
        let mut looks = Looks::default();
        let second = APART_US;
        assert_eq!(looks.before(&with(5), second), None, "nobody has looked");
        for (at_us, busy_us) in [(second, 5), (2 * second, 7), (2 * second + 1, 8)] {
            looks.note([with(busy_us)].iter(), at_us);
        }
        let before =
            |now_us, busy_us| looks.before(&with(busy_us), now_us).map(|path| path.busy_us);
        // However many look, and whenever.
        assert_eq!(before(2 * second + 2, 9), Some(5));
        assert_eq!(before(3 * second, 9), Some(7));
        assert_eq!(before(100 * second, 9), None, "that is too long ago");
        assert_eq!(before(3 * second, 6), None, "it is another connection");
    }

    #[test]
    fn what_nobody_has_looked_at_lately_is_forgotten() {
        let mut looks = Looks::default();
        looks.note([socket(State::Established, Some(Path::default()))].iter(), 1);
        looks.note([].iter(), APART_MAX_US);
        assert_eq!(looks.0.len(), 1);
        looks.note([].iter(), APART_MAX_US + 2);
        assert_eq!(looks.0.len(), 0);
    }
}
