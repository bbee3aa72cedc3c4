//! What no text can do to a config: any bytes are a plan or errors with places, and ten thousand
//! sites are no more work each than a hundred.

mod machine;

use config::{Paint, load};
use machine::Machine;
use proptest::prelude::*;

/// Pieces that configs are made of, so that random ones get past the first line.
const PIECES: [&str; 36] = [
    "[server]",
    "[server.limits]",
    "[site.\"a.example\"]",
    "[[site.a]]",
    "[site",
    "[site.a.b]",
    "]",
    "listen",
    "log",
    "root",
    "index",
    "head-time",
    "limits",
    "threads",
    "= ",
    "=",
    ".",
    ",",
    "{",
    "}",
    "[",
    "\"",
    "'",
    "'''",
    "\"\"\"",
    "\"80\"",
    "\"30s\"",
    "\"/srv\"",
    "-1",
    "1.5",
    "\n",
    "\r\n",
    "#",
    "\u{e4}\u{1f980}",
    "\\u0000",
    "true",
];

fn check(text: &[u8]) {
    let Err(errors) = load("t.toml", text, &Machine) else { return };
    assert!(errors.problems().len() > 0, "refused without an error");
    let lines = String::from_utf8_lossy(text).split('\n').count();
    for problem in errors.problems() {
        assert!((1..=lines).contains(&problem.line) && problem.column > 0, "{problem:?}");
        assert!(!problem.message.is_empty() && !problem.message.contains('\n'), "{problem:?}");
    }
    let plain = errors.render(Paint::Plain);
    assert!(plain.contains("t.toml:"), "{plain}");
    let acts = |c: char| c.is_control() && c != '\n';
    assert!(!plain.contains(acts), "{plain:?}");
    assert!(errors.render(Paint::Coloured).contains("\u{1b}["), "{plain:?}");
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_bytes_are_a_plan_or_errors(text: Vec<u8>) {
        check(&text);
    }

    #[test]
    fn any_pieces_are_a_plan_or_errors(
        pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 0..40),
    ) {
        check(pieces.concat().as_bytes());
    }
}

#[test]
fn deep_tables_are_errors() {
    for (open, close) in [("[", "]"), ("{a=", "}")] {
        let depth = 100_000;
        check(format!("a = {}{}", open.repeat(depth), close.repeat(depth)).as_bytes());
    }
    check(format!("{}a = 1", "a.".repeat(100_000)).as_bytes());
    check(format!("[{}a]", "a.".repeat(100_000)).as_bytes());
}

#[test]
fn line_ends_and_byte_order_marks_are_no_mistakes() {
    let text = "\u{feff}[site.default]\r\nroot = \"/srv\"\r\n";
    let plan = load("t.toml", text, &Machine);
    assert!(plan.is_ok(), "{plan:?}");
}

#[test]
fn ten_thousand_sites_find_their_hosts() {
    let site = |at: usize| format!("[site.\"www.host{at}.example\"]\nroot = \"/srv/{at}\"\n");
    let text: String = (0..10_000).map(site).collect();
    let plan = load("t.toml", text, &Machine).unwrap();
    assert_eq!(plan.sites.len(), 10_000);
    for at in [0, 17, 9_999] {
        let name = format!("www.host{at}.example");
        assert_eq!(plan.site(&name, 0).map(|(site, _)| &*site.name), Some(name.as_str()));
    }
}
