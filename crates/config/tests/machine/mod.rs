//! A machine on which every folder is there unless it is called `missing`.

use config::World;
use std::path::Path;

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

    fn is_error_terminal(&self) -> bool {
        false
    }
}
