//! The end of a connection, without harm to the last answer.

use super::Connection;
use crate::turn::Turn;
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
        if !self.has_shut {
            self.has_shut = true;
            // Where this fails, reading finds the end.
            let _ = net::socket::finish(self.socket.as_fd());
        }
        true
    }
}
