//! What an operator reads when a config is wrong: each file of `tests/errors` with its answer
//! beside it. `GANNET_REWRITE=1` writes the answers anew, for a person to read and commit.

mod machine;

use config::{Paint, load};
use machine::Machine;
use std::{env, fs, path::Path};

#[test]
fn wrong_configs_are_answered_as_written_beside_them() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/errors");
    let mut differing = Vec::new();
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension() != Some("toml".as_ref()) {
            continue;
        }
        count += 1;
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let errors = load(&name, fs::read(&path).unwrap(), &Machine).unwrap_err();
        let found = errors.render(Paint::Plain) + "\n";
        let answer = path.with_extension("txt");
        if env::var_os("GANNET_REWRITE").is_some() {
            fs::write(&answer, &found).unwrap();
        }
        if fs::read_to_string(&answer).ok().as_ref() != Some(&found) {
            differing.push(format!("--- {name} is answered\n{found}"));
        }
    }
    assert!(count > 0, "there are no wrong configs to load");
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

#[test]
fn errors_have_places_for_programs() {
    fn check(text: &[u8], expect: &[(usize, usize, &str)]) {
        let errors = load("t.toml", text, &Machine).unwrap_err();
        let found: Vec<_> = errors.problems().map(|p| (p.line, p.column, p.message)).collect();
        assert_eq!(found, expect);
    }
    check(b"", &[(1, 1, "there is no site")]);
    check(
        b"[site.default]\nroot = \"/srv\"\nindex = [\"\xc3\xa4\", 7]\nx = 1",
        &[(3, 15, "`index` takes texts, not a bare number"), (4, 1, "unknown setting `x`")],
    );
    check(b"# ok\n# \xff\n", &[(2, 3, "the file is not UTF-8: here is the byte 0xff")]);
}

#[test]
fn nothing_in_a_config_acts_on_a_terminal() {
    let text = "[site.default]\n\"\\u001b[31m\" = 1\nroot = \"missing\u{202e}\"\n# \u{1b}[2J\nx = '\u{1b}'";
    let errors = load("\u{1b}[1m.toml", text, &Machine).unwrap_err();
    let rendered = errors.render(Paint::Plain);
    let acts = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
    assert_eq!(rendered.chars().find(|c| acts(*c)), None, "{rendered}");
    assert!(errors.render(Paint::Coloured).contains("\u{1b}["), "colours were asked for");
}

#[test]
fn many_errors_are_shown_in_part_and_listed_in_full() {
    let lines: Vec<_> = (0..1000).map(|at| format!("a{at} = 1")).collect();
    let errors = load("t.toml", lines.join("\n"), &Machine).unwrap_err();
    assert_eq!(errors.problems().len(), 1000);
    assert!(errors.to_string().ends_with("t.toml: 1000 mistakes, the first 100 are shown"));
}
