//! A config: any bytes are a sound plan, or mistakes each with its place in the text.

use crate::machine::{FILES, Machine, SECRET, quoted};
use config::{
    Errors, Paint, Plan, load,
    plan::{Action, Address, Branch, Listen, LogFormat, Node, Policy, Route, Target},
};
use message::Limits;
use std::{fmt::Write, path::Path, time::Duration};

/// Pieces of configs.
pub const TOKENS: &[&str] = &[
    "[server]\n",
    "[server.limits]\n",
    "[server.log]\n",
    "[site.\"a.example\"]\n",
    "[site.default]\n",
    "[[site.a]]\n",
    "root = \"/srv\"\n",
    "listen = \"80\"\n",
    "limit = { rate = \"20/s\", burst = 40, dry-run = true }\n",
    "bandwidth = \"1MiB/s\"\n",
    "trusted-proxies = [\"10.0.0.0/8\", \"unix\"]\n",
    "proxy-protocol = true",
    "listen = [\"unix:a\", { address = \"[::1]:81\" }]\n",
    "mode = \"0600\"\n",
    "log = { format = \"off\" }\n",
    "log = { format = \"{client} \\\"{request}\\\" {{\", sample = \"1/2\" }\n",
    "log = { file = \"a.log\", only = [\"4xx\", \"500\"] }\n",
    "error-log = \"combined\"\n",
    "request-id = true\n",
    "index = [\"a\", \"b\"]\n",
    "links = [\"/srv/a\", \"../b\"]\n",
    "listing = true\n",
    "threads = 4\n",
    "file-cache = \"1GiB\"\n",
    "head-bytes-max = \"4KiB\"\n",
    "target-bytes-max = \"8KiB\"\n",
    "head-time = \"30s\"\n",
    "[site.default.route.\"/a/*\"]\n",
    "[site.default.route.\"GET /a\"]\n",
    "[site.default.route.\"*.pdf\"]\n",
    "[[site.default.route.\"/a\".when]]\n",
    "[[site.default.when]]\n",
    "then.respond = \"here\"\n",
    "from = [\"10.0.0.0/8\", \"::1\"]\n",
    "fields = { X-A = \"1\", X-B = \"\" }\n",
    "cache-control = \"no-store\"\n",
    "aliases = [\"*.b.example\"]\n",
    "redirect-from = [\"c.example\"]\n",
    "redirect = \"/b/{rest}\"\n",
    "redirect = { to = \"https://a.example{path}\", status = \"found\" }\n",
    "rewrite = \"/b/{1}?c={query}\"\n",
    "respond = { status = 410, text = \"{host}\", type = \"text/html\" }\n",
    "alias = \"/srv/b\"\n",
    "allow = [\"127.0.0.1\"]\n",
    "deny = [\"0.0.0.0/0\"]\n",
    "methods = [\"GET\", \"POST\"]\n",
    "{rest}",
    "{host}",
    "{9}",
    "{{",
    "//",
    "/*",
    "*.",
    "/../",
    "%2f",
    "\\r\\n",
    "include = [\"one.toml\", \"t*.toml\", \"wron?.toml\"]\n",
    "include = \"",
    "wrong.toml",
    "two.toml\"",
    "${SECRET}",
    "${file:secret}",
    "${",
    "$${",
    "site.",
    "route.",
    "missing",
    "= ",
    "{",
    "}",
    "[",
    "]",
    "\"",
    "'''",
    "\"\"\"",
    "\\u0000",
    "\\",
    "#",
    "\r\n",
    "\n",
    "\u{85}",
    "\u{202e}",
    "\u{1f980}",
    "\u{1b}[2J",
    "1979-05-27",
    "0x10",
    "nan",
];

/// Loads `data` as a config file.
pub fn run(data: &[u8]) {
    match load("t.toml", data, &Machine) {
        Ok(plan) => {
            check_plan(&plan);
            let text = written(&plan);
            let again = load("t.toml", &text, &Machine);
            let again = again.map(|plan| told(&plan)).map_err(|errors| errors.to_string());
            assert_eq!(again, Ok(told(&plan)), "written and loaded again: {text}");
        }
        Err(errors) => check_errors(&errors, &String::from_utf8_lossy(data)),
    }
}

/// Every mistake has a place that an editor can go to, and says nothing that acts on a terminal.
fn check_errors(errors: &Errors, text: &str) {
    let typed = text.to_lowercase();
    assert!(errors.problems().len() > 0, "refused without a mistake");
    let mut last = ("t.toml", 0);
    let mut before = None;
    for problem in errors.problems() {
        assert!(before != Some(problem), "told twice: {problem:?}");
        before = Some(problem);
        // However the path to it was written, it is the file of that name.
        let name = problem.file.rsplit('/').next();
        let included = FILES.iter().find(|(file, _)| Some(*file) == name);
        let text = included.map_or(text, |(_, text)| text);
        let lines: Vec<&str> = text.split('\n').collect();
        let line = problem.line.checked_sub(1).and_then(|index| lines.get(index));
        let columns = line.map(|line| 1 + line.chars().count());
        let is_inside = columns.is_some_and(|columns| (1..=columns).contains(&problem.column));
        assert!(is_inside, "{problem:?} in {text:?}");
        let is_next = problem.file != last.0 || problem.line >= last.1;
        assert!(is_next, "{problem:?} out of order");
        last = (problem.file, problem.line);
        let said = [Some(problem.message), problem.help].into_iter().flatten();
        for said in said {
            assert!(!said.is_empty() && !said.contains(char::is_control), "{problem:?}");
            let said = said.to_lowercase();
            let parts = SECRET.as_bytes().windows(5).map(|part| String::from_utf8_lossy(part));
            // What was typed in the open may be repeated.
            let is_hidden =
                |part: &std::borrow::Cow<'_, str>| !typed.contains(&part.to_lowercase());
            for part in parts.filter(is_hidden) {
                assert!(!said.contains(&part.to_lowercase()), "{problem:?} gives {part} away");
            }
        }
    }
    let plain = errors.render(Paint::Plain);
    assert!(plain.contains("t.toml:"), "{plain}");
    assert!(!plain.contains(|c: char| c.is_control() && c != '\n'), "{plain:?}");
}

/// What the rest of the server takes for granted.
fn check_plan(plan: &Plan) {
    assert!(!plan.listen.is_empty() && !plan.sites.is_empty());
    assert!(plan.sites.is_sorted_by(|one, next| one.name < next.name));
    for site in &plan.sites {
        let listeners = site.listeners.as_deref().unwrap_or(&[0]);
        assert!(listeners.iter().all(|&listener| listener < plan.listen.len()));
        let listener = listeners.first().copied().unwrap_or_default();
        for host in [site.name.to_string(), format!("{}.", site.name.to_uppercase())] {
            let found = plan.site(&host, listener).map(|(site, _)| &site.name);
            assert!(found == Some(&site.name) || site.name.starts_with('*'), "{host}");
        }
    }
    for (at, files) in plan.folders.iter().enumerate() {
        assert_eq!(files.id, at);
        let is_name = |name: &&String| !matches!(&***name, "" | "." | "..") && !name.contains('/');
        assert!(files.index.iter().all(|name| is_name(&name)), "{:?}", files.index);
        for folder in files.links.iter().chain([&files.root]) {
            assert!(folder.is_absolute() && !folder.to_string_lossy().contains('\0'));
        }
        assert!(files.links.iter().all(|link| !link.starts_with(&files.root)));
    }
    for policy in policies(plan) {
        check_policy(plan, policy);
    }
    let limits = &plan.limits;
    assert!((1..=Limits::FIELDS_CEILING).contains(&limits.fields_max));
    assert!(limits.head_bytes_max > 0 && limits.target_bytes_max > 0 && limits.requests_max > 0);
    assert!(plan.capacity.connections_max > 0 && plan.capacity.pool_threads_max > 0);
    let times = [limits.head_time, limits.idle_time, limits.body_idle_time, limits.linger_time];
    assert!(times.iter().all(|time| *time > Duration::ZERO));
}

/// What is done for a request has what it takes, and nothing in it can end a line of an answer.
fn check_policy(plan: &Plan, policy: &Policy) {
    match &policy.action {
        Action::Files(files) => assert!(files.folder < plan.folders.len()),
        Action::Admin => unreachable!("no route of a site can say so"),
        Action::Php(php) => {
            assert!(php.files.folder < plan.folders.len());
            let listed = plan.applications.get(php.application.number);
            assert_eq!(listed, Some(&php.application.address));
        }
        Action::Redirect(redirect) => {
            assert!(
                (redirect.to.is_on_this_host() || redirect.to.head().contains("://"))
                    && (301..=308).contains(&redirect.status.0)
            );
        }
        Action::Respond(respond) => {
            assert!((200..=599).contains(&respond.status.0));
            assert!(!respond.media_type.contains(char::is_control));
        }
        Action::Live => panic!("no config says that pages follow their files"),
        Action::NotFound => {}
    }
    let fields = &policy.adjust.fields;
    for prepared in [&fields.standing, &fields.found].into_iter().flatten() {
        for line in prepared.lines() {
            let texts = [Some(&*line.name), line.text()];
            let is_sound = |text: &str| !text.contains(char::is_control);
            assert!(texts.into_iter().all(|text| text.is_some_and(is_sound)), "{line:?}");
        }
    }
    for network in policy.access.addresses.iter().flat_map(|all| [&all.allow, &all.deny]).flatten()
    {
        assert!(!network.1.to_string().is_empty());
    }
}

/// All that is done for any request.
fn policies(plan: &Plan) -> Vec<&Policy> {
    let mut all = Vec::new();
    push_route(&plan.misdirected, &mut all);
    for site in &plan.sites {
        push_route(&site.routes.rest, &mut all);
        push_node(&site.routes.top, &mut all);
    }
    all
}

fn push_node<'p>(node: &'p Node, all: &mut Vec<&'p Policy>) {
    let of_path = [&node.exact, &node.exact_directory, &node.prefix].into_iter().flatten();
    let of_path = of_path.map(AsRef::as_ref);
    for branch in of_path.chain(node.suffixes.iter().map(|(_, branch)| branch)) {
        push_branch(branch, all);
    }
    node.children.values().for_each(|child| push_node(child, all));
}

fn push_branch<'p>(branch: &'p Branch, all: &mut Vec<&'p Policy>) {
    let routes = branch.methods.iter().map(|(_, route)| route).chain(&branch.any);
    routes.for_each(|route| push_route(route, all));
}

fn push_route<'p>(route: &'p Route, all: &mut Vec<&'p Policy>) {
    all.push(&route.policy);
    all.extend(route.cases.iter().map(|case| &case.policy));
}

/// What a plan says of the server.
fn told(plan: &Plan) -> String {
    let told = |listen: &Listen| (listen.address.clone(), listen.proxy_protocol, listen.http2);
    let listen: Vec<_> = plan.listen.iter().map(told).collect();
    let Plan { threads, limits, capacity, logs, file_cache_bytes_max, request_id, .. } = plan;
    let log = &logs.access[0];
    let told = match log.format {
        LogFormat::Off => String::new(),
        _ => format!("{log:?} {:?} {:?}", logs.buffer_bytes, logs.flush_time),
    };
    let errors =
        logs.errors.as_ref().map(|errors| (errors.is_pretty, &logs.targets[errors.target]));
    let logs = format!("{told} {:?} {errors:?} {request_id:?}", logs.targets[log.target]);
    let trusted = (&plan.trusted_proxies, plan.trusts_unix);
    format!(
        "{listen:?} {threads:?} {limits:?} {capacity:?} {logs} {file_cache_bytes_max} {trusted:?}"
    )
}

/// A config that says the same of the server as `plan`. What has its default is left out: there are
/// defaults that give way to other settings, and that would be a mistake if they were typed.
fn written(plan: &Plan) -> String {
    let listen = plan.listen.iter().map(|listen| {
        let mode = match &listen.address {
            Address::Tcp(_) => String::new(),
            Address::Unix { mode, .. } => format!(", mode = \"{mode:o}\""),
        };
        let address = quoted(&listen.address.to_string());
        let Listen { proxy_protocol: proxy, http2, .. } = listen;
        // What listens with TLS says no more of the server, and of sites nothing is written.
        format!(
            "{{ address = {address}, tls = false, http2 = {http2}, \
             proxy-protocol = {proxy}{mode} }}"
        )
    });
    let mut text = format!("[server]\nlisten = {}\n", list(listen));
    let networks = plan.trusted_proxies.iter().map(|network| quoted(&network.to_string()));
    let unix = plan.trusts_unix.then(|| quoted("unix"));
    push(&mut text, "trusted-proxies", list(networks.chain(unix)));
    if let Some(threads) = plan.threads {
        push(&mut text, "threads", threads);
    }
    push(&mut text, "file-cache", bytes(plan.file_cache_bytes_max as u64));
    if let Some(name) = &plan.request_id {
        push(&mut text, "request-id", quoted(name));
    }
    push(&mut text, "[server.limits]\nlinger-time", time(plan.limits.linger_time));
    push_limits(&mut text, plan);
    push_logs(&mut text, plan);
    text + "[site.default]\nroot = \"/srv\"\n"
}

fn push_logs(text: &mut String, plan: &Plan) {
    let logs = &plan.logs;
    let log = &logs.access[0];
    let format = match &log.format {
        LogFormat::Pretty => "pretty",
        LogFormat::Json => "json",
        LogFormat::Off => "off",
        LogFormat::Template(template) => &template.to_string(),
    };
    push(text, "[server.log]\nformat", quoted(format));
    if log.format != LogFormat::Off {
        push(text, "buffer", bytes(logs.buffer_bytes as u64));
        push(text, "flush", time(logs.flush_time));
        push(text, "sample", format!("\"1/{}\"", log.sample));
        let only = log.only.ranges.iter().map(|(first, last)| match last - first {
            0 => format!("\"{first}\""),
            _ => format!("\"{}xx\"", first / 100),
        });
        push(text, "only", list(only));
        if let Target::File(file) = &logs.targets[log.target] {
            push(text, "file", path(file));
        }
    }
    let format = match &logs.errors {
        Some(errors) if errors.is_pretty => "pretty",
        Some(_) => "json",
        None => "off",
    };
    push(text, "[server.error-log]\nformat", quoted(format));
    let target = logs.errors.as_ref().map(|errors| &logs.targets[errors.target]);
    if let Some(Target::File(file)) = target {
        push(text, "file", path(file));
    }
}

fn push_limits(text: &mut String, plan: &Plan) {
    let usual = Limits::default();
    let (limits, capacity) = (&plan.limits, &plan.capacity);
    for (name, value, default) in [
        ("head-bytes-max", limits.head_bytes_max, usual.head_bytes_max),
        ("target-bytes-max", limits.target_bytes_max, usual.target_bytes_max),
        ("chunk-extension-bytes-max", limits.chunk_extension_bytes_max, usize::MAX),
        ("trailer-bytes-max", limits.trailer_bytes_max, usize::MAX),
        ("drain-bytes-max", limits.drain_bytes_max as usize, usize::MAX),
        ("output-bytes-max", limits.output_bytes_max, usize::MAX),
    ] {
        if value != default {
            push(text, name, bytes(value as u64));
        }
    }
    for (name, value) in [
        ("head-time", limits.head_time),
        ("handshake-time", limits.handshake_time),
        ("idle-time", limits.idle_time),
        ("connection-time", limits.connection_time),
        ("body-idle-time", limits.body_idle_time),
        ("write-stall-time", limits.write_stall_time),
        ("stop-time", capacity.stop_time),
    ] {
        push(text, name, time(value));
    }
    push(text, "body-rate-min", format!("\"{}B/s\"", limits.body_rate_min));
    push(text, "fields-max", limits.fields_max);
    push(text, "requests-max", limits.requests_max);
    push(text, "connections-max", capacity.connections_max);
    push(text, "pool-threads-max", capacity.pool_threads_max);
    push(text, "clients-max", capacity.clients_max);
    let usual = config::plan::Capacity::default();
    let per_client = capacity.connections_per_client_max;
    if per_client != usual.connections_per_client_max {
        push(text, "connections-per-client-max", per_client);
    }
    if capacity.password_checks_max != usual.password_checks_max {
        push(text, "password-checks-max", capacity.password_checks_max);
    }
}

fn push(text: &mut String, name: &str, value: impl std::fmt::Display) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{name} = {value}");
}

fn list(values: impl Iterator<Item = String>) -> String {
    format!("[{}]", values.collect::<Vec<_>>().join(", "))
}

fn bytes(number: u64) -> String {
    format!("\"{number}B\"")
}

fn time(time: Duration) -> String {
    format!("\"{}ms\"", time.as_millis())
}

fn path(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}
