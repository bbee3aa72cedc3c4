//! A real browser, driven from outside: Chromium through its chromedriver, by WebDriver.

use crate::PATIENCE;
use serde_json::{Value, json};
use std::{
    borrow::BorrowMut,
    fs,
    io::{self, BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

/// How long the driver may take for one command. The slowest, by far, is to start a browser while
/// all other tests are running, too.
const ANSWER_TIME: Duration = Duration::from_secs(100);

/// Quiet and alone: no window, nothing asked of any host but the one under test, no QUIC.
const SWITCHES: [&str; 10] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
];

/// What a web element's number is called in the protocol's JSON (WebDriver section 11).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser with one window and a profile of its own. Dropping it closes it.
pub struct Browser {
    driver: Driver,
    session: String,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts one.
    pub fn start() -> Self {
        Self::by(Driver::start(Command::new("chromedriver")), true)
    }

    /// Starts one of a user with that folder, which trusts whom that user trusts.
    pub fn of_user(home: &Path) -> Self {
        let mut command = Command::new("chromedriver");
        Self::by(Driver::start(command.env("HOME", home).env_remove("XDG_DATA_HOME")), false)
    }

    fn by(driver: Driver, trusts_all: bool) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let profile_switch = format!("--user-data-dir={}", profile.path().display());
        let switches: Vec<&str> = SWITCHES.into_iter().chain([profile_switch.as_str()]).collect();
        let capabilities = json!({
            "browserName": "chrome",
            // The certificates of tests trust nobody but themselves.
            "acceptInsecureCerts": trusts_all,
            "goog:chromeOptions": { "args": switches },
            "goog:loggingPrefs": { "browser": "ALL" },
            "timeouts": { "script": PATIENCE.as_millis() as u64 },
        });
        let request = json!({ "capabilities": { "alwaysMatch": capabilities } });
        let value = driver.call("POST", "/session", &request).unwrap();
        let session = value["sessionId"].as_str().expect("a session has a name").to_owned();
        Self { driver, session, _profile: profile }
    }

    /// Goes to `url`; returns when the page and all its parts are loaded.
    pub fn open(&self, url: &str) {
        self.post("url", &json!({ "url": url }));
    }

    /// Where it is.
    pub fn url(&self) -> String {
        text(self.run("return location.href"))
    }

    /// Clicks the first element that a CSS selector finds. Where that leads to another page, go on
    /// with [`Browser::wait_until`]: the browser may take its time before it leaves.
    pub fn click(&self, selector: &str) {
        let element = self.find(selector);
        self.post(&format!("element/{element}/click"), &json!({}));
    }

    /// Types `words` into the first element that a CSS selector finds.
    pub fn type_into(&self, selector: &str, words: &str) {
        let element = self.find(selector);
        self.post(&format!("element/{element}/value"), &json!({ "text": words }));
    }

    /// Runs the body of a function in the page; what it returns.
    pub fn run(&self, body: &str) -> Value {
        self.post("execute/sync", &json!({ "script": body, "args": [] }))
    }

    /// Runs the body of a function in the page that calls `done` when it has an answer.
    pub fn run_until_done(&self, body: &str) -> Value {
        let script = format!("const done = arguments[0]; {body}");
        self.post("execute/async", &json!({ "script": script, "args": [] }))
    }

    /// Waits until a JavaScript expression is true in whatever page is loaded by then, looking each
    /// time that the browser is about to draw.
    pub fn wait_until(&self, condition: &str) {
        let script = format!(
            "const done = arguments[0];
             const look = () => ({condition}) ? done(true) : requestAnimationFrame(look);
             look();"
        );
        let give_up = Instant::now() + PATIENCE;
        let path = format!("/session/{}/execute/async", self.session);
        let parameters = json!({ "script": script, "args": [] });
        // A page that is left takes the script with it, and the driver says so: look in the next.
        while self.driver.call("POST", &path, &parameters) != Ok(Value::Bool(true)) {
            assert!(Instant::now() < give_up, "at {}: never {condition}", self.url());
        }
    }

    /// The text of the page, as a reader sees it.
    pub fn page_text(&self) -> String {
        text(self.run("return document.body.innerText"))
    }

    /// What the browser complained of since this was last asked: warnings and errors.
    pub fn complaints(&self) -> Vec<String> {
        let log = self.post("se/log", &json!({ "type": "browser" }));
        let entries = log.as_array().expect("a log is a list");
        let is_loud = |entry: &&Value| entry["level"] == "SEVERE" || entry["level"] == "WARNING";
        entries.iter().filter(is_loud).map(|entry| text(entry["message"].clone())).collect()
    }

    /// Makes the window so many CSS pixels wide, and the system dark or light.
    pub fn set_look(&self, width: u32, is_dark: bool) {
        let scheme = if is_dark { "dark" } else { "light" };
        self.chromium(
            "Emulation.setDeviceMetricsOverride",
            &json!({ "width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600 }),
        );
        self.chromium(
            "Emulation.setEmulatedMedia",
            &json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] }),
        );
    }

    /// Takes a picture of the whole page, for people to look at: `target/screenshots/NAME.png`.
    pub fn take_picture(&self, name: &str) {
        let options = json!({ "format": "png", "captureBeyondViewport": true });
        let picture = self.chromium("Page.captureScreenshot", &options);
        let folder = crate::binary::workspace().join("target/screenshots");
        fs::create_dir_all(&folder).unwrap();
        let bytes = decode_base64(&text(picture["data"].clone()));
        fs::write(folder.join(format!("{name}.png")), bytes).unwrap();
    }

    fn find(&self, selector: &str) -> String {
        let query = json!({ "using": "css selector", "value": selector });
        text(self.post("element", &query)[ELEMENT].clone())
    }

    /// A command of Chromium's own, beyond the protocol. A page that is just being left aborts it;
    /// then it is for the next.
    fn chromium(&self, command: &str, parameters: &Value) -> Value {
        let give_up = Instant::now() + PATIENCE;
        let path = format!("/session/{}/goog/cdp/execute", self.session);
        let parameters = json!({ "cmd": command, "params": parameters });
        loop {
            match self.driver.call("POST", &path, &parameters) {
                Ok(value) => return value,
                Err(error) => assert!(Instant::now() < give_up, "{command}: {error}"),
            }
        }
    }

    fn post(&self, command: &str, parameters: &Value) -> Value {
        let path = format!("/session/{}/{command}", self.session);
        self.driver.call("POST", &path, parameters).unwrap_or_else(|e| panic!("{command}: {e}"))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver closes the browser; were it only killed, the browser would live on.
        let _ = self.driver.call("DELETE", &format!("/session/{}", self.session), &Value::Null);
    }
}

/// A chromedriver process: it listens on a port that it has chosen itself.
struct Driver {
    child: Child,
    port: u16,
    /// Kept open, so that the driver can go on writing into it.
    _stdout: BufReader<ChildStdout>,
}

impl Driver {
    fn start(mut command: impl BorrowMut<Command>) -> Self {
        let mut child = command
            .borrow_mut()
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver can be started (Debian: chromium, chromium-driver)");
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let port = loop {
            let mut line = String::new();
            assert_ne!(stdout.read_line(&mut line).unwrap(), 0, "chromedriver says where it is");
            if let Some((_, port)) = line.split_once("successfully on port ") {
                break port.trim_end().trim_end_matches('.').parse().expect("a port");
            }
        };
        Self { child, port, _stdout: stdout }
    }

    /// One command: JSON there and back over plain HTTP. An error is the driver's own words.
    fn call(&self, method: &str, path: &str, parameters: &Value) -> Result<Value, String> {
        let body = if parameters.is_null() { String::new() } else { parameters.to_string() };
        let answer = self.exchange(method, path, &body).map_err(|e| e.to_string())?;
        let answer: Value = serde_json::from_slice(&answer).map_err(|e| e.to_string())?;
        match &answer["value"]["error"] {
            Value::String(error) => Err(format!("{error}: {}", answer["value"]["message"])),
            _ => Ok(answer["value"].clone()),
        }
    }

    fn exchange(&self, method: &str, path: &str, body: &str) -> io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(ANSWER_TIME))?;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{}\r\nconnection: close\r\n\
             content-type: application/json; charset=utf-8\r\ncontent-length: {}\r\n\r\n{body}",
            self.port,
            body.len()
        )?;
        let mut reader = BufReader::new(stream);
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            match line.split_once(':') {
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    length = value.trim().parse().map_err(io::Error::other)?;
                }
                None if line.trim_end().is_empty() => break,
                _ => {}
            }
        }
        let mut answer = vec![0; length];
        reader.read_exact(&mut answer)?;
        Ok(answer)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The text of a JSON string.
fn text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => panic!("text, not {other}"),
    }
}

/// The bytes behind the protocol's base64 (RFC 4648 section 4).
fn decode_base64(encoded: &str) -> Vec<u8> {
    let (mut bytes, mut bits, mut count) = (Vec::with_capacity(encoded.len() * 3 / 4), 0_u32, 0);
    for letter in encoded.bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => break,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_decoded() {
        for (encoded, expect) in [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9vYmE+", "fooba>")] {
            assert_eq!(decode_base64(encoded), expect.as_bytes());
        }
    }
}
