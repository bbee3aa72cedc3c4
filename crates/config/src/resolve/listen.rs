//! Addresses to listen on.

use crate::{
    mistake::{Mistake, quote},
    plan::Listen,
    source::{Sources, Span, Word},
};
use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

/// The port where nothing else is said.
const PORT_DEFAULT: u16 = 80;

/// The addresses of `listen`, in the order they were typed.
pub(crate) fn resolve(
    listen: Option<Word<Vec<Word<String>>>>,
    sources: &Sources,
    mistakes: &mut Vec<Mistake>,
) -> Vec<Listen> {
    let Some(listen) = listen else {
        let written = || format!("the default of `listen` in {}", sources.main().name()).into();
        let all = every_address(PORT_DEFAULT).into_iter();
        let implied = |address| Listen { address, written: written(), is_implied: true };
        return all.map(implied).collect();
    };
    if listen.value.is_empty() {
        let mistake = Mistake::new(listen.span, "`listen` is an empty list", "no address");
        mistakes.push(mistake.help("for example: `listen = \"80\"`"));
    }
    let mut seen: HashMap<SocketAddr, Span> = HashMap::new();
    let mut all = Vec::new();
    for word in listen.value {
        let addresses = match parse(&word.value) {
            Ok(addresses) => addresses,
            Err(help) => {
                let cause = format!("{} is not an address to listen on", quote(&word.value));
                mistakes.push(Mistake::new(word.span, cause, "no address").help(help));
                continue;
            }
        };
        let is_implied = addresses.len() > 1;
        for address in addresses {
            // Port 0 is another one each time.
            match seen.insert(address, word.span) {
                Some(first) if address.port() != 0 => mistakes.push(
                    Mistake::new(
                        word.span,
                        format!("{address} is listened on twice"),
                        "again here",
                    )
                    .also(first, "first here")
                    .help("leave one of them out"),
                ),
                _ => {
                    let written = sources.place(word.span).into();
                    all.push(Listen { address, written, is_implied });
                }
            }
        }
    }
    all
}

/// The addresses that `text` stands for, or the way out.
fn parse(text: &str) -> Result<Vec<SocketAddr>, String> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Ok(vec![address]);
    }
    if let Ok(port) = text.strip_prefix("*:").unwrap_or(text).parse::<u16>() {
        return Ok(every_address(port).to_vec());
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("ports are numbers from 0 to 65535".to_owned());
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
    Err("write \"ADDRESS:PORT\" or \"PORT\"".to_owned())
}

fn every_address(port: u16) -> [SocketAddr; 2] {
    let v4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
    [v4, SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_is_read_or_refused_with_the_way_out() {
        fn check(text: &str, expect: Result<&[&str], &str>) {
            let found = parse(text);
            let shown = found.map(|all| all.iter().map(SocketAddr::to_string).collect::<Vec<_>>());
            let expect = expect.map(|all| all.iter().map(|&a| a.to_owned()).collect());
            assert_eq!(shown, expect.map_err(str::to_owned), "{text:?}");
        }
        check("127.0.0.1:80", Ok(&["127.0.0.1:80"]));
        check("[::1]:0", Ok(&["[::1]:0"]));
        check("8080", Ok(&["0.0.0.0:8080", "[::]:8080"]));
        check("*:8080", Ok(&["0.0.0.0:8080", "[::]:8080"]));
        check("65536", Err("ports are numbers from 0 to 65535"));
        check("127.0.0.1", Err("add the port: \"127.0.0.1:80\""));
        check("[::1]", Err("add the port: \"[::1]:80\""));
        check("::1:80", Err("put the IPv6 address in brackets: \"[::1]:80\""));
        check("fe80::1:x", Err("write \"ADDRESS:PORT\" or \"PORT\""));
        check("localhost:80", Err("write \"127.0.0.1:80\" or \"[::1]:80\""));
        check("example.com:80", Err("write an IP address, not a name, before the port"));
        check(":80", Err("write an IP address, not a name, before the port"));
        check("http", Err("write \"ADDRESS:PORT\" or \"PORT\""));
    }
}
