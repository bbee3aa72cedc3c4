//! What is in the operator's own files of certificates and authorities, if it can be used.

use crate::{machine, pem::Words};
use config::plan::Pem;
use net::aside::Aside;
use std::{path::Path, time::Duration};
use tls::{
    Pair,
    diagnosis::{self, Diagnosis},
};

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
            Err(fault) => {
                let words = Words::unlooked(file);
                Err(said(&diagnosis::of_authorities(&fault, words.named(&found))))
            }
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

/// The pair that was found in these two files, if it can be used.
pub(crate) fn sound(found: Pem, chain: &Path, key: &Path) -> Result<Pem, String> {
    let Err(fault) = Pair::load(&found.chain, &found.key) else { return Ok(found) };
    let (chain, key) = (Words::unlooked(chain), Words::unlooked(key));
    Err(said(&diagnosis::of_pair(&fault, chain.named(&found.chain), key.named(&found.key))))
}

fn said(Diagnosis { cause, cure, .. }: &Diagnosis) -> String {
    format!("{cause}: {cure}")
}

/// Why what is in the files of an operator's certificate cannot be used, where that is so.
pub(crate) fn fault_of_pair(chain: &Path, key: &Path) -> Option<String> {
    let found = Reader::default().pair(chain, key);
    let found = found.and_then(|found| sound(found, chain, key));
    found.err().map(|why| format!("cannot be used: {why}"))
}

/// The same of authorities.
pub(crate) fn fault_of_authorities(file: &Path) -> Option<String> {
    let found = Reader::default().authorities(file);
    found.err().map(|why| format!("cannot be used: {why}"))
}
