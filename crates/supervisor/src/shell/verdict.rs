//! What the process that checks a config has found.

use super::{BLUEPRINT_BYTES_MAX, Source, Told};
use crate::machine::{Checked, Event};
use config::Blueprint;
use control::note::{Note as _, Verdict};
use net::{channel::Message, sealed};
use std::{cell::OnceCell, os::fd::AsFd, rc::Rc};

/// The event that its message stands for.
pub(super) fn judge(message: Message) -> Told {
    let odd = |why: &str| Event::Refused(1, format!("error: the check of the config {why}"));
    let odd_words = || odd("said what nobody understands");
    match Verdict::decode(&message.bytes) {
        Some(Verdict::Refused { code, text }) => Event::Refused(code, text),
        Some(Verdict::Fine) => {
            let mut descriptors = message.descriptors.into_iter();
            let (Some(bundle), Some(blueprint)) = (descriptors.next(), descriptors.next()) else {
                return odd_words();
            };
            let bytes = match sealed::read(blueprint.as_fd(), BLUEPRINT_BYTES_MAX) {
                Ok(bytes) => bytes,
                Err(error) => return odd(&format!("cannot be read: {error}")),
            };
            let Some(blueprint) = Blueprint::decode(&bytes) else { return odd_words() };
            Event::Checked(Checked {
                workers: blueprint.workers,
                stop_time: blueprint.stop_time,
                drain_time: blueprint.drain_time,
                source: Rc::new(Source { bundle, blueprint, clients: OnceCell::new() }),
            })
        }
        None => odd_words(),
    }
}
