//! The look of our pages: one self-contained HTML file without network, for light and dark screens, phones and paper.
//!
//! What two pages share stands here: the style, numbers as a reader writes them, tables, plots, and the only ways by which a
//! text gets into HTML or into data within HTML. Every plot has a table behind it; every text from outside is escaped.

pub mod data;
pub mod heat;
pub mod number;
pub mod svg;
mod table;
mod text;

pub use table::Table;
pub use text::escape_html;

/// By this line a page is known to be ours, and may be replaced.
pub const GENERATOR: &str = "<meta name=\"generator\" content=\"bellwether\">";

/// No page of ours loads anything from anywhere, and browsers are told so.
const POLICY: &str = "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; \
                      script-src 'unsafe-inline'\">\n";

/// A page around a body.
#[must_use]
pub fn page(title: &str, body: &str) -> String {
    framed(title, "", "", &format!("<main>\n{body}</main>\n"))
}

/// A page that does something: `style` comes after the shared one, `script` after the body. Neither may hold text from
/// outside.
#[must_use]
pub fn page_with_script(title: &str, style: &str, body: &str, script: &str) -> String {
    framed(title, POLICY, style, &format!("<main>\n{body}</main>\n<script>\n{script}</script>\n"))
}

fn framed(title: &str, policy: &str, style: &str, body: &str) -> String {
    let title = escape_html(title);
    let shared = include_str!("style.css");
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n{policy}\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n{GENERATOR}\n<title>{title}</title>\n\
         <style>\n{shared}{style}</style>\n</head>\n<body>\n{body}</body>\n</html>\n"
    )
}
