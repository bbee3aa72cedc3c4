//! Reading the files of a config: the main one, and all that are included.

mod pattern;

use crate::{
    fill::{Filled, Filling},
    limits::{FILE_BYTES_MAX, FILES_MAX, INCLUDE_DEPTH_MAX},
    mistake::{Mistake, quote},
    nginx,
    source::{Source, Sources, Span, Word},
    syntax,
    world::World,
    written::{self, Written},
};
use foldhash::HashMap;
use pattern::Found;
use std::{
    borrow::Cow,
    cell::OnceCell,
    collections::{VecDeque, hash_map::Entry},
    path::{Path, PathBuf},
    str,
};

/// What has been read.
pub(crate) struct Reading {
    pub(crate) written: Written,
    pub(crate) sources: Sources,
    /// What kept a file or a part of it from being read.
    pub(crate) unread: Vec<Mistake>,
    /// What is wrong with that which was read.
    pub(crate) mistakes: Vec<Mistake>,
    /// The texts in which something was filled in, ordered by place.
    pub(crate) filled: Vec<Filled>,
}

/// Reads the main file, whose content is `bytes`, and all files that are included.
pub(crate) fn read(name: &str, bytes: &[u8], world: &dyn World) -> Reading {
    let path = world.base().join(Path::new(name).file_name().unwrap_or_default());
    let main = Found { path, name: name.into() };
    let (source, fault) = source(&main, bytes);
    let mut reader = Reader {
        world,
        reading: Reading {
            written: Written::default(),
            sources: Sources::new(source),
            unread: Vec::new(),
            mistakes: Vec::new(),
            filled: Vec::new(),
        },
        seen: HashMap::from_iter([(main.path.clone(), None)]),
        due: VecDeque::new(),
        looked_at: 0,
    };
    reader.understand(fault, &main, 0);
    while let Some(due) = reader.due.pop_front() {
        reader.include(due);
    }
    reader.reading.filled.sort_by_key(Filled::span);
    reader.reading
}

/// A file that is still to be read.
struct Due {
    file: Found,
    /// How many files include the next one, up to this.
    depth: usize,
    /// Where it was asked for.
    span: Span,
}

struct Reader<'w> {
    world: &'w dyn World,
    reading: Reading,
    /// The files so far, and where each was asked for; nowhere for the main one.
    seen: HashMap<PathBuf, Option<Span>>,
    due: VecDeque<Due>,
    /// Files and folders that patterns made it look at.
    looked_at: usize,
}

impl Reader<'_> {
    fn include(&mut self, due: Due) {
        let Due { file: Found { path, name }, depth, span } = due;
        let content = match self.world.read(&path, FILE_BYTES_MAX) {
            Ok(content) => content,
            Err(why) => {
                let name = name.to_string_lossy();
                let cause = format!("{} cannot be included: {why}", quote(&name));
                let help = match self.world.list(&path) {
                    Ok(_) => format!("name the files in it: {}", quote(&format!("{name}/*.toml"))),
                    Err(_) => "correct `include`, or mend the file".to_owned(),
                };
                return self.refuse(span, cause, "not read", help);
            }
        };
        let file = Found { path: content.path, name };
        if self.is_new(&file, span) {
            let (source, fault) = source(&file, &content.bytes);
            self.reading.sources.push(source);
            self.understand(fault, &file, depth);
        }
    }

    /// Reads what stands in the file that came last, unless a `fault` keeps it from being read.
    fn understand(&mut self, fault: Option<Mistake>, file: &Found, depth: usize) {
        let Reading { written, sources, unread, mistakes, filled } = &mut self.reading;
        let (start, source) = sources.last();
        if let Some(fault) = fault.or_else(|| of_nginx(source)) {
            return unread.push(fault.behind(start));
        }
        let mut here = Vec::new();
        let rest = OnceCell::new();
        let words = syntax::parse(source, &rest, &mut here);
        let is_whole = here.is_empty();
        unread.extend(here.into_iter().map(|mistake| mistake.behind(start)));
        let filling = Filling { source, start, world: self.world, filled, mistakes: unread };
        let words = filling.table(words);
        written::read(&words, depth == 0, is_whole, written, mistakes);
        let include = written.include.take();
        for pattern in include.into_iter().flat_map(|list| list.value) {
            self.find(&pattern, file, depth + 1);
        }
    }

    /// Notes the files that `pattern`, which stands in `file`, names.
    fn find(&mut self, pattern: &Word<String>, file: &Found, depth: usize) {
        let (text, span) = (pattern.value.as_str(), pattern.span);
        if depth > INCLUDE_DEPTH_MAX {
            let cause = format!("more than {INCLUDE_DEPTH_MAX} files include each the next one");
            return self.refuse(span, cause, "one too many", "include it in one of those before");
        }
        if text.contains("**") {
            let help = "write one `*` for each folder: `sites/*/*.toml`";
            return self.refuse(span, "`**` stands for nothing", "not a pattern", help);
        }
        let found = pattern::find(text, file.folder(), self.world, &mut self.looked_at);
        let found = match found {
            Ok(found) => found,
            Err((why, help)) => {
                let cause = format!("{} cannot be included: {why}", quote(text));
                return self.refuse(span, cause, "not found", help);
            }
        };
        // A folder that is there to take sites may have none yet.
        if found.is_empty() && !text.contains('*') {
            let cause = format!("there is no file {}", quote(text));
            self.refuse(span, cause, "nothing to include", "correct it, or leave it out");
        }
        if self.seen.len() + self.due.len() + found.len() > FILES_MAX {
            let cause = format!("there are more than {FILES_MAX} files to include");
            return self.refuse(span, cause, "too many", "put several sites into one file");
        }
        self.due.extend(found.into_iter().map(|file| Due { file, depth, span }));
    }

    /// Notes a file; false, with a mistake, if it has been read already.
    fn is_new(&mut self, file: &Found, span: Span) -> bool {
        let first = match self.seen.entry(file.path.clone()) {
            Entry::Occupied(entry) => *entry.get(),
            Entry::Vacant(entry) => {
                entry.insert(Some(span));
                return true;
            }
        };
        let name = quote(&file.name.to_string_lossy());
        let mistake = match first {
            None => Mistake::new(span, format!("{name} is the main file"), "includes it again")
                .help("put the files to include into a folder of their own"),
            Some(first) => Mistake::new(span, format!("{name} is included twice"), "again here")
                .also(first, "first here")
                .help("name it once"),
        };
        self.reading.unread.push(mistake);
        false
    }

    fn refuse(
        &mut self,
        span: Span,
        cause: impl Into<Cow<'static, str>>,
        label: &'static str,
        help: impl Into<Cow<'static, str>>,
    ) {
        self.reading.unread.push(Mistake::new(span, cause, label).help(help));
    }
}

/// The file with the content `bytes`, and what keeps it from being read.
fn source(file: &Found, bytes: &[u8]) -> (Source, Option<Mistake>) {
    let source = |text| Source::new(&file.name.to_string_lossy(), file.path.clone(), text);
    let error = match str::from_utf8(bytes) {
        Ok(text) => return (source(text.to_owned()), None),
        Err(error) => error,
    };
    let at = error.valid_up_to();
    let lossy = || String::from_utf8_lossy(bytes).into_owned();
    if at == 0 && (bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff")) {
        let span = Span { start: 0, end: 0 };
        let mistake = Mistake::new(span, "the file is UTF-16, not UTF-8", "not a character");
        let help = "save it as UTF-8: `iconv -f UTF-16 -t UTF-8 FILE > NEW`";
        return (source(lossy()), Some(mistake.help(help)));
    }
    let byte = bytes.get(at).copied().unwrap_or_default();
    let cause = format!("the file is not UTF-8: here is the byte 0x{byte:02x}");
    let span = Span { start: at, end: at + char::REPLACEMENT_CHARACTER.len_utf8() };
    let fault = Mistake::new(span, cause, "not a character").help("save the file as UTF-8");
    (source(lossy()), Some(fault))
}

/// That a file is a config of nginx, where it is one: of its lines none would be understood.
fn of_nginx(source: &Source) -> Option<Mistake> {
    let line = nginx::first_line(source)?;
    let start = source.line_start(line);
    let end = source.text().get(start..)?.lines().next()?.trim_end().len() + start;
    let cause = "this is a config of nginx, and gannet reads TOML";
    let help = "write a site as `[site.\"example.com\"]`, and its settings below it, such as `root \
                = \"/srv/site\"`; `gannet save FOLDER` writes a config to begin with, and `gannet \
                help NAME` explains a setting";
    Some(Mistake::new(Span { start, end }, cause, "not TOML").help(help))
}
