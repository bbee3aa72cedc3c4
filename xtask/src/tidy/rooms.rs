//! The rooms: which may use which, and what each may touch of the world outside.

use super::{
    Complaint,
    paths::named,
    tree::{Package, Tree},
};

/// The rooms and their levels; a room may use only lower ones. See ARCHITECTURE.md.
const LEVELS: [(&str, u8); 21] = [
    ("base", 0),
    ("message", 1),
    ("http1", 2),
    ("http2", 2),
    ("fastcgi", 2),
    ("otlp", 2),
    ("config", 2),
    ("content", 2),
    ("net", 2),
    ("control", 2),
    ("proxy-protocol", 2),
    ("route", 3),
    ("tls", 3),
    ("dashboard", 3),
    ("certs", 4),
    ("access", 4),
    ("handle", 4),
    ("filter", 4),
    ("worker", 5),
    ("supervisor", 5),
    ("gannet", 6),
];

/// A part of the world outside, the rooms or files below `crates` that may touch it, and what the
/// others do instead.
struct Ban {
    names: &'static [&'static str],
    places: &'static [&'static str],
    instead: &'static str,
}

const BANS: [Ban; 8] = [
    Ban {
        names: &["Instant::now", "SystemTime::now"],
        places: &["net", "gannet"],
        instead: "take `now` as an argument; the worker asks `net::clock` once a turn",
    },
    Ban {
        names: &["std::env"],
        places: &["net", "gannet"],
        instead: "take the value as an argument; the binary reads the environment",
    },
    Ban {
        names: &["std::fs", "tokio::fs"],
        places: &["net", "gannet"],
        instead: "ask `net::root` for a file beneath a root",
    },
    Ban {
        names: &["TcpListener", "TcpStream", "UdpSocket", "UnixListener", "UnixStream"],
        places: &["net", "worker", "gannet", "supervisor/src/wishes.rs"],
        instead: "take bytes in and give bytes out; `net` opens sockets, the worker pumps them",
    },
    Ban {
        names: &["std::process"],
        places: &["net", "gannet", "supervisor"],
        instead: "return the outcome; the binary ends the process",
    },
    Ban {
        names: &["std::thread"],
        places: &["net", "worker", "gannet"],
        instead: "hand the work to the worker's pool",
    },
    Ban {
        names: &["std::thread::sleep"],
        places: &["net/src/failpoint.rs"],
        instead: "wait for the event itself, or for a deadline of the loop",
    },
    Ban {
        names: &["libc", "rustix"],
        places: &["net", "gannet"],
        instead: "ask `net`, the only room that touches the kernel",
    },
];

/// Rooms use lower rooms only, and only the names they may.
pub(super) fn levels(tree: &Tree) -> Vec<Complaint> {
    let mut found = Vec::new();
    for package in &tree.packages {
        let manifest = format!("{}/Cargo.toml", package.folder);
        let Some(room) = package.folder.strip_prefix("crates/") else { continue };
        let mut complain = |text| found.push(Complaint { file: manifest.clone(), line: 0, text });
        let Some(level) = level(room) else {
            complain(format!("give the room `{room}` a level in xtask/src/tidy/rooms.rs"));
            continue;
        };
        if room_of(&package.name) != Some(room) {
            complain(format!("the package of the room `{room}` is called `gannet-{room}`"));
        }
        let shares = tree.text(&manifest).is_some_and(|text| text.contains(SHARED_LINTS));
        if !shares {
            complain("write `[lints]` and below it `workspace = true`".to_owned());
        }
        for (used, is_dev) in &package.uses {
            let lower = room_of(used).and_then(self::level);
            // Tests may look sideways: Cargo itself refuses a cycle of libraries.
            let is_fine = lower.is_some_and(|lower| lower < level || (*is_dev && lower <= level));
            if !is_fine {
                complain(format!(
                    "`{room}` (level {level}) may use lower rooms only, not `{used}`{}",
                    lower.map(|lower| format!(" (level {lower})")).unwrap_or_default()
                ));
            }
        }
    }
    found.extend(circles(&tree.packages));
    found
}

/// What a room ships touches nothing of the world that is not its business.
pub(super) fn names(tree: &Tree) -> Vec<Complaint> {
    let mut found = Vec::new();
    for module in tree.modules.iter().filter(|module| !module.is_test) {
        let Some(room) = room_at(&module.path) else { continue };
        for named in named(&module.views.shipped) {
            let may = |place: &&str| *place == room || module.path == format!("crates/{place}");
            let banned = |ban: &&Ban| {
                !ban.places.iter().any(may) && ban.names.iter().any(|name| named.names(name))
            };
            // The first is enough: a name that two bans cover is one thing to change.
            found.extend(BANS.iter().find(banned).map(|ban| Complaint {
                file: module.path.clone(),
                line: named.line,
                text: format!("`{}` is banned in `{room}`: {}", named.path, ban.instead),
            }));
        }
    }
    found
}

const SHARED_LINTS: &str = "[lints]\nworkspace = true\n";

fn level(room: &str) -> Option<u8> {
    LEVELS.iter().find(|(name, _)| *name == room).map(|(_, level)| *level)
}

/// The room that a file is in, if it is in one.
fn room_at(path: &str) -> Option<&str> {
    path.strip_prefix("crates/")?.split('/').next()
}

/// The room that a package is by its name, if it is one.
fn room_of(package: &str) -> Option<&str> {
    let room = package.strip_prefix("gannet-").unwrap_or(package);
    (room == "gannet" || room != package).then_some(room)
}

/// Circles through tests, which Cargo allows: a room's tests use a room that uses it.
fn circles(packages: &[Package]) -> Vec<Complaint> {
    let rooms = packages.iter().filter(|package| package.folder.starts_with("crates/"));
    let edges: Vec<(&str, &str)> = rooms
        .flat_map(|package| {
            package.uses.iter().map(|(used, _)| (package.name.as_str(), used.as_str()))
        })
        .collect();
    let circles = super::modules::circles(&edges);
    circles
        .into_iter()
        .map(|circle| Complaint {
            file: "Cargo.toml".to_owned(),
            line: 0,
            text: format!("break the circle of packages: {}", circle.join(", ")),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::tree::sample;
    use super::*;

    /// What `levels` says of the room `a` with these dependencies.
    fn told(room: &str, uses: &[(&str, bool)]) -> Vec<String> {
        let (root, manifest) =
            (format!("crates/{room}/src/lib.rs"), format!("crates/{room}/Cargo.toml"));
        let mut tree = sample(&[(root.as_str(), ""), (manifest.as_str(), SHARED_LINTS)]);
        for package in &mut tree.packages {
            package.name = format!("gannet-{room}");
            package.uses =
                uses.iter().map(|(name, is_dev)| ((*name).to_owned(), *is_dev)).collect();
        }
        levels(&tree).into_iter().map(|complaint| complaint.text).collect()
    }

    #[test]
    fn arrows_point_down() {
        for (room, uses, expect) in [
            ("http1", vec![("gannet-message", false), ("gannet-net", true)], ""),
            ("http1", vec![("gannet-net", false)], "not `gannet-net` (level 2)"),
            ("http1", vec![("gannet-route", true)], "not `gannet-route` (level 3)"),
            ("http1", vec![("xtask", true)], "not `xtask`"),
            ("attic", vec![], "give the room `attic` a level"),
        ] {
            let told = told(room, &uses).join("\n");
            assert!(
                told.contains(expect) && told.is_empty() == expect.is_empty(),
                "{room}: {told}"
            );
        }
    }

    #[test]
    fn a_room_is_called_after_its_folder_and_shares_the_lints() {
        let tree = sample(&[("crates/http1/src/lib.rs", "")]);
        let told: Vec<String> = levels(&tree).into_iter().map(|found| found.text).collect();
        assert_eq!(told.len(), 2, "{told:?}");
    }

    #[test]
    fn the_world_is_touched_in_few_rooms() {
        for (room, text, expect) in [
            ("http1", "use std::time::Instant;\nfn f() { Instant::now() }", vec![2]),
            ("http1", "#[cfg(test)]\nmod tests { use std::fs; }", vec![]),
            ("http1", "use std::net::IpAddr;", vec![]),
            ("http1", "use std::net::{IpAddr, TcpStream};", vec![1]),
            ("http1", "use std::{fmt, fs};", vec![1]),
            ("http1", "\nfn f() { std::env::var(\"X\") }", vec![2]),
            ("worker", "fn f() { std::thread::spawn(g) }", vec![]),
            ("worker", "use std::thread;\nfn f() { thread::sleep(g) }", vec![2]),
            ("net", "use rustix::fs;", vec![]),
            ("handle", "use rustix::fs;", vec![1]),
        ] {
            let root = format!("crates/{room}/src/lib.rs");
            let tree = sample(&[(root.as_str(), text)]);
            let found: Vec<usize> = names(&tree).iter().map(|complaint| complaint.line).collect();
            assert_eq!(found, expect, "{room}: {text}");
        }
    }
}
