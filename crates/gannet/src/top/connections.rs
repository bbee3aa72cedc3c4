//! The connections of a server on a terminal, as the kernel has them, which it tells anybody.

use super::{duration, known, size};
use control::status::Status;
use dashboard::Line;
use net::diag::{Diag, Socket};

/// The connections that are there now, those first that there is most to say about; or why that is
/// not known.
pub(super) fn of(server: &Status) -> String {
    let addresses = dashboard::addresses(server);
    let is_ours = |one: &Socket| dashboard::is_of(one, &addresses);
    match Diag::open().and_then(|diag| diag.sockets((&addresses, true), is_ours)) {
        Ok(all) => table(&dashboard::lines(&all)),
        Err(why) => format!("\nconnections are not known: {why}\n"),
    }
}

fn table(lines: &[Line]) -> String {
    let row = |client: &str, state: &str, by: &str, [rtt, again, sent]: [&str; 3], why: &str| {
        format!("{client:<22} {state:<12} {by:<12} {rtt:>8} {again:>6} {sent:>10}  {why}\n")
    };
    let mut text = "\n".to_owned();
    text += &row("client", "state", "limited by", ["RTT", "again", "sent"], "why");
    for Line { client, state, limited_by, why, path } in lines {
        let numbers = [
            known(path.map(|path| duration(u64::from(path.rtt_us)))),
            known(path.map(|path| path.retransmitted.to_string())),
            known(path.map(|path| size(path.acknowledged as f64))),
        ];
        let numbers = numbers.each_ref().map(|text| &**text);
        text += &row(&client.to_string(), state, limited_by.unwrap_or(""), numbers, why);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use net::diag::Path;

    #[test]
    fn a_connection_has_a_line() {
        let line = |path| Line {
            client: "192.0.2.1:4242".parse().unwrap(),
            state: "ESTABLISHED",
            limited_by: Some("client"),
            why: "it has no room".to_owned(),
            path,
        };
        let path = Path { rtt_us: 1_500, retransmitted: 3, acknowledged: 2_048, ..Path::default() };
        assert_eq!(
            table(&[line(Some(path)), line(None)]),
            "\nclient                 state        limited by        RTT  again       sent  why\n\
             192.0.2.1:4242         ESTABLISHED  client         1.5 ms      3    2.0 KiB  it has no room\n\
             192.0.2.1:4242         ESTABLISHED  client              –      –          –  it has no room\n"
        );
    }
}
