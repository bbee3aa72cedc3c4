//! What configs are loaded on, and text in their form.

use config::{Content, World};
use std::{ffi::OsString, path::Path};

/// What the one variable holds, and no message may.
pub(crate) const SECRET: &str = "Tr0ub4dor";

/// The files of every folder.
pub(crate) const FILES: [(&str, &str); 6] = [
    ("one.toml", "[site.\"one.example\"]\nroot = \"/srv\"\n"),
    ("two.toml", "include = \"*.toml\"\nwrong = \"${SECRET}\"\n"),
    ("wrong.toml", "[site.\"one.example\"]\nroot = \"missing\"\n[server]\n"),
    ("secret", "Tr0ub4dor\n"),
    ("page.html", "<p>gone\n"),
    ("page.html.j2", "{{ path }}{% if status == 404 %}{{ reason }}{% endif %}\n"),
];

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

    fn read(&self, path: &Path, _bytes_max: u64) -> Result<Content, String> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let found = FILES.iter().find(|(file, _)| *file == name);
        let (_, text) = found.ok_or_else(|| format!("{} is not there", path.display()))?;
        Ok(Content { bytes: text.as_bytes().to_vec(), path: path.to_owned() })
    }

    fn list(&self, path: &Path) -> Result<Vec<OsString>, String> {
        self.check_folder(path)?;
        Ok(FILES.iter().map(|(file, _)| file.into()).collect())
    }

    fn variable(&self, name: &str) -> Option<OsString> {
        (name == "SECRET").then(|| SECRET.into())
    }
}

/// A basic string of TOML as a value, in which every character that is not plain is escaped, and
/// nothing is filled in.
pub(crate) fn quoted(text: &str) -> String {
    key(&text.replace("${", "$${"))
}

/// The same as a key, where nothing is ever filled in.
pub(crate) fn key(text: &str) -> String {
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
