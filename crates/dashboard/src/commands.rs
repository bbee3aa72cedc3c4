//! What an operator types to learn more of an answer: commands that do the same in every shell,
//! whatever a client has put into its request.

use control::lives::{Answered, CUT_SHORT};
use std::net::{IpAddr, Ipv4Addr};

/// Who asks where nobody is named.
const USUAL_CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// The commands that say more of `answer`, with the config in that file: how such a request is
/// answered, and what has happened to this one. None where the words would not be the same ones:
/// what was cut as it was put down, or a file whose name cannot be typed.
pub(crate) fn commands(answer: &Answered, config: &str) -> Vec<String> {
    if config.is_empty() || config.chars().any(char::is_control) {
        return Vec::new();
    }
    explain(answer, config).into_iter().chain(live(answer, config)).collect()
}

fn explain(answer: &Answered, config: &str) -> Option<String> {
    let [method, host, path, _, _, query] = &answer.asked;
    let is_cut = |text: &Vec<u8>| text.ends_with(CUT_SHORT.as_bytes());
    if [method, host, path, query].into_iter().any(is_cut) || host.is_empty() || path.is_empty() {
        return None;
    }
    let (method, host) = (str::from_utf8(method).ok()?, str::from_utf8(host).ok()?);
    let mut words = "gannet explain ".to_owned();
    if path == b"*" {
        words += &format!("{} -H {}", word("*"), word(&format!("Host: {host}")));
    } else {
        words += &word(&url(answer, host));
    }
    words += &format!(" -c {}", word(config));
    match method {
        "GET" => {}
        // One that looks like an option is taken for the value where it stands close to it.
        _ if method.starts_with('-') => words += &format!(" -X{}", word(method)),
        _ => words += &format!(" -X {}", word(method)),
    }
    match answer.client.map(|client| client.to_canonical()) {
        Some(USUAL_CLIENT) => {}
        Some(client) => words += &format!(" --from {client}"),
        None => words += " --from unix",
    }
    Some(words)
}

fn url(answer: &Answered, host: &str) -> String {
    let [_, _, path, _, _, query] = &answer.asked;
    let (scheme, usual) = if answer.is_secure { ("https", 443) } else { ("http", 80) };
    let mut url = format!("{scheme}://{host}");
    if answer.port > 0 && answer.port != usual {
        url += &format!(":{}", answer.port);
    }
    push(&mut url, path);
    if !query.is_empty() {
        url.push('?');
        push(&mut url, query);
    }
    url
}

/// Appends a part of a URL as it was sent, but for what no URL has, or a shell knows within quotes.
fn push(url: &mut String, part: &[u8]) {
    for &byte in part {
        match byte {
            b'!'..=b'~' if !b"'\"#\\".contains(&byte) => url.push(char::from(byte)),
            _ => *url += &format!("%{byte:02X}"),
        }
    }
}

fn live(answer: &Answered, config: &str) -> Option<String> {
    let id = str::from_utf8(&answer.asked[4]).ok().filter(|id| !id.is_empty())?;
    let (id, config) = (word(id), word(config));
    Some(match id.trim_start_matches('\'').starts_with('-') {
        false => format!("gannet explain --live {id} -c {config}"),
        true => format!("gannet explain --live -c {config} -- {id}"),
    })
}

/// A text as one word of a shell, which does nothing but be that word.
fn word(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._/:%".contains(&byte);
    match !text.is_empty() && text.bytes().all(is_plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::{answered, life, seen};
    use control::lives::{Answer, Name};
    use std::process::Command;

    const CONFIG: &str = "/etc/gannet/gannet.toml";

    fn of(answer: &Answer<'_>, config: &str) -> Vec<String> {
        let (words, life) = life();
        life.answer(answer);
        commands(&seen(words)[0].answers[0], config)
    }

    #[test]
    fn commands_name_the_port_the_config_and_the_request() {
        let usual = Answer { port: 8080, ..answered(Name::default(), "/a%20b", 502) };
        let client = Some(USUAL_CLIENT);
        let check = |answer: Answer<'_>, expect: &[&str]| {
            assert_eq!(of(&answer, CONFIG), expect);
        };
        check(
            usual,
            &["gannet explain http://a.example:8080/a%20b -c /etc/gannet/gannet.toml --from \
               192.0.2.1"],
        );
        let usual = Answer { client, ..usual };
        let [get, host, path, ..] = usual.asked;
        let query: [&[u8]; 6] = [get, host, b"/", b"", b"ab-1", b"a=b"];
        check(
            Answer { asked: query, port: 443, is_secure: true, ..usual },
            &[
                "gannet explain 'https://a.example/?a=b' -c /etc/gannet/gannet.toml",
                "gannet explain --live ab-1 -c /etc/gannet/gannet.toml",
            ],
        );
        check(
            Answer { client: None, port: 0, asked: [b"-X", host, path, b"", b"-c", b""], ..usual },
            &[
                "gannet explain http://a.example/a%20b -c /etc/gannet/gannet.toml -X-X --from unix",
                "gannet explain --live -c /etc/gannet/gannet.toml -- -c",
            ],
        );
        check(
            Answer { asked: [b"OPTIONS", host, b"*", b"", b"", b""], ..usual },
            &["gannet explain '*' -H 'Host: a.example' -c /etc/gannet/gannet.toml -X OPTIONS"],
        );
        // What was no request, or is not known to its end, is not asked for again.
        check(Answer { asked: [b""; 6], ..usual }, &[]);
        let long = [b'a'; 161];
        check(Answer { asked: [get, host, &long, b"", b"", b""], ..usual }, &[]);
        check(Answer { asked: [get, host, b"/", b"", b"", &long[..129]], ..usual }, &[]);
        let usual = answered(Name::default(), "/", 502);
        assert!(of(&usual, "").is_empty() && of(&usual, "/a\n/b").is_empty());
    }

    /// What a shell makes of a command: its words.
    fn typed(shell: &[&str], command: &str) -> Vec<String> {
        let script =
            format!("gannet() {{ for word in \"$@\"; do echo \"$word\"; done; }}\n{command}\n");
        let mut run = Command::new(shell[0]);
        let said = run.args(&shell[1..]).arg(&script).env_clear().output().unwrap();
        assert_eq!(String::from_utf8_lossy(&said.stderr), "", "{command}");
        String::from_utf8(said.stdout).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn nothing_that_a_client_sends_is_more_than_a_word() {
        let hostile: [&[u8]; 6] = [
            b"`id`'$(id)'!!&|*",
            b"'$(id)';`id`!!",
            b"/'$(id)'`id`\n;\\!!\"*#%20~\xff",
            b"",
            b"~root=/",
            b"'`id`'$(id)!!;\"*?#%\\\xff",
        ];
        let config = "/a b/$(id)'`id`!!.toml";
        let mut answer = Answer { asked: hostile, ..answered(Name::default(), "/", 502) };
        answer.asked[0] = &hostile[0][..15];
        let all = of(&answer, config);
        let path = "/%27$(id)%27`id`%0A;%5C!!%22*%23%20~%FF";
        let url = format!("http://'$(id)';`id`!!{path}?%27`id`%27$(id)!!;%22*?%23%%5C%FF");
        let words = ["explain", &url, "-c", config, "-X", "`id`'$(id)'!!&|", "--from", "192.0.2.1"];
        for shell in [&["sh", "-c"][..], &["bash", "-c"], &["bash", "-Hc"]] {
            assert_eq!(typed(shell, &all[0]), words);
            assert_eq!(typed(shell, &all[1]), ["explain", "--live", "~root=/", "-c", config]);
        }
    }
}
