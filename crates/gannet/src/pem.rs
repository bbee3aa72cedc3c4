//! Whether files are a certificate and its key, and what mends them where they are not.

use base::text::shell_word;
use std::path::Path;
use tls::{
    Pair,
    diagnosis::{self, Diagnosis, Named},
};

/// Names that are tried for a file that is not there yet.
const NAMES_MAX: usize = 100;

/// Whether two files, which hold that, are a certificate and its key.
pub(crate) fn check_pair(chain: (&Path, &[u8]), key: (&Path, &[u8])) -> Result<(), Diagnosis> {
    let Err(fault) = Pair::load(chain.1, key.1) else { return Ok(()) };
    let (chain_words, key_words) = (Words::of(chain.0), Words::of(key.0));
    Err(diagnosis::of_pair(&fault, chain_words.named(chain.1), key_words.named(key.1)))
}

/// Whether a file, which holds that, has authorities in it.
pub(crate) fn check_authorities(file: &Path, text: &[u8]) -> Result<(), Diagnosis> {
    tls::authorities(text)
        .map_err(|fault| diagnosis::of_authorities(&fault, Words::of(file).named(text)))
}

/// A file, and one that might be made of it, as a shell takes them.
pub(crate) struct Words {
    file: String,
    new: String,
}

impl Words {
    /// Where it is not looked what is there: the disk may not answer.
    pub(crate) fn unlooked(file: &Path) -> Self {
        Self { file: shell_word(&file.to_string_lossy()), new: "NEW".to_owned() }
    }

    fn of(file: &Path) -> Self {
        let stem = match file.extension() {
            Some(end) if end == "pem" => file.with_extension(""),
            _ => file.to_owned(),
        };
        let stem = stem.display();
        let names = (1..NAMES_MAX).map(|count| match count {
            1 if file.extension().is_none_or(|end| end != "pem") => format!("{stem}.pem"),
            _ => format!("{stem}-{count}.pem"),
        });
        let free = names.into_iter().find(|name| !Path::new(name).exists());
        match free {
            Some(new) => Self { new: shell_word(&new), ..Self::unlooked(file) },
            None => Self::unlooked(file),
        }
    }

    pub(crate) fn named<'w>(&'w self, text: &'w [u8]) -> Named<'w> {
        Named { text, file: &self.file, new: &self.new }
    }
}
