//! Content that comes into being while it is sent, and answers that are sent at a pace.

use super::{From, Streams, UnderWay};
use crate::turn::{Turn, Work};
use message::Broken;
use std::task::{Context, Poll};

impl Streams {
    /// Takes the next piece of a source, if its stream waits for one.
    pub(super) fn feed(
        &mut self,
        at: usize,
        turn: &mut Turn<'_>,
        from: &From<'_>,
        context: &mut Context<'_>,
    ) {
        let UnderWay { key, work, record, .. } = &mut self.under_way[at];
        let Work::Source(source) = work else { return };
        while self.http.is_hungry(*key) {
            let piece = match source.poll_next(context) {
                Poll::Ready(piece) => piece,
                Poll::Pending if self.has_left => Some(Err(Broken::CUT_OFF)),
                Poll::Pending => return,
            };
            match piece {
                Some(Ok(piece)) => {
                    record.iter_mut().for_each(|record| record.bytes += piece.len() as u64);
                    self.http.stream(*key, piece);
                    continue;
                }
                Some(Err(Broken(reason))) => {
                    record.iter_mut().for_each(|record| record.is_cut = true);
                    self.http.abort_stream(*key, &mut turn.scratch.output);
                    let exchange = self.under_way.swap_remove(at);
                    return self.put_down(exchange, 0, Some(reason), turn, from);
                }
                None => self.http.finish_stream(*key),
            }
            *work = Work::Nothing;
            return;
        }
    }

    /// Lets a paced answer have what its client may be sent by now.
    pub(super) fn allow(&mut self, at: usize, turn: &Turn<'_>) {
        let Some(UnderWay { key, share: Some(share), .. }) = self.under_way.get_mut(at) else {
            return;
        };
        let Some(left) = self.http.unpaced_bytes(*key) else { return };
        if let Some(bytes) = share.usable_bytes(left, turn.core, turn.tick.now) {
            self.http.allow(*key, bytes as u64);
            share.spend(bytes);
        }
    }
}
