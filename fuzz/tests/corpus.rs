//! Every target over its first inputs, and over thousands of inputs that are made of them.

mod mutator;

use mutator::{Mutator, Random};
use std::{fs, panic, path::Path};

/// Inputs that are made for each target, beside the committed ones.
const MUTATIONS: u64 = 10_000;

/// Where the random numbers begin. It never changes: whether a test passes must not be a matter of
/// luck. What is new comes from the fuzzer, and from new first inputs.
const SEED: u64 = 0x6761_6e6e_6574;

macro_rules! targets {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            check(stringify!($name), fuzz::$name::run, fuzz::$name::TOKENS);
        })*

        #[test]
        fn every_corpus_is_run() {
            let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
            for folder in fs::read_dir(corpora).unwrap() {
                let name = folder.unwrap().file_name();
                let names = [$(stringify!($name)),*];
                assert!(name.to_str().is_some_and(|name| names.contains(&name)), "{name:?}");
            }
        }
    };
}

targets! {
    accept_encoding authorization chunked config connection fastcgi forwarded h2_frames head hpack
    htpasswd note otlp path preconditions proxy_protocol range route state subject tls_hello
    trace_context
}

fn check(target: &str, run: fn(&[u8]), tokens: &[&str]) {
    let seeds = seeds(target);
    assert!(seeds.len() >= 15, "{target} has few first inputs");
    for (name, bytes) in &seeds {
        let is_survived = panic::catch_unwind(|| run(bytes)).is_ok();
        assert!(is_survived, "fuzz/corpus/{target}/{name}");
    }
    let mutator = Mutator { seeds: seeds.into_iter().map(|(_, bytes)| bytes).collect(), tokens };
    for number in 0..MUTATIONS {
        let seed = SEED + number;
        let input = mutator.input(&mut Random(seed));
        let is_survived = panic::catch_unwind(|| run(&input)).is_ok();
        assert!(is_survived, "{target}, seed {seed}: \"{}\"", input.escape_ascii());
    }
}

/// The committed inputs of a target by name, in the order of their names.
fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let files = fs::read_dir(&folder).into_iter().flatten().flatten();
    let seed = |file: fs::DirEntry| {
        let bytes = fs::read(file.path()).ok()?;
        Some((file.file_name().to_string_lossy().into_owned(), bytes))
    };
    let mut seeds: Vec<_> = files.filter_map(seed).collect();
    seeds.sort();
    seeds
}
