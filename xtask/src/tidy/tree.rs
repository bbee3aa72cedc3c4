//! What the rules look at: the repository's texts, and its packages with their modules.

use super::source::{Views, is_name, places};
use crate::command;
use serde_json::Value;
use std::{
    collections::{BTreeMap, HashSet},
    path::{Path, PathBuf},
    process::Command,
};

/// The repository.
pub(super) struct Tree {
    pub(super) root: PathBuf,
    /// All files that git knows or would take, relative to the root.
    pub(super) paths: Vec<String>,
    /// Those of them that are texts.
    pub(super) files: Vec<Text>,
    /// The Rust files that some package declares.
    pub(super) modules: Vec<Module>,
    pub(super) packages: Vec<Package>,
}

/// A text and where it lies, relative to the root.
pub(super) struct Text {
    pub(super) path: String,
    pub(super) text: String,
}

/// A package of this repository, of the workspace or beside it.
pub(super) struct Package {
    pub(super) name: String,
    /// Its folder, relative to the root.
    pub(super) folder: String,
    /// The packages of this repository that it uses, and whether only its tests do.
    pub(super) uses: Vec<(String, bool)>,
    /// Each target's root file and whether the target is there for tests only.
    targets: Vec<(String, bool)>,
}

/// A Rust file as a module of its package.
pub(super) struct Module {
    /// The file, relative to the root.
    pub(super) path: String,
    pub(super) views: Views,
    /// The root file of the target it belongs to.
    pub(super) target: String,
    /// Its names below the target's root; none for the root itself.
    pub(super) names: Vec<String>,
    /// Whether it is compiled for tests, examples and benches only.
    pub(super) is_test: bool,
}

impl Tree {
    /// The tree around the current folder.
    ///
    /// # Errors
    /// git or cargo cannot tell what is in it.
    pub(super) fn read() -> Result<Self, String> {
        let root = command::root()?;
        let mut git = Command::new("git");
        git.args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"]);
        let listed = command::output(git.current_dir(&root))?;
        let mut paths: Vec<String> = listed.split_terminator('\0').map(str::to_owned).collect();
        paths.sort_unstable();
        paths.dedup();
        let text = |path: &String| {
            let text = std::fs::read_to_string(root.join(path)).ok()?;
            Some(Text { path: path.clone(), text })
        };
        let files: Vec<Text> = paths.iter().filter_map(text).collect();
        let packages = packages(&root, &files)?;
        let modules = modules(&files, &packages);
        Ok(Self { root, paths, files, modules, packages })
    }

    /// The text of one file.
    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.files.iter().find(|file| file.path == path).map(|file| file.text.as_str())
    }
}

/// The packages of the workspace and of every manifest that stands beside it.
fn packages(root: &Path, files: &[Text]) -> Result<Vec<Package>, String> {
    let mut packages = BTreeMap::new();
    let manifests = files.iter().map(|file| file.path.as_str());
    for manifest in manifests.filter(|path| *path == "Cargo.toml" || path.ends_with("/Cargo.toml"))
    {
        let folder = manifest.strip_suffix("Cargo.toml").unwrap_or_default().trim_end_matches('/');
        if packages.values().any(|package: &Package| package.folder == folder) {
            continue;
        }
        let mut cargo = Command::new("cargo");
        cargo.args(["metadata", "--no-deps", "--format-version=1", "--manifest-path", manifest]);
        let told = command::output(cargo.current_dir(root))?;
        let told: Value = serde_json::from_str(&told).map_err(|error| format!("cargo: {error}"))?;
        for package in told["packages"].as_array().into_iter().flatten() {
            let package = package_of(root, package);
            packages.insert(package.name.clone(), package);
        }
    }
    let names: HashSet<String> = packages.keys().cloned().collect();
    let mut packages: Vec<Package> = packages.into_values().collect();
    for package in &mut packages {
        package.uses.retain(|(name, _)| names.contains(name));
    }
    Ok(packages)
}

fn package_of(root: &Path, told: &Value) -> Package {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let relative = |value: &Value| {
        let path = PathBuf::from(text(value));
        path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned()
    };
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let target = |target: &Value| {
        let kinds = list(&target["kind"]);
        let is_test =
            kinds.iter().any(|kind| kind == "test" || kind == "bench" || kind == "example");
        (relative(&target["src_path"]), is_test)
    };
    let manifest = relative(&told["manifest_path"]);
    Package {
        name: text(&told["name"]),
        folder: manifest.trim_end_matches("Cargo.toml").trim_end_matches('/').to_owned(),
        uses: list(&told["dependencies"])
            .iter()
            .map(|used| (text(&used["name"]), used["kind"] == "dev"))
            .collect(),
        targets: list(&told["targets"]).iter().map(target).collect(),
    }
}

fn modules(files: &[Text], packages: &[Package]) -> Vec<Module> {
    let texts: BTreeMap<&str, &str> =
        files.iter().map(|file| (file.path.as_str(), file.text.as_str())).collect();
    let mut modules = Vec::new();
    for package in packages {
        for (target, is_test) in &package.targets {
            let mut waiting = vec![(target.clone(), Vec::new(), *is_test)];
            while let Some((path, names, is_test)) = waiting.pop() {
                let Some(text) = texts.get(path.as_str()) else { continue };
                let views = Views::of(text);
                for (name, is_shipped) in declared(&views) {
                    let below: Vec<String> = names.iter().cloned().chain([name.clone()]).collect();
                    let child = children(&path, names.is_empty(), &name)
                        .into_iter()
                        .find(|child| texts.contains_key(child.as_str()));
                    waiting.extend(child.map(|child| (child, below, is_test || !is_shipped)));
                }
                modules.push(Module { path, views, target: target.clone(), names, is_test });
            }
        }
    }
    modules
}

/// The names of the modules that a file declares and keeps elsewhere, and whether they ship.
fn declared(views: &Views) -> Vec<(String, bool)> {
    let mut found = Vec::new();
    for at in places(&views.code, "mod") {
        let rest = views.code[at + 3..].trim_start();
        let length = rest.bytes().take_while(|byte| is_name(*byte)).count();
        if length > 0 && rest[length..].trim_start().starts_with(';') {
            found.push((rest[..length].to_owned(), views.shipped.as_bytes()[at] != b' '));
        }
    }
    found
}

/// Where the module `name`, declared in the file at `path`, can lie.
fn children(path: &str, is_root: bool, name: &str) -> [String; 2] {
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    let stem = file.trim_end_matches(".rs");
    let folder = match is_root || stem == "mod" {
        true => folder.to_owned(),
        false => format!("{folder}/{stem}"),
    };
    [format!("{folder}/{name}.rs"), format!("{folder}/{name}/mod.rs")]
}

/// A tree in memory, for the rules' own tests: one package `NAME` for each folder `crates/NAME`,
/// with the files given by path and text. Its libraries' roots are the `src/lib.rs` among them.
#[cfg(test)]
pub(super) fn sample(files: &[(&str, &str)]) -> Tree {
    let files: Vec<Text> = files
        .iter()
        .map(|(path, text)| Text { path: (*path).to_owned(), text: (*text).to_owned() })
        .collect();
    let package = |file: &Text| {
        let folder = file.path.strip_suffix("/src/lib.rs")?.to_owned();
        let name = folder.strip_prefix("crates/")?.to_owned();
        let targets = vec![(file.path.clone(), false)];
        Some(Package { name, folder, uses: Vec::new(), targets })
    };
    let packages: Vec<Package> = files.iter().filter_map(package).collect();
    let modules = modules(&files, &packages);
    let paths = files.iter().map(|file| file.path.clone()).collect();
    Tree { root: PathBuf::from("/"), paths, files, modules, packages }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_followed() {
        let tree = sample(&[
            ("crates/a/src/lib.rs", "mod b;\n#[cfg(test)]\nmod tests;\nmod inline {}\n"),
            ("crates/a/src/b.rs", "pub mod c;\n"),
            ("crates/a/src/b/c.rs", ""),
            ("crates/a/src/tests/mod.rs", ""),
            ("crates/a/src/stray.rs", ""),
        ]);
        let mut found: Vec<(String, String, bool)> = tree
            .modules
            .iter()
            .map(|module| (module.path.clone(), module.names.join("::"), module.is_test))
            .collect();
        found.sort();
        let of = |path: &str, names: &str, is_test| {
            (format!("crates/a/src/{path}"), names.to_owned(), is_test)
        };
        let expect = [
            of("b.rs", "b", false),
            of("b/c.rs", "b::c", false),
            of("lib.rs", "", false),
            of("tests/mod.rs", "tests", true),
        ];
        assert_eq!(found, expect);
    }

    #[test]
    fn this_repository_is_read() {
        let tree = Tree::read().unwrap();
        let xtask = tree.packages.iter().find(|package| package.name == "xtask").unwrap();
        assert_eq!(xtask.folder, "xtask");
        assert!(tree.text("xtask/src/main.rs").is_some());
        assert!(tree.modules.iter().any(|module| module.path == "xtask/src/tidy/tree.rs"));
    }
}
