//! What is in the operator's own files of certificates and authorities, if it can be used.

use crate::machine;
use config::plan::Pem;
use net::aside::Aside;
use std::{path::Path, time::Duration};
use tls::Pair;

/// Bytes of a file at most.
const FILE_BYTES_MAX: u64 = 256 * 1024;

/// How long files may keep a look waiting that do not answer, all together; each a quarter of what
/// is left of it, or what every file is given.
const STALL_TIME: Duration = Duration::from_secs(12);
const FILE_TIME: Duration = Duration::from_millis(20);

/// Reads files, and waits for none whose disk does not answer.
pub(crate) struct Reader {
    aside: Aside,
    /// What is left of the time for those.
    patience: Duration,
}

impl Default for Reader {
    fn default() -> Self {
        Self { aside: Aside::default(), patience: STALL_TIME }
    }
}

impl Reader {
    /// Whether a file has not answered.
    pub(crate) fn has_stalled(&self) -> bool {
        self.patience < STALL_TIME
    }

    /// What is in the two files of a certificate.
    pub(crate) fn pair(&mut self, chain: &Path, key: &Path) -> Result<Pem, String> {
        Ok(Pem { chain: self.read(chain)?, key: self.read(key)? })
    }

    /// What is in a file of authorities, if it can be used.
    pub(crate) fn authorities(&mut self, file: &Path) -> Result<Vec<u8>, String> {
        self.read(file).and_then(|found| match tls::authorities(&found) {
            Ok(()) => Ok(found),
            Err(fault) => Err(fault.to_string()),
        })
    }

    fn read(&mut self, path: &Path) -> Result<Vec<u8>, String> {
        let (file, patience) = (path.to_owned(), (self.patience / 4).max(FILE_TIME));
        let read = move || machine::read(&file, FILE_BYTES_MAX).map(|content| content.bytes);
        self.aside.ask(read, patience, || false).unwrap_or_else(|_| {
            self.patience = self.patience.saturating_sub(patience);
            Err(format!("{} lies on a disk that does not answer", path.display()))
        })
    }
}

/// The pair, if it can be used.
pub(crate) fn sound(found: Pem) -> Result<Pem, String> {
    match Pair::load(&found.chain, &found.key) {
        Ok(_) => Ok(found),
        Err(fault) => Err(fault.to_string()),
    }
}

/// Why what is in the files of an operator's certificate cannot be used, where that is so.
pub(crate) fn fault_of_pair(chain: &Path, key: &Path) -> Option<String> {
    let found = Reader::default().pair(chain, key).and_then(sound);
    found.err().map(|why| format!("cannot be used: {why}"))
}

/// The same of authorities.
pub(crate) fn fault_of_authorities(file: &Path) -> Option<String> {
    let found = Reader::default().authorities(file);
    found.err().map(|why| format!("cannot be used: {why}"))
}
