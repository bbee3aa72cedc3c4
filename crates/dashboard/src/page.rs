//! The page for people: all of its parts are in the program, and none asks for anything elsewhere.
//! The charts are drawn by uPlot 1.6.32 (MIT, see `page/uplot/LICENSE`).

/// The parts: where each is asked for, of what kind it is, and itself.
const PARTS: [(&str, &str, &[u8]); 12] = [
    ("/", HTML, include_bytes!("page/index.html")),
    ("/zh", HTML, include_bytes!("page/index.html")),
    ("/travel", HTML, include_bytes!("page/travel.html")),
    ("/travel.zh", HTML, include_bytes!("page/travel.zh.html")),
    ("/travel.js", SCRIPT, include_bytes!("page/travel.js")),
    ("/page.css", "text/css; charset=utf-8", include_bytes!("page/page.css")),
    ("/words.js", SCRIPT, include_bytes!("page/words.js")),
    ("/requests.js", SCRIPT, include_bytes!("page/requests.js")),
    ("/parts.js", SCRIPT, include_bytes!("page/parts.js")),
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
            let leads = match at {
                "/travel" => "<a href=\"/#connections\">Connections</a>",
                "/travel.zh" => "<a href=\"/zh#connections\">連線</a>",
                _ => "",
            };
            assert!(text.contains(leads), "{at}");
            assert!(
                !text.contains("<script>") && !text.contains(" style="),
                "{at}: not by the policy"
            );
        }
    }

    /// What stands between the tags of the page, and what its scripts say, as the words are looked
    /// up.
    fn said() -> Vec<String> {
        let part = |at: &str| str::from_utf8(page(at.as_bytes()).unwrap().1).unwrap();
        let frame = part("/").split('>').filter_map(|rest| rest.split_once('<'));
        let frame = frame.map(|(text, _)| text.split_whitespace().collect::<Vec<_>>().join(" "));
        let mut all: Vec<_> = frame.filter(|text| text.bytes().any(|byte| byte > b' ')).collect();
        for script in ["/page.js", "/requests.js", "/parts.js"].map(part) {
            let plain = script.split("word(\"").skip(1).filter_map(|rest| rest.split_once('"'));
            all.extend(plain.map(|(text, _)| text.to_owned()));
            let made = script.match_indices("say`").map(|(at, _)| template(&script[at + 4..]));
            all.extend(made);
        }
        all
    }

    /// A template of a script, with `{}` in the place of each value.
    fn template(rest: &str) -> String {
        let (mut text, mut depth) = (String::new(), 0);
        for letter in rest.chars() {
            match letter {
                '`' if depth == 0 => break,
                '$' if depth == 0 => text.push_str("{}"),
                '{' => depth += 1,
                '}' => depth -= 1,
                _ if depth == 0 => text.push(letter),
                _ => {}
            }
        }
        text
    }

    #[test]
    fn all_that_is_said_is_said_in_chinese_too() {
        let words = str::from_utf8(page(b"/words.js").unwrap().1).unwrap();
        let same = |text: &str| {
            ["gannet", "4xx", "5xx"].contains(&text) || !text.bytes().any(|byte| byte >= b'a')
        };
        for text in said().into_iter().filter(|text| !same(text)) {
            assert!(words.contains(&format!("\n  \"{text}\": \"")), "{text:?} has no words");
        }
    }
}
