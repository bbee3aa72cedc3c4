//! What each setting does to a plan: its example works, and its default is what holds without it.

mod machine;

use config::{
    Content, Description, Plan, Preset, Quick, World, load,
    plan::{Action, Log, LogFormat},
    quick, settings,
};
use machine::Machine;
use std::{ffi::OsString, num::NonZero, path::Path, time::Duration};

/// A config in which `value` is typed for `setting`, or with nothing typed beyond what must be.
fn config(setting: &Description, value: Option<&str>) -> String {
    let line = value.map(|value| format!("{} = {value}\n", setting.name)).unwrap_or_default();
    let root = if setting.name == "root" && value.is_some() { "" } else { "root = \"/srv\"\n" };
    match setting.section {
        "[site.\"HOST\"]" => format!("[site.\"a.example\"]\n{root}{line}"),
        "the uppermost level" => format!("{line}[site.\"a.example\"]\n{root}"),
        section => format!("{section}\n{line}[site.\"a.example\"]\n{root}"),
    }
}

/// The plan of a sound config, without the places that things were written at.
fn plan(text: &str) -> Result<Plan, String> {
    let mut plan = load("t.toml", text, &Machine).map_err(|errors| errors.to_string())?;
    plan.listen.iter_mut().for_each(|listen| listen.written = "".into());
    Ok(plan)
}

#[test]
fn examples_work_and_defaults_change_nothing() {
    for setting in settings() {
        let name = setting.name;
        let shown = |value| format!("{:?}", plan(&config(&setting, value)).unwrap());
        let usual = shown(None);
        let example = shown(Some(setting.example));
        let is_usual = setting.section == "[server.log]" && name == "format";
        assert_eq!(example == usual, is_usual, "what the example of {name} does to a plan");
        if let Preset::Value(value) = setting.preset {
            let preset = shown(Some(value));
            assert_eq!(preset, usual, "the default of {name}");
        }
    }
}

#[test]
fn settings_are_described() {
    let all = settings();
    for setting in &all {
        let Description { section, name, doc, kind, .. } = setting;
        assert!(doc.ends_with('.') && doc.len() > 10, "the doc of {name}: {doc:?}");
        assert!(!kind.is_empty(), "the kind of {name}");
        let same = all.iter().filter(|other| other.section == *section && other.name == *name);
        assert_eq!(same.count(), 1, "{name} of {section}");
    }
    let kind = |name: &str| all.iter().find(|s| s.name == name).map(|s| s.kind.as_str());
    assert_eq!(kind("head-time"), Some("a duration from 1ms to 1h"));
    assert_eq!(kind("log"), Some("\"pretty\", \"json\" or \"off\", or a table"));
}

#[test]
fn plan_holds_what_was_typed() {
    let plan = load(
        "site.toml",
        r#"
            [server]
            listen = ["127.0.0.1:7890", "[::1]:7890", "0"]
            threads = 4
            log = { format = "pretty", file = "log//./access.log", buffer = "1MiB", flush = "250ms" }
            file-cache = "1GB"

            [server.limits]
            head-bytes-max = "16KiB"
            target-bytes-max = "16KiB"
            idle-time = "5m"
            body-rate-min = "1KB/s"
            connections-per-client-max = 0x10
            stop-time = "0s"

            [site."Example.com."]
            root = "./site"
            index = "start.html"
            links = ["/usr/share/javascript", "../shared"]

            [site.default]
            root = "/srv/"
            index = []
            listing = true
        "#,
        &Machine,
    )
    .unwrap();
    let addresses: Vec<_> = plan.listen.iter().map(|l| l.address.to_string()).collect();
    assert_eq!(addresses, ["127.0.0.1:7890", "[::1]:7890", "0.0.0.0:0", "[::]:0"]);
    assert_eq!(&*plan.listen[1].written, "site.toml:3:41");
    let implied: Vec<_> = plan.listen.iter().map(|l| l.is_implied).collect();
    assert_eq!(implied, [false, false, true, true], "a port alone stands for two");
    assert_eq!(plan.threads, NonZero::new(4));
    let log = Log {
        format: LogFormat::Pretty,
        file: Some("/etc/gannet/log/access.log".into()),
        buffer_bytes: 1 << 20,
        flush_time: Duration::from_millis(250),
    };
    assert_eq!(plan.log, log);
    assert_eq!(plan.file_cache_bytes_max, 1_000_000_000);
    assert_eq!(plan.limits.head_bytes_max, 16 * 1024);
    assert_eq!(plan.limits.idle_time, Duration::from_secs(300));
    assert_eq!(plan.limits.body_rate_min, 1000);
    assert_eq!(plan.capacity.connections_per_client_max, 16);
    assert_eq!(plan.capacity.stop_time, Duration::ZERO);

    let Some(Action::Files(named)) = plan.site("EXAMPLE.com").map(|site| &site.action) else {
        panic!("example.com has no files");
    };
    assert_eq!(named.root.to_str(), Some("/etc/gannet/site"));
    assert_eq!(named.index, ["start.html"]);
    assert!(!named.listing);
    assert_eq!(named.links[1].to_str(), Some("/etc/gannet/../shared"));
    let Some(Action::Files(other)) = plan.site("else.example").map(|site| &site.action) else {
        panic!("other hosts have no files");
    };
    assert_eq!(other.root.to_str(), Some("/srv"));
    assert!(other.index.is_empty() && other.listing);
}

#[test]
fn quick_plan_answers_every_host_from_one_folder() {
    let plan = quick(Quick {
        root: "/home/me/site".into(),
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        threads: NonZero::new(2),
        log: Log { format: LogFormat::Off, ..Log::default() },
        listing: true,
    });
    let text = "[server]\nlisten = '127.0.0.1:0'\nthreads = 2\nlog = 'off'\n\
                [site.default]\nroot = '/home/me/site'\nlisting = true";
    let typed = load("t.toml", text, &Machine).unwrap();
    assert_eq!(plan.site("any.example"), typed.site("any.example"));
    assert_eq!(plan.listen[0].address, typed.listen[0].address);
    assert_eq!((plan.threads, &plan.log), (typed.threads, &typed.log));
}

#[test]
fn log_is_for_eyes_where_they_are() {
    fn check(world: &dyn World, server: &str, expect: LogFormat) {
        let text = format!("{server}\n[site.default]\nroot = '/srv'");
        let format = load("t.toml", text, world).map(|plan| plan.log.format);
        assert_eq!(format.ok(), Some(expect), "{server}");
    }
    check(&Machine, "", LogFormat::Json);
    check(&Terminal, "", LogFormat::Pretty);
    check(&Terminal, "[server.log]\nfile = '/var/log/x'", LogFormat::Json);
    check(&Terminal, "[server]\nlog = 'json'", LogFormat::Json);
    check(&Terminal, "[server]\nlog = 'off'", LogFormat::Off);
}

/// A machine whose standard output is watched.
struct Terminal;

impl World for Terminal {
    fn base(&self) -> &Path {
        Machine.base()
    }

    fn check_folder(&self, path: &Path) -> Result<(), String> {
        Machine.check_folder(path)
    }

    fn read(&self, path: &Path, bytes_max: u64) -> Result<Content, String> {
        Machine.read(path, bytes_max)
    }

    fn list(&self, path: &Path) -> Result<Vec<OsString>, String> {
        Machine.list(path)
    }

    fn variable(&self, name: &str) -> Option<OsString> {
        Machine.variable(name)
    }

    fn is_terminal(&self) -> bool {
        true
    }
}
