//! A real name server (Knot) of one zone, whose records whoever has its key may change.

use crate::secure::Certificates;
use std::{fs, net::Ipv4Addr, process::Command};

/// The name and the secret of that key.
pub const KEY: (&str, &str) = ("gannet-key", "wNWDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wE=");

/// What starts one at that address, which leaves its files beside `certificates`.
pub fn knot(certificates: &Certificates, zone: &str, (address, port): (Ipv4Addr, u16)) -> Command {
    let folder = certificates.path("knot");
    fs::create_dir_all(&folder).unwrap();
    let records = format!(
        "{zone}. 30 SOA ns.{zone}. root.{zone}. 1 30 30 30 30\n{zone}. 30 NS ns.{zone}.\n\
         ns.{zone}. 30 A {address}\n"
    );
    fs::write(folder.join(format!("{zone}.zone")), records).unwrap();
    let (name, secret) = KEY;
    let place = folder.display();
    let config = format!(
        "server:\n    rundir: {place}\n    listen: {address}@{port}\n\
         key:\n  - id: {name}\n    algorithm: hmac-sha256\n    secret: {secret}\n\
         acl:\n  - id: update\n    key: {name}\n    action: update\n    update-type: [TXT]\n\
         database:\n    storage: {place}\n    journal-db-max-size: 16M\n\
         template:\n  - id: default\n    storage: {place}\n\
         zone:\n  - domain: {zone}\n    acl: update\n"
    );
    let file = folder.join("knot.conf");
    fs::write(&file, config).unwrap();
    let mut command = Command::new("knotd");
    command.arg("--config").arg(file);
    command
}
