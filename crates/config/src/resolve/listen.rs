//! Addresses to listen on: those of the server, and those that single sites have for themselves.

use super::{context::Context, listeners::Listeners, tls};
use crate::{
    mistake::{Mistake, quote},
    plan::{Address, Listen, Site},
    source::{Sources, Span, Word},
    world::World,
    written,
};
use foldhash::HashMap;
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::unix::ffi::OsStrExt,
    path::PathBuf,
};

/// The port where nothing else is said.
const PORT_DEFAULT: u16 = 80;

/// The permissions of a Unix socket where nothing else is said: its owner and its group connect.
const MODE_DEFAULT: u32 = 0o660;

/// The longest path of a Unix socket, in bytes: what the kernel has room for, without the NUL.
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// Takes down the addresses that the server names, before those of any site.
pub(crate) fn of_server(listen: written::Listens, context: &mut Context<'_>) {
    if let Some(list) = listen {
        of_list(list, context);
        context.listeners.of_server = context.listeners.all.len();
    }
}

/// Takes down the addresses that one site names: their places in the plan.
pub(crate) fn of_site(listen: written::Listens, context: &mut Context<'_>) -> Option<Box<[usize]>> {
    listen.map(|list| of_list(list, context).into())
}

/// The socket that the server is told what to do by.
pub(crate) fn control(
    word: &Word<String>,
    sources: &Sources,
    world: &dyn World,
    mistakes: &mut Vec<Mistake>,
) -> PathBuf {
    let path = sources.path(word);
    let folder = path.parent().unwrap_or(&path);
    let refusal = match world.check_place(folder) {
        Err(cause) => Some((cause, "make the folder, or name another one")),
        Ok(()) if path.as_os_str().as_bytes().len() > SOCKET_PATH_BYTES_MAX => {
            let cause = format!("it is longer than {SOCKET_PATH_BYTES_MAX} bytes");
            Some((cause, "choose a shorter one"))
        }
        Ok(()) => None,
    };
    if let Some((cause, help)) = refusal {
        let cause = format!("no socket can be there: {cause}");
        let label = format!("stands for {}", path.display());
        mistakes.push(Mistake::new(word.span, cause, label).help(help));
    }
    path
}

/// All addresses of the plan, once every site has named its own; gives the sites without any those
/// of the server.
pub(crate) fn resolve(
    is_default: bool,
    sites: &mut [&mut Site],
    context: &mut Context<'_>,
) -> Vec<Listen> {
    let mut of_server: Vec<_> = (0..context.listeners.of_server).collect();
    if is_default && sites.iter().any(|site| site.listeners.is_none()) || sites.is_empty() {
        let written = format!("the default of `listen` in {}", context.sources.main().name());
        let has_tls = sites.iter().any(|site| site.listeners.is_none() && site.tls.is_some());
        let ports = [Some(PORT_DEFAULT), has_tls.then_some(tls::PORT)];
        for address in ports.into_iter().flatten().flat_map(every_address) {
            let written = written.as_str().into();
            let tls = address.tcp().is_some_and(|tcp| tcp.port() == tls::PORT);
            let (is_implied, proxy_protocol) = (true, false);
            let listen = Listen { address, written, is_implied, proxy_protocol, http2: tls, tls };
            of_server.push(context.listeners.add(listen, None).0);
        }
    }
    refuse_idle(sites, context);
    refuse_overlap(context);
    // Where no site has addresses for itself, all sites are served at all of them.
    if of_server.len() < context.listeners.all.len() {
        for site in sites.iter_mut().filter(|site| site.listeners.is_none()) {
            site.listeners = Some(of_server.as_slice().into());
        }
    }
    let all = std::mem::take(&mut context.listeners.all);
    tls::assign(sites, &all, &of_server, context);
    all
}

/// Takes down the addresses of one list, in the order they were typed.
fn of_list(list: Word<Vec<Word<written::Listen>>>, context: &mut Context<'_>) -> Vec<usize> {
    if list.value.is_empty() {
        let mistake = Mistake::new(list.span, "`listen` is an empty list", "no address");
        context.mistakes.push(mistake.help("for example: `listen = \"80\"`"));
    }
    let mut numbers: Vec<usize> = Vec::new();
    let mut spans: HashMap<usize, Span> = HashMap::default();
    for Word { value: words, span } in list.value {
        for listen in addresses(words, span, context) {
            let (number, is_known) = context.listeners.add(listen.clone(), Some(span));
            let Listen { address, .. } = &listen;
            if let Some(first) = spans.insert(number, span) {
                let cause = format!("{address} is listened on twice");
                context.mistakes.push(
                    Mistake::new(span, cause, "again here")
                        .also(first, "first here")
                        .help("leave one of them out"),
                );
                continue;
            }
            if is_known {
                refuse_another_kind(number, &listen, span, context);
            }
            numbers.push(number);
        }
    }
    numbers
}

/// The addresses that one text or table stands for; none, with a mistake, where it makes no sense.
fn addresses(words: written::Listen, span: Span, context: &mut Context<'_>) -> Vec<Listen> {
    let Some(address) = words.address else {
        // Where its address was not understood, that has been said.
        if context.is_sound {
            let mistake = Mistake::new(span, "a listener has no address", "listens nowhere");
            context.mistakes.push(mistake.help("add it: `address = \"127.0.0.1:8080\"`"));
        }
        return Vec::new();
    };
    let mode = words.mode.as_ref().map_or(MODE_DEFAULT, |mode| mode.value);
    let path = |text: &str| context.sources.locate(address.span).0.path(text);
    let all = match parse(&address.value, mode, path) {
        Ok(all) => all,
        Err(help) => {
            let cause = format!("{} is not an address to listen on", quote(&address.value));
            let mistake = Mistake::new(address.span, cause, "no address");
            context.mistakes.push(mistake.help(help));
            return Vec::new();
        }
    };
    if let Some(mode) = words.mode
        && all.iter().any(|address| matches!(address, Address::Tcp(_)))
    {
        let mistake = Mistake::new(mode.span, "`mode` is for Unix sockets", "has no effect");
        context.mistakes.push(mistake.also(address.span, "no file").help("leave it out"));
    }
    let is_implied = all.len() > 1;
    let written = context.at(address.span).to_string();
    let proxy_protocol = words.proxy_protocol.is_some_and(|word| word.value);
    let written = || written.as_str().into();
    let listen = |address: Address| {
        let is_usual = address.tcp().is_some_and(|tcp| tcp.port() == tls::PORT);
        let tls = words.tls.as_ref().map_or(is_usual, |word| word.value);
        let http2 = words.http2.as_ref().map_or(tls, |word| word.value);
        Listen { address, written: written(), is_implied, proxy_protocol, http2, tls }
    };
    all.into_iter().map(listen).collect()
}

/// Refuses one socket that shall have two modes, or be spoken to in two ways.
fn refuse_another_kind(number: usize, again: &Listen, span: Span, context: &mut Context<'_>) {
    let Listeners { all, spans, .. } = &context.listeners;
    let Some(first) = all.get(number) else { return };
    let Listen { address, proxy_protocol, http2, tls, .. } = again;
    let (name, cause) = if first.address != *address {
        ("mode", format!("{address} has two modes"))
    } else if first.proxy_protocol != *proxy_protocol {
        ("proxy-protocol", format!("{address} is spoken to both with and without a header"))
    } else if first.tls != *tls {
        ("tls", format!("{address} is spoken to both with and without TLS"))
    } else if first.http2 != *http2 {
        ("http2", format!("{address} is spoken to both with and without HTTP/2"))
    } else {
        return;
    };
    let mistake = Mistake::new(span, cause, "otherwise here");
    let mistake = match spans.get(number).copied().flatten() {
        Some(first) => mistake.also(first, "first here"),
        None => mistake,
    };
    context.mistakes.push(mistake.help(format!("say the same `{name}` in both places")));
}

/// Refuses addresses of the server at which no site is served.
fn refuse_idle(sites: &[&mut Site], context: &mut Context<'_>) {
    let is_everybody_apart = sites.iter().all(|site| site.listeners.is_some());
    // What was not understood may have been the address of a site.
    if sites.is_empty() || !is_everybody_apart || !context.mistakes.is_empty() {
        return;
    }
    let Listeners { all, spans, of_server, .. } = &context.listeners;
    let mut refused = None;
    for (number, (listen, span)) in all.iter().zip(spans).take(*of_server).enumerate() {
        let is_served = |site: &&mut Site| {
            site.listeners.as_ref().is_some_and(|listeners| listeners.contains(&number))
        };
        if let Some(span) = span
            && !sites.iter().any(is_served)
            && refused.replace(*span) != Some(*span)
        {
            let cause = format!("no site is served on {}", listen.address);
            context.mistakes.push(
                Mistake::new(*span, cause, "has no effect")
                    .help("every site has a `listen` of its own: leave this one out"),
            );
        }
    }
}

/// Refuses addresses that are part of another one: the kernel gives a port to one or the other.
fn refuse_overlap(context: &mut Context<'_>) {
    let Listeners { all, spans, .. } = &context.listeners;
    let tcp = |listen: &Listen| match listen.address {
        Address::Tcp(address) if address.port() != 0 => Some(address),
        Address::Tcp(_) | Address::Unix { .. } => None,
    };
    let all: Vec<_> = all.iter().map(tcp).zip(spans.iter().copied()).collect();
    let every: HashMap<(bool, u16), Option<Span>> = all
        .iter()
        .filter_map(|(address, span)| Some((address.as_ref()?, *span)))
        .filter(|(address, _)| address.ip().is_unspecified())
        .map(|(address, span)| ((address.is_ipv4(), address.port()), span))
        .collect();
    for (address, span) in all {
        let Some(address) = address.filter(|address| !address.ip().is_unspecified()) else {
            continue;
        };
        let Some(other) = every.get(&(address.is_ipv4(), address.port())) else { continue };
        let Some(span) = span else { continue };
        let cause = format!("{address} is part of port {} on every address", address.port());
        let mistake = Mistake::new(span, cause, "listened on twice");
        context.mistakes.push(match other {
            Some(other) => mistake.also(*other, "every address").help("leave one of them out"),
            None => mistake.help(
                "sites without a `listen` are served there: say where else by `listen` of [server]",
            ),
        });
    }
}

/// The addresses that `text` stands for, or the way out; `absolute` makes a path of one that is
/// written in the file.
pub(super) fn parse(
    text: &str,
    mode: u32,
    absolute: impl Fn(&str) -> PathBuf,
) -> Result<Vec<Address>, String> {
    if let Some(path) = text.strip_prefix("unix:") {
        return unix(path, mode, absolute).map(|address| vec![address]);
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        // The kernel gives such a socket to IPv4, where the other spelling names the same one.
        if address.ip().to_canonical() != address.ip() {
            let address = SocketAddr::new(address.ip().to_canonical(), address.port());
            return Err(format!("write the IPv4 address that it stands for: \"{address}\""));
        }
        return match unusable(address) {
            Some(why) => Err(why.to_owned()),
            None => Ok(vec![Address::Tcp(address)]),
        };
    }
    if let Ok(port) = text.strip_prefix("*:").unwrap_or(text).parse::<u16>() {
        return Ok(every_address(port).into());
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("ports are numbers from 0 to 65535".to_owned());
    }
    if text.starts_with('/') {
        return Err(format!("a Unix socket is written \"unix:{text}\""));
    }
    if let Some((_, rest)) = text.split_once("://") {
        let port = rest.rsplit_once(':').map(|(_, port)| port.trim_end_matches('/'));
        let port = port.unwrap_or(if text.starts_with("https") { "443" } else { "80" });
        return Err(format!("write the port alone: \"{port}\"; a host is the name of a site"));
    }
    if let Some((address, words)) = text.split_once(' ') {
        return Err(match words {
            "ssl" | "ssl http2" | "http2 ssl" => {
                format!("write `{{ address = \"{address}\", tls = true }}`")
            }
            "default_server" | "default" => {
                format!("write \"{address}\"; the site of all other hosts is [site.default]")
            }
            _ => format!("write \"{address}\" alone; `gannet help listen` says what else there is"),
        });
    }
    if text.starts_with('[') && !text.contains(']') {
        return Err(format!("close the bracket, and add the port: \"{text}]:{PORT_DEFAULT}\""));
    }
    if let Some((host, port)) = text.rsplit_once(':')
        && port.parse::<u16>().is_ok()
    {
        return Err(if host.parse::<Ipv6Addr>().is_ok() {
            format!("put the IPv6 address in brackets: \"[{host}]:{port}\"")
        } else if host == "localhost" {
            format!("write \"127.0.0.1:{port}\" or \"[::1]:{port}\"")
        } else {
            "write an IP address, not a name, before the port".to_owned()
        });
    }
    if let Ok(address) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
        let address = SocketAddr::new(address, PORT_DEFAULT);
        return Err(format!("add the port: \"{address}\""));
    }
    Err("write \"ADDRESS:PORT\", \"PORT\" or \"unix:PATH\"".to_owned())
}

/// Why no server can listen at that address, where none can.
fn unusable(address: SocketAddr) -> Option<&'static str> {
    match address.ip() {
        ip if ip.is_multicast() => Some("that is the address of a group: write one of a machine"),
        IpAddr::V4(Ipv4Addr::BROADCAST) => {
            Some("that is the address of everybody: write one of a machine")
        }
        IpAddr::V6(ip) if ip.is_unicast_link_local() => Some(
            "an address that begins with fe80 needs an interface, which cannot be named here: \
             write another one, or the port alone for every address",
        ),
        _ => None,
    }
}

/// The Unix socket at `path`, or the way out.
fn unix(path: &str, mode: u32, absolute: impl Fn(&str) -> PathBuf) -> Result<Address, String> {
    if path.is_empty() || path.ends_with('/') {
        return Err("write the path of a file: \"unix:/run/gannet.sock\"".to_owned());
    }
    if path.starts_with('@') {
        let reason = "an abstract socket has no permissions, so that everybody could connect";
        return Err(format!("{reason}: write the path of a file"));
    }
    let path = absolute(path);
    if path.as_os_str().as_bytes().len() > SOCKET_PATH_BYTES_MAX {
        return Err(format!("the kernel takes {SOCKET_PATH_BYTES_MAX} bytes at most for its path"));
    }
    Ok(Address::Unix { path, mode })
}

fn every_address(port: u16) -> [Address; 2] {
    let v4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
    [v4, SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))].map(Address::Tcp)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn absolute(path: &str) -> PathBuf {
        Path::new("/etc/gannet").join(path).components().collect()
    }

    #[test]
    fn address_is_read_or_refused_with_the_way_out() {
        fn check(text: &str, expect: Result<&[&str], &str>) {
            let found = parse(text, MODE_DEFAULT, absolute);
            let shown = found.map(|all| all.iter().map(Address::to_string).collect::<Vec<_>>());
            let expect = expect.map(|all| all.iter().map(|&a| a.to_owned()).collect());
            assert_eq!(shown, expect.map_err(str::to_owned), "{text:?}");
        }
        check("127.0.0.1:80", Ok(&["127.0.0.1:80"]));
        check("[::1]:0", Ok(&["[::1]:0"]));
        check("8080", Ok(&["0.0.0.0:8080", "[::]:8080"]));
        check("*:8080", Ok(&["0.0.0.0:8080", "[::]:8080"]));
        check("unix:/run/x.sock", Ok(&["unix:/run/x.sock"]));
        check("unix:run//./x", Ok(&["unix:/etc/gannet/run/x"]));
        check(
            "[::ffff:127.0.0.1]:80",
            Err("write the IPv4 address that it stands for: \"127.0.0.1:80\""),
        );
        let group = "that is the address of a group: write one of a machine";
        check("224.0.0.1:80", Err(group));
        check("[ff02::1]:80", Err(group));
        check(
            "255.255.255.255:80",
            Err("that is the address of everybody: write one of a machine"),
        );
        assert!(parse("[fe80::1]:80", MODE_DEFAULT, absolute).is_err());
        check("65536", Err("ports are numbers from 0 to 65535"));
        check("127.0.0.1", Err("add the port: \"127.0.0.1:80\""));
        check("[::1]", Err("add the port: \"[::1]:80\""));
        check("::1:80", Err("put the IPv6 address in brackets: \"[::1]:80\""));
        check("fe80::1:x", Err("write \"ADDRESS:PORT\", \"PORT\" or \"unix:PATH\""));
        check("localhost:80", Err("write \"127.0.0.1:80\" or \"[::1]:80\""));
        check("example.com:80", Err("write an IP address, not a name, before the port"));
        check(":80", Err("write an IP address, not a name, before the port"));
        check(
            "http://a.example",
            Err("write the port alone: \"80\"; a host is the name of a site"),
        );
        check(
            "https://a.example:8443/",
            Err("write the port alone: \"8443\"; a host is the name of a site"),
        );
        check("443 ssl", Err("write `{ address = \"443\", tls = true }`"));
        check(
            "80 default_server",
            Err("write \"80\"; the site of all other hosts is [site.default]"),
        );
        check("[::1", Err("close the bracket, and add the port: \"[::1]:80\""));
        check("http", Err("write \"ADDRESS:PORT\", \"PORT\" or \"unix:PATH\""));
        check("/run/x", Err("a Unix socket is written \"unix:/run/x\""));
        check("unix:", Err("write the path of a file: \"unix:/run/gannet.sock\""));
        check("unix:/run/", Err("write the path of a file: \"unix:/run/gannet.sock\""));
        let long = format!("unix:/{}", "x".repeat(SOCKET_PATH_BYTES_MAX));
        check(&long, Err("the kernel takes 107 bytes at most for its path"));
        assert!(parse("unix:@x", MODE_DEFAULT, absolute).is_err());
    }
}
