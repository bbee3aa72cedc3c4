//! The folder of certificates that come by themselves, and who is kept out of it: nobody is sent
//! what is in it.

#![allow(clippy::unwrap_used, reason = "tests say what is wrong by panicking")]

use e2e::{Launch, issuing::Place};
use std::{fs, os::unix::fs::symlink};

#[test]
fn keys_that_come_by_themselves_are_sent_to_nobody() {
    let place = Place::new();
    fs::create_dir(place.site.root().join("below")).unwrap();
    // By its name it lies elsewhere.
    symlink(place.site.root().join("below"), place.path("kept")).unwrap();
    let said = "`kept`, where private keys are kept, lies where files are sent from";
    for tls in ["\"internal\"", "\"auto\""] {
        let words = "authority = \"https://127.0.0.1:1/dir\"";
        place.set((0, 0), words, &[("a.test", tls)]);
        let file = place.path("gannet.toml").display().to_string();
        let (code, _, stderr) = Launch::of(vec!["check".to_owned(), file]).finish();
        assert!(code == Some(2) && stderr.contains(said), "{stderr}");
    }
    // Nor where a folder is served without a config.
    let root = place.site.root_text();
    let quick = |kept: &str| {
        let kept = place.site.root().join(kept);
        let words = [&*root, "--tls"];
        Launch::quick(&words).env("STATE_DIRECTORY", kept.to_str().unwrap())
    };
    let (code, _, stderr) = quick("below").finish();
    let said = "below, where private keys are kept, would be sent: serve another folder";
    assert!(code == Some(2) && stderr.contains(said), "{stderr}");
    quick(".below").start().stop();
}
