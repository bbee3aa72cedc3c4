//! A process of a pool: what it says, as far as anybody can read that, and how it ends.

use super::{Heard, Teller};
use crate::{
    child::ended,
    fpm::{self, Word},
    orphans::Own,
    state,
};
use base::Moment;
use net::process::Handle;
use std::{
    future::{pending, poll_fn},
    io, mem,
    os::fd::OwnedFd,
    pin::pin,
    rc::Rc,
    time::Duration,
};
use tokio::{net::unix::pipe::Receiver, task::spawn_local, time::sleep};

/// Bytes of a line that are told; the rest of a longer one is another line.
const LINE_BYTES_MAX: usize = 8 * 1024;

/// Lines that are told in so much time; others wait in the pipe, as long as there is room.
const LINES_MAX: usize = 100;
const LINES_TIME: Duration = Duration::from_secs(1);

/// What is told once where there are more.
const TOO_MANY: &str = "says more than 100 lines a second: what does not fit is lost";

/// A process that is there, or of whose end nobody has heard.
pub(super) struct Process {
    pub(super) number: u64,
    pub(super) pid: u32,
    pub(super) handle: Rc<Handle>,
    pub(super) errors: Rc<Receiver>,
    /// What both are called where they are kept.
    pub(super) name: String,
}

impl Process {
    /// Watches a process, which may be another's child by now: what it says comes out of `errors`.
    pub(super) fn watch(
        (number, pid): (u64, u32),
        handle: Handle,
        errors: OwnedFd,
        tell: &Teller,
    ) -> io::Result<Self> {
        let (handle, errors) = (Rc::new(handle), Rc::new(Receiver::from_owned_fd(errors)?));
        let leader = Rc::clone(&handle);
        // Where it was killed, those that it has started still take requests.
        let ended = ended(Rc::clone(&handle), move || leader.quit_group())?;
        let name = state::name("php")?;
        let (own, words, tell) = (Own::new(pid), Rc::clone(&errors), Rc::clone(tell));
        spawn_local(async move {
            let how = listen(&words, ended, |word| tell(number, Heard::Word(word))).await;
            drop(own);
            tell(number, Heard::Ended(how));
        });
        Ok(Self { number, pid, handle, errors, name })
    }
}

/// Hears what a process says, and then how it ended.
async fn listen(
    errors: &Receiver,
    ended: impl Future<Output = String>,
    tell: impl Fn(Word),
) -> String {
    let ear = fpm::Ear::default();
    let mut lines = Lines { errors, unread: Vec::new(), count: 0, until: Moment(0), ear };
    let how = {
        let (mut telling, mut ended) = (pin!(lines.tell_on(&tell)), pin!(ended));
        let next = poll_fn(|context| {
            // Before it ends it may have said why.
            let _ = telling.as_mut().poll(context);
            ended.as_mut().poll(context)
        });
        next.await
    };
    lines.tell_rest(&tell);
    how
}

/// What is read of a process, line by line.
struct Lines<'e> {
    errors: &'e Receiver,
    unread: Vec<u8>,
    /// How many were told since a time that is over then.
    count: usize,
    until: Moment,
    ear: fpm::Ear,
}

impl Lines<'_> {
    /// Tells line after line, no more in a second than anybody reads.
    async fn tell_on(&mut self, tell: &impl Fn(Word)) {
        let mut is_flooded = false;
        loop {
            let Some(line) = next_line(&mut self.unread) else {
                if self.errors.readable().await.is_err() || self.read().is_none() {
                    return pending().await;
                }
                continue;
            };
            let now = net::clock::now();
            if self.until <= now {
                is_flooded &= self.count > LINES_MAX;
                (self.count, self.until) = (0, now.after(LINES_TIME));
            }
            self.count += 1;
            if self.count > LINES_MAX {
                if !mem::replace(&mut is_flooded, true) {
                    tell(Word::Said(TOO_MANY.to_owned()));
                }
                sleep(self.until.since(now)).await;
            }
            self.ear.meaning(&line).into_iter().for_each(tell);
        }
    }

    /// Tells what it has said at last.
    fn tell_rest(&mut self, tell: &impl Fn(Word)) {
        for _ in 0..LINES_MAX {
            let line = loop {
                match next_line(&mut self.unread) {
                    None if self.read().is_some_and(|count| count > 0) => {}
                    found => break found,
                }
            };
            let Some(line) = line else { return };
            self.ear.meaning(&line).into_iter().for_each(tell);
        }
    }

    /// Reads what there is now: how many bytes; `None` where nothing will follow.
    fn read(&mut self) -> Option<usize> {
        let mut room = [0; LINE_BYTES_MAX];
        match self.errors.try_read(&mut room) {
            Ok(0) => None,
            Ok(count) => {
                self.unread.extend_from_slice(room.get(..count).unwrap_or_default());
                Some(count)
            }
            Err(error) => (error.kind() == io::ErrorKind::WouldBlock).then_some(0),
        }
    }
}

/// Takes the first line from `unread`, if it is whole or too long.
fn next_line(unread: &mut Vec<u8>) -> Option<String> {
    let end = unread.iter().position(|&byte| byte == b'\n');
    let end = end.or_else(|| (unread.len() >= LINE_BYTES_MAX).then_some(LINE_BYTES_MAX - 1))?;
    let line: Vec<u8> = unread.drain(..=end).collect();
    Some(String::from_utf8_lossy(&line).trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use net::process;
    use std::{
        cell::RefCell, fs::File, io::Write, os::unix::process::CommandExt, process::Command,
    };
    use tokio::{
        runtime::{Builder, LocalOptions, LocalRuntime},
        sync::mpsc::unbounded_channel,
    };

    fn runtime() -> LocalRuntime {
        let mut builder = Builder::new_current_thread();
        builder.enable_all().build_local(LocalOptions::default()).unwrap()
    }

    /// One that was killed while nobody watched, and whose number another has by now.
    #[test]
    fn who_has_the_number_of_one_that_is_gone_is_left_alone() {
        let [mut gone, mut other] =
            [(); 2].map(|()| Command::new("sleep").arg("60").process_group(0).spawn().unwrap());
        let [handle, innocent] = [&gone, &other].map(|one| Handle::of(one.id()).unwrap());
        gone.kill().unwrap();
        gone.wait().unwrap();
        runtime().block_on(async {
            let (heard, mut told) = unbounded_channel();
            let tell: Teller = Rc::new(move |_, word| drop(heard.send(word)));
            let (errors, _end) = process::overflow().unwrap();
            let _process = Process::watch((1, other.id()), handle, errors, &tell).unwrap();
            assert!(matches!(told.recv().await, Some(Heard::Ended(_))));
        });
        assert!(!innocent.has_ended());
        other.kill().unwrap();
        other.wait().unwrap();
    }

    fn lines(count: usize) -> Vec<String> {
        (0..count).map(|number| format!("line {number}")).collect()
    }

    #[test]
    fn what_it_says_is_told_up_to_a_measure_and_at_last() {
        for (count, expect) in [(3, lines(3)), (5 * LINES_MAX, Vec::new())] {
            let said = RefCell::new(Vec::new());
            runtime().block_on(async {
                let (errors, end) = process::overflow().unwrap();
                let errors = Receiver::from_owned_fd(errors).unwrap();
                let text = lines(count).join("\n") + "\nnot whole";
                File::from(end).write_all(text.as_bytes()).unwrap();
                let tell = |word| match word {
                    Word::Said(text) => said.borrow_mut().push(text),
                    Word::Ready => {}
                };
                let ended = async {
                    errors.readable().await.unwrap();
                    "by itself".to_owned()
                };
                assert_eq!(listen(&errors, ended, tell).await, "by itself");
            });
            let said = said.into_inner();
            if expect.is_empty() {
                assert_eq!(said.len(), 2 * LINES_MAX + 1);
                assert_eq!(said[LINES_MAX], TOO_MANY);
            } else {
                assert_eq!(said, expect);
            }
        }
    }
}
