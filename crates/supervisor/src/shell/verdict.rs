//! What the process that checks a config has found.

use super::{BLUEPRINT_BYTES_MAX, Source, Told};
use crate::{
    machine::{Checked, Event},
    state,
};
use config::Blueprint;
use control::note::{Note as _, Verdict};
use net::{channel::Message, sealed};
use std::{os::fd::AsFd, rc::Rc};

/// The event that its message stands for.
pub(super) fn judge(message: Message) -> Told {
    let odd = || Event::Refused(1, "error: the check of the config said nothing".to_owned());
    match Verdict::decode(&message.bytes) {
        Some(Verdict::Refused { code, text }) => Event::Refused(code, text),
        Some(Verdict::Fine) => {
            let mut descriptors = message.descriptors.into_iter();
            let (Some(bundle), Some(blueprint)) = (descriptors.next(), descriptors.next()) else {
                return odd();
            };
            let bytes = sealed::read(blueprint.as_fd(), BLUEPRINT_BYTES_MAX);
            let Some(blueprint) = bytes.ok().and_then(|bytes| Blueprint::decode(&bytes)) else {
                return odd();
            };
            let Ok(name) = state::name("config") else { return odd() };
            Event::Checked(Checked {
                workers: blueprint.workers,
                stop_time: blueprint.stop_time,
                drain_time: blueprint.drain_time,
                source: Rc::new(Source { bundle, name, blueprint }),
            })
        }
        None => odd(),
    }
}
