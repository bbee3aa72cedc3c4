//! The config that a command line without one stands for.

use crate::{
    Quick, QuickPart,
    plan::{DEFAULT_SITE, LogFormat},
};
use std::fmt::Write;

/// A config that serves what `quick` does; `None` where the folder's path is not UTF-8, which a
/// config must be.
#[must_use]
pub fn save(quick: &Quick) -> Option<String> {
    // That pages follow their files is for the desk: no config says it.
    let Quick { root, listen, threads, log, listing, fallback, php, live: _, tls } = quick;
    let listen = listen.iter().map(|address| match tls {
        Some(_) => format!("{{ address = {}, tls = true }}", quoted(&address.to_string())),
        None => quoted(&address.to_string()),
    });
    let listen: Vec<_> = listen.collect();
    let listen = match &*listen {
        [only] => only.clone(),
        all => format!("[{}]", all.join(", ")),
    };
    let mut text = format!(
        "# Serve it by `gannet run FILE`; `gannet help NAME` explains a setting.\n\n\
         [server]\nlisten = {listen}\n"
    );
    if let Some(threads) = threads {
        let _ = writeln!(text, "threads = {threads}");
    }
    if let Some(format) = log {
        let word = match format {
            LogFormat::Pretty => "pretty",
            LogFormat::Json => "json",
            LogFormat::Template(template) => &template.to_string(),
            LogFormat::Off => "off",
        };
        let _ = writeln!(text, "log = {}", quoted(word));
    }
    let root = quoted(root.to_str()?);
    let _ = writeln!(text, "\n[site.{DEFAULT_SITE}]\nroot = {root}\nlisting = {listing}");
    if tls.is_some() {
        text.push_str("tls = \"internal\"\n");
    }
    if let Some(fallback) = fallback {
        let _ = writeln!(text, "fallback = {}", quoted(fallback));
    }
    if let Some(php) = php {
        let _ = match php.user {
            Some(user) => writeln!(text, "php = {{ user = {} }}", quoted(user)),
            None => writeln!(text, "php = true"),
        };
        let denied: Vec<_> = php.denied.iter().map(|path| quoted(path)).collect();
        if !denied.is_empty() {
            let _ = writeln!(text, "php-deny = [{}]", denied.join(", "));
        }
        let links = php.links.iter().map(|link| link.to_str().map(quoted));
        let links = links.collect::<Option<Vec<_>>>()?;
        if !links.is_empty() {
            let _ = writeln!(text, "links = [{}]", links.join(", "));
        }
        for QuickPart { name, root, links } in &php.parts {
            let key = quoted(&format!("/{name}/*"));
            let links = links.iter().map(|link| link.to_str().map(quoted));
            let (root, links) = (quoted(root.to_str()?), links.collect::<Option<Vec<_>>>()?);
            let _ = writeln!(text, "\n[site.{DEFAULT_SITE}.route.{key}]\nalias = {root}");
            let _ = writeln!(text, "links = [{}]", links.join(", "));
        }
        for name in php.closed {
            let key = quoted(&format!("/{name}/*"));
            let _ = writeln!(text, "\n[site.{DEFAULT_SITE}.route.{key}]");
            let _ = writeln!(text, "respond = {{ status = 404 }}");
        }
    }
    Some(text)
}

/// A basic string of TOML in which nothing is filled in.
fn quoted(text: &str) -> String {
    let mut quoted = "\"".to_owned();
    for letter in text.replace("${", "$${").chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            control if control.is_control() => {
                let _ = write!(quoted, "\\U{:08x}", u32::from(control));
            }
            _ => quoted.push(letter),
        }
    }
    quoted + "\""
}
