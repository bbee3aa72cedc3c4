//! Plays wire dialogues (their form is told in [`crate::script`]) against the real server.
//!
//! Every file is played twice: against one event loop as it is written, and against two loops with
//! each byte in a segment of its own, for an answer must not depend on how the bytes arrive. Two
//! things are checked beyond what a file says: after each dialogue the server still answers on a
//! new connection, and in the end its log tells of exactly the answers that were received.

use crate::{
    Client, Ending, Response, Server, Site,
    response::{Checked, Fault, fault},
    script::{Case, End, Names, Script, Step, Value, expand},
};
use std::{collections::BTreeMap, fs, path::PathBuf, thread};

/// What is longer than this is not sent byte by byte.
const DRIBBLE_BYTES_MAX: usize = 4 * 1024;

/// How often each status was received, or logged.
type Tally = BTreeMap<u16, usize>;

/// Where the dialogues are.
pub fn folder() -> PathBuf {
    crate::binary::workspace().join("e2e/cases")
}

/// Reads the file `name`.
pub fn script(name: &str) -> Script {
    let text = fs::read_to_string(folder().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
    Script::parse(&text)
}

/// Plays all dialogues of the file `name`, and panics with a list of those that went wrong.
pub fn play(name: &str) {
    let site = Site::new();
    let script = script(name);
    let mut faults = Vec::new();
    for (threads, is_dribbling) in [(1, false), (2, true)] {
        let loops = format!("workers = {threads}\nthreads = {threads}");
        let server = Server::run(&site.config(&loops, &script.limits));
        let play = |case: &Case, variant: &str| {
            let mut player = Player::new(&server, variant, is_dribbling);
            let played = player.play(case).and_then(|()| alive(&server));
            *player.tally.entry(200).or_default() += 1;
            let (line, title) = (player.line, &case.title);
            let told = |Fault(words)| {
                format!("{name}:{line}: {title} [{variant}] threads={threads}: {words}")
            };
            (player.tally, played.map_err(told))
        };
        let all = script.cases.iter();
        let all = all.flat_map(|case| case.variants.iter().map(move |variant| (case, variant)));
        // Those that wait for the server to lose its patience do so side by side.
        let played: Vec<_> = match script.limits.contains("-time") {
            true => thread::scope(|scope| {
                let all: Vec<_> =
                    all.map(|(case, variant)| scope.spawn(|| play(case, variant))).collect();
                all.into_iter().map(|one| one.join().unwrap()).collect()
            }),
            false => all.map(|(case, variant)| play(case, variant)).collect(),
        };
        let mut tally = Tally::new();
        for (answers, outcome) in played {
            faults.extend(outcome.err());
            for (status, count) in answers {
                *tally.entry(status).or_default() += count;
            }
        }
        let logged = logged(&server.stop().lines);
        if faults.is_empty() && logged != tally {
            faults.push(format!("{name}: received {tally:?}, logged {logged:?}"));
        }
    }
    assert!(faults.is_empty(), "{} went wrong:\n{}", faults.len(), faults.join("\n"));
}

/// One dialogue under way.
struct Player {
    client: Client,
    names: Names,
    is_dribbling: bool,
    last: Option<Response>,
    line: usize,
    tally: Tally,
}

impl Player {
    fn new(server: &Server, variant: &str, is_dribbling: bool) -> Self {
        Self {
            client: Client::connect(server.addr()),
            names: Names::from([(String::new(), variant.to_owned())]),
            is_dribbling,
            last: None,
            line: 0,
            tally: Tally::new(),
        }
    }

    fn play(&mut self, case: &Case) -> Checked<()> {
        for (line, step) in &case.steps {
            self.line = *line;
            self.step(step)?;
        }
        Ok(())
    }

    fn step(&mut self, step: &Step) -> Checked<()> {
        match step {
            Step::Send(text) => {
                let bytes = expand(text, &self.names);
                // The server may have refused and gone before all is sent; what it said is judged.
                let _ = if self.is_dribbling && bytes.len() <= DRIBBLE_BYTES_MAX {
                    self.client.send_dribbling(&bytes)
                } else {
                    self.client.send(&bytes)
                };
                Ok(())
            }
            Step::Shut => self.client.shut(),
            Step::Response { status, is_bodiless } => self.response(*status, *is_bodiless),
            Step::Field(name, value) => {
                let have = self.last()?.get(name).map(str::to_owned);
                let Some(have) = have else { return fault(format!("no {name}")) };
                self.compare(name, have.as_bytes(), value)
            }
            Step::NoField(name) => match self.last()?.get(name) {
                Some(value) => fault(format!("{name}: {value}")),
                None => Ok(()),
            },
            Step::Body(value) => {
                let body = self.last()?.body.clone();
                self.compare("the content", &body, value)
            }
            Step::End(end) => self.end(*end),
        }
    }

    fn last(&self) -> Checked<&Response> {
        self.last.as_ref().ok_or_else(|| Fault("no response yet".to_owned()))
    }

    fn response(&mut self, status: u16, is_bodiless: bool) -> Checked<()> {
        let response = Response::read(&mut self.client, is_bodiless)?;
        if response.text().contains(Site::SECRET) {
            return fault("it sends what lies outside of the site");
        }
        if response.status != status {
            return fault(format!("expected {status}, got {}", summary(&response)));
        }
        if status >= 200 {
            *self.tally.entry(status).or_default() += 1;
        }
        self.last = Some(response);
        Ok(())
    }

    fn compare(&mut self, what: &str, have: &[u8], value: &Value) -> Checked<()> {
        let holds = |part: &[u8]| have.windows(part.len()).any(|window| window == part);
        let is_right = match value {
            Value::Any => true,
            Value::Is(text) => have == expand(text, &self.names),
            Value::Has(text) => holds(&expand(text, &self.names)),
            Value::Lacks(text) => !holds(&expand(text, &self.names)),
            Value::Length(length) => have.len() == *length,
            Value::Named(name) => {
                let have = String::from_utf8_lossy(have).into_owned();
                self.names.insert(name.clone(), have);
                true
            }
        };
        if is_right {
            return Ok(());
        }
        let start = &have[..have.len().min(400)];
        fault(format!("{what} of {} bytes: {}", have.len(), start.escape_ascii()))
    }

    fn end(&mut self, end: End) -> Checked<()> {
        if end == End::Open {
            self.client.send("GET /digits.txt HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
            self.response(200, false)?;
            let body = Value::Is("0123456789".to_owned());
            return self.compare("the content", &self.last()?.body.clone(), &body);
        }
        // A client that is not told of the close might send its next request in vain (RFC 9112
        // section 9.6).
        let was_announced = self.last.as_ref().is_some_and(Response::closes);
        match (self.client.ending()?, end) {
            (Ending::Closed, End::Close) if !was_announced => {
                fault("it closes without having said so")
            }
            (Ending::Closed, End::Hangup) if was_announced => fault("it said that it would close"),
            (Ending::Closed, End::Close | End::Hangup)
            | (Ending::Reset, End::Reset)
            | (_, End::Gone) => Ok(()),
            (ending, _) => fault(format!("the connection ended: {ending:?}")),
        }
    }
}

/// Whether the server answers somebody new.
fn alive(server: &Server) -> Checked<()> {
    let response = Client::connect(server.addr()).get("/digits.txt")?;
    if response.status == 200 && response.body == b"0123456789" {
        return Ok(());
    }
    fault(format!("the server is not well: {}", summary(&response)))
}

fn summary(response: &Response) -> String {
    let text = response.text();
    let start: String = text.chars().take(200).collect();
    format!("{} {:?} {start:?}", response.status, response.fields)
}

/// The statuses that a log tells of.
fn logged(lines: &[serde_json::Value]) -> Tally {
    let mut tally = Tally::new();
    for line in lines.iter().filter(|line| line["event"] == "request") {
        let status = line["status"].as_u64().expect("a request has a status");
        *tally.entry(u16::try_from(status).unwrap()).or_default() += 1;
    }
    tally
}
