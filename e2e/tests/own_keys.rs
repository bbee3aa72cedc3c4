//! The folder of certificates that come by themselves, and who is kept out of it: nobody is sent
//! what is in it, and who may not look there is told so.

#![allow(clippy::unwrap_used, reason = "tests say what is wrong by panicking")]

use e2e::{
    Launch,
    authority::Manner,
    eventually,
    issuing::{Issuing, Place},
};
use rustix::fs::{FlockOperation, flock};
use std::{
    fs::{self, File, Permissions},
    os::unix::fs::{PermissionsExt, symlink},
    thread,
};

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

#[test]
fn who_may_not_look_there_is_not_told_that_there_is_nothing() {
    let place = Place::new();
    place.set((0, 0), "authority = \"https://127.0.0.1:1/dir\"", &[("a.test", "\"auto\"")]);
    fs::create_dir_all(place.path("kept/sites")).unwrap();
    fs::write(place.path("errors.log"), "").unwrap();
    fs::set_permissions(place.path("errors.log"), Permissions::from_mode(0o666)).unwrap();
    let words = ["certs".to_owned(), place.config()];
    let told = || {
        let (code, said, stderr) = Launch::of(words.to_vec()).as_nobody().finish();
        assert_eq!((code, &*stderr), (Some(0), ""));
        said
    };
    let said = told();
    assert!(said.contains("issued by nobody yet\n  asked for now, or as soon as "), "{said}");
    fs::write(place.path("kept/sites/a.test.pem"), "").unwrap();
    for (closed, mode) in [("kept/sites/a.test.pem", 0o600), ("kept", 0o700)] {
        fs::set_permissions(place.path(closed), Permissions::from_mode(mode)).unwrap();
        let said = told();
        assert!(
            said.contains("issued by unknown to this user\n  unknown to this user\n"),
            "{said}"
        );
        assert!(said.contains("Permission denied (os error 13): ask as the user "), "{said}");
    }
}

/// Who waits for somebody else says so.
#[test]
fn a_revocation_waits_for_whoever_asks_for_another_one_and_says_so() {
    let issuing = Issuing::new(Manner::default());
    let server = issuing.serve("", &[("a.test", "\"auto\"")]);
    assert!(issuing.serves_all(&["a.test"]), "{}", issuing.place.log());
    let lock = File::open(issuing.place.path("kept/sites/a.test.lock")).unwrap();
    flock(&lock, FlockOperation::LockExclusive).unwrap();
    let words = ["certs", "--revoke", "a.test", &issuing.place.config()].map(str::to_owned);
    let said = issuing.place.path("said");
    let launch = Launch::of(words.to_vec()).after(&format!("exec 2> {}", said.display()));
    let revoking = thread::spawn(|| launch.finish());
    let is_said = || fs::read_to_string(&said).is_ok_and(|said| said.contains("waiting"));
    assert!(eventually(is_said));
    assert!(!revoking.is_finished());
    drop(lock);
    let (code, told, _) = revoking.join().unwrap();
    assert!(code == Some(0) && told.starts_with("a.test: revoked"), "{told}");
    server.stop();
}
