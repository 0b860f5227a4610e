//! A real browser for tests: run once, or driven over its DevTools protocol (a WebSocket with JSON in it).

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Without a window, and without asking the network for anything of its own.
const QUIETLY: [&str; 8] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--hide-scrollbars",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];

/// How long a browser may take to answer on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Runs the browser once; what it wrote to stdout.
pub(crate) fn run(browser: &Path, folder: &Path, arguments: &[&str]) -> String {
    let profile = tempfile::tempdir_in(folder).unwrap();
    let output = Command::new(browser)
        .args(QUIETLY)
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", super::text(&output.stderr));
    super::text(&output.stdout)
}

/// The browser, in the path or at `BELLWETHER_BROWSER`.
pub(crate) fn program() -> Option<PathBuf> {
    if let Some(given) = std::env::var_os("BELLWETHER_BROWSER") {
        return Some(PathBuf::from(given)).filter(|path| path.is_file());
    }
    let path = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let mut places = names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    places.find(|place| place.is_file())
}

/// Relative luminance of `rgb(r, g, b)` (WCAG 2.2).
pub(crate) fn luminance(colour: &str) -> f64 {
    let numbers = colour.trim_start_matches("rgb(").trim_end_matches(')');
    let parts: Vec<f64> = numbers.split(',').map(|part| part.trim().parse::<f64>().unwrap() / 255.0).collect();
    let linear = |part: f64| if part <= 0.040_45 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) };
    0.2126 * linear(parts[0]) + 0.7152 * linear(parts[1]) + 0.0722 * linear(parts[2])
}

/// Contrast of two colours (WCAG 2.2).
pub(crate) fn contrast(one: &str, other: &str) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

/// A tab of a browser that is ended with it.
pub(crate) struct Tab {
    child: Child,
    socket: TcpStream,
    session: Option<String>,
    calls: u64,
    events: Vec<Value>,
    _profile: tempfile::TempDir,
}

impl Drop for Tab {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Tab {
    /// A tab that shows a file and has loaded it; `None` where there is no browser.
    pub(crate) fn open(file: &Path, width: u32, dark: bool) -> Option<Self> {
        let profile = tempfile::tempdir().unwrap();
        let child = Command::new(program()?)
            .args(QUIETLY)
            .arg("--remote-debugging-port=0")
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let socket = connect(profile.path());
        let mut tab = Self { child, socket, session: None, calls: 0, events: Vec::new(), _profile: profile };
        let target = tab.call("Target.createTarget", &json!({ "url": "about:blank" }));
        let attached = tab.call("Target.attachToTarget", &json!({ "targetId": target["targetId"], "flatten": true }));
        tab.session = Some(attached["sessionId"].as_str().unwrap().to_owned());
        for domain in ["Page", "Runtime", "Log", "Network"] {
            tab.call(&format!("{domain}.enable"), &json!({}));
        }
        tab.resize(width, 900);
        tab.scheme(dark);
        tab.call("Page.navigate", &json!({ "url": format!("file://{}", file.canonicalize().unwrap().display()) }));
        tab.wait_for("Page.loadEventFired");
        Some(tab)
    }

    /// The size of the window.
    pub(crate) fn resize(&mut self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", &size);
    }

    /// Dark or light.
    pub(crate) fn scheme(&mut self, dark: bool) {
        let value = if dark { "dark" } else { "light" };
        let features = json!([{ "name": "prefers-color-scheme", "value": value }]);
        self.call("Emulation.setEmulatedMedia", &json!({ "features": features }));
    }

    /// The value of an expression.
    pub(crate) fn value(&mut self, expression: &str) -> Value {
        let asked = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let mut answer = self.call("Runtime.evaluate", &asked);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer}");
        answer["result"]["value"].take()
    }

    /// The value of an expression that is a text.
    pub(crate) fn text(&mut self, expression: &str) -> String {
        self.value(expression).as_str().unwrap_or_else(|| panic!("{expression}: no text")).to_owned()
    }

    /// A click in the middle of what a selector finds first.
    pub(crate) fn click(&mut self, selector: &str) {
        let at = self.value(&format!(
            "(() => {{ const one = document.querySelector({}); one.scrollIntoView({{ block: 'center', inline: 'center' }}); \
             const box = one.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; }})()",
            json!(selector)
        ));
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({ "type": kind, "x": at[0], "y": at[1], "button": "left", "clickCount": 1 });
            self.call("Input.dispatchMouseEvent", &event);
        }
    }

    /// A key by its name.
    pub(crate) fn press(&mut self, key: &str) {
        let code = match key {
            "Tab" => 9,
            "Enter" => 13,
            "PageUp" => 33,
            "PageDown" => 34,
            "End" => 35,
            "Home" => 36,
            "ArrowUp" => 38,
            "ArrowDown" => 40,
            _ => panic!("{key}: no such key"),
        };
        let mut event = json!({ "type": "keyDown", "key": key, "code": key, "windowsVirtualKeyCode": code });
        if key == "Enter" {
            event["text"] = json!("\r");
        }
        self.call("Input.dispatchKeyEvent", &event);
        event["type"] = json!("keyUp");
        self.call("Input.dispatchKeyEvent", &event);
    }

    /// Types into what has the focus.
    pub(crate) fn type_text(&mut self, text: &str) {
        self.call("Input.insertText", &json!({ "text": text }));
    }

    /// A picture of the whole page, or of what fits into so many pixels of it.
    pub(crate) fn picture(&mut self, file: &Path, most_height: u64) -> usize {
        let size = self.call("Page.getLayoutMetrics", &json!({}));
        let size = &size["cssContentSize"];
        let height = size["height"].as_f64().unwrap().min(most_height as f64);
        let clip = json!({ "x": 0, "y": 0, "width": size["width"], "height": height, "scale": 1 });
        let asked = json!({ "format": "png", "clip": clip, "captureBeyondViewport": true });
        let answer = self.call("Page.captureScreenshot", &asked);
        let bytes = from_base64(answer["data"].as_str().unwrap());
        std::fs::write(file, &bytes).unwrap();
        bytes.len()
    }

    /// What went wrong so far: exceptions, errors in the console, and requests to anywhere but files.
    pub(crate) fn complaints(&mut self) -> Vec<String> {
        // An answer comes after all events before it.
        self.value("0");
        let complaint = |event: &Value| {
            let told = &event["params"];
            match event["method"].as_str()? {
                "Runtime.exceptionThrown" => Some(told.to_string()),
                "Runtime.consoleAPICalled" => Some(told.to_string()),
                "Log.entryAdded" => Some(told.to_string()),
                "Network.requestWillBeSent" => {
                    let url = told["request"]["url"].as_str().unwrap_or_default();
                    (!url.starts_with("file://")).then(|| url.to_owned())
                }
                _ => None,
            }
        };
        self.events.iter().filter_map(complaint).collect()
    }

    /// How many requests there were.
    pub(crate) fn requests(&self) -> usize {
        self.events.iter().filter(|event| event["method"] == "Network.requestWillBeSent").count()
    }

    fn wait_for(&mut self, method: &str) {
        while self.events.iter().all(|event| event["method"] != method) {
            let message = receive(&mut self.socket);
            self.events.push(message);
        }
    }

    fn call(&mut self, method: &str, parameters: &Value) -> Value {
        self.calls += 1;
        let mut message = json!({ "id": self.calls, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        send(&mut self.socket, message.to_string().as_bytes());
        loop {
            let mut message = receive(&mut self.socket);
            if message["id"] == self.calls {
                assert!(message["error"].is_null(), "{method}: {message}");
                return message["result"].take();
            }
            self.events.push(message);
        }
    }
}

/// The port and the path that a browser writes into its profile once it listens.
fn connect(profile: &Path) -> TcpStream {
    let file = profile.join("DevToolsActivePort");
    let begun = Instant::now();
    let (port, path) = loop {
        let told = std::fs::read_to_string(&file).unwrap_or_default();
        if let Some((port, path)) = told.split_once('\n').filter(|(_, path)| path.len() > 20) {
            break (port.parse::<u16>().unwrap(), path.trim().to_owned());
        }
        assert!(begun.elapsed() < PATIENCE, "the browser does not listen");
        std::thread::sleep(Duration::from_millis(20));
    };
    let mut socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let hello = format!(
        "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    );
    socket.write_all(hello.as_bytes()).unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte).unwrap();
        answer.push(byte[0]);
    }
    assert!(answer.starts_with(b"HTTP/1.1 101"), "{}", super::text(&answer));
    socket
}

/// One frame of text (RFC 6455, section 5.2), masked with zeros: the payload as it is.
fn send(socket: &mut TcpStream, text: &[u8]) {
    let mut frame = vec![0x81, 0x80 | 127];
    frame.extend((text.len() as u64).to_be_bytes());
    frame.extend([0; 4]);
    frame.extend(text);
    socket.write_all(&frame).unwrap();
}

/// One message, in as many frames as it takes.
fn receive(socket: &mut TcpStream) -> Value {
    let mut message = Vec::new();
    loop {
        let mut head = [0; 2];
        socket.read_exact(&mut head).unwrap();
        let length = match head[1] & 0x7f {
            126 => {
                let mut long = [0; 2];
                socket.read_exact(&mut long).unwrap();
                u64::from(u16::from_be_bytes(long))
            }
            127 => {
                let mut long = [0; 8];
                socket.read_exact(&mut long).unwrap();
                u64::from_be_bytes(long)
            }
            short => u64::from(short),
        };
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        socket.read_exact(&mut payload).unwrap();
        match head[0] & 0x0f {
            0 | 1 => message.extend(payload),
            8 => panic!("the browser closed the connection"),
            _ => continue,
        }
        if head[0] & 0x80 != 0 {
            return serde_json::from_slice(&message).unwrap();
        }
    }
}

fn from_base64(text: &str) -> Vec<u8> {
    let value = |letter: u8| match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let letters: Vec<u8> = text.bytes().filter(|letter| *letter != b'=').collect();
    let group = |four: &[u8]| {
        let bits = four.iter().fold(0_u32, |bits, letter| bits << 6 | u32::from(value(*letter)));
        let bits = bits << (6 * (4 - four.len()));
        bits.to_be_bytes()[1..four.len()].to_vec()
    };
    letters.chunks(4).flat_map(group).collect()
}
