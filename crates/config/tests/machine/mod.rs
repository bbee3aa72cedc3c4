//! A machine on which every folder and file is there unless it is called `missing`.

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

    fn read(&self, path: &Path, bytes_max: u64) -> Result<Vec<u8>, String> {
        self.check_folder(path)?;
        match path.file_stem().and_then(|stem| stem.to_str()) {
            Some("large") => Err(format!("it has more than {bytes_max} bytes")),
            Some("binary.html") => Ok(vec![0xff]),
            Some("typo.html") => Ok(b"<p>\n{% if false %}{{ reasn }}{% endif %}".to_vec()),
            Some("broken.html") => Ok(b"<p>\n{% if %}".to_vec()),
            Some("field.html") => Ok(b"{% for e in entries %}{{ e.nam }}{% endfor %}".to_vec()),
            _ => Ok(b"{{ path }}".to_vec()),
        }
    }

    fn is_terminal(&self) -> bool {
        false
    }
}
