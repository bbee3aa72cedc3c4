//! Lines that a person types, shown to nobody.

use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};
use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead, ErrorKind, Read, Write},
};

/// What Ctrl-C sends where it is not made a signal.
const INTERRUPT: u8 = 0x03;

/// Bytes of a line at most; no password is longer.
const LINE_BYTES_MAX: u64 = 4096;

/// The terminal of this process while it shows nothing of what is typed.
///
/// Ctrl-C would end the process before it can show again what is typed; so it ends the line
/// instead, and [`Silence::ask`] tells.
pub struct Silence {
    terminal: File,
    before: Termios,
}

impl Silence {
    /// Stops showing what is typed, until dropped.
    ///
    /// # Errors
    ///
    /// When the process has no terminal.
    pub fn begin() -> io::Result<Self> {
        let terminal = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
        let before = tcgetattr(&terminal)?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO | LocalModes::ISIG);
        silent.local_modes.insert(LocalModes::ICANON | LocalModes::ECHONL);
        silent.special_codes[SpecialCodeIndex::VEOL] = INTERRUPT;
        // What was typed ahead was shown already, and is no answer to a question not asked yet.
        tcsetattr(&terminal, OptionalActions::Flush, &silent)?;
        Ok(Self { terminal, before })
    }

    /// Asks `question`, and waits for the line that answers it.
    ///
    /// # Errors
    ///
    /// When the terminal is gone; of the kind `Interrupted` after Ctrl-C.
    pub fn ask(&mut self, question: &str) -> io::Result<Vec<u8>> {
        self.terminal.write_all(question.as_bytes())?;
        let mut line = vec![0; LINE_BYTES_MAX as usize];
        let count = self.terminal.read(&mut line)?;
        line.truncate(count);
        if line.contains(&INTERRUPT) {
            // The line has not ended on the screen.
            self.terminal.write_all(b"\n")?;
            return Err(ErrorKind::Interrupted.into());
        }
        without_end(line)
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        // A terminal that is gone shows nothing anyway.
        let _ = tcsetattr(&self.terminal, OptionalActions::Flush, &self.before);
    }
}

/// The first line of standard input.
///
/// # Errors
///
/// When it cannot be read, or ends before it begins.
pub fn piped_line() -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    io::stdin().lock().take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
    without_end(line)
}

/// The line without the end of line; an error where there is not even that.
fn without_end(mut line: Vec<u8>) -> io::Result<Vec<u8>> {
    if line.is_empty() {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    Ok(line)
}
