//! Making a compressed form of a file, on the pool.

use super::{
    forms::Ticket,
    load::{Bytes, Content},
};
use content::{Effort, Encoder};
use message::Coding;
use net::Stat;
use std::{io, os::fd::AsFd, sync::Arc};

/// Bytes that are read and encoded at a time.
const STEP_BYTES: usize = 64 * 1024;

/// Of what a form must be smaller than its file at least, in bytes: one part of this many. Less is
/// not worth the work of the client.
const GAIN_PARTS: u64 = 16;

/// A file changed this recently may change again within the resolution of its times: its form is
/// not kept for the other loops.
const SETTLING_SECONDS: i64 = 2;

/// A form that is to be made of a file.
#[derive(Debug)]
pub(super) struct Making {
    ticket: Ticket,
    content: Content,
    media_type: &'static str,
    is_settled: bool,
}

/// What came of it.
pub(super) struct Made {
    /// The file, to be sent as it is where there is no form.
    pub(super) content: Content,
    pub(super) media_type: &'static str,
    pub(super) coding: Coding,
    pub(super) form: Option<Arc<Vec<u8>>>,
}

impl Making {
    pub(super) fn new(
        ticket: Ticket,
        content: Content,
        media_type: &'static str,
        wall_seconds: i64,
    ) -> Self {
        let Stat { changed, modified, .. } = content.stat;
        let age = wall_seconds.saturating_sub(changed.seconds.max(modified.seconds));
        Self { ticket, content, media_type, is_settled: age >= SETTLING_SECONDS }
    }

    /// Makes it, however long that takes.
    pub(super) fn run(self) -> Made {
        net::failpoint::hit("compress");
        let Self { ticket, content, media_type, is_settled } = self;
        let coding = ticket.key().coding;
        let form = encode(coding, &content).ok().map(|form| {
            let is_worth = form.len() as u64 <= content.stat.size - content.stat.size / GAIN_PARTS;
            is_worth.then(|| Arc::new(form))
        });
        if let Some(form) = form.as_ref().filter(|_| is_settled) {
            ticket.keep(form.clone());
        }
        Made { content, media_type, coding, form: form.flatten() }
    }

    /// Does not make it: there is too much to do.
    pub(super) fn decline(self) -> Made {
        let Self { ticket, content, media_type, .. } = self;
        Made { content, media_type, coding: ticket.key().coding, form: None }
    }
}

/// The content in `coding`; an error where it cannot be read, or was changed meanwhile.
fn encode(coding: Coding, content: &Content) -> io::Result<Vec<u8>> {
    let size = content.stat.size;
    let mut encoder = Encoder::new(coding, Effort::Kept(size))?;
    match &content.bytes {
        Bytes::Memory(bytes) => encoder.write(bytes)?,
        Bytes::Open(file) => {
            let file = file.descriptor.as_fd();
            let (mut room, mut offset) = (vec![0; STEP_BYTES], 0);
            while offset < size {
                let wanted =
                    usize::try_from(size - offset).map_or(STEP_BYTES, |rest| rest.min(STEP_BYTES));
                let count = net::file::read(file, &mut room[..wanted], offset)?;
                if count == 0 {
                    break;
                }
                encoder.write(&room[..count])?;
                offset += count as u64;
            }
            if net::file::stat(file)? != content.stat {
                return Err(io::ErrorKind::StaleNetworkFileHandle.into());
            }
        }
    }
    let mut form = encoder.finish()?;
    form.shrink_to_fit();
    Ok(form)
}
