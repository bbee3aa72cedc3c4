//! A config: any bytes are a sound plan, or mistakes each with its place in the text.

use config::{
    Errors, Paint, Plan, World, load,
    plan::{BLANKS, LogFormat, Target, Template, TemplatePart},
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
    "site.",
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

/// A machine on which every folder is there unless it is called `missing`.
struct Machine;

impl World for Machine {
    fn base(&self) -> &Path {
        Path::new("/etc/gannet")
    }

    fn check_folder(&self, path: &Path) -> Result<(), String> {
        match path.ancestors().find(|part| part.to_string_lossy().contains("missing")) {
            Some(part) => Err(format!("{} is not there", part.display())),
            None => Ok(()),
        }
    }

    fn is_terminal(&self) -> bool {
        false
    }

    fn is_error_terminal(&self) -> bool {
        false
    }
}

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
    assert!(errors.problems().len() > 0, "refused without a mistake");
    let lines: Vec<&str> = text.split('\n').collect();
    let mut last = 0;
    for problem in errors.problems() {
        let line = problem.line.checked_sub(1).and_then(|index| lines.get(index));
        let columns = line.map(|line| 1 + line.chars().count());
        let is_inside = columns.is_some_and(|columns| (1..=columns).contains(&problem.column));
        assert!(is_inside, "{problem:?} in {text:?}");
        assert!(problem.line >= last, "{problem:?} out of order");
        last = problem.line;
        let said = [Some(problem.message), problem.help].into_iter().flatten();
        for said in said {
            assert!(!said.is_empty() && !said.contains(char::is_control), "{problem:?}");
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
        for host in [site.name.to_string(), format!("{}.", site.name.to_uppercase())] {
            let found = plan.site(&host, 0).map(|(site, _)| &site.name);
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
    let limits = &plan.limits;
    assert!((1..=Limits::FIELDS_CEILING).contains(&limits.fields_max));
    assert!(limits.head_bytes_max > 0 && limits.target_bytes_max > 0 && limits.requests_max > 0);
    assert!(plan.capacity.connections_max > 0 && plan.capacity.pool_threads_max > 0);
    let times = [limits.head_time, limits.idle_time, limits.body_idle_time, limits.linger_time];
    assert!(times.iter().all(|time| *time > Duration::ZERO));
}

/// What a plan says of the server.
fn told(plan: &Plan) -> String {
    let listen: Vec<_> = plan.listen.iter().map(|listen| listen.address).collect();
    let Plan { threads, limits, capacity, logs, file_cache_bytes_max, request_id, .. } = plan;
    let log = &logs.access[0];
    let told = match log.format {
        LogFormat::Off => String::new(),
        _ => format!("{log:?} {:?} {:?}", logs.buffer_bytes, logs.flush_time),
    };
    let errors =
        logs.errors.as_ref().map(|errors| (errors.is_pretty, &logs.targets[errors.target]));
    let logs = format!("{told} {:?} {errors:?} {request_id:?}", logs.targets[log.target]);
    format!("{listen:?} {threads:?} {limits:?} {capacity:?} {logs} {file_cache_bytes_max}")
}

/// A config that says the same of the server as `plan`. What has its default is left out: there are
/// defaults that give way to other settings, and that would be a mistake if they were typed.
fn written(plan: &Plan) -> String {
    let listen = plan.listen.iter().map(|listen| quoted(&listen.address.to_string()));
    let mut text = format!("[server]\nlisten = {}\n", list(listen));
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
        LogFormat::Template(template) => &templated(template),
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

fn templated(template: &Template) -> String {
    let part = |part: &TemplatePart| match part {
        TemplatePart::Literal(text) => text.replace('{', "{{").replace('}', "}}"),
        TemplatePart::Blank { blank, .. } => {
            let named = BLANKS.iter().find(|(_, known, _)| known == blank);
            format!("{{{}}}", named.map_or("", |(name, ..)| name))
        }
    };
    template.parts.iter().map(part).collect()
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
        ("idle-time", limits.idle_time),
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
    let per_client = capacity.connections_per_client_max;
    if per_client != config::plan::Capacity::default().connections_per_client_max {
        push(text, "connections-per-client-max", per_client);
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

/// A basic string of TOML, in which every character that is not plain is escaped.
fn quoted(text: &str) -> String {
    let mut quoted = "\"".to_owned();
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            ' '..='~' => quoted.push(letter),
            _ => quoted.push_str(&format!("\\U{:08x}", u32::from(letter))),
        }
    }
    quoted + "\""
}
