//! This machine as a config file asks about it, and reading that file.

use crate::{greeting, trouble::Trouble};
use config::{Content, Paint, Plan, World};
use std::{
    fs::{self, File},
    io::{self, IsTerminal, Read},
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

    fn read(&self, path: &Path, bytes_max: u64) -> Result<Content, String> {
        read(path, bytes_max)
    }

    fn is_terminal(&self) -> bool {
        greeting::is_terminal()
    }
}

/// Reads a file of `bytes_max` bytes at most; says why where that cannot be.
fn read(path: &Path, bytes_max: u64) -> Result<Content, String> {
    let why = |error: io::Error| explain(path, &error);
    // What is no file, such as a pipe, might never end or never begin.
    if !fs::metadata(path).map_err(why)?.is_file() {
        return Err(format!("{} is not a file", path.display()));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(why)?;
    file.take(bytes_max + 1).read_to_end(&mut bytes).map_err(why)?;
    if bytes.len() as u64 > bytes_max {
        return Err(format!("{} has more than {bytes_max} bytes", path.display()));
    }
    Ok(Content { bytes, path: path.canonicalize().map_err(why)? })
}

/// What keeps `path` from being read; says of a folder on the way there that it does.
fn explain(path: &Path, error: &io::Error) -> String {
    let folder = path.parent().filter(|folder| *folder != "");
    if let Some(error) = folder.and_then(|folder| net::Root::open(folder, &[]).err()) {
        return error.to_string();
    }
    match error.kind() {
        io::ErrorKind::NotFound => format!("{} does not exist", path.display()),
        io::ErrorKind::PermissionDenied => {
            format!("{}: this user may not read it (chmod o+r {0})", path.display())
        }
        _ => format!("{}: {error}", path.display()),
    }
}
