//! What configs are loaded on, and text in their form.

use config::World;
use std::path::Path;

/// A machine on which every folder is there unless it is called `missing`.
pub(crate) struct Machine;

impl World for Machine {
    fn base(&self) -> &Path {
        Path::new("/etc/gannet")
    }

    fn check_folder(&self, path: &Path) -> Result<(), String> {
        match path.ancestors().find(|part| part.to_string_lossy().contains("missing")) {
            Some(part) => Err(format!("{} is not there", part.display())),
            None => Ok(()),
        }
    }

    fn is_terminal(&self) -> bool {
        false
    }
}

/// A basic string of TOML, in which every character that is not plain is escaped.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = "\"".to_owned();
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            ' '..='~' => quoted.push(letter),
            _ => quoted.push_str(&format!("\\U{:08x}", u32::from(letter))),
        }
    }
    quoted + "\""
}
