//! This machine as a config file asks about it, and reading that file.

use crate::{greeting, trouble::Trouble};
use config::{Paint, Plan, World};
use std::{
    fs,
    io::{self, IsTerminal},
    path::{Path, PathBuf},
};

/// Bytes of a config file at most: 10,000 sites need a tenth of this.
const CONFIG_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Reads a config file and makes a plan of it.
pub(crate) fn load(file: &Path) -> Result<Plan, Trouble> {
    let trouble = |error: io::Error| {
        Trouble::new(
            2,
            format!(
                "error: {}: {error}: name a config file (`gannet run FILE`), or serve a folder (`gannet PATH`)",
                file.display()
            ),
        )
    };
    let size = fs::metadata(file).map_err(trouble)?.len();
    if size > CONFIG_BYTES_MAX {
        let message = format!("error: {}: {size} bytes are too many for a config", file.display());
        return Err(Trouble::new(2, message));
    }
    let text = fs::read(file).map_err(trouble)?;
    let folder = file.canonicalize().map_err(trouble)?.parent().map(Path::to_path_buf);
    let machine = Machine { base: folder.unwrap_or_else(|| PathBuf::from("/")) };
    config::load(&file.to_string_lossy(), text, &machine).map_err(|errors| {
        let paint = if io::stderr().is_terminal() { Paint::Coloured } else { Paint::Plain };
        Trouble::new(2, errors.render(paint))
    })
}

/// The machine that this process runs on.
struct Machine {
    base: PathBuf,
}

impl World for Machine {
    fn base(&self) -> &Path {
        &self.base
    }

    fn check_folder(&self, path: &Path) -> Result<(), String> {
        net::Root::open(path, &[]).map(drop).map_err(|error| error.to_string())
    }

    fn is_terminal(&self) -> bool {
        greeting::is_terminal()
    }

    fn is_error_terminal(&self) -> bool {
        io::stderr().is_terminal()
    }
}
