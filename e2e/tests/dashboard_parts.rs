//! What the page shows of TLS, certificates and PHP, where the server has such things.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use e2e::{
    Client, Place, Sites, eventually,
    look::admin,
    place,
    process::Process,
    secure_place::{SecurePlace, openssl},
    sites::{get, master},
    webdriver::Browser,
};
use rustix::process::{Pid, Signal, kill_process_group};
use std::fs;

/// Waits until a row of a table is such, by its cells.
fn see(browser: &Browser, table: &str, row: &str) {
    browser.wait_until(&format!(
        "[...document.querySelectorAll('#{table} tbody tr')].some(({{ cells }}) =>
         ((text) => {row})([...cells].map((one) => one.textContent)))"
    ));
}

/// Looks at the page as a person does: wide and narrow, dark and light, in both languages.
fn look_at(browser: &Browser, url: &str, name: &str, ready: &str) {
    let fits =
        "return document.documentElement.scrollWidth <= document.documentElement.clientWidth";
    for (look, width, is_dark) in [("desk", 1280, false), ("phone-dark", 360, true)] {
        browser.set_look(width, is_dark);
        for language in ["", "zh"] {
            browser.open(&format!("{url}{language}"));
            browser.wait_until("typeof params === 'object' && params.rows.length > 0");
            browser.wait_until(ready);
            assert_eq!(browser.run(fits), true, "{name} {look} {language}: no scrolling sideways");
            browser.take_picture(&format!("{name}-{look}{language}"));
        }
    }
    // All that the page says by itself is said in Chinese: what is left in Latin letters are names.
    let left =
        "return [...document.querySelectorAll('h2, h3, th, dt, figcaption, .u-label, nav a')]
         .map((one) => one.textContent.trim())
         .filter((text) => /^[A-Za-z ,%\\/]+$/.test(text) && !names.includes(text))";
    let names = "const names = ['English', 'PHP', 'CPU', 'RTT', 'cwnd', 'worker', 'ESTABLISHED',
         'SYN_RECV', 'FIN_WAIT', 'CLOSE_WAIT', 'TIME_WAIT', 'socket'];";
    assert_eq!(browser.run(&format!("{names} {left}")), serde_json::json!([]));
    assert_eq!(browser.run("return document.documentElement.lang"), "zh-Hant");
}

#[test]
fn hands_that_are_shaken_and_certificates_that_fail_are_seen() {
    let place = SecurePlace::new();
    place.certificates.make("b", "ec", &["b.example"]);
    place.certificates.make_between(["-80 days", "2 days"], "near", &["near.example"]);
    let ca = place.certificates.path("b.pem");
    let sites = place.of("a.example", "a", "")
        + &place.of("b.example", "b", "")
        + &place.of("near.example", "near", "");
    let server = place.serve("threads = 1\nadmin = '127.0.0.1:0'", &sites);
    let url = format!("http://{}/", admin(&server));
    let browser = Browser::start();
    browser.open(&url);
    see(&browser, "handshakes", "text[0] === 'in full' && text[2] === '0'");
    assert_eq!(browser.run("return by('php').hidden && !by('tls').hidden"), true);
    let visitor = place.certificates.visitor(&["a"]);
    for is_resumed in [false, true] {
        let mut client = visitor.connect(server.addr(), "a.example");
        assert_eq!(client.get("/digits.txt").unwrap().status, 200);
        assert_eq!(client.is_resumed(), is_resumed);
    }
    openssl(server.addr(), &["-servername", "nobody.example"], "");
    let ca = ca.to_str().unwrap();
    openssl(
        server.addr(),
        &["-servername", "a.example", "-verify_return_error", "-CAfile", ca],
        "",
    );
    for (name, count, is_bad) in [
        ("in full", 1, false),
        ("resumed by a ticket", 1, false),
        ("failed", 2, true),
        ("for a name that no site has", 1, true),
        ("refused by the client", 1, true),
    ] {
        let row = format!(
            "text[0] === '{name}' && text[2] === '{count}'
             && cells[2].className === '{}'",
            if is_bad { "bad" } else { "" }
        );
        see(&browser, "handshakes", &row);
    }
    browser.wait_until("document.querySelectorAll('#handshakes tbody tr').length === 5");
    // How fast they come, while they do.
    let is_fast = "return [...document.querySelectorAll('#handshakes tbody tr')]
         .some(({ cells: [name, rate] }) =>
           name.textContent === 'in full' && Number(rate.textContent) > 0)";
    assert!(eventually(|| {
        place.certificates.visitor(&["a"]).get(server.addr(), "a.example", "/digits.txt").unwrap();
        browser.run(is_fast) == true
    }));
    // Which certificates there are, and until when; what is wrong with one comes first.
    see(&browser, "certificates", "text[0].startsWith('a.example') && text[1] === 'in 89 days'");
    let first = "document.querySelector('#certificates tbody tr')";
    browser.wait_until(&format!(
        "{first}.cells[0].textContent === 'near.example'
         && {first}.cells[1].textContent === 'in 47 h'
         && {first}.cells[2].className === 'why warned'"
    ));
    fs::write(place.certificates.path("b.pem"), "no certificate").unwrap();
    browser.wait_until(&format!(
        "{first}.cells[0].textContent === 'b.example' && {first}.cells[2].className === 'why bad'
         && {first}.cells[2].textContent.endsWith('the one before goes on')"
    ));
    look_at(&browser, &url, "admin-tls", "!by('tls').hidden && !by('certified').hidden");
    assert_eq!(browser.complaints(), [""; 0], "nothing goes wrong on the page");
    server.stop();
}

#[test]
fn what_php_is_at_is_seen() {
    let place = Sites::new();
    place.edit("threads = 1", "threads = 1\nadmin = '127.0.0.1:0'");
    place.edit("workers = 2 }", "workers = 1 }");
    let server = place.start();
    let url = format!("http://{}/", admin(&server));
    let browser = Browser::start();
    browser.open(&url);
    see(
        &browser,
        "pools",
        "text[0] === 'b.example' && text[1] === 'up' && text[5] === '0' && text[9] === '0'",
    );
    assert_eq!(browser.run("return by('tls').hidden && by('certified').hidden"), true);
    let (begun, go) = (place.path("b/begun"), place.path("go"));
    let mut clients = [(); 3].map(|()| Client::connect(server.addr()));
    for (at, client) in clients.iter_mut().enumerate() {
        let line = format!("GET /?wait={} HTTP/1.1", go.display());
        client.send(format!("{line}\r\nHost: b.example\r\n\r\n")).unwrap();
        assert!(at > 0 || eventually(|| begun.exists()));
    }
    see(
        &browser,
        "pools",
        "text[0] === 'b.example' && text[2] === '1 of 1' && text[3].startsWith('2 of ')
         && cells[3].className === 'warned' && text[7] !== '0'
         && cells[2].querySelector('meter').value === 1",
    );
    fs::write(&go, "").unwrap();
    clients.iter_mut().for_each(|client| assert_eq!(client.response().unwrap().status, 200));
    see(&browser, "pools", "text[0] === 'b.example' && text[2] === '0 of 1' && text[5] === '3'");
    let is_fast = "return [...document.querySelectorAll('#pools tbody tr')]
         .some(({ cells: [site, ,,, rate] }) =>
           site.textContent === 'b.example' && Number(rate.textContent) > 0)";
    assert!(eventually(|| {
        get(&server, "b.example", "/");
        browser.run(is_fast) == true
    }));
    // One that does not say how it is, with all that it has started.
    let Process(stopped) = master(&server, "b.example");
    let group = Pid::from_raw(stopped.cast_signed()).unwrap();
    kill_process_group(group, Signal::STOP).unwrap();
    see(
        &browser,
        "pools",
        "text[0] === 'b.example' && text[1] === 'silent' && cells[1].className === 'text bad'",
    );
    look_at(&browser, &url, "admin-php", "!by('php').hidden");
    kill_process_group(group, Signal::CONT).unwrap();
    browser.open(&url);
    see(&browser, "pools", "text[0] === 'b.example' && text[1] === 'up'");
    assert_eq!(browser.complaints(), [""; 0], "nothing goes wrong on the page");
    server.stop();
}

#[test]
fn what_a_server_does_not_have_is_not_shown() {
    let place = Place::new(&place::config("admin = '127.0.0.1:0'\nthreads = 1", "", ""));
    let server = place.start();
    let browser = Browser::start();
    let url = format!("http://{}/", admin(&server));
    look_at(
        &browser,
        &url,
        "admin-plain",
        "document.querySelectorAll('#charts canvas').length === 8",
    );
    let hidden = "return ['tls', 'certified', 'php'].every((part) => by(part).hidden)";
    assert_eq!(browser.run(hidden), true);
    // The other language is a link away, at the same view.
    browser.type_into("body", "3");
    browser.wait_until("location.hash === '#connections' && !by('connections').hidden");
    browser.click("#language");
    browser.wait_until("location.pathname === '/' && by('connections')?.hidden === false");
    browser.click("#language");
    browser.wait_until("location.pathname === '/zh' && by('connections')?.hidden === false");
    server.stop();
}

/// What the page works out from what it is told.
#[test]
fn figures_of_a_quiet_server_are_those_that_can_be_known() {
    let place = Place::new(&place::config("admin = '127.0.0.1:0'\nthreads = 1", "", ""));
    let server = place.start();
    let browser = Browser::start();
    browser.open(&format!("http://{}/", admin(&server)));
    browser.wait_until("typeof params === 'object' && params.rows.length > 0");
    let stretches = "params.status.sites[0].whole.counts.length === ENDS.length + 1";
    assert_eq!(browser.run(&format!("return {stretches}")), true);
    // One tick of the kernel's clock is too much for six requests; ten of a minute are enough.
    let each = "const look = { used: 1e4, count: 2 };
        return [[0], [5], [9], [100], [100, null], [9, null], [9, 0]].map(([looks, last]) => {
          const now = last === undefined ? look : { ...look, used: last };
          return eachOf(now, Array(looks).fill(look));
        })";
    assert_eq!(browser.run(each), serde_json::json!([null, null, 0.005, 0.005, null, null, null]));
    server.stop();
}
