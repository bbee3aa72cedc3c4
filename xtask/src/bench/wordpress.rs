//! WordPress in the bench: its rows, and how it is set up.
//!
//! It is the one of Debian, with a MariaDB of its own (`e2e/examples/wordpress.rs`). Like the
//! php-fpm that runs its programs, all of it is on the core of the load: what it costs is nobody's.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;

use super::cases::{BROWSER_CODINGS, Case, Compression, Kind, Load, PLAIN, Site, Variant};
use super::content::{Content, age};
use super::load::Pace;
use super::peers::Peer;
use super::visitors::Running;
use super::{Outcome, machine};

/// The cases.
pub(super) const CASES: &[Case] = &[
    Case {
        name: "wordpress",
        what: "the front page of WordPress, 4 kept connections",
        kind: Kind::Load(Load {
            site: Site::Wordpress,
            pace: PACE,
            tail_max: Some(1.05),
            peers: &[(Peer::Nginx, Some(0.8)), (Peer::Floor, None)],
            ..PLAIN
        }),
    },
    Case {
        name: "wordpress",
        what: "the same page, kept for a moment, beside a file of it, 64 kept connections",
        kind: Kind::Load(Load {
            site: Site::Wordpress,
            variant: Variant::Cached,
            compression: Compression::Kept(BROWSER_CODINGS),
            peers: &[(Peer::GannetFile, Some(1.3))],
            ..PLAIN
        }),
    },
];

/// A page takes tens of milliseconds of a core: no more connections than programs run at a time,
/// and slices in which a hundredth is more than one answer.
const PACE: Pace = Pace { connections: 4, seconds: "6" };

/// Sets up a WordPress as `content` has it from then on; it ends with the value.
pub(super) fn start(content: &Content) -> Outcome<Running> {
    let (link, page) = (content.wordpress(), content.front_page());
    // It leads to the one of another case.
    let _ = fs::remove_file(&link);
    page.parent().map_or(Ok(()), fs::create_dir_all)?;
    let mut command = Command::new(machine::release().join("examples/wordpress"));
    // Out of reach for the terminal's Ctrl-C, it ends when we do, and its database with it.
    let wordpress = Running::start(command.arg(link).arg(&page).process_group(0))?;
    age(&page)?;
    Ok(wordpress)
}
