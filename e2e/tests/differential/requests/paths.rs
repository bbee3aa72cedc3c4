//! Paths as people, programs and attackers write them, and those that have routes.

use super::Request;

pub(super) fn paths(all: &mut Vec<Request>) {
    for (group, targets) in [
        (
            "a file",
            &["/", "/letters.txt", "/sub/", "/sub/page.txt", "/empty.txt", "/style.css"][..],
        ),
        ("a file with a query", &["/?", "/letters.txt?x=1", "/sub/?a/../b", "/letters.txt?%zz"]),
        (
            "an encoded path",
            &["/%6cetters.txt", "/a%20b.txt", "/%c3%bc.txt", "/100%25.txt", "/sub%2e/"],
        ),
        (
            "a path with dot segments",
            &[
                "/./letters.txt",
                "/sub/../letters.txt",
                "/sub/..",
                "/sub/.",
                "/sub/./page.txt",
                "/x/../letters.txt",
                "/%2e/letters.txt",
                "/sub/%2e%2e/letters.txt",
            ],
        ),
        (
            "a path that climbs",
            &["/..", "/../letters.txt", "/sub/../../letters.txt", "/%2e%2e/letters.txt", "/.%2e/"],
        ),
        (
            "doubled slashes",
            &["//letters.txt", "/sub//page.txt", "///", "/sub///", "//sub//page.txt"],
        ),
        ("a folder without its slash", &["/sub", "/sub?a=b", "/./sub", "//sub", "/bare"]),
        ("a folder without an index", &["/bare/"]),
        ("a file with a slash", &["/letters.txt/", "/sub/page.txt/"]),
        ("a file with a path behind it", &["/letters.txt/more", "/index.html/x/y"]),
        (
            "nothing",
            &[
                "/nothing",
                "/sub/nothing.html",
                "/nothing/",
                "/LETTERS.TXT",
                "/letters.txt.",
                "/letters.txt%20",
            ],
        ),
        (
            "an encoded slash",
            &["/sub%2fpage.txt", "/sub%2Fpage.txt", "/%2fletters.txt", "/..%2fletters.txt"],
        ),
        ("a backslash", &["/sub\\page.txt", "/sub%5cpage.txt", "/..%5cletters.txt"]),
        ("NUL", &["/letters.txt%00", "/%00", "/shell.php%00.txt"]),
        ("a control character", &["/%0d%0aSet-Cookie:x", "/letters.txt%0a", "/%1f", "/%7f"]),
        ("a broken escape", &["/%", "/%z", "/%zz", "/letters.txt%2", "/%u002e"]),
        ("overlong UTF-8", &["/%c0%ae%c0%ae/letters.txt", "/%c0%af", "/%e0%80%af"]),
        ("a fragment", &["/letters.txt#part", "/#"]),
        ("bytes beyond ASCII", &["/\u{fc}.txt"]),
        ("a dotfile", &["/.env", "/%2eenv", "/.git/config", "/sub/.htaccess"]),
        (".well-known", &["/.well-known/security.txt"]),
        (
            "PHP source",
            &["/shell.php", "/shell.PHP", "/shell.php/info", "/shell.php~", "/shell.php.bak"],
        ),
        ("a target without a slash", &["letters.txt", "?x", "sub/page.txt"]),
        (
            "an absolute target",
            &[
                "http://localhost/letters.txt",
                "HTTP://localhost/",
                "http://localhost",
                "http://localhost?x",
            ],
        ),
        ("an absolute target of another kind", &["ftp://localhost/letters.txt", "localhost:80"]),
    ] {
        all.extend(targets.iter().map(|target| Request::get(group, target, &[])));
    }
    let long = |bytes| format!("/{}", "x".repeat(bytes));
    all.push(Request::get("a target of 4 KB", &long(4000), &[]));
    all.push(Request::get("a target of 20 KB", &long(20_000), &[]));
}

pub(super) fn routes(all: &mut Vec<Request>) {
    for (group, targets) in [
        ("a redirect", &["/old/x", "/old/", "/old/a/b?x=1", "/old/x?", "/old/a~b-c.d_e"][..]),
        ("a redirect of the folder itself", &["/old"]),
        ("a redirect, encoded", &["/old/a%20b", "/old/%c3%bc", "/old/%25", "/old/a%3fb"]),
        ("a redirect, other spellings", &["//old//x", "/old/../old/x", "/%6fld/x", "/old/a/../b"]),
        ("a redirect, lines", &["/old/%0d%0aSet-Cookie:x", "/old/x?%0d%0aSet-Cookie:x"]),
        ("beside a route", &["/oldx", "/old%2fx", "/guardedx", "/OLD/x"]),
        (
            "a guarded path",
            &[
                "/guarded/x",
                "/guarded/",
                "/guarded",
                "//guarded/x",
                "/./guarded/x",
                "/x/../guarded/x",
            ],
        ),
        ("a guarded path, encoded", &["/%67uarded/x", "/x/%2e%2e/guarded/x", "/guarded%2fx"]),
        ("a guarded path, around it", &["/guarded/../letters.txt", "/x/..%2fguarded/x"]),
        ("a rewrite", &["/moved/page.txt", "/moved/", "/moved/page.txt?x", "/moved/nothing"]),
        (
            "a rewrite, other spellings",
            &["//moved/page.txt", "/moved//page.txt", "/moved/x/../page.txt"],
        ),
        ("fields", &["/sub/page.txt", "/sub/nothing", "/sub/index.html"]),
    ] {
        all.extend(targets.iter().map(|target| Request::get(group, target, &[])));
    }
    for (group, line) in [
        ("fields of a 304", "If-None-Match: {etag}"),
        ("fields of a 206", "Range: bytes=1-2"),
        ("fields of a 416", "Range: bytes=99-"),
        ("fields of a 412", "If-Match: \"other\""),
    ] {
        all.push(Request::get(group, "/sub/page.txt", &[line]));
    }
    all.push(Request::get("a redirect", "/old/x", &[]).with_method("HEAD"));
    all.push(
        Request::get("a redirect of a POST", "/old/x", &["Content-Length: 0"]).with_method("POST"),
    );
}
