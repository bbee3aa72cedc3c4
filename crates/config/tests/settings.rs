//! What each setting does to a plan: its example works, and its default is what holds without it.

mod checker;
mod machine;

use config::{
    Description, Eyes, Plan, Preset, Quick, World, load,
    plan::{Action, Address, Branch, ErrorLog, Folder, LogFormat, Pem, Target},
    quick, save, schema, settings,
};
use machine::Machine;
use std::{fs, num::NonZero, path::Path, time::Duration};

/// A config in which `value` is typed for `setting`, or with nothing typed beyond what must be.
fn config(setting: &Description, value: Option<&str>) -> String {
    let line = value.map(|value| format!("{} = {value}\n", setting.name)).unwrap_or_default();
    let root = match setting.name {
        "root" if value.is_some() => "",
        // What is made with the template has to be made at all.
        "listing-template" => "root = \"/srv\"\nlisting = true\n",
        "php-deny" => "root = \"/srv\"\nphp.address = \"127.0.0.1:9000\"\n",
        _ => "root = \"/srv\"\n",
    };
    let route = |table: &str| format!("[site.\"a.example\"]\n{root}{table}");
    match setting.section {
        // What is looked up in it is what a route leaves.
        "a site or one of its routes" if matches!(setting.name, "alias" | "rewrite") => {
            route(&format!("[site.\"a.example\".route.\"/a/*\"]\n{line}"))
        }
        "a site or one of its routes" if setting.name == "redirect" && value.is_some() => {
            "[site.\"a.example\"]\nroute.\"/a/*\".redirect = \"/new/{rest}\"".to_owned()
        }
        "a site or one of its routes" if setting.name == "respond" && value.is_some() => {
            format!("[site.\"a.example\"]\n{line}")
        }
        "[site.\"HOST\"]" | "a site or one of its routes" => {
            format!("[site.\"a.example\"]\n{root}{line}")
        }
        "[site.\"HOST\".log]" => route(&format!("[site.\"a.example\".log]\n{line}")),
        "[site.\"HOST\".route.\"KEY\"]" => {
            route(&format!("[site.\"a.example\".route.\"/a/*\"]\n{line}"))
        }
        "[[site.\"HOST\".route.\"KEY\".when]]" => {
            let from =
                if setting.name == "from" && value.is_some() { "" } else { "from = \"::1\"\n" };
            let then = if line.starts_with("then") { "" } else { "then.listing = true\n" };
            route(&format!("[[site.\"a.example\".route.\"/a/*\".when]]\n{from}{then}{line}"))
        }
        "`limit`" => {
            let rate = if setting.name == "rate" { "" } else { "rate = \"9/s\"" };
            let comma = if rate.is_empty() || line.is_empty() { "" } else { "," };
            route(&format!("limit = {{ {rate}{comma} {} }}", line.trim()))
        }
        "`redirect`" if setting.name == "to" => {
            route(&format!("route.\"/a/*\" = {{ redirect = {{ {} }} }}", line.trim()))
        }
        "`redirect`" => {
            let line = line.trim();
            let comma = if line.is_empty() { "" } else { "," };
            route(&format!("route.\"/a/*\".redirect = {{ to = \"/b\"{comma} {line} }}"))
        }
        "`respond`" => {
            let text = if setting.name == "text" && value.is_some() { "" } else { "text = \"x\"" };
            let comma = if text.is_empty() || line.is_empty() { "" } else { "," };
            route(&format!("route.\"/a/*\".respond = {{ {text}{comma} {} }}", line.trim()))
        }
        "[server]" if matches!(setting.name, "trace" | "otlp") => {
            let trace = if setting.name == "otlp" { "trace = \"1/1\"\n" } else { "" };
            format!("[server]\nrequest-id = true\n{trace}{line}[site.\"a.example\"]\n{root}")
        }
        "[server.otlp]" => {
            let endpoint =
                if setting.name == "endpoint" { "" } else { "endpoint = \"https://a.example\"\n" };
            let server = "[server]\nrequest-id = true\ntrace = \"1/1\"\n[server.otlp]";
            format!("{server}\n{endpoint}{line}[site.\"a.example\"]\n{root}")
        }
        "[server.compress-cache]" if setting.name == "disk" => {
            let line = line.trim();
            let comma = if line.is_empty() { "" } else { "," };
            let table = format!("compress-cache = {{ folder = \"/var/forms\"{comma} {line} }}");
            format!("[server]\n{table}\n[site.\"a.example\"]\n{root}")
        }
        "[site.\"HOST\".tls]" => {
            let files = [("cert", "certs/other.pem"), ("key", "certs/other.key")];
            let files = files.iter().filter(|(name, _)| value.is_none() || setting.name != *name);
            let files = files.map(|(name, file)| format!("{name} = \"{file}\"\n"));
            let files = if line.contains("\"off\"") { String::new() } else { files.collect() };
            format!("[site.\"a.example\"]\n{root}[site.\"a.example\".tls]\n{files}{line}")
        }
        "[[server.listen]]" if setting.name == "tls" => {
            let line = if value.is_none() { "" } else { &line };
            let tls = "tls = { cert = \"certs/other.pem\", key = \"certs/other.key\" }\n";
            let usual = "[[server.listen]]\naddress = \"443\"\n";
            let own = "[[server.listen]]\naddress = \"unix:/run/x\"\n";
            format!("{usual}{own}{line}[site.\"a.example\"]\n{root}{tls}")
        }
        "[[server.listen]]" => {
            let address =
                if setting.name == "address" { "" } else { "address = \"unix:/run/x\"\n" };
            let line = if setting.name == "address" && value.is_none() {
                "address = \"80\"\n"
            } else {
                &line
            };
            format!("[[server.listen]]\n{address}{line}[site.\"a.example\"]\n{root}")
        }
        "[server.admin]" => {
            let address =
                if setting.name == "address" { "" } else { "address = \"unix:/run/x\"\n" };
            format!("[server.admin]\n{address}{line}[site.\"a.example\"]\n{root}")
        }
        "`auth`" => {
            let users = match setting.name {
                "file" => {
                    "users.carol = \"$2b$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe\""
                }
                _ => "file = \"carol.htpasswd\"",
            };
            let comma = if line.is_empty() { "" } else { "," };
            format!("[site.\"a.example\"]\n{root}auth = {{ {users}{comma} {} }}", line.trim())
        }
        "`cors`" => {
            let origins = if setting.name == "origins" && value.is_some() {
                ""
            } else {
                "origins = \"http://a\""
            };
            let comma = if origins.is_empty() || line.is_empty() { "" } else { "," };
            format!("[site.\"a.example\"]\n{root}cors = {{ {origins}{comma} {} }}", line.trim())
        }
        "`php`" => {
            let is_said = matches!(setting.name, "socket" | "address") && value.is_some();
            // What is said of a php-fpm that is started.
            let is_own = matches!(setting.name, "version" | "user" | "workers" | "ini");
            let socket = match is_said || is_own {
                true => "",
                false => "socket = \"/run/x.sock\"",
            };
            let more = match setting.name {
                "micro-cache-stale" | "micro-cache-max" => ", micro-cache = \"1s\"",
                _ => "",
            };
            let comma = if socket.is_empty() || line.is_empty() { "" } else { "," };
            let line = line.trim();
            format!("[site.\"a.example\"]\n{root}php = {{ {socket}{more}{comma} {line} }}")
        }
        "[[server.certificates.authority]]" => {
            let other = match (setting.name, value) {
                ("eab-id", Some(_)) => "eab-key = \"a\"\n",
                ("eab-key", Some(_)) => "eab-id = \"a\"\n",
                _ => "",
            };
            let section = setting.section;
            format!("{section}\n{other}{line}[site.\"a.example\"]\n{root}")
        }
        "`dns-server`" => {
            let (address, line) = ("address = \"[::1]:53\"", line.trim());
            let more = match (setting.name, value) {
                ("wait", None) => address.to_owned(),
                (_, None) => String::new(),
                ("address", _) => line.to_owned(),
                ("wait", _) => format!("{address}, {line}"),
                (name, _) => {
                    let other = if name == "key" { "key-name" } else { "key" };
                    format!("{address}, {other} = \"a\", {line}")
                }
            };
            let server = if more.is_empty() { more } else { format!("dns-server = {{ {more} }}") };
            format!("[server.certificates]\n{server}\n[site.\"a.example\"]\n{root}")
        }
        "`compress`" => format!("[site.\"a.example\"]\n{root}compress = {{ {} }}", line.trim()),
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
        let shown = |value| {
            let text = config(&setting, value);
            let plan = plan(&text);
            assert!(plan.is_ok(), "{text}: {plan:?}");
            without_places(&format!("{plan:?}"))
        };
        let usual = shown(None);
        let example = shown(Some(setting.example));
        assert_ne!(example, usual, "what the example of {name} does to a plan");
        if let Preset::Value(value) = setting.preset {
            let preset = shown(Some(value));
            assert_eq!(preset, usual, "the default of {name}");
        }
    }
}

#[test]
fn schema_takes_what_the_server_takes() {
    let schema = serde_json::from_str(&schema()).unwrap();
    assert_eq!(checker::vague(&schema), [""; 0], "give their kinds a shape");
    for setting in settings() {
        let text = config(&setting, Some(setting.example));
        assert_eq!(checker::check(&schema, &text), [""; 0], "{text}");
        if let Preset::Value(value) = setting.preset {
            let text = config(&setting, Some(value));
            assert_eq!(checker::check(&schema, &text), [""; 0], "{text}");
        }
    }
    for (text, expect) in [
        ("sever = {}", ".sever: unknown"),
        ("server.lisen = '80'", ".server.lisen: unknown"),
        ("server.threads = 0", ".server.threads: minimum"),
        ("server.threads = 'four'", ".server.threads: type"),
        ("server.log = 'jsn'", ".server.log: anyOf"),
        ("server.file-cache = '1kb'", ".server.file-cache: anyOf"),
        ("server.file-cache = '${CACHE}'", ""),
        ("site.a = { root = '/srv', rot = 1 }", ".site.a.rot: unknown"),
        (
            "site.a.route.'/b' = { when = [{ them = {} }] }",
            ".site.a.route./b.when[0].them: unknown",
        ),
        ("include = 7", ".include: anyOf"),
    ] {
        assert_eq!(checker::check(&schema, text).join(" "), expect, "{text}");
    }
}

#[test]
fn schema_takes_every_example_config() {
    let schema = serde_json::from_str(&schema()).unwrap();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let files = [examples.join("sites"), examples].map(|folder| fs::read_dir(folder).unwrap());
    let files = files.into_iter().flatten().map(|file| file.unwrap().path());
    let configs: Vec<_> = files.filter(|file| file.extension() == Some("toml".as_ref())).collect();
    assert!(configs.len() > 3, "{configs:?}");
    for file in configs {
        let text = fs::read_to_string(&file).unwrap();
        assert_eq!(checker::check(&schema, &text), [""; 0], "{}", file.display());
    }
}

/// What is shown of a plan, without the places where it was written.
fn without_places(shown: &str) -> String {
    let mut parts = shown.split("Place {");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once('}').map_or(part, |(_, rest)| rest))
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
    let log = r#""pretty", "json", "combined", "common", "off" or a template, or a table"#;
    assert_eq!(kind("log"), Some(log));
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
    let log = &plan.logs.access[0];
    assert_eq!(log.format, LogFormat::Pretty);
    assert_eq!(plan.logs.targets[log.target], Target::File("/etc/gannet/log/access.log".into()));
    assert_eq!(plan.logs.buffer_bytes, 1 << 20);
    assert_eq!(plan.logs.flush_time, Duration::from_millis(250));
    assert_eq!(plan.file_cache_bytes_max, 1_000_000_000);
    assert_eq!(plan.limits.head_bytes_max, 16 * 1024);
    assert_eq!(plan.limits.idle_time, Duration::from_secs(300));
    assert_eq!(plan.limits.body_rate_min, 1000);
    assert_eq!(plan.capacity.connections_per_client_max, 16);
    assert_eq!(plan.capacity.stop_time, Duration::ZERO);

    let named = folder(&plan, "EXAMPLE.com");
    assert_eq!(named.root.to_str(), Some("/etc/gannet/site"));
    assert_eq!(named.index, ["start.html"]);
    assert!(!named.listing);
    assert_eq!(named.links[1].to_str(), Some("/etc/shared"));
    let other = folder(&plan, "else.example");
    assert_eq!(other.root.to_str(), Some("/srv"));
    assert!(other.index.is_empty() && other.listing);
}

/// The folder that a host's files are sent from.
fn folder<'p>(plan: &'p Plan, host: &str) -> &'p Folder {
    let action = plan.site(host, 0).map(|(site, _)| &site.routes.rest.policy.action);
    assert!(matches!(action, Some(Action::Files(_))), "{host} has no files but {action:?}");
    let number = action.map_or(0, |action| match action {
        Action::Files(files) => files.folder,
        _ => 0,
    });
    &plan.folders[number]
}

#[test]
fn sites_are_served_where_they_or_the_server_say() {
    fn check(text: &str, addresses: &[&str], expect: &[(&str, usize, Option<&str>)]) {
        let plan = load("t.toml", text, &Machine).unwrap();
        let found: Vec<_> = plan.listen.iter().map(|l| l.address.to_string()).collect();
        assert_eq!(found, addresses);
        for &(host, listener, site) in expect {
            let found = plan.site(host, listener).map(|(site, _)| &*site.name);
            assert_eq!(found, site, "{host} at {}", addresses[listener]);
        }
    }
    let (a, b) = (Some("a.example"), Some("b.example"));
    check(
        "[server]\nlisten = ['127.0.0.1:80', 'unix:x']\n\
         [site.'a.example']\nroot = '/srv'\n\
         [site.'b.example']\nroot = '/srv'\nlisten = ['unix:x', '[::1]:81']",
        &["127.0.0.1:80", "unix:/etc/gannet/x", "[::1]:81"],
        &[
            ("a.example", 0, a),
            ("a.example", 1, a),
            ("a.example", 2, None),
            ("b.example", 0, None),
            ("b.example", 1, b),
            ("b.example", 2, b),
        ],
    );
    check(
        "[site.'a.example']\nroot = '/srv'\nlisten = '127.0.0.1:81'\n\
         [site.default]\nroot = '/srv'",
        &["127.0.0.1:81", "0.0.0.0:80", "[::]:80"],
        &[("a.example", 0, a), ("x.example", 0, None), ("a.example", 2, Some("default"))],
    );
    check(
        "[site.'a.example']\nroot = '/srv'\nlisten = '127.0.0.1:0'\n\
         [site.'b.example']\nroot = '/srv'\nlisten = '127.0.0.1:0'",
        &["127.0.0.1:0", "127.0.0.1:0"],
        &[("a.example", 0, a), ("a.example", 1, None), ("b.example", 1, b)],
    );
}

#[test]
fn modes_of_unix_sockets() {
    let text = "[server]\nlisten = ['unix:/a', { address = 'unix:/b', mode = '0606' }]\n\
                [site.default]\nroot = '/srv'";
    let plan = load("t.toml", text, &Machine).unwrap();
    let unix = |path: &str, mode| Address::Unix { path: path.into(), mode };
    assert_eq!(plan.listen[0].address, unix("/a", 0o660));
    assert_eq!(plan.listen[1].address, unix("/b", 0o606));
}

#[test]
fn quick_plan_is_what_its_config_says() {
    fn check(root: &str, log: Option<LogFormat>, listen: &[&str], threads: usize) {
        let asked = Quick {
            root: root.into(),
            listen: listen.iter().map(|address| address.parse().unwrap()).collect(),
            threads: NonZero::new(threads),
            log,
            listing: true,
            fallback: (threads == 2).then(|| "/index.html".to_owned()),
            php: None,
            live: false,
            tls: (threads == 1).then(Pem::default),
        };
        let text = save(&asked).unwrap();
        let typed = load("t.toml", &text, &Machine).unwrap();
        let plan = quick(asked, Eyes::default());
        assert_eq!(folder(&plan, "any.example"), folder(&typed, "any.example"), "{text}");
        assert_eq!(folder(&plan, "any.example").root.to_str(), Some(root));
        let addresses =
            |plan: &Plan| plan.listen.iter().map(|l| l.address.clone()).collect::<Vec<_>>();
        assert_eq!(addresses(&plan), addresses(&typed), "{text}");
        assert_eq!((plan.threads, &plan.logs), (typed.threads, &typed.logs), "{text}");
        let tls = |plan: &Plan| {
            let speaks: Vec<_> = plan.listen.iter().map(|listen| listen.tls).collect();
            (speaks, plan.certificates.len(), plan.sites[0].tls.is_some())
        };
        assert_eq!(tls(&plan), tls(&typed), "{text}");
    }
    check("/home/me/site", None, &["127.0.0.1:0"], 0);
    check("/home/me/site", Some(LogFormat::Off), &["0.0.0.0:7890", "[::]:7890"], 2);
    check("/a \"b\" \\c\u{e4}", Some(LogFormat::Json), &["[::1]:80"], 0);
    check("/${HOME}/$${HOME}/$x", Some(LogFormat::Pretty), &["127.0.0.1:8080"], 1);
}

#[test]
fn log_is_for_eyes_where_they_are() {
    fn check(world: &dyn World, server: &str, expect: LogFormat) {
        let text = format!("{server}\n[site.default]\nroot = '/srv'");
        let format = load("t.toml", text, world).map(|plan| plan.logs.access[0].format.clone());
        assert_eq!(format.ok(), Some(expect), "{server}");
    }
    check(&Machine, "", LogFormat::Json);
    check(&Terminal, "", LogFormat::Pretty);
    check(&Terminal, "[server.log]\nfile = '/var/log/x'", LogFormat::Json);
    check(&Terminal, "[server]\nlog = 'json'", LogFormat::Json);
    check(&Terminal, "[server]\nlog = 'off'", LogFormat::Off);
}

/// A log takes over what it does not say itself from where it would be otherwise; logs that are
/// alike are one, and so are files.
#[test]
fn sites_and_routes_have_the_log_of_the_server_or_their_own() {
    let text = r#"
        [server]
        log = { format = "combined", file = "a.log", only = ["4xx", "500"], sample = "1/10" }
        error-log = { format = "json", file = "a.log" }
        request-id = "X-Trace"
        [site.a]
        root = "/srv"
        route."/quiet".log = "off"
        [site.b]
        root = "/srv"
        log = { file = "b.log", sample = "1/1" }
        route."/all/*".log = { only = [] }
        route."/all/some".log = { sample = "1/2" }
        [site.c]
        root = "/srv"
        log = { file = "./b.log", only = [], sample = "1/1" }
        [site.e]
        root = "/srv"
        log = { sample = "1/10" }
    "#;
    let plan = load("t.toml", text, &Machine).unwrap();
    let file = |name: &str| Target::File(format!("/etc/gannet/{name}").into());
    assert_eq!(plan.logs.targets, [file("a.log"), file("b.log")]);
    let errors = ErrorLog { is_pretty: false, target: 0, has_refusals: true };
    assert_eq!(plan.logs.errors, Some(errors));
    assert_eq!(plan.request_id.as_deref(), Some("x-trace"));
    let routes = |site: &str| &plan.site(site, 0).unwrap().0.routes;
    let log = |id: usize| {
        let log = &plan.logs.access[id];
        (log.target, log.sample.get(), log.only.has(200), log.only.has(404))
    };
    let all = &routes("b").top.children[&b"all"[..]];
    let route =
        |branch: &Option<Box<Branch>>| branch.as_ref().unwrap().any.as_ref().unwrap().policy.log;
    for (id, expect) in [
        (routes("a").rest.policy.log, (0, 10, false, true)),
        (routes("b").rest.policy.log, (1, 1, false, true)),
        (route(&all.prefix), (1, 1, true, true)),
        (route(&all.children[&b"some"[..]].exact), (1, 2, true, true)),
        (routes("c").rest.policy.log, (1, 1, true, true)),
    ] {
        assert_eq!(log(id), expect);
    }
    let quiet = route(&routes("a").top.children[&b"quiet"[..]].exact);
    assert_eq!(plan.logs.access[quiet].format, LogFormat::Off);
    assert_eq!(routes("e").rest.policy.log, 0, "what is like the server's is the server's");
    assert_eq!(routes("c").rest.policy.log, route(&all.prefix), "as are others that are alike");
}

/// A machine whose standard output is watched.
struct Terminal;

impl World for Terminal {
    fn is_terminal(&self) -> bool {
        true
    }

    fn is_error_terminal(&self) -> bool {
        true
    }
}
