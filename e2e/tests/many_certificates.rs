//! A host of thousands of certificates: loaded in seconds, each shown for its own name, and one
//! renewed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use e2e::{
    Launch, Site, eventually, extent,
    secure::{Certificates, certificate, host, make_many},
};
use std::{fmt::Write, fs, time::Duration};

/// Processor time, ten times what it may take in a build for use: this one is none.
const START_TIME_MAX: Duration = Duration::from_secs(30);

#[test]
fn thousands_of_certificates_are_loaded_and_one_is_renewed() {
    let all = extent(2_000, 10_000);
    let (site, certificates, folder) = (Site::new(), Certificates::new(), e2e::folder());
    certificates.make("many", "ec", &["localhost", &host(0)]);
    let [pem, key] = ["many.pem", "many.key"].map(|name| certificates.path(name));
    make_many(&pem, &key, all, folder.path());
    let mut config = String::from(
        "[server]\nlisten = [{ address = '127.0.0.1:0', tls = true }]\nthreads = 1\nlog = 'json'\n",
    );
    for number in 0..all {
        let host = host(number);
        let [pem, key] = ["pem", "key"].map(|kind| folder.path().join(format!("{host}.{kind}")));
        let tls = format!("tls = {{ cert = {pem:?}, key = {key:?} }}");
        writeln!(config, "[site.'{host}']\nroot = {:?}\n{tls}", site.root_text()).unwrap();
    }
    let server = Launch::run(&config).start();
    let started = server.cpu_time();
    assert!(started < START_TIME_MAX, "started in {started:?}");
    let shown = |number| {
        // Who has no ticket is shown a certificate.
        let visitor = certificates.visitor(&["many"]);
        let mut client = visitor.connect(server.addr(), &host(number));
        assert_eq!(client.get("/digits.txt").unwrap().status, 200);
        client.shown()
    };
    let file = |number| folder.path().join(format!("{}.pem", host(number)));
    for number in [0, 1, all / 2, all - 1] {
        assert_eq!(shown(number), certificate(&file(number)).as_ref());
    }
    // Another one for the same name: the signature is never the same.
    let (before, others) = (certificate(&file(7)), e2e::folder());
    make_many(&pem, &key, 8, others.path());
    fs::copy(others.path().join(format!("{}.pem", host(7))), file(7)).unwrap();
    let next = certificate(&file(7));
    assert_ne!(next, before);
    // The more files there are, the less often they are looked at.
    let is_shown = (0..4).any(|_| eventually(|| shown(7) == next.as_ref()));
    assert!(is_shown, "{:?}", server.stop().stderr);
    assert_eq!(shown(8), certificate(&file(8)).as_ref());
    server.stop();
}
