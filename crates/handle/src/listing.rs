//! The content of a folder as a page for people or as JSON for programs.
//!
//! Nothing here reads a folder: the entries come in, and the listing goes out in pieces, so that
//! a huge folder never stands in memory as text.

mod entry;
mod words;

mod html;
mod json;

pub use entry::{Entry, Key, Order};

use base::{Date, Held, held::Share};
use config::plan::{ListingEntry, ListingValues, RenderError, Template};
use content::negotiation;
use message::{Body, Broken, Request, Response, Shared, Source, Status, response::Line};
use std::{
    task::{Context, Poll},
    vec,
};

/// Entries of one folder that a listing shows; it says how many it leaves out. Whoever reads a
/// folder need not keep more, only count on.
pub const ENTRIES_MAX: usize = 10_000;

/// Entries of a listing that is sent whole, with its length, rather than in pieces.
pub const WHOLE_ENTRIES_MAX: usize = 100;

/// Bytes at which a piece is sent off; it is longer by what its last row is over.
pub const PIECE_BYTES: usize = 16 * 1024;

/// Bytes of names that the listings of a process hold for clients which have not taken them; beyond
/// that no other one is made.
pub const HELD_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Whether there is no room for another listing beside what others hold.
pub(crate) fn is_full(held: &Held) -> bool {
    held.bytes() >= HELD_BYTES_MAX
}

/// How a listing is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// As what.
    pub format: Format,
    /// In which order.
    pub order: Order,
}

/// What a listing is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A page.
    Html,
    /// An array of objects with `name`, `href`, `type`, `size` and `modified`.
    Json,
}

impl View {
    /// What the request's Accept field and query say.
    #[must_use]
    pub fn of(request: &Request<'_>) -> Self {
        let wants_json = negotiation::prefers_json(&request.fields);
        let format = if wants_json { Format::Json } else { Format::Html };
        Self { format, order: Order::parse(request.query.unwrap_or_default()) }
    }
}

/// A folder's entries in order, on their way to become text.
#[derive(Debug)]
pub struct Listing {
    view: View,
    /// The folder's path, decoded.
    path: Vec<u8>,
    rows: vec::IntoIter<Entry>,
    shown: usize,
    left_out: usize,
    stage: Stage,
    /// The whole page, where a template of the site made it.
    page: Option<String>,
    /// What the entries took at first.
    share: Share,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Head,
    Rows,
    Done,
}

impl Listing {
    /// Sorts `entries`, some or all of the `found` ones in the folder at `path`, which is a
    /// normal form. Ten thousand take a few milliseconds: that is for the pool, not for a loop.
    #[must_use]
    pub fn new(
        view: View,
        path: &[u8],
        mut entries: Vec<Entry>,
        found: usize,
        held: &Held,
    ) -> Self {
        view.order.sort(&mut entries);
        let found = found.max(entries.len());
        entries.truncate(ENTRIES_MAX);
        // They may stand where more was known of each.
        entries.shrink_to_fit();
        let bytes = entries.iter().map(Entry::name_bytes).sum::<usize>()
            + entries.capacity() * size_of::<Entry>();
        Self {
            view,
            path: path.to_vec(),
            shown: entries.len(),
            left_out: found - entries.len(),
            rows: entries.into_iter(),
            stage: Stage::Head,
            page: None,
            share: held.share(bytes),
        }
    }

    /// Has the site's own template make the page, if a page is what is wanted. Like sorting, that
    /// is for the pool.
    ///
    /// # Errors
    /// The template fails; the built-in page takes its place.
    pub fn render(&mut self, template: &Template) -> Result<(), RenderError> {
        if self.view.format != Format::Html {
            return Ok(());
        }
        let values = ListingValues {
            path: &String::from_utf8_lossy(&self.path),
            entries: self.rows.as_slice().iter().map(values),
            sort: self.view.order.key.as_str(),
            order: if self.view.order.is_descending { "desc" } else { "asc" },
            left_out: self.left_out,
        };
        self.page = Some(template.render(values.named())?);
        Ok(())
    }

    /// The answer that shows it.
    #[must_use]
    pub fn answer(mut self) -> Response {
        let media_type = match self.view.format {
            Format::Html => "text/html; charset=utf-8",
            Format::Json => "application/json",
        };
        let mut response = Response::empty(Status::OK)
            .with(Line::fixed("content-type", media_type))
            .with(Line::fixed("x-content-type-options", "nosniff"))
            .with(Line::fixed("vary", "accept"));
        if self.left_out > 0 {
            // An array has no room for it.
            response.lines.push(Line::new("entries-left-out", self.left_out.to_string()));
        }
        response.body = if let Some(page) = self.page.take() {
            Body::Bytes(Shared::from(page.into_bytes()))
        } else if self.shown <= WHOLE_ENTRIES_MAX {
            let mut whole = Vec::new();
            while let Some(piece) = self.piece() {
                whole.extend(piece);
            }
            Body::Bytes(Shared::from(whole))
        } else {
            Body::Stream(Box::new(self))
        };
        response
    }

    fn piece(&mut self) -> Option<Vec<u8>> {
        const ROW_BYTES: usize = 1024;
        if self.stage == Stage::Done {
            return None;
        }
        let mut text = String::with_capacity(PIECE_BYTES + ROW_BYTES);
        if self.stage == Stage::Head {
            match self.view.format {
                Format::Html => html::push_head(&mut text, &self.path, self.view.order),
                Format::Json => json::push_head(&mut text),
            }
            self.stage = Stage::Rows;
        }
        while text.len() < PIECE_BYTES {
            let Some(entry) = self.rows.next() else {
                self.stage = Stage::Done;
                match self.view.format {
                    Format::Html => html::push_foot(&mut text, self.shown, self.left_out),
                    Format::Json => json::push_foot(&mut text),
                }
                break;
            };
            match self.view.format {
                Format::Html => html::push_row(&mut text, &entry),
                Format::Json => json::push_row(&mut text, &entry, self.rows.len() == 0),
            }
        }
        Some(text.into_bytes())
    }
}

/// An entry as a template sees it.
fn values(entry: &Entry) -> ListingEntry {
    let slash = if entry.is_directory { "/" } else { "" };
    let (mut href, mut size_text) = (String::new(), String::new());
    entry.push_href(&mut href);
    if !entry.is_directory {
        words::push_size(&mut size_text, entry.size);
    }
    let name = format!("{}{slash}", entry.text());
    let size = (!entry.is_directory).then_some(entry.size);
    let modified = format!("{}Z", Date::of(entry.modified));
    ListingEntry { name, href, size, size_text, modified }
}

impl Source for Listing {
    fn poll_next(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<Vec<u8>, Broken>>> {
        Poll::Ready(self.piece().map(Ok))
    }

    fn memory_bytes(&self) -> usize {
        self.share.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use message::{Field, Fields, Length, Method, Path, Version, path::push_encoded_segment};
    use proptest::prelude::*;
    use std::task::Waker;

    fn file(name: &[u8]) -> Entry {
        Entry { name: name.to_vec(), is_directory: false, size: 1536, modified: 784_111_777 }
    }

    fn view(query: Option<&str>, accept: &str) -> View {
        let lines = [Field { name: b"accept", value: accept.as_bytes() }];
        View::of(&Request {
            version: Version::Http11,
            method: Method::Get,
            host: "localhost",
            port: "",
            path: "/",
            query,
            fields: Fields::of(&lines),
            length: Length::Known(0),
        })
    }

    fn pieces(response: Response) -> Vec<Vec<u8>> {
        match response.body {
            Body::Stream(mut source) => std::iter::from_fn(|| {
                match source.poll_next(&mut Context::from_waker(Waker::noop())) {
                    Poll::Ready(piece) => piece.map(Result::unwrap),
                    Poll::Pending => panic!("a listing never waits"),
                }
            })
            .collect(),
            Body::Bytes(bytes) => vec![bytes.as_slice().to_vec()],
            body => panic!("{body:?}"),
        }
    }

    fn listed(view: View, path: &str, entries: Vec<Entry>) -> String {
        let found = entries.len();
        let listing = Listing::new(
            view,
            Path::parse(path).unwrap().as_bytes(),
            entries,
            found,
            &Held::default(),
        );
        String::from_utf8(pieces(listing.answer()).concat()).unwrap()
    }

    fn html(entries: Vec<Entry>) -> String {
        listed(view(None, "text/html"), "/", entries)
    }

    fn json(entries: Vec<Entry>) -> serde_json::Value {
        serde_json::from_str(&listed(view(None, "application/json"), "/", entries)).unwrap()
    }

    #[test]
    fn a_page_for_people() {
        let folder = Entry { is_directory: true, ..file("bücher".as_bytes()) };
        let page = listed(view(None, "*/*"), "/a%20b/c/", vec![file(b"a.txt"), folder]);
        for expect in [
            "<!doctype html>\n<html lang=\"en\">\n",
            "<meta name=\"viewport\"",
            "<title>Index of /a b/c/</title>",
            "<a href=\"/\">/</a><a href=\"/a%20b/\">a b/</a><a href=\"/a%20b/c/\">c/</a>",
            "<a href=\"?sort=name&amp;order=desc\">Name</a>",
            "<a href=\"?sort=date&amp;order=asc\">Modified</a>",
            "<td><a href=\"b%C3%BCcher/\"><bdi>bücher/</bdi></a><td>–<td>",
            "<td><a href=\"a.txt\"><bdi>a.txt</bdi></a><td>1.5\u{a0}KiB<td>",
            "<time datetime=\"1994-11-06T08:49:37Z\">1994-11-06 08:49</time>",
        ] {
            assert!(page.contains(expect), "{expect}\n{page}");
        }
        assert!(page.find("bücher") < page.find("a.txt"), "folders come first");
        assert!(!page.contains("<script") && !page.contains("http"), "nothing from outside");
        assert!(html(Vec::new()).contains("This folder is empty."));
    }

    #[test]
    fn an_array_for_programs() {
        let folder = Entry { is_directory: true, ..file(b"d\"\\\n\x7f") };
        let expect = serde_json::json!([
            {"name": "d\"\\\n\u{7f}", "href": "d%22%5C%0A%7F/", "type": "directory", "size": null,
                "modified": "1994-11-06T08:49:37Z"},
            {"name": "ü\u{fffd}", "href": "%C3%BC%FF", "type": "file", "size": 1536,
                "modified": "1994-11-06T08:49:37Z"},
        ]);
        assert_eq!(json(vec![file(b"\xc3\xbc\xff"), folder]), expect);
        assert_eq!(json(Vec::new()), serde_json::json!([]));
    }

    #[test]
    fn a_name_is_never_markup() {
        for name in [
            "<img src=x onerror=alert(1)>",
            "\"><script>alert(1)</script>",
            "' onclick='alert(1)",
            "&lt;b&gt;",
            "javascript:alert(1)",
            "--><b>",
        ] {
            let page = html(vec![file(name.as_bytes())]);
            let row = page.split_once("<tbody>").unwrap().1.split_once("<td>1.5").unwrap().0;
            let mut link = String::new();
            push_encoded_segment(&mut link, name.as_bytes());
            let text = row.strip_prefix(&format!("\n<tr><td><a href=\"{link}\"><bdi>")).unwrap();
            let text = text.strip_suffix("</bdi></a>").unwrap();
            assert!(!text.contains(['<', '>', '"', '\'']), "{text}");
            assert!(!link.contains([':', '<', '"', '\'', '&']), "{link}");
        }
        let page = listed(view(None, ""), "/<b>/", Vec::new());
        assert!(!page.contains("<b>") && page.contains("&lt;b&gt;/"), "{page}");
    }

    #[test]
    fn a_name_that_is_no_text_is_shown_as_well_as_can_be_and_linked_exactly() {
        let page = html(vec![file(b"a\xffb\n")]);
        assert!(page.contains("<a href=\"a%FFb%0A\"><bdi>a\u{fffd}b\u{fffd}</bdi></a>"), "{page}");
    }

    #[test]
    fn a_huge_folder_comes_in_pieces_and_says_what_it_leaves_out() {
        let entries: Vec<_> = (0..12_000).map(|n| file(format!("{n:05}").as_bytes())).collect();
        let listing =
            Listing::new(view(None, ""), b"/", entries.clone(), 1_000_000, &Held::default());
        let response = listing.answer();
        assert_eq!(response.get("entries-left-out"), Some("990000"));
        assert_eq!(response.get("vary"), Some("accept"));
        assert_eq!(response.get("x-content-type-options"), Some("nosniff"));
        let pieces = pieces(response);
        assert!(pieces.iter().all(|piece| piece.len() < PIECE_BYTES + 1024));
        assert!(pieces.len() > 50);
        let page = String::from_utf8(pieces.concat()).unwrap();
        assert_eq!(page.matches("<tr><td>").count(), ENTRIES_MAX);
        assert!(page.contains(">09999<") && !page.contains(">10000<"));
        assert!(page.contains("990000 more are not shown."));
        let array = json(entries);
        assert_eq!(array.as_array().map(Vec::len), Some(ENTRIES_MAX));
    }

    #[test]
    fn a_short_listing_has_a_length() {
        for (count, has_length) in [(WHOLE_ENTRIES_MAX, true), (WHOLE_ENTRIES_MAX + 1, false)] {
            let listing = Listing::new(
                view(None, ""),
                b"/",
                vec![file(b"x"); count],
                count,
                &Held::default(),
            );
            assert_eq!(listing.answer().body.len().is_some(), has_length);
        }
    }

    #[test]
    fn the_view_is_what_the_request_says() {
        let of = |query, accept| view(Some(query), accept);
        let order = |key, is_descending| Order { key, is_descending };
        let html = |order| View { format: Format::Html, order };
        assert_eq!(of("", "text/html"), html(order(Key::Name, false)));
        assert_eq!(of("sort=size&order=desc", ""), html(order(Key::Size, true)));
        assert_eq!(of("order=desc&x=y&sort=date", "*/*"), html(order(Key::Date, true)));
        assert_eq!(of("sort=owner&order=up", ""), html(order(Key::Name, false)));
        assert_eq!(of("sort=name", "application/json").format, Format::Json);
    }

    proptest! {
        #[test]
        fn any_names_make_one_row_each(
            names in prop::collection::vec(prop::collection::vec(1u8.., 1..12), 0..8),
            query in "[a-z=&]{0,20}",
        ) {
            let entries: Vec<_> = names.iter().map(|name| file(name)).collect();
            let page = listed(view(Some(&query), ""), "/", entries.clone());
            prop_assert_eq!(page.matches("<bdi>").count(), names.len());
            prop_assert_eq!(page.matches("<a ").count(), names.len() + 4);
            prop_assert_eq!(json(entries).as_array().map(Vec::len), Some(names.len()));
        }
    }
}
