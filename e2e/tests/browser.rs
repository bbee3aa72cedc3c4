//! A person with a browser walks through the example site.

#![allow(clippy::unwrap_used, reason = "tests say what is wrong by panicking")]

use e2e::{Server, webdriver::Browser};
use serde_json::{Value, json};
use std::{fs, path::PathBuf};

/// All pages of the site that a reader can come to.
const PAGES: [&str; 5] = ["", "how-it-works.html", "register.html", "registered.html", "404.html"];

#[test]
fn a_visitor_walks_through_the_site() {
    let visit = Visit::start();
    visit.sees_the_front_page();
    visit.follows_the_links();
    visit.seeks_in_the_film();
    visit.fills_in_the_form();
    visit.looks_into_the_gallery();
    assert_eq!(visit.browser.complaints(), [""; 0], "nothing went wrong on the way");
    visit.asks_for_what_is_not_there();
}

#[test]
fn every_link_leads_somewhere_but_one() {
    let visit = Visit::start();
    let mut dead = Vec::new();
    for page in PAGES {
        visit.go(page);
        let answers = visit.browser.run_until_done(
            "const parts = [...document.querySelectorAll('[href], [src]')];
             const urls = [...new Set(parts.map((part) => part.href ?? part.src))];
             const away = urls.filter((url) => new URL(url).origin !== location.origin);
             Promise.all(urls.map((url) => fetch(url, { method: 'HEAD' }).then((answer) =>
                 [new URL(url).pathname, answer.status]))).then((all) => done([away, all]));",
        );
        assert_eq!(answers[0], json!([]), "{page}: nothing is asked of another host");
        for answer in answers[1].as_array().unwrap() {
            if answer[1] != 200 {
                dead.push((page, answer.clone()));
            }
        }
    }
    assert_eq!(dead, [("", json!(["/no-such-fish.html", 404]))]);
}

#[test]
fn every_page_fits_a_phone_and_a_desk_in_light_and_dark() {
    let visit = Visit::start();
    for (look, width, is_dark) in [
        ("desk", 1280, false),
        ("desk-dark", 1280, true),
        ("phone", 360, false),
        ("phone-dark", 360, true),
    ] {
        visit.browser.set_look(width, is_dark);
        for page in PAGES.into_iter().chain(["gallery/", "no-such-fish.html"]) {
            visit.go(page);
            let name = page.split(['/', '.']).next().filter(|name| !name.is_empty());
            visit.browser.take_picture(&format!("{}-{look}", name.unwrap_or("index")));
            let fits = "return document.documentElement.scrollWidth <= document.documentElement.clientWidth";
            assert_eq!(visit.browser.run(fits), true, "{page} on a {look}: no scrolling sideways");
        }
    }
}

/// Sizes and dates stand whole beside names of any length and make.
#[test]
fn a_listing_can_be_read_on_a_phone() {
    let folder = e2e::folder();
    for name in [
        "gannets diving off Bass Rock on a clear day in June.jpg",
        "IMG_20260612_184503_panorama_stitched_final-v2.jpeg",
        "Meeresv\u{f6}gel.pdf",
        &"x".repeat(200),
        "a",
    ] {
        fs::write(folder.path().join(name), [0; 8704]).unwrap();
    }
    fs::create_dir(folder.path().join("a folder")).unwrap();
    let server = Server::start(&[folder.path().to_str().unwrap()]);
    let browser = Browser::start();
    for (look, is_dark) in [("phone", false), ("phone-dark", true)] {
        browser.set_look(360, is_dark);
        browser.open(&format!("http://{}/", server.addr()));
        browser.take_picture(&format!("listing-{look}"));
        let broken = browser.run(
            "const lines = (cell) => {
                 const range = document.createRange();
                 range.selectNodeContents(cell);
                 return new Set([...range.getClientRects()].map((one) => one.bottom)).size;
             };
             const cells = [...document.querySelectorAll('td + td, th')];
             return cells.filter((cell) => lines(cell) > 1).map((cell) => cell.innerText);",
        );
        assert_eq!(broken, json!([]), "each stands on one line");
        let fits =
            "return document.documentElement.scrollWidth <= document.documentElement.clientWidth";
        assert_eq!(browser.run(fits), true, "no scrolling sideways");
    }
}

/// A stale sibling in the repository would look current after a clone, which gives all files the
/// time of the clone: so what the siblings hold is compared, as a browser unpacks it.
#[test]
fn packed_siblings_hold_what_their_files_hold() {
    let browser = Browser::start();
    for (suffix, coding) in [("br", "br"), ("gz", "gzip")] {
        let folder = e2e::folder();
        for name in ["style.css".to_owned(), format!("style.css.{suffix}")] {
            // Written one after the other, the sibling is never the older one.
            fs::write(folder.path().join(&name), fs::read(site().join(&name)).unwrap()).unwrap();
        }
        let server = Server::start(&[folder.path().to_str().unwrap()]);
        browser.open(&format!("http://{}/", server.addr()));
        let answer = browser.run_until_done(
            "fetch('/style.css').then(async (answer) =>
                 done([answer.headers.get('content-encoding'), await answer.text()]))",
        );
        assert_eq!(answer, json!([coding, file("style.css")]), "pack style.css.{suffix} anew");
    }
}

/// A browser and the server that it is looking at.
struct Visit {
    server: Server,
    browser: Browser,
}

impl Visit {
    fn start() -> Self {
        let server = Server::start(&[site().to_str().unwrap()]);
        Self { server, browser: Browser::start() }
    }

    fn go(&self, page: &str) {
        self.browser.open(&format!("http://{}/{page}", self.server.addr()));
    }

    /// Waits until the server has logged an answer with this status to this path.
    fn is_logged(&self, path: &str, status: u16) -> Value {
        self.server.wait_for(|line| {
            let target = line["target"].as_str().unwrap_or_default();
            target.split('?').next() == Some(path) && line["status"] == status
        })
    }

    /// Waits until a page of the site is loaded.
    fn is_at(&self, page: &str) {
        let url = format!("http://{}/{page}", self.server.addr());
        self.browser.wait_until(&format!(
            "location.href.split('?')[0] === '{url}' && document.readyState === 'complete'"
        ));
    }

    fn sees_the_front_page(&self) {
        self.go("");
        assert_eq!(self.browser.run("return document.characterSet"), "UTF-8");
        let broken = "return [...document.images].filter((i) => !i.naturalWidth).map((i) => i.src)";
        assert_eq!(self.browser.run(broken), json!([]), "every picture is there");
        assert_eq!(
            self.browser.run("return getComputedStyle(document.body).margin"),
            "0px",
            "the style sheet is in force"
        );
        self.browser.wait_until("document.querySelectorAll('#timing:not([hidden]) tr').length > 5");
    }

    fn follows_the_links(&self) {
        for (link, page) in [
            ("main a[href='how-it-works.html']", "how-it-works.html"),
            ("nav a[href='register.html']", "register.html"),
            ("nav a.home", ""),
            ("main a[href='dive.vtt']", "dive.vtt"),
        ] {
            self.browser.click(link);
            self.is_at(page);
        }
        assert!(self.browser.page_text().contains("It folds its wings"), "a plain file, as it is");
    }

    fn seeks_in_the_film(&self) {
        self.go("how-it-works.html");
        // The film draws its own progress: a line 560 pixels long that ends at the time shown. Its
        // colour at 10.5 seconds tells whether the picture really is the one asked for.
        let seen = self.browser.run_until_done(
            "const video = document.querySelector('video');
             const jump = () => { video.currentTime = 11; };
             video.addEventListener('error', () => done('error'), true);
             video.addEventListener('seeked', () => {
                 const canvas = document.createElement('canvas');
                 [canvas.width, canvas.height] = [640, 360];
                 const picture = canvas.getContext('2d');
                 picture.drawImage(video, 0, 0, 640, 360);
                 done([video.duration, [...picture.getImageData(530, 342, 1, 1).data]]);
             });
             if (video.readyState) jump(); else video.addEventListener('loadedmetadata', jump);",
        );
        assert_eq!(seen[0], 12.0, "the film has its whole length: {seen}");
        let colour: Vec<i64> = (0..3).filter_map(|channel| seen[1][channel].as_i64()).collect();
        let is_buff = matches!(colour[..], [200..=255, 140..200, 0..110]);
        assert!(is_buff, "the picture of that moment: {colour:?}");
        self.is_logged("/dive.webm", 206);
    }

    fn fills_in_the_form(&self) {
        let bird = "B\u{e4}ssa <b>&</b> 100 %";
        self.go("register.html");
        self.browser.type_into("[name=bird]", bird);
        self.browser.type_into("[name=keeper]", "Ann");
        self.browser.click("form button");
        self.is_at("registered.html");
        assert!(self.browser.url().contains("?bird="), "sent with GET");
        let shown =
            "return [...document.querySelectorAll('#submitted dd')].map((d) => d.innerText)";
        assert_eq!(self.browser.run(shown), json!([bird, "Ann", "Bass Rock"]), "as text, not HTML");
        self.is_logged("/registered.html", 200);
    }

    fn looks_into_the_gallery(&self) {
        self.go("");
        self.browser.click("nav a[href='gallery/']");
        self.is_at("gallery/");
        let mut files = gallery();
        files.sort();
        let names = files.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        assert_eq!(self.listed(), names, "by name at first");
        files.sort_by_key(|(_, size)| *size);
        self.browser.click("a[href*='sort=size']");
        self.browser.wait_until(
            "location.search.includes('sort=size') && document.readyState === 'complete'",
        );
        if self.browser.url().contains("order=desc") {
            files.reverse();
        }
        let names = files.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(self.listed(), names, "by size after a click on it");
        self.browser.click("a[href$='poster.png']");
        self.is_at("gallery/poster.png");
        assert_eq!(self.browser.run("return document.images[0].naturalWidth"), 640);
    }

    /// The files that a listing of the gallery shows, in its order.
    fn listed(&self) -> Vec<String> {
        let paths = self.browser.run(
            "return [...document.links].filter((link) => !link.search).map((link) => link.pathname)",
        );
        let paths = paths.as_array().unwrap().iter().filter_map(Value::as_str);
        let names = paths.filter_map(|path| path.strip_prefix("/gallery/"));
        names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
    }

    fn asks_for_what_is_not_there(&self) {
        self.go("");
        self.browser.click("a[href='no-such-fish.html']");
        self.is_at("no-such-fish.html");
        let page = self.browser.page_text();
        assert!(page.contains("Nothing but water"), "the site's own page says so: {page}");
        self.is_logged("/no-such-fish.html", 404);
        let complaints = self.browser.complaints();
        let is_expected = |complaint: &String| complaint.contains("no-such-fish.html");
        assert!(complaints.iter().all(is_expected), "no other complaint: {complaints:?}");
    }
}

fn site() -> PathBuf {
    e2e::binary::workspace().join("examples/site")
}

fn file(name: &str) -> String {
    fs::read_to_string(site().join(name)).unwrap()
}

/// The files of the gallery with their sizes.
fn gallery() -> Vec<(String, u64)> {
    let entries = fs::read_dir(site().join("gallery")).unwrap().map(Result::unwrap);
    let named = entries.map(|entry| (entry.file_name().into_string().unwrap(), entry.metadata()));
    named.map(|(name, metadata)| (name, metadata.unwrap().len())).collect()
}
