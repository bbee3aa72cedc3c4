//! What is resolved from a bundle is what was checked, and asks the world for nothing.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

mod machine;

use config::{Blueprint, Bundle, Content, World, load, record};
use machine::Machine;
use proptest::prelude::*;
use std::{cell::Cell, ffi::OsString, path::Path};

/// Something of everything that a world is asked.
const CONFIG: &str = r#"
include = ["sites/*.toml"]
[server]
listen = ["127.0.0.1:${PORT}", "unix:/run/gannet.sock"]
workers = 3
control = "/run/control.sock"
log = { format = "json", file = "/var/log/gannet.log" }
error-log = "pretty"
request-id = true
trace = "1/1"
otlp = { endpoint = "https://a.example", fields = { Authorization = "${SECRET}" } }
[site."a.example"]
root = "/srv/a"
auth.file = "staff.htpasswd"
[site."b.example"]
root = "/srv/b"
php = { user = "shop", version = "8.2", ini = { memory_limit = "1G" } }
listing = true
listing-template = "listing.html.jinja"
[site."c.example"]
root = "/srv/c"
php = true
"#;

/// The parts of a plan, in an order that does not depend on how its maps are seeded.
fn parts(plan: &config::Plan) -> Vec<String> {
    let mut lines: Vec<_> = format!("{plan:#?}").lines().map(str::to_owned).collect();
    lines.sort_unstable();
    lines
}

/// Whether a config comes out of its bundle as it went in; true where it has mistakes.
fn survives(text: &[u8]) -> bool {
    let Ok((plan, bundle)) = record("gannet.toml", text, &Machine) else {
        return load("gannet.toml", text, &Machine).is_err();
    };
    let again = Bundle::decode(&bundle.encode()).unwrap();
    again == bundle && parts(&again.resolve().unwrap()) == parts(&plan)
}

#[test]
fn a_bundle_holds_all_that_was_asked() {
    let outcome = record("gannet.toml", CONFIG.as_bytes(), &Machine);
    let (plan, bundle) = outcome.unwrap_or_else(|errors| panic!("{errors}"));
    assert!(plan.sites.len() > 2, "one is included");
    assert!(survives(CONFIG.as_bytes()));
    let bytes = bundle.encode();
    for end in 0..bytes.len() {
        assert!(Bundle::decode(&bytes[..end]).is_none(), "{end}");
    }
    let blueprint = Blueprint::new(&plan, 2, "3 sites".to_owned(), |_| {
        ["a.example", "x.example"].map(str::to_owned).to_vec()
    });
    assert_eq!(blueprint.hosts, [["a.example"], ["a.example"]]);
    assert_eq!((blueprint.workers, blueprint.logs.len(), blueprint.listen.len()), (3, 1, 2));
    let otlp = blueprint.otlp.as_ref().unwrap();
    assert_eq!((&*otlp.url, otlp.fields.len()), ("https://a.example/v1/traces", 1));
    let pools: Vec<_> =
        blueprint.pools.iter().map(|pool| (pool.user.is_some(), pool.group)).collect();
    assert_eq!(pools, [(true, 33), (false, 33)]);
    let bytes = blueprint.encode();
    assert_eq!(Blueprint::decode(&bytes), Some(blueprint));
    for end in 0..bytes.len() {
        assert!(Blueprint::decode(&bytes[..end]).is_none(), "{end}");
    }
}

/// A world in which a file has another content each time it is read.
struct Moving(Cell<u32>);

impl World for Moving {
    fn base(&self) -> &Path {
        Path::new("/etc/gannet")
    }

    fn check_folder(&self, _: &Path) -> Result<(), String> {
        Ok(())
    }

    fn read(&self, path: &Path, _: u64) -> Result<Content, String> {
        self.0.set(self.0.get() + 1);
        Ok(Content { bytes: format!("secret {}", self.0.get()).into(), path: path.to_owned() })
    }

    fn list(&self, _: &Path) -> Result<Vec<OsString>, String> {
        Ok(Vec::new())
    }

    fn variable(&self, _: &str) -> Option<OsString> {
        None
    }

    fn is_terminal(&self) -> bool {
        true
    }
}

#[test]
fn what_changes_under_the_hand_is_read_once() {
    let text = "[site.default]\nroot = '/srv'\nfields = { A = '${file:one}', B = '${file:one}' }";
    let world = Moving(Cell::new(0));
    let (plan, bundle) = record("gannet.toml", text.as_bytes(), &world).unwrap();
    assert_eq!(world.0.get(), 1);
    let again = Bundle::decode(&bundle.encode()).unwrap().resolve().unwrap();
    assert_eq!(parts(&again), parts(&plan));
    assert!(parts(&plan).concat().contains("secret 1"));
}

proptest! {
    #[test]
    fn whatever_is_typed_comes_out_as_it_went_in(
        lines in proptest::collection::vec(proptest::sample::select(vec![
            "[server]",
            "listen = '${PORT}'",
            "workers = 2",
            "threads = ${PORT}",
            "log = 'off'",
            "include = 'sites/*.toml'",
            "include = 'missing.toml'",
            "[site.'a.example']",
            "[site.default]",
            "root = '/srv'",
            "root = '/missing'",
            "auth.file = 'staff.htpasswd'",
            "auth.file = 'missing'",
            "fields = { X = '${SECRET}' }",
            "fields = { X = '${file:secrets/missing}' }",
            "compress = true",
        ]), 0..12)
    ) {
        prop_assert!(survives(lines.join("\n").as_bytes()));
    }

    #[test]
    fn no_bytes_do_harm(bytes: Vec<u8>) {
        let _ = Bundle::decode(&bytes);
        let _ = Blueprint::decode(&bytes);
    }
}
