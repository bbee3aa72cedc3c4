//! Every wire dialogue of `e2e/cases`, a test for each file, and proof that no threat is left out.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use std::{collections::BTreeSet, fs};

macro_rules! dialogues {
    ($($test:ident = $file:literal;)*) => {
        $(
            #[test]
            fn $test() {
                e2e::dialogue::play($file);
            }
        )*

        const FILES: &[&str] = &[$($file,)*];
    };
}

dialogues! {
    content_length = "01-content-length.http";
    transfer_encoding = "02-transfer-encoding.http";
    chunks = "03-chunks.http";
    fields = "04-fields.http";
    request_line = "05-request-line.http";
    unread_content = "06-unread-content.http";
    host_and_target = "07-host-and-target.http";
    connection = "08-connection.http";
    paths = "09-paths.http";
    ranges = "10-ranges.http";
    conditions = "11-conditions.http";
    listing = "12-listing.http";
    negotiation = "13-negotiation.http";
    routes = "14-routes.http";
    limits = "20-limits.http";
    limits_set = "21-limits-set.http";
    times = "22-times.http";
}

#[test]
fn every_file_of_dialogues_is_played() {
    let entries = fs::read_dir(e2e::dialogue::folder()).unwrap();
    let mut files: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    files.sort_unstable();
    assert_eq!(files, FILES);
}

/// The rows of the list of threats that a server of files over HTTP/1.1 has to do with.
#[test]
fn every_threat_is_covered() {
    let mut covered = BTreeSet::new();
    for file in FILES {
        covered.extend(e2e::dialogue::script(file).cases.into_iter().flat_map(|case| case.rows));
    }
    // Tests in Rust name theirs in a comment, such as `/// Rows 38, 39: slow clients.`
    let entries = fs::read_dir(e2e::binary::workspace().join("e2e/tests")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    for file in paths.filter(|path| path.extension().is_some_and(|ending| ending == "rs")) {
        let text = fs::read_to_string(file).unwrap();
        for comment in text.lines().filter_map(|line| line.trim().strip_prefix("/// Row")) {
            let numbers = comment.trim_start_matches('s').split(':').next().unwrap();
            covered
                .extend(numbers.split(',').filter_map(|number| number.trim().parse::<u16>().ok()));
        }
    }
    let missing: Vec<u16> = (1..=42).chain(83..=102).filter(|row| !covered.contains(row)).collect();
    assert!(missing.is_empty(), "no test covers {missing:?}");
}
