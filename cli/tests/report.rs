//! `bellwether report`: the page again from a run or a bundle, and the page as a browser shows it.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod common;

use std::fs;
use std::path::Path;

use common::browser::{contrast, luminance, program, run};
use common::{fail, skipped, succeed};
use serde_json::Value;

/// A small business, its backtest in `run`, and its model in `registry`.
fn business(folder: &Path) {
    succeed(folder, &["simulate", "--accounts", "220", "--months", "30", "--seed", "7", "--out", "business"]);
    let config = ["--config", "business/bellwether.toml"];
    let learners = ["--learners", "base_rate,logistic"];
    succeed(folder, &[&config[..], &["backtest", "--out", "run"], &learners].concat());
    succeed(folder, &[&config[..], &["train", "--out", "registry"], &learners].concat());
}

#[test]
fn a_run_and_a_bundle_give_the_page_that_was_written_with_them() {
    let folder = tempfile::tempdir().unwrap();
    let at = |path: &str| folder.path().join(path);
    business(folder.path());
    succeed(folder.path(), &["report", "--run", "run", "--out", "page.html"]);
    assert!(fs::read(at("page.html")).unwrap() == fs::read(at("run/report.html")).unwrap());
    // An earlier page is replaced, a bundle is named as `score` names it.
    succeed(folder.path(), &["report", "--bundle", "registry/simulated@champion", "--out", "page.html"]);
    let of_bundle = fs::read(at("registry/simulated/versions/1/report.html")).unwrap();
    assert!(fs::read(at("page.html")).unwrap() == of_bundle);
    let page = String::from_utf8(of_bundle).unwrap();
    assert!(page.len() < 2_000_000 && !page.contains("acct-"), "no account is told");
    for told in [
        "What drives it",
        "Value drivers",
        "Depth or breadth?",
        "How early each family",
        "subscriptions",
        "Every measure",
    ] {
        assert!(page.contains(told), "{told}");
    }

    fs::write(at("mine.html"), "<html>mine</html>").unwrap();
    let said = fail(folder.path(), &["report", "--run", "run", "--out", "mine.html"], 2);
    assert!(said.contains("mine.html") && said.contains("never replaced"), "{said}");
    assert_eq!(fs::read_to_string(at("mine.html")).unwrap(), "<html>mine</html>");
    let said = fail(folder.path(), &["report", "--run", "business"], 2);
    assert!(said.contains("business/backtest.json") && said.contains("--bundle"), "{said}");
    let said = fail(folder.path(), &["report", "--bundle", "registry/simulated@7"], 2);
    assert!(said.contains("simulated"), "{said}");
    fail(folder.path(), &["report"], 2);
    fs::create_dir(at("cut")).unwrap();
    fs::write(at("cut/backtest.json"), &fs::read(at("run/backtest.json")).unwrap()[..1000]).unwrap();
    let said = fail(folder.path(), &["report", "--run", "cut"], 3);
    assert!(said.contains("cut/backtest.json") && !at("report.html").exists(), "{said}");

    in_a_browser(&page, folder.path());
}

/// What the page measures within a frame of some width.
const MEASURE: &str = r#"
const frame = document.querySelector('iframe');
frame.addEventListener('load', () => {
  const page = frame.contentDocument, root = page.documentElement, style = frame.contentWindow.getComputedStyle(page.body);
  page.querySelectorAll('details').forEach(one => one.open = true);
  const inScroll = one => one.closest('.scroll') !== null;
  const wide = [...page.querySelectorAll('body *')]
    .filter(one => !inScroll(one) && one.getBoundingClientRect().right > root.clientWidth + 1)
    .map(one => one.tagName + ' ' + (one.textContent || '').slice(0, 40));
  const outside = [...page.querySelectorAll('svg')].flatMap(svg => {
    const box = svg.getBoundingClientRect();
    return [...svg.querySelectorAll('text')].filter(text => {
      const one = text.getBoundingClientRect();
      return one.left < box.left - 1 || one.right > box.right + 1 || one.bottom > box.bottom + 1;
    }).map(text => text.textContent);
  });
  for (const row of page.querySelectorAll('svg g')) {
    const [label, figure] = row.querySelectorAll(':scope > title ~ text');
    if (figure && label.getBoundingClientRect().right > figure.getBoundingClientRect().left) outside.push(label.textContent);
  }
  const sizes = [...page.querySelectorAll('svg text')].map(text =>
    parseFloat(frame.contentWindow.getComputedStyle(text).fontSize) * text.getScreenCTM().a);
  const measured = {
    width: root.clientWidth, scrollWidth: root.scrollWidth, bodyScrollWidth: page.body.scrollWidth, wide, outside,
    smallest: Math.min(...sizes), plots: page.querySelectorAll('svg').length,
    ink: style.color, paper: style.backgroundColor, requests: performance.getEntriesByType('resource').length,
  };
  document.body.innerHTML = '';
  const out = document.createElement('pre');
  out.id = 'measured';
  out.textContent = JSON.stringify(measured);
  document.body.append(out);
});
"#;

fn in_a_browser(page: &str, folder: &Path) {
    let Some(browser) = program() else {
        skipped(
            "a_run_and_a_bundle_give_the_page_that_was_written_with_them (the browser's part)",
            "chromium, in the path or at BELLWETHER_BROWSER (./test installs it where apt-get may)",
        );
        return;
    };
    for width in [360, 1280] {
        for dark in [false, true] {
            let seen = measured(&browser, page, folder, width, dark);
            assert_eq!(seen["width"], width, "{seen}");
            assert!(seen["scrollWidth"].as_i64().unwrap() <= width, "the page scrolls sideways: {seen}");
            assert!(seen["bodyScrollWidth"].as_i64().unwrap() <= width, "the body scrolls sideways: {seen}");
            assert_eq!(seen["wide"], serde_json::json!([]), "wider than the page");
            assert_eq!(seen["outside"], serde_json::json!([]), "text outside of its plot");
            assert!(seen["smallest"].as_f64().unwrap() >= 9.0, "text too small to read: {seen}");
            assert_eq!(seen["requests"], 0, "nothing is fetched: {seen}");
            assert!(seen["plots"].as_i64().unwrap() > 10, "{seen}");
            let contrast = contrast(seen["ink"].as_str().unwrap(), seen["paper"].as_str().unwrap());
            // WCAG 2.2 asks for 7 at level AAA.
            assert!(contrast >= 7.0, "{contrast}: {seen}");
            assert_eq!(luminance(seen["paper"].as_str().unwrap()) < 0.2, dark, "{seen}");
        }
    }
    let file = folder.join("seen.html");
    fs::write(&file, page).unwrap();
    let picture = folder.join("seen.png");
    let shot = format!("--screenshot={}", picture.display());
    run(&browser, folder, &["--window-size=1280,2400", &shot, &format!("file://{}", file.display())]);
    // A blank picture of this size is below 20 kB.
    assert!(fs::metadata(&picture).unwrap().len() > 60_000, "the picture shows something");
}

/// Shows the page in a frame of the given width and measures it there.
fn measured(browser: &Path, page: &str, folder: &Path, width: i64, dark: bool) -> Value {
    let quoted = page.replace('&', "&amp;").replace('"', "&quot;");
    let wrapper = format!(
        "<!doctype html><meta charset=\"utf-8\"><body style=\"margin:0\"><iframe style=\"border:0;width:{width}px;height:800px\" \
         srcdoc=\"{quoted}\"></iframe><script>{MEASURE}</script></body>"
    );
    let file = folder.join(format!("frame-{width}-{dark}.html"));
    fs::write(&file, wrapper).unwrap();
    let scheme = format!("--blink-settings=preferredColorScheme={}", if dark { 0 } else { 1 });
    let url = format!("file://{}", file.display());
    let shown =
        run(browser, folder, &[&scheme, "--window-size=1400,900", "--virtual-time-budget=8000", "--dump-dom", &url]);
    let (_, rest) =
        shown.split_once("<pre id=\"measured\">").unwrap_or_else(|| panic!("nothing was measured: {shown:.600}"));
    let text = rest.split("</pre>").next().unwrap();
    serde_json::from_str(&text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")).unwrap()
}
