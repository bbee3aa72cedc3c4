//! What limits a connection, by what its kernel says: the client, the network, the application or
//! this server.

use control::lives::Waits;
use net::diag::{Path, Socket, State};

/// What limits a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    /// Whoever does; nobody where it is over, or nothing is wanted.
    pub(super) by: Option<&'static str>,
    /// Why it is thought so, in a sentence.
    pub(super) why: String,
}

/// Of a hundred segments so many that were sent again: a network that loses some.
const LOSSY_PERCENT: u64 = 2;

/// Milliseconds that an answer may take before somebody waits for it.
const PROMPT_MS: u64 = 200;

/// What the server knows of a connection: what it waits for, how long its oldest request has been
/// under way, in microseconds, and how the way to its client was a while ago.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Doing {
    pub(super) waits: Option<Waits>,
    pub(super) under_way_us: Option<u64>,
    pub(super) before: Option<Path>,
}

/// What limits this connection, on which that is done as far as the server knows.
pub(super) fn verdict(socket: &Socket, doing: Doing) -> Verdict {
    let over = |why: &str| Verdict { by: None, why: why.to_owned() };
    match (socket.state, &socket.path) {
        (State::Established, Some(path)) => established(socket, path, doing),
        (State::SynReceived, _) => by("client", "it has not said anything yet"),
        (State::CloseWait, _) => by("server", "the client has said goodbye, and it is not closed"),
        (State::FinWait1, _) => by("client", "it has not acknowledged the last bytes and the FIN"),
        (State::FinWait2, _) => by("client", "this side has said goodbye, and it has not yet"),
        (State::LastAck | State::Closing, _) => by("network", "the last ACK is waited for"),
        (State::TimeWait, _) => Verdict {
            by: None,
            why: format!(
                "over; kept for late packets, {} s more",
                socket.expires_ms.div_ceil(1000)
            ),
        },
        _ => over("nothing to say"),
    }
}

fn by(whom: &'static str, why: &str) -> Verdict {
    Verdict { by: Some(whom), why: why.to_owned() }
}

fn established(socket: &Socket, path: &Path, doing: Doing) -> Verdict {
    let Doing { waits, under_way_us, before } = doing;
    // What came last may be no request, but the word of one who is still there.
    let since_ms = under_way_us.map_or(u64::from(path.last_received_ms), |us| us / 1_000);
    if waits == Some(Waits::Share) {
        return by("server", "its answer is sent as slowly as `bandwidth` says");
    }
    if socket.unread > 0 {
        return by("server", &format!("{} bytes have come and are not read", socket.unread));
    }
    if socket.unacknowledged > 0 {
        return sending(path, before.unwrap_or_default(), waits);
    }
    match waits {
        Some(Waits::Window) => return of_window(path),
        Some(Waits::Client) => {
            let time = path.last_received_ms;
            let why = format!("it owes the rest of what it has begun, for {time} ms so far");
            return by("client", &why);
        }
        Some(Waits::Disk) => return by("server", "a disk is waited for, or a password is checked"),
        Some(Waits::Application) => return of_application(since_ms),
        Some(Waits::Nothing) => return idle(path, ": nothing was asked"),
        Some(Waits::Share) | None => {}
    }
    // Bytes have come since the last ones went: somebody makes an answer.
    if path.last_received_ms < path.last_sent_ms || path.acknowledged <= 1 && path.received > 0 {
        return of_application(since_ms);
    }
    // An answer may have left, or a request have come, within the same tick.
    idle(path, ", as far as the kernel tells")
}

/// Windows of HTTP/2 are the client's to open, whatever room its kernel has.
fn of_window(path: &Path) -> Verdict {
    let time = path.last_sent_ms;
    let why = format!("its HTTP/2 window is used up, and it has opened none for {time} ms");
    by("client", &why)
}

fn of_application(time: u64) -> Verdict {
    let why = format!("a request came {time} ms ago, and its answer is not there");
    match time > PROMPT_MS {
        true => by("application", &why),
        false => by("application", "a request has just come"),
    }
}

fn idle(path: &Path, why: &str) -> Verdict {
    let idle = path.last_sent_ms.min(path.last_received_ms);
    Verdict { by: None, why: format!("idle for {idle} ms{why}") }
}

/// What keeps bytes from leaving, or from being acknowledged, since it was as `before`.
fn sending(path: &Path, before: Path, waits: Option<Waits>) -> Verdict {
    let busy_us = path.busy_us.saturating_sub(before.busy_us);
    let share = |us: u64, before_us: u64| {
        us.saturating_sub(before_us).saturating_mul(100).checked_div(busy_us).unwrap_or(0)
    };
    let window = share(path.rwnd_limited_us, before.rwnd_limited_us);
    let buffer = share(path.sndbuf_limited_us, before.sndbuf_limited_us);
    let again = path.retransmitted.saturating_sub(before.retransmitted);
    let sent = path.segments_out.saturating_sub(before.segments_out);
    let lossy = (u64::from(again) * 100).checked_div(u64::from(sent)).unwrap_or(0);
    // A client that takes nothing is asked again and again, which looks like loss.
    if window >= 50 {
        return by("client", &format!("for {window} % of the time it had no room for more"));
    }
    if path.lost > 0 || lossy >= LOSSY_PERCENT {
        let lost = path.lost;
        let why = format!("{again} segments were sent again, {lost} are held to be lost");
        return by("network", &why);
    }
    if buffer >= 50 {
        return by("server", &format!("for {buffer} % of the time its send buffer was full"));
    }
    // All that the client lets out is on its way.
    if waits == Some(Waits::Window) && path.not_sent == 0 {
        return of_window(path);
    }
    let (cwnd, rtt) = (path.cwnd, f64::from(path.rtt_us) / 1e3);
    by("network", &format!("{cwnd} segments a round trip of {rtt:.1} ms are all it takes"))
}

#[cfg(test)]
mod tests {
    use super::{super::tests::socket, *};

    fn check(unacknowledged: u32, path: Path, expect: Option<&str>) {
        let path = Some(path);
        let socket = Socket { unacknowledged, ..socket(State::Established, path) };
        let verdict = verdict(&socket, Doing::default());
        assert_eq!(verdict.by, expect, "{}: {path:?}", verdict.why);
        assert!(!verdict.why.is_empty());
    }

    #[test]
    fn whoever_limits_a_connection_is_named() {
        let path = Path { busy_us: 100, segments_out: 1000, acknowledged: 9, ..Path::default() };
        check(9, Path { rwnd_limited_us: 90, retransmitted: 99, ..path }, Some("client"));
        check(9, Path { rwnd_limited_us: 10, retransmitted: 30, ..path }, Some("network"));
        check(9, Path { lost: 1, ..path }, Some("network"));
        check(9, Path { sndbuf_limited_us: 80, ..path }, Some("server"));
        check(9, path, Some("network"));
        check(9, Path::default(), Some("network"));
        check(
            0,
            Path { last_sent_ms: 5_000, last_received_ms: 3_000, ..path },
            Some("application"),
        );
        check(0, Path { last_sent_ms: 5_000, last_received_ms: 1, ..path }, Some("application"));
        check(0, Path { last_sent_ms: 4_999, last_received_ms: 5_000, ..path }, None);
    }

    /// A client that was slow an hour ago is not what limits its connection now.
    #[test]
    fn what_limits_a_connection_is_what_does_so_of_late() {
        let path = Path { busy_us: 900, rwnd_limited_us: 800, segments_out: 90, ..Path::default() };
        let now = Path { busy_us: 1_000, segments_out: 100, retransmitted: 9, ..path };
        let socket = Socket { unacknowledged: 9, ..socket(State::Established, Some(now)) };
        for (before, expect) in [(None, "client"), (Some(path), "network")] {
            let doing = Doing { before, ..Doing::default() };
            assert_eq!(verdict(&socket, doing).by, Some(expect));
        }
        let doing = Doing { before: Some(path), ..Doing::default() };
        let why = "9 segments were sent again, 0 are held to be lost";
        assert_eq!(verdict(&socket, doing).why, why);
    }

    /// What has come last may be no request: the server knows better.
    #[test]
    fn what_the_server_waits_for_comes_before_what_is_guessed() {
        let path = Path { last_sent_ms: 5_000, last_received_ms: 1_000, ..Path::default() };
        for (waits, unacknowledged, expect) in [
            (Waits::Nothing, 0, None),
            (Waits::Client, 0, Some("client")),
            (Waits::Window, 0, Some("client")),
            (Waits::Window, 9, Some("client")),
            (Waits::Application, 0, Some("application")),
            (Waits::Disk, 0, Some("server")),
            (Waits::Share, 0, Some("server")),
            (Waits::Share, 9, Some("server")),
            (Waits::Nothing, 9, Some("network")),
        ] {
            let socket = Socket { unacknowledged, ..socket(State::Established, Some(path)) };
            let doing = Doing { waits: Some(waits), ..Doing::default() };
            assert_eq!(verdict(&socket, doing).by, expect, "{waits:?} {unacknowledged}");
        }
    }

    /// Somebody who waits for an answer may say that they are there meanwhile.
    #[test]
    fn a_request_is_as_old_as_it_is_whatever_has_come_since() {
        let path = Path { last_sent_ms: 5_000, last_received_ms: 1, ..Path::default() };
        let socket = socket(State::Established, Some(path));
        let waits = Some(Waits::Application);
        let doing = Doing { waits, under_way_us: Some(3_000_000), before: None };
        let why = verdict(&socket, doing).why;
        assert_eq!(why, "a request came 3000 ms ago, and its answer is not there");
        // The kernel alone cannot tell whether anything was asked.
        let path = Path { last_sent_ms: 7, last_received_ms: 7, ..Path::default() };
        let path = Path { acknowledged: 100, received: 100, ..path };
        let socket = super::super::tests::socket(State::Established, Some(path));
        let why = verdict(&socket, Doing::default()).why;
        assert_eq!(why, "idle for 7 ms, as far as the kernel tells");
    }

    #[test]
    fn each_state_has_its_words() {
        for (state, expect) in [
            (State::SynReceived, Some("client")),
            (State::CloseWait, Some("server")),
            (State::FinWait2, Some("client")),
            (State::LastAck, Some("network")),
            (State::TimeWait, None),
            (State::Closed, None),
        ] {
            assert_eq!(verdict(&socket(state, None), Doing::default()).by, expect, "{state:?}");
        }
    }
}
