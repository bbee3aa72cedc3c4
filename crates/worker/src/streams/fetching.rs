//! Content of files that a disk has to be waited for: it is read on the pool, for each stream by
//! itself, while the others of the connection go on.

use super::{From, Streams};
use crate::{pool::POOL_IS_FULL, sending, turn::Turn};
use http2::{Ended, Key};
use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::sync::oneshot;

/// What the line says of an exchange whose file could not be read to its end.
const UNREADABLE: &str = "its file could not be read to the end";

/// A part of a file that is being read for a stream.
pub(super) struct Fetch {
    key: Key,
    /// The number of the stream: once that is over, its key may be another one's.
    stream: u32,
    /// How many bytes were asked for.
    bytes: u64,
    done: oneshot::Receiver<io::Result<Vec<u8>>>,
}

impl Streams {
    /// Hands over what has been read; whether anything was.
    pub(super) fn take_fetched(
        &mut self,
        turn: &mut Turn<'_>,
        from: &From<'_>,
        context: &mut Context<'_>,
    ) -> bool {
        let (mut at, mut has_come) = (0, false);
        while let Some(fetch) = self.fetches.get_mut(at) {
            if self.http.number(fetch.key) != fetch.stream {
                // The pool need not begin with it any more.
                self.fetches.swap_remove(at);
                continue;
            }
            let Poll::Ready(read) = Pin::new(&mut fetch.done).poll(context) else {
                at += 1;
                continue;
            };
            let Fetch { key, bytes, .. } = self.fetches.swap_remove(at);
            has_come = true;
            match read {
                Ok(Ok(read)) if read.len() as u64 == bytes => self.http.supply(key, read),
                // It has become shorter than its answer says, or the disk has failed.
                Ok(Ok(_) | Err(_)) | Err(_) => self.lose(key, UNREADABLE, turn, from),
            }
        }
        has_come
    }

    /// Has the next parts read that streams wait for; whether one of them is there already.
    pub(super) fn fetch(
        &mut self,
        turn: &mut Turn<'_>,
        from: &From<'_>,
        context: &mut Context<'_>,
    ) -> bool {
        let mut turned_away = Vec::new();
        while let Some((key, part)) = self.http.next_wanted() {
            let bytes = part.range.end - part.range.start;
            match sending::fetch(turn.core, &part) {
                Some(done) => {
                    self.fetches.push(Fetch { key, stream: self.http.number(key), bytes, done });
                }
                None => {
                    self.http.pass_over(key);
                    turned_away.push(key);
                }
            }
        }
        for key in turned_away {
            // What is being read for the connection wakes it, and then it can try again.
            match self.fetches.is_empty() {
                true => self.lose(key, POOL_IS_FULL, turn, from),
                false => self.http.want(key),
            }
        }
        // Who has just begun is asked, too, so that it wakes this connection.
        self.take_fetched(turn, from, context)
    }

    /// Cuts off an answer whose content cannot be had; the other streams do not notice.
    fn lose(&mut self, key: Key, why: &'static str, turn: &mut Turn<'_>, from: &From<'_>) {
        let unsent_bytes = self.http.unsent_bytes(key);
        self.http.abort_stream(key, &mut turn.scratch.output);
        self.end(Ended { key, unsent_bytes, reason: Some(why) }, turn, from);
    }
}
