//! The page in a real browser, while the server is really asked: it moves, and says of each
//! connection what is so.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use e2e::{
    Client, Ending, Link, Server, Sites, eventually,
    frames::{self, OPENING},
    load::Over,
    look::admin,
    sites::USERS,
    webdriver::Browser,
};
use rustix::process::geteuid;
use std::{
    fs::{self, File, Permissions},
    net::SocketAddr,
    os::unix::fs::{PermissionsExt, chown},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::Duration,
};

/// Two sites with a php-fpm of their own, at an address, at one with HTTP/2, and at that of a link.
fn serve(link: Option<&Link>) -> (Sites, Server) {
    let place = Sites::new();
    let more = link.map(|link| format!(", '{}:0'", link.host())).unwrap_or_default();
    let http2 = "{ address = '127.0.0.1:0', http2 = true }";
    place.edit("listen = \"127.0.0.1:0\"", &format!("listen = ['127.0.0.1:0', {http2}{more}]"));
    place.edit("threads = 1", "threads = 1\nadmin = '127.0.0.1:0'");
    let huge = place.path("a/huge.bin");
    File::create(&huge).unwrap().set_len(64 * 1024 * 1024).unwrap();
    fs::set_permissions(&huge, Permissions::from_mode(0o640)).unwrap();
    if geteuid().is_root() {
        let (_, user, group) = USERS[0];
        chown(&huge, Some(user), Some(group)).unwrap();
    }
    let server = place.start();
    (place, server)
}

fn listens(server: &Server, at: usize) -> SocketAddr {
    let start = server.wait_for(|line| line["event"] == "start");
    start["listens"][at].as_str().unwrap().parse().unwrap()
}

fn request(target: &str, more: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: a.example\r\n{more}\r\n")
}

/// Rest of whoever asks, after each turn: of each loop the last 1,024 answers are known, and are to
/// be for some seconds.
const REST: Duration = Duration::from_millis(50);

/// How often the page looks.
const LOOK: Duration = Duration::from_secs(1);

/// Asks on a kept connection, and on one after the other that the server closes, until it is over.
fn ask(addr: SocketAddr, is_over: &AtomicBool) {
    let mut kept = Client::connect(addr);
    while !is_over.load(Relaxed) {
        kept.send(request("/style.css", "")).unwrap();
        let answer = kept.response().unwrap();
        assert_eq!(answer.status, 200);
        if answer.closes() {
            kept = Client::connect(addr);
        }
        let mut new = Client::connect(addr);
        new.send(request("/style.css", "Connection: close\r\n")).unwrap();
        assert_eq!(new.response().unwrap().status, 200);
        assert_eq!(new.ending().unwrap(), Ending::Closed);
        thread::sleep(REST);
    }
}

/// Waits until a row of the connections is such.
fn see(browser: &Browser, row: &str) {
    browser.wait_until(&format!(
        "[...document.querySelectorAll('#sockets tbody tr')].some(({{ cells }}) => {row})"
    ));
}

/// Chooses a filter, and waits until all rows that are there are such, and some are.
fn choose(browser: &Browser, id: &str, value: &str, row: &str) {
    browser.run(&format!(
        "by('{id}').value = '{value}'; by('{id}').dispatchEvent(new Event('input'));"
    ));
    browser.wait_until(&format!(
        "document.querySelector('#sockets tbody tr') !== null
         && [...document.querySelectorAll('#sockets tbody tr')].every(({{ cells }}) => {row})"
    ));
    browser.run(&format!("by('{id}').value = '';"));
}

#[test]
fn a_person_sees_what_is_so_while_much_is_asked() {
    let link = Link::new(8);
    let (place, server) = serve(link.as_ref());
    let addr = admin(&server);
    let browser = Browser::start();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let _over = Over(&is_over);
        (0..2).for_each(|_| _ = scope.spawn(|| ask(server.addr(), &is_over)));
        browser.open(&format!("http://{addr}/"));
        charts_move(&browser);
        connections_are_judged(&browser, (&place, &server), link.as_ref());
        connections_are_found(&browser, &server);
        streams_have_lanes(&browser, &server);
        what_a_client_sends_is_one_word(&browser, (&place, &server));
        reloads_are_seen(&browser, (&place, &server));
    });
    assert_eq!(browser.complaints(), [""; 0], "nothing goes wrong on the page");
    // Another program shows it on, to a page that is there.
    browser.run("window.is_the_same = true;");
    place.order(&["upgrade", "-c"]);
    browser.wait_until(
        "[...document.querySelectorAll('#generations tbody tr')]
         .some(({ cells }) => cells[0].textContent === '3')",
    );
    browser.wait_until("by('state').textContent.startsWith('generation 3 serving')");
    assert_eq!(browser.run("return window.is_the_same"), true);
    server.stop();
}

fn charts_move(browser: &Browser) {
    browser.wait_until("document.querySelectorAll('#charts canvas').length === 8");
    browser.wait_until("params.rows.length > 2");
    let charts = "[...document.querySelectorAll('#charts canvas')]";
    browser.run(&format!("window.seen = {charts}.map((one) => one.toDataURL());"));
    browser.wait_until(&format!("{charts}.every((one, at) => one.toDataURL() !== seen[at])"));
    browser.wait_until(
        "((row) => row.requests > 5 && row['2xx'] > 5 && row.p50 > 0 && row.p99 >= row.p50
          && row.bytes > 0 && row.each > 0 && row.cpu > 0 && row.accepted > 1 && row.established > 0
          && row.over > 0)(params.rows.at(-1))",
    );
    // Who does not see them has them read.
    browser.wait_until(
        "document.querySelector('#charts figure').getAttribute('aria-label')
         .startsWith('Requests each second, now: 2xx ')",
    );
    // A server that was started anew has counted less than the one before.
    let anew = "const more = structuredClone(params.status);
         for (const { whole } of more.sites) whole.counts = whole.counts.map((count) => count + 10);
         const { p50, p99 } = between(more, params.status, 1); return [p50, p99];";
    assert_eq!(browser.run(anew), serde_json::json!([null, null]));
    // Nobody sees it, and the server does nothing for it.
    let hide = |is_hidden: bool| {
        browser.run(&format!(
            "window.before = following;
             Object.defineProperty(document, 'hidden', {{ value: {is_hidden}, configurable: true }});
             document.dispatchEvent(new Event('visibilitychange'));"
        ));
    };
    hide(true);
    let is_left = "return following === null && before.readyState === EventSource.CLOSED";
    assert_eq!(browser.run(is_left), true);
    hide(false);
    browser.run("window.length_before = params.times.length;");
    browser.wait_until("params.times.length > length_before");
    // Whoever reads something has it stand still.
    browser.click("#pause");
    let stands = "const before = params.times.length;
         take({ ...params.status }); return params.times.length === before;";
    assert_eq!(browser.run(stands), true);
    browser.click("#pause");
}

fn connections_are_judged(
    browser: &Browser,
    (place, server): (&Sites, &Server),
    link: Option<&Link>,
) {
    // By a key, as whoever has no mouse.
    browser.type_into("body", "3");
    browser.wait_until("location.hash === '#connections' && by('now').hidden");
    let is = |port: u16, by: &str, why: &str| {
        format!(
            "cells[0].textContent === '127.0.0.1:{port}' && cells[3].textContent === '{by}'
             && cells[3].title.includes('{why}')"
        )
    };
    let mut slow = Client::connect_narrow(server.addr());
    slow.send(request("/huge.bin", "")).unwrap();
    see(browser, &is(slow.port(), "client", "it had no room for more"));
    let go = place.path("go");
    let mut sleeping = Client::connect(server.addr());
    sleeping.send(request(&format!("/?wait={}", go.display()), "")).unwrap();
    see(browser, &is(sleeping.port(), "application", "its answer is not there"));
    // What it owes itself is no application's fault, whatever has come last.
    let mut half = Client::connect(server.addr());
    half.send("GET /style.css HTTP/1.1\r\nHost: a.exam").unwrap();
    see(browser, &is(half.port(), "client", "it owes the rest"));
    if let Some(link) = link {
        let url = format!("http://{}/huge.bin", listens(server, 2));
        let mut fetch = link.fetch(&["-H", "Host: a.example", &url]);
        see(
            browser,
            "cells[0].textContent.startsWith('10.231.8.2:') && cells[3].textContent === 'network'",
        );
        fetch.kill().unwrap();
        fetch.wait().unwrap();
    }
    choose(browser, "limit", "application", "cells[3].textContent === 'application'");
    fs::write(&go, "").unwrap();
    assert_eq!(sleeping.response().unwrap().status, 200);
    see(browser, &is(sleeping.port(), "", "idle for"));
    fs::remove_file(go).unwrap();
}

fn connections_are_found(browser: &Browser, server: &Server) {
    let mut clients = [(); 2].map(|()| Client::connect(server.addr()));
    let mut ask = || {
        let all = [(200, ""), (416, "Range: bytes=999-\r\n")];
        for (client, (status, fields)) in clients.iter_mut().zip(all) {
            client.send(request("/style.css", fields)).unwrap();
            assert_eq!(client.response().unwrap().status, status);
        }
        clients.each_ref().map(|client| format!("127.0.0.1:{}", client.port()))
    };
    let [sound, name] = ask();
    let is_it = format!("cells[0].textContent === '{name}' || cells.length === 1");
    browser.type_into("#client", &name);
    browser.wait_until(&format!(
        "document.querySelectorAll('#sockets tbody tr').length === 1
         && document.querySelector('#sockets button').textContent === '{name}'"
    ));
    choose(browser, "client", &name, &is_it);
    choose(browser, "of-state", "TIME_WAIT", "cells[2].textContent === 'TIME_WAIT'");
    choose(browser, "of-state", "ESTABLISHED", "cells[2].textContent === 'ESTABLISHED'");
    // Of all that was asked, this has failed; so has what was cut off before.
    let failed =
        "by('of-answers').value = 'failed'; by('of-site').value = 'defaul'; lookAtSockets();";
    browser.run(failed);
    let is_found = format!(
        "return ((all) => all.includes('{name}') && !all.includes('{sound}'))(
         [...document.querySelectorAll('#sockets button')].map((one) => one.textContent))"
    );
    assert!(eventually(|| {
        ask();
        browser.run(&is_found) == true
    }));
    browser.run("by('of-answers').value = 'slow';");
    browser.wait_until(&format!(
        "![...document.querySelectorAll('#sockets button')].some((one) => one.textContent === '{name}')"
    ));
    browser.run("for (const id of ['of-answers', 'of-site']) by(id).value = '';");
    // The kernel's own list says how old the oldest of each state is.
    browser.type_into("body", "4");
    browser.wait_until(
        "[...document.querySelectorAll('#states tbody tr')].some(({ cells }) =>
         cells[1].textContent === 'TIME_WAIT' && / s$/.test(cells[3].textContent))",
    );
}

fn streams_have_lanes(browser: &Browser, server: &Server) {
    browser.type_into("body", "3");
    let mut client = Client::connect(listens(server, 1));
    client.send([OPENING, &frames::get(1, "/style.css")].concat()).unwrap();
    let name = format!("127.0.0.1:{}", client.port());
    browser.run(&format!("by('client').value = '{name}';"));
    browser.wait_until(&format!(
        "document.querySelector('#sockets button')?.dataset.client === '{name}'"
    ));
    // Rows are made anew each second, and this one may be by then.
    browser.run("document.querySelector('#sockets button').click();");
    // Only the last answers of a loop are known, of which others have many meanwhile.
    let lanes = "return [...document.querySelectorAll('#sockets .story svg text')]
         .map((one) => one.textContent).join()";
    let mut streams = (3..).step_by(2);
    assert!(eventually(|| {
        let pair = [(); 2].map(|()| streams.next().unwrap());
        client.send(pair.map(|stream| frames::get(stream, "/style.css")).concat()).unwrap();
        let expect = format!("{},{}", pair[0], pair[1]);
        (0..20).any(|_| {
            thread::sleep(LOOK / 10);
            browser.run(lanes).as_str().is_some_and(|lanes| lanes.ends_with(&expect))
        })
    }));
    // How long nothing was asked belongs to the story, and grows.
    browser.wait_until(
        "[...document.querySelectorAll('#sockets .story li')]
         .some((one) => one.textContent.includes('idle for '))",
    );
    // What the client has sent last were settings: it is limited by nobody.
    see(browser, &format!("cells[0].textContent === '{name}' && cells[3].textContent === ''"));
    browser.run("by('client').value = '';");
}

/// Whoever copies the words to a terminal runs nothing of a client's.
fn what_a_client_sends_is_one_word(browser: &Browser, (place, server): (&Sites, &Server)) {
    browser.type_into("body", "2");
    let mut client = Client::connect(server.addr());
    // It leaves before its program has an answer, which is a trouble.
    let go = place.path("go");
    let line = format!("`reboot` /'$(id)'?`id`'!!&wait={} HTTP/1.1", go.display());
    client.send(format!("{line}\r\nHost: a.example\r\n\r\n")).unwrap();
    client.shut().unwrap();
    let query = format!("`id`%27!!&wait={}", go.display());
    let (url, config) = (format!("http://a.example/%27$(id)%27?{query}"), place.config());
    let words = format!("gannet explain '{url}' -c {config} -X '`reboot`'");
    browser.wait_until(&format!(
        "[...document.querySelectorAll('#troubles code')]
         .some((one) => one.textContent === String.raw`{}`)",
        words.replace('`', "${'`'}")
    ));
    fs::write(&go, "").unwrap();
}

fn reloads_are_seen(browser: &Browser, (place, server): (&Sites, &Server)) {
    browser.type_into("body", "1");
    let mut busy = Client::connect_narrow(server.addr());
    busy.send(request("/huge.bin", "")).unwrap();
    busy.take(13).unwrap();
    place.order(&["reload"]);
    browser.wait_until(
        "[...document.querySelectorAll('#generations tbody tr')]
         .some(({ cells }) => cells[1].textContent.startsWith('draining, for '))",
    );
    browser.wait_until("by('reload').textContent.startsWith('The config was read again ')");
    busy.abort();
    browser.wait_until(
        "[...document.querySelectorAll('#generations tbody tr')]
         .every(({ cells }) => cells[0].textContent === '2')",
    );
}
