//! The answers of gannet and nginx to the same requests to the same programs, compared: what
//! differs has to be listed here, with why it does.

use crate::{Answer, visitor::Note};
use std::collections::BTreeSet;

/// Fields in which answers of programs differ, or that only one of the two sends.
const OF_ALL: [(&str, &str); 5] = [
    ("connection", "each says it as it likes; what was asked for is the end of the connection"),
    ("content-length", "gannet knows how long an answer is that a program has written at once"),
    ("date", "the second in which it was answered"),
    ("server", "who answers"),
    ("transfer-encoding", "the other one of content-length"),
];

/// The same for answers with files.
const OF_FILES: [(&str, &str); 4] = [
    ("accept-ranges", "gannet says so of each file that can be had in part, also by HEAD and 304"),
    ("etag", "each makes a tag of its own of the same file"),
    ("vary", "gannet compresses text, and says that there are two forms of it"),
    ("x-content-type-options", "gannet has browsers believe the type of a page of its own"),
];

/// The name by which a program knows who asks it.
const SOFTWARE: &str = "nginx/";

/// What of the fields of an answer has to be the same; a program's answer has a field that tells.
///
/// Scripts have one type of the two that they may have, and of text it is not said how it is
/// encoded, as nginx does not say it of files. A location leads to this host, whether or not it
/// names it. Of a cookie its value and its time are left out.
pub fn fields(fields: &[(String, String)]) -> BTreeSet<(String, String)> {
    let is_program = fields.iter().any(|(name, _)| name == "x-powered-by");
    let is_own = |name: &str| {
        OF_ALL.iter().any(|(own, _)| *own == name)
            || (!is_program && OF_FILES.iter().any(|(own, _)| *own == name))
    };
    let told = fields.iter().filter(|(name, _)| !is_own(name));
    let told = told.map(|(name, value)| {
        let value = match &**name {
            "content-type" if !is_program => {
                let value = value.to_lowercase().replace("; charset=utf-8", "");
                value.replace("application/javascript", "text/javascript")
            }
            "location" => shape(&value.replace("http://a.example", "")),
            "set-cookie" => {
                let is_kept =
                    |part: &&str| !part.trim_start().to_lowercase().starts_with("expires=");
                let parts: Vec<_> = value.split(';').skip(1).filter(is_kept).collect();
                let name = value.split('=').next().unwrap_or_default();
                shape(&format!("{name};{}", parts.join(";")))
            }
            // That the page may come in another coding is gannet's word.
            "vary" => value.to_lowercase().replace("accept-encoding", "").replace(", ", ""),
            _ => shape(value),
        };
        (name.clone(), value)
    });
    told.filter(|(name, value)| name != "vary" || !value.is_empty()).collect()
}

/// A text with each word that holds a digit written in the same way: numbers, times, and what a
/// program makes up for each visitor.
fn shape(text: &str) -> String {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || "%+_".contains(letter);
    let (mut out, mut word) = (String::with_capacity(text.len()), String::new());
    for letter in text.chars().chain(['\n']) {
        if is_part(letter) {
            word.push(letter);
            continue;
        }
        match word.bytes().any(|byte| byte.is_ascii_digit()) {
            true => out.push('#'),
            false => out.push_str(&word),
        }
        word.clear();
        out.push(letter);
    }
    out.pop();
    out
}

/// Whether a page is nginx's own: of what there is none gannet's own page says so in other words.
fn is_own_page(theirs: &[u8]) -> bool {
    String::from_utf8_lossy(theirs).contains("<hr><center>nginx")
}

/// What differs between two answers to `request`; nothing where nothing does.
pub fn differs(request: &str, ours: &Answer, theirs: &Answer) -> String {
    let same_body = ours.body == theirs.body || is_own_page(&theirs.body);
    let is_same = ours.status == theirs.status && same_body;
    if is_same && fields(&ours.fields) == fields(&theirs.fields) {
        return String::new();
    }
    let show = |answer: &Answer| {
        format!("{} {:?} {}", answer.status, fields(&answer.fields), answer.body.len())
    };
    format!("{request}  {}\n  {}\n", show(ours), show(theirs))
}

/// The same of the steps of two visitors, where `secrets` are what each was told alone.
pub fn differ(ours: &[Note], theirs: &[Note], secrets: [&[String]; 2]) -> String {
    let mut differences = String::new();
    assert_eq!(ours.len(), theirs.len());
    let software = theirs.iter().flat_map(|note| &note.heads).flat_map(|(_, fields)| fields);
    let mut software =
        software.filter(|(name, value)| name == "server" && value.starts_with(SOFTWARE));
    let software = software.next().map_or(SOFTWARE.to_owned(), |(_, value)| value.clone());
    let plain = |note: &Note, secrets: &[String]| {
        let text = String::from_utf8_lossy(&note.body).replace(&software, "gannet");
        let text = secrets.iter().fold(text, |text, secret| text.replace(&**secret, "0"));
        shape(&text)
    };
    for (one, other) in ours.iter().zip(theirs) {
        let heads = |note: &Note| -> Vec<_> {
            note.heads.iter().map(|(status, all)| (*status, fields(all))).collect()
        };
        let [own, peer] = [heads(one), heads(other)];
        if own != peer {
            differences += &format!("{}\n  {own:?}\n  {peer:?}\n", one.target);
        }
        let texts = [plain(one, secrets[0]), plain(other, secrets[1])];
        if texts[0] != texts[1] && !is_own_page(&other.body) {
            let mut lines = texts[0].lines().zip(texts[1].lines());
            let odd = lines.find(|(own, peer)| own != peer);
            differences += &format!("{}\n  {odd:?}\n", one.target);
        }
    }
    differences
}
