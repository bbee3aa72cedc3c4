//! What a unit file of systemd says of a server that does not run: as whom it would, and with what.

use super::Finding;
use net::identity::User;
use std::{
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
};

/// Where unit files are, those first that count more.
const FOLDERS: [&str; 3] =
    ["/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system"];

/// Files of one folder that are looked at, and bytes of each.
const FILES_MAX: usize = 10_000;
const BYTES_MAX: u64 = 64 * 1024;

/// How many descriptors a service may have that says nothing about it.
const DESCRIPTORS_USUAL: u64 = 512 * 1024;

/// What lets others than root listen at ports below 1024.
const CAPABILITY: &str = "CAP_NET_BIND_SERVICE";

/// What names the folders that a service is given, and where they are.
const MADE: [(&str, &str); 4] = [
    ("RuntimeDirectory", "/run"),
    ("StateDirectory", "/var/lib"),
    ("CacheDirectory", "/var/cache"),
    ("LogsDirectory", "/var/log"),
];

/// How systemd would start a server.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unit {
    pub(super) file: PathBuf,
    /// The user; root where nobody is named.
    pub(super) user: Option<String>,
    pub(super) listens_at_low_ports: bool,
    pub(super) descriptors_max: u64,
    /// The folders that it makes before it starts the server.
    pub(super) made: Vec<PathBuf>,
}

/// The unit that runs the config `file`.
pub(super) fn find(file: &Path) -> Option<Unit> {
    let file = file.canonicalize().ok()?;
    let all = FOLDERS.into_iter().flat_map(|folder| listed(Path::new(folder), "service"));
    all.into_iter().find_map(|unit| {
        let text = read(&unit)?;
        let is_its = values(&text, "ExecStart").any(|command| runs(command, &file));
        is_its.then(|| Unit::of(unit, text))
    })
}

impl Unit {
    fn of(file: PathBuf, mut text: String) -> Self {
        let name = file.file_name().map(|name| name.to_string_lossy() + ".d").unwrap_or_default();
        for folder in FOLDERS {
            for part in listed(&Path::new(folder).join(&*name), "conf") {
                text.push('\n');
                text.push_str(&read(&part).unwrap_or_default());
            }
        }
        let user = values(&text, "User").last().filter(|user| !user.is_empty());
        let limit = values(&text, "LimitNOFILE").last().and_then(|limit| {
            // The soft one may stand before the other.
            let hard = limit.rsplit(':').next()?;
            if hard == "infinity" { Some(u64::MAX) } else { hard.parse().ok() }
        });
        let is_root = user.is_none_or(|user| user == "root" || user == "0");
        let may = values(&text, "AmbientCapabilities").any(|all| all.contains(CAPABILITY));
        let folders = |(key, place): (&str, &str)| {
            let names = values(&text, key).flat_map(str::split_ascii_whitespace);
            names.map(|name| Path::new(place).join(name)).collect::<Vec<_>>()
        };
        Self {
            made: MADE.into_iter().flat_map(folders).collect(),
            user: user.map(str::to_owned),
            listens_at_low_ports: is_root || may,
            descriptors_max: limit.unwrap_or(DESCRIPTORS_USUAL),
            file,
        }
    }
}

impl Unit {
    /// The number of the user, or what is wrong with it.
    pub(super) fn starter(&self) -> Result<u32, Finding> {
        let Some(name) = &self.user else { return Ok(0) };
        User::find(name).map(|user| user.number).map_err(|error| {
            let cure = format!("useradd --system --no-create-home {name}, or `User=` another one");
            Finding::fault(self.file.display().to_string(), error.to_string(), cure)
        })
    }
}

/// Whether a command starts the server of this config.
fn runs(command: &str, file: &Path) -> bool {
    let mut words = command.split_ascii_whitespace();
    // Marks before a path say how it is started.
    let program = words.next().unwrap_or_default().trim_start_matches(['-', '@', ':', '+', '!']);
    let is_run = Path::new(program).ends_with("gannet") && words.next() == Some("run");
    let named =
        words.find(|word| !word.starts_with('-')).map(|word| Path::new(word).canonicalize());
    is_run && named.is_some_and(|named| named.is_ok_and(|named| named == file))
}

/// What is said of `key` in the text of a unit, line by line.
fn values<'t>(text: &'t str, key: &str) -> impl Iterator<Item = &'t str> {
    text.lines().filter_map(move |line| {
        let (name, value) = line.split_once('=')?;
        (name.trim() == key).then(|| value.trim())
    })
}

/// The files of that kind in a folder, in the order of their names.
fn listed(folder: &Path, kind: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().take(FILES_MAX);
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut paths: Vec<_> = paths.filter(|path| path.extension() == Some(kind.as_ref())).collect();
    paths.sort_unstable();
    paths
}

/// The text of a file, as far as it is one and may be read: what is none might never end.
fn read(path: &Path) -> Option<String> {
    fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
    let mut text = String::new();
    File::open(path).ok()?.take(BYTES_MAX).read_to_string(&mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the unit in `contrib`, and of what may be said otherwise.
    #[test]
    fn what_a_unit_says_is_known() {
        let text = include_str!("../../../../contrib/gannet.service");
        let unit = |more: &str| Unit::of("gannet-none.service".into(), text.to_owned() + more);
        let named = unit("");
        assert_eq!(named.user.as_deref(), Some("gannet"));
        assert!(named.listens_at_low_ports && named.descriptors_max == 512 * 1024);
        assert!(named.made.contains(&PathBuf::from("/run/gannet")), "{named:?}");
        assert_eq!(unit("LimitNOFILE=1024:4096\n").descriptors_max, 4096);
        assert_eq!(unit("LimitNOFILE=infinity\n").descriptors_max, u64::MAX);
        assert_eq!(unit("User=\n").user, None);
        let plain = Unit::of("x.service".into(), "User=web\n#User=x\n".to_owned());
        assert!(plain.user.as_deref() == Some("web") && !plain.listens_at_low_ports);
    }

    #[test]
    fn a_command_is_known_by_its_config() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().canonicalize().unwrap().join("gannet.toml");
        fs::write(&file, "").unwrap();
        let command = |words: &str| words.replace("FILE", file.to_str().unwrap());
        for (words, is_its) in [
            ("/usr/bin/gannet run FILE", true),
            ("!!/usr/bin/gannet run --x FILE", true),
            ("/usr/bin/gannet check FILE", false),
            ("/usr/bin/nginx run FILE", false),
            ("/usr/bin/gannet run /etc/hosts", false),
            ("", false),
        ] {
            assert_eq!(runs(&command(words), &file), is_its, "{words}");
        }
    }
}
