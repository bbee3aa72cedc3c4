//! The end of a connection, without harm to the last answer.

use super::Connection;
use crate::{telling::Goodbye, turn::Turn};
use std::os::fd::AsFd;

impl Connection {
    /// Says with a FIN that nothing more will come, and whether to go on reading, lest what the
    /// peer still sends destroys the last answer on its way.
    pub(super) fn lingers(&mut self, turn: &mut Turn<'_>) -> bool {
        let lingers = self.http.linger(turn.tick.now);
        if let Some(secure) = &mut self.secure
            && secure.end(&mut turn.scratch.records)
        {
            // Once that is sent, this is asked again.
            return true;
        }
        if !lingers {
            return false;
        }
        self.say_goodbye();
        true
    }

    /// Says, once, that nothing more will come.
    pub(super) fn say_goodbye(&mut self) {
        if self.goodbye == Goodbye::Nothing {
            self.goodbye = Goodbye::Fin;
            // Where this fails, reading finds the end.
            let _ = net::socket::finish(self.socket.as_fd());
        }
    }

    /// Has its end be a fault that the peer cannot miss.
    pub(super) fn reset(&mut self) {
        self.goodbye = Goodbye::Reset;
        // Where even this fails, closing does what is left to do.
        let _ = net::socket::reset_on_close(self.socket.as_fd());
    }
}
