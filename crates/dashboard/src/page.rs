//! The page for people: all of its parts are in the program, and none asks for anything elsewhere.
//! The charts are drawn by uPlot 1.6.32 (MIT, see `page/uplot/LICENSE`).

/// The parts: where each is asked for, of what kind it is, and itself.
const PARTS: [(&str, &str, &[u8]); 9] = [
    ("/", HTML, include_bytes!("page/index.html")),
    ("/travel", HTML, include_bytes!("page/travel.html")),
    ("/travel.zh", HTML, include_bytes!("page/travel.zh.html")),
    ("/travel.js", SCRIPT, include_bytes!("page/travel.js")),
    ("/page.css", "text/css; charset=utf-8", include_bytes!("page/page.css")),
    ("/requests.js", SCRIPT, include_bytes!("page/requests.js")),
    ("/page.js", SCRIPT, include_bytes!("page/page.js")),
    ("/uplot.css", "text/css; charset=utf-8", include_bytes!("page/uplot/uPlot.min.css")),
    ("/uplot.js", SCRIPT, include_bytes!("page/uplot/uPlot.iife.min.js")),
];

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// The part that is asked for by that path, with its media type.
#[must_use]
pub fn page(path: &[u8]) -> Option<(&'static str, &'static [u8])> {
    let (_, media_type, bytes) = PARTS.into_iter().find(|(known, ..)| known.as_bytes() == path)?;
    Some((media_type, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever a part names is another part; nothing is asked of anybody else.
    #[test]
    fn each_part_names_only_parts() {
        for (at, media_type, bytes) in PARTS {
            let text = std::str::from_utf8(bytes).unwrap();
            if media_type != HTML {
                continue;
            }
            for mark in ["href=\"", "src=\""] {
                for rest in text.split(mark).skip(1) {
                    let target = rest.split('"').next().unwrap();
                    let (part, place) = target.split_once('#').unwrap_or((target, ""));
                    let part = if part.is_empty() { at } else { part };
                    let found = page(part.as_bytes());
                    let (_, bytes) = found.unwrap_or_else(|| panic!("{at} names {target}"));
                    let place = format!("<section id=\"{place}\"");
                    let has_place = std::str::from_utf8(bytes).unwrap().contains(&place);
                    assert!(!target.contains('#') || target == "#" || has_place, "{target}");
                }
            }
            // Who reads how a request travels is led to the view that is spoken of.
            let leads = text.contains("<a href=\"/#connections\">Connections</a>");
            assert!(leads || !at.starts_with("/travel"), "{at}");
            assert!(
                !text.contains("<script>") && !text.contains(" style="),
                "{at}: not by the policy"
            );
        }
    }
}
