//! An application that speaks FastCGI and does whatever a test says, right or wrong.

use std::{
    collections::BTreeMap,
    fs::{self, Permissions},
    io::{Read, Write},
    os::unix::{
        fs::PermissionsExt,
        net::{UnixListener, UnixStream},
    },
    path::PathBuf,
    thread,
};

/// A running application. Its socket is gone when it is dropped.
pub struct Application {
    folder: tempfile::TempDir,
}

/// What it was asked.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// The variables by their names.
    pub variables: BTreeMap<String, String>,
    /// The content of the request.
    pub content: Vec<u8>,
    /// Its number on its connection.
    pub id: u16,
    /// Whether another one may follow.
    pub may_be_kept: bool,
}

impl Application {
    /// Starts it: each request is read to its end and given to `behave`, which writes to the
    /// connection what it likes; then that is closed.
    pub fn start(behave: impl Fn(&Asked, &mut UnixStream) + Send + Sync + 'static) -> Self {
        Self::keeping(move |asked, stream| {
            behave(asked, stream);
            false
        })
    }

    /// The same, but for that a connection is kept for another request where `behave` says so.
    pub fn keeping(
        behave: impl Fn(&Asked, &mut UnixStream) -> bool + Send + Sync + 'static,
    ) -> Self {
        let folder = crate::folder();
        let application = Self { folder };
        let listener = UnixListener::bind(application.socket()).unwrap();
        fs::set_permissions(application.socket(), Permissions::from_mode(0o666)).unwrap();
        let behave = std::sync::Arc::new(behave);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let behave = behave.clone();
                thread::spawn(move || {
                    let Ok(mut stream) = stream else { return };
                    while let Some(asked) = Asked::read(&mut stream)
                        && behave(&asked, &mut stream)
                    {}
                });
            }
        });
        application
    }

    /// Where it listens.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// The setting that has it asked, with further settings of the table.
    pub fn setting(&self, more: &str) -> String {
        format!("php = {{ socket = {:?}, {more} }}\n", self.socket())
    }
}

impl Asked {
    /// A variable; empty where it is not there.
    pub fn get(&self, name: &str) -> &str {
        self.variables.get(name).map_or("", String::as_str)
    }

    /// Reads a whole request. Where another one may follow, the end of content that there is none
    /// of is not waited for, as php-fpm does not.
    fn read(stream: &mut UnixStream) -> Option<Self> {
        let (mut asked, mut variables) = (Self::default(), Vec::new());
        loop {
            let mut header = [0; 8];
            stream.read_exact(&mut header).ok()?;
            let [1, kind, id_high, id_low, high, low, padding, 0] = header else {
                panic!("no record: {header:?}")
            };
            asked.id = u16::from_be_bytes([id_high, id_low]);
            let length = usize::from(u16::from_be_bytes([high, low]));
            let mut bytes = vec![0; length + usize::from(padding)];
            stream.read_exact(&mut bytes).ok()?;
            bytes.truncate(length);
            match (kind, length) {
                (1, _) => {
                    asked.may_be_kept = bytes == [0, 1, 1, 0, 0, 0, 0, 0];
                    assert!(asked.may_be_kept || bytes == [0, 1, 0, 0, 0, 0, 0, 0]);
                }
                (4, 0) if asked.may_be_kept && is_without_content(&variables) => break,
                (4, _) => variables.extend(bytes),
                // Of the request before this one.
                (5, 0) if variables.is_empty() => {}
                (5, 0) => break,
                (5, _) => asked.content.extend(bytes),
                _ => panic!("a record of kind {kind}"),
            }
        }
        asked.variables = decoded(&variables);
        Some(asked)
    }

    /// A whole answer to it.
    pub fn answer(&self, text: &[u8]) -> Vec<u8> {
        [self.record(6, text), self.record(3, &[0; 8])].concat()
    }

    /// A record of that kind that is about it.
    pub fn record(&self, kind: u8, content: &[u8]) -> Vec<u8> {
        let mut record = record(kind, content);
        record[2..4].copy_from_slice(&self.id.to_be_bytes());
        record
    }
}

fn is_without_content(variables: &[u8]) -> bool {
    decoded(variables).get("CONTENT_LENGTH").is_none_or(|length| length.is_empty() || length == "0")
}

fn decoded(mut bytes: &[u8]) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    while !bytes.is_empty() {
        let mut length = || {
            let (head, rest) = bytes.split_at(if bytes[0] & 0x80 == 0 { 1 } else { 4 });
            bytes = rest;
            head.iter().fold(0, |all, byte| (all << 8) | usize::from(*byte)) & 0x7fff_ffff
        };
        let (name, value) = (length(), length());
        let (pair, rest) = bytes.split_at(name + value);
        bytes = rest;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (name, value) = pair.split_at(name);
        let twice = all.insert(text(name), text(value));
        assert!(twice.is_none(), "{} is told twice", text(name));
    }
    all
}

/// A record of that kind: 6 is output, 7 errors.
pub fn record(kind: u8, content: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(content.len()).unwrap().to_be_bytes();
    [&[1, kind, 0, 1, high, low, 0, 0], content].concat()
}

/// Output, in as many records as it takes.
pub fn output(content: &[u8]) -> Vec<u8> {
    content.chunks(60_000).flat_map(|piece| record(6, piece)).collect()
}

/// The record that ends an answer, with the status of the protocol.
pub fn end(protocol_status: u8) -> Vec<u8> {
    record(3, &[0, 0, 0, 0, protocol_status, 0, 0, 0])
}

/// Writes a whole answer.
pub fn answer(stream: &mut UnixStream, text: &[u8]) {
    // Who has gone away need not read it.
    let _ = stream.write_all(&[output(text), end(0)].concat());
}
