//! `GET /`: for people whose browser opened the link of a letter. The fragment with the secret never came here.

use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY};
use axum::response::IntoResponse;

const PAGE: &str = "<!doctype html>
<html lang=\"de\">
<meta charset=\"utf-8\">
<meta name=\"viewport\" content=\"width=device-width\">
<meta name=\"robots\" content=\"noindex\">
<title>Obhut</title>
<h1>Hier lässt sich der Brief noch nicht öffnen</h1>
<p>Der Link aus Ihrem Brief gehört in das Programm <code>obhut</code>: Starten Sie <code>obhut activate</code> und fügen Sie ihn dort ein. Geben Sie ihn niemandem weiter.</p>
<div lang=\"en\">
<h1>The letter cannot be opened here yet</h1>
<p>The link of your letter belongs into the program <code>obhut</code>: run <code>obhut activate</code> and paste it there. Do not pass it on.</p>
</div>
</html>
";

/// The page.
pub(super) async fn front() -> impl IntoResponse {
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'"),
        (REFERRER_POLICY, "no-referrer"),
    ];
    (headers, PAGE)
}
