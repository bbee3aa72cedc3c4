//! What is said at the start and at the end: on a terminal for people, else as JSON.

use base::text::{push_decimal, push_json, visible};
use config::plan::Address;
use control::Counter;
use std::{io::IsTerminal, net::IpAddr};

/// URLs that get a line of their own; further ones share one.
const URL_LINES_MAX: usize = 3;

/// This machine as a host in its own URLs, by IPv4 and by IPv6.
const OWN: &str = "localhost";
const OWN_V6: &str = "[::1]";

/// What there is to say at the start.
pub(crate) struct Greeting {
    /// Where it can be reached, as clickable URLs.
    pub(crate) urls: Vec<String>,
    /// Where it listens.
    pub(crate) listens: Vec<String>,
    /// What is served: a folder, or a config file.
    pub(crate) what: String,
    /// What was found there.
    pub(crate) found: String,
    /// Something that the user should know, such as that another port was taken.
    pub(crate) remark: Option<String>,
    /// Whether pages follow their files, and why not where they should.
    pub(crate) live: Option<String>,
    /// What those who serve have given up, a line for each layer; none where they give up nothing.
    pub(crate) layers: Vec<String>,
    /// Where an operator looks at the running server, if anywhere.
    pub(crate) admin: Option<String>,
    pub(crate) loops: usize,
    /// Whether other devices are meant to come: then a terminal shows a QR code.
    pub(crate) is_for_others: bool,
}

/// Whether messages are for a person.
pub(crate) fn is_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// So many of something, with the word for one or for several.
pub(crate) fn counted(count: usize, one: &str, several: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { several })
}

/// The URLs of what listens at `addresses`; one that stands for all is spelled out. There are no
/// URLs by a Unix socket: it is shown as it was written.
pub(crate) fn urls(addresses: &[Address], is_tls: bool) -> Vec<String> {
    let of = |address: &Address| match address {
        Address::Tcp(address) => urls_by(&hosts(address.ip()), address.port(), is_tls),
        Address::Unix { .. } => vec![address.to_string()],
    };
    once_each(addresses.iter().flat_map(of).collect())
}

/// `urls` without those of this machine by IPv6 that `localhost` stands for as well.
pub(crate) fn once_each(urls: Vec<String>) -> Vec<String> {
    let is_needed =
        |url: &&String| !is_by(url, OWN_V6) || !urls.contains(&url.replace(OWN_V6, OWN));
    urls.iter().filter(is_needed).cloned().collect()
}

/// Whether only this machine comes by that URL.
pub(crate) fn is_own(url: &str) -> bool {
    is_by(url, OWN) || is_by(url, OWN_V6)
}

fn is_by(url: &str, host: &str) -> bool {
    url.split_once("://").is_some_and(|(_, rest)| rest.starts_with(host))
}

/// The URLs by these hosts, at that port, with TLS or without.
pub(crate) fn urls_by(hosts: &[String], number: u16, is_tls: bool) -> Vec<String> {
    let (scheme, usual) = if is_tls { ("https", 443) } else { ("http", 80) };
    let port = if number == usual { String::new() } else { format!(":{number}") };
    hosts.iter().map(|host| format!("{scheme}://{host}{port}/")).collect()
}

/// The hosts in the URLs of what listens at `ip`.
pub(crate) fn hosts(ip: IpAddr) -> Vec<String> {
    let host = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    };
    if !ip.is_unspecified() {
        return vec![host(ip)];
    }
    let own = net::listener::addresses().into_iter().filter(|own| own.is_ipv4() == ip.is_ipv4());
    let this = if ip.is_ipv4() { OWN } else { OWN_V6 };
    own.map(host).chain([this.to_owned()]).collect()
}

impl Greeting {
    /// At most eight lines, and a QR code with its caption below them where other devices are meant
    /// to come.
    pub(crate) fn pretty(&self) -> Vec<u8> {
        let what = visible(&self.what);
        let mut text = format!("gannet {} serves {what}\n", env!("CARGO_PKG_VERSION"));
        let (own, shared) = self.urls.split_at(self.urls.len().min(URL_LINES_MAX));
        for url in own {
            text.push_str(&format!("  {url}\n"));
        }
        if !shared.is_empty() {
            text.push_str(&format!("  {}\n", shared.join("  ")));
        }
        text.push_str(&format!("  {}\n", visible(&self.found)));
        if let Some(remark) = &self.remark {
            text.push_str(&format!("  {}\n", visible(remark)));
        }
        if !self.layers.is_empty() {
            text.push_str(&format!("  sandbox: {}\n", sandbox(&self.layers)));
        }
        let admin = self.admin.as_ref().map(|admin| format!("watch it at {admin}"));
        match self.live.as_ref().or(admin.as_ref()) {
            Some(more) => text.push_str(&format!("  {more}; Ctrl-C stops it\n")),
            None => text.push_str("  Ctrl-C stops it\n"),
        }
        if self.is_for_others
            && is_terminal()
            && let Some(code) =
                self.urls.iter().find(|url| !is_own(url)).and_then(|url| qr_code(url))
        {
            text.push_str(&code);
        }
        text.into_bytes()
    }

    /// One JSON object.
    pub(crate) fn json(&self) -> Vec<u8> {
        let mut line = b"{\"event\":\"start\",\"version\":\"".to_vec();
        line.extend_from_slice(env!("CARGO_PKG_VERSION").as_bytes());
        line.extend_from_slice(b"\",\"pid\":");
        push_decimal(&mut line, u64::from(std::process::id()));
        line.extend_from_slice(b",\"threads\":");
        push_decimal(&mut line, self.loops as u64);
        line.extend_from_slice(b",\"serves\":\"");
        push_json(&mut line, self.what.as_bytes());
        line.extend_from_slice(b"\",\"found\":\"");
        push_json(&mut line, self.found.as_bytes());
        if let Some(remark) = &self.remark {
            line.extend_from_slice(b"\",\"remark\":\"");
            push_json(&mut line, remark.as_bytes());
        }
        if let Some(live) = &self.live {
            line.extend_from_slice(b"\",\"live\":\"");
            push_json(&mut line, live.as_bytes());
        }
        if let Some(admin) = &self.admin {
            line.extend_from_slice(b"\",\"admin\":\"");
            push_json(&mut line, admin.as_bytes());
        }
        line.push(b'"');
        let lists = [("sandbox", &self.layers), ("urls", &self.urls), ("listens", &self.listens)];
        for (name, all) in lists {
            line.extend_from_slice(format!(",\"{name}\":[").as_bytes());
            for (at, one) in all.iter().enumerate() {
                line.extend_from_slice(if at > 0 { b",\"" } else { b"\"" });
                push_json(&mut line, one.as_bytes());
                line.push(b'"');
            }
            line.push(b']');
        }
        line.extend_from_slice(b"}\n");
        line
    }
}

/// The last line: what was done, and what went wrong.
pub(crate) fn farewell(totals: &[(Counter, u64)], is_json: bool) -> Vec<u8> {
    if is_json {
        let mut line = b"{\"event\":\"stop\"".to_vec();
        for (counter, total) in totals {
            line.extend_from_slice(format!(",\"{}\":{total}", counter.label()).as_bytes());
        }
        line.extend_from_slice(b"}\n");
        return line;
    }
    let shown = totals.iter().filter(|(counter, total)| match counter {
        Counter::Connections | Counter::Requests => true,
        // They are for figures that are drawn.
        Counter::PagesLoaded | Counter::PagesFromMemory | Counter::PagesDropped => false,
        Counter::PagesCompressed => false,
        Counter::Sweeps | Counter::LagUs => false,
        _ => *total > 0,
    });
    let words: Vec<_> = shown
        .map(|(counter, total)| {
            let several = counter.label().replace('_', " ");
            let one = several.split(' ').map(|word| word.trim_end_matches('s')).collect::<Vec<_>>();
            counted(usize::try_from(*total).unwrap_or(usize::MAX), &one.join(" "), &several)
        })
        .collect();
    format!("gannet has stopped: {}\n", words.join(", ")).into_bytes()
}

/// The layers in a line: first each that this machine lacks, and why, then the names of the others.
fn sandbox(layers: &[String]) -> String {
    let (missing, there): (Vec<_>, Vec<_>) =
        layers.iter().map(String::as_str).partition(|layer| layer.contains(": not available"));
    let names = there.iter().filter_map(|layer| layer.split(':').next());
    let names = names.collect::<Vec<_>>().join(", ");
    missing.into_iter().chain([&*names]).collect::<Vec<_>>().join("; ")
}

/// `url` as a QR code in half-block characters, dark on light, above the URL that it holds.
fn qr_code(url: &str) -> Option<String> {
    let code = qrcode::QrCode::new(url).ok()?;
    let width = code.width();
    let is_dark = |x: usize, y: usize| {
        // A margin of two modules, which scanners need, lies around the code.
        let (x, y) = (x.wrapping_sub(2), y.wrapping_sub(2));
        x < width && y < width && code[(x, y)] == qrcode::Color::Dark
    };
    let mut text = String::new();
    for y in (0..width + 4).step_by(2) {
        text.push_str("  ");
        for x in 0..width + 4 {
            text.push(match (is_dark(x, y), is_dark(x, y + 1)) {
                (false, false) => '█',
                (false, true) => '▀',
                (true, false) => '▄',
                (true, true) => ' ',
            });
        }
        text.push('\n');
    }
    text.push_str(&format!("  scan to open {url}\n"));
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn greeting(urls: usize) -> Greeting {
        Greeting {
            admin: None,
            urls: (0..urls).map(|host| format!("http://10.0.0.{host}:7890/")).collect(),
            listens: vec!["10.0.0.0:7890".to_owned()],
            what: "/srv/site".to_owned(),
            found: "a site: index.html".to_owned(),
            remark: Some("port 7890 is taken".to_owned()),
            layers: Vec::new(),
            live: Some("pages follow their files".to_owned()),
            loops: 2,
            is_for_others: false,
        }
    }

    #[test]
    fn eight_lines_at_most_and_every_url_in_them() {
        let text = String::from_utf8(greeting(9).pretty()).unwrap();
        assert!(text.lines().count() <= 8, "{text}");
        for host in 0..9 {
            assert!(text.contains(&format!("http://10.0.0.{host}:7890/")));
        }
    }

    #[test]
    fn each_layer_of_a_sandbox_is_named_and_one_that_is_missing_first() {
        let layers = ["user: on, www", "landlock: not available: no", "seccomp: on, 97 calls"];
        let layers = layers.map(str::to_owned).to_vec();
        // What has something else to remark has no URLs.
        let greeting = Greeting { layers, remark: None, ..greeting(9) };
        let text = String::from_utf8(greeting.pretty()).unwrap();
        let line = "\n  sandbox: landlock: not available: no; user, seccomp\n";
        assert!(text.contains(line) && text.lines().count() <= 8, "{text}");
        let text = String::from_utf8(greeting.json()).unwrap();
        let lines = "\"sandbox\":[\"user: on, www\",\"landlock: not available: no\",\"seccomp";
        assert!(text.contains(lines), "{text}");
    }

    #[test]
    fn one_is_not_several() {
        let totals = |one, other| [(Counter::Connections, one), (Counter::LinesDropped, other)];
        for (one, other, expect) in [
            (1, 1, "gannet has stopped: 1 connection, 1 log line dropped\n"),
            (2, 3, "gannet has stopped: 2 connections, 3 log lines dropped\n"),
            (0, 0, "gannet has stopped: 0 connections\n"),
        ] {
            assert_eq!(farewell(&totals(one, other), false), expect.as_bytes());
        }
    }

    #[test]
    fn one_json_object() {
        let line = String::from_utf8(greeting(2).json()).unwrap();
        assert!(line.starts_with("{\"event\":\"start\",\"version\":\""), "{line}");
        assert!(line.ends_with(
            "\"urls\":[\"http://10.0.0.0:7890/\",\"http://10.0.0.1:7890/\"],\
                 \"listens\":[\"10.0.0.0:7890\"]}\n"
        ));
    }

    #[test]
    fn urls_are_ready_to_be_clicked() {
        let urls = |address: &str| urls(&[Address::Tcp(address.parse().unwrap())], false);
        assert_eq!(urls("127.0.0.1:80"), ["http://127.0.0.1/"]);
        assert_eq!(urls("[::1]:7890"), ["http://[::1]:7890/"]);
        assert!(urls("0.0.0.0:7890").contains(&"http://localhost:7890/".to_owned()));
        assert!(urls("[::]:7890").contains(&"http://[::1]:7890/".to_owned()));
        let both = ["0.0.0.0:443", "[::]:443"].map(|own| Address::Tcp(own.parse().unwrap()));
        let both = super::urls(&both, true);
        assert_eq!(
            both.iter().filter(|url| is_own(url)).collect::<Vec<_>>(),
            ["https://localhost/"]
        );
    }

    #[test]
    fn a_path_does_nothing_to_a_terminal() {
        let hostile = "/srv/\n\n\n\x1b[31m".to_owned();
        let greeting = Greeting { what: hostile.clone(), found: hostile, ..greeting(9) };
        let text = String::from_utf8(greeting.pretty()).unwrap();
        assert!(text.lines().count() <= 8 && !text.contains('\x1b'), "{text}");
        assert!(text.contains(" serves /srv/\u{240a}\u{240a}\u{240a}\u{241b}[31m\n"), "{text}");
    }

    #[test]
    fn a_qr_code_has_its_margin_and_says_what_it_opens() {
        let code = qr_code("http://10.0.0.1:7890/").unwrap();
        assert_eq!(code.lines().last(), Some("  scan to open http://10.0.0.1:7890/"));
        assert!(code.lines().next().unwrap().trim().chars().all(|c| c == '█'));
    }
}
