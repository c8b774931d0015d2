//! A real Chromium without a window, spoken to over WebDriver (W3C) through its `chromedriver`.
//!
//! Each browser has a home of its own. What it trusts is in the certificate database of that home: the authority of one
//! box and nothing that a test switches off. Certificate, chain and name are thus checked by the browser itself, as on a
//! desk where somebody has installed the authority.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::process::wait_until;
use crate::{Invocation, scratch, wait_for};

/// How long a page may take to become what a test waits for.
const PATIENCE: Duration = Duration::from_secs(30);

/// How WebDriver tells an element from other objects.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Run in every page before anything else: notes what the content security policy has refused, and that a form goes to
/// the box, which ends this page (one that a script sends does not).
const LISTEN: &str = "window.refusedByPolicy = []; document.addEventListener('securitypolicyviolation', (event) => \
                      window.refusedByPolicy.push(`${event.violatedDirective} refused ${event.blockedURI} \
                      ${event.sample}`));\
                      window.addEventListener('submit', (event) => window.isBeingLeft = !event.defaultPrevented);";

/// Finds a button or link by its words, as they are seen or read out.
const BUTTON: &str = "return [...document.querySelectorAll('button, a, summary')].find((e) => e.checkVisibility() && \
                      ((e.innerText || '').trim() === arguments[0] || e.getAttribute('aria-label') === arguments[0])) || null";

/// Finds the field that a label belongs to. Labels may hold a second, small line that says more.
const FIELD: &str = "const words = (label) => (label.querySelector('span') || label).firstChild.textContent.trim();\
                     const found = [...document.querySelectorAll('label')].find((label) => words(label) === arguments[0]);\
                     return found ? found.control : null";

/// A browser. It ends with everything that it started when it is dropped.
#[derive(Debug)]
pub struct Browser {
    driver: Child,
    port: u16,
    session: String,
    // The last to go: the browser writes into it as long as it runs.
    home: tempfile::TempDir,
}

/// Something in a page.
#[derive(Debug)]
pub struct Element<'b> {
    browser: &'b Browser,
    id: String,
}

impl Browser {
    /// A fresh one that trusts `authority` (a certificate, DER) and no other box. It wants pages in `language`.
    ///
    /// # Panics
    /// When Chromium, its driver or `certutil` are not installed, or do not start.
    #[must_use]
    pub fn start(authority: Option<&Path>, language: &str) -> Self {
        let home = scratch();
        let database = home.path().join(".pki/nssdb");
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&database).expect("a folder can be made");
        let name = format!("sql:{}", database.display());
        let certutil = |words: &[&str]| Invocation::new("certutil").args(["-d", &name]).args(words);
        let _made = certutil(&["-N", "--empty-password"]).run().expect_success();
        if let Some(authority) = authority {
            // C: an authority for servers.
            let _told = certutil(&["-A", "-n", "box", "-t", "C,,", "-i"]).arg(authority).run().expect_success();
        }
        // In a process namespace of its own the browser's many processes end with the first one, however that ends.
        let mut command = Command::new("unshare");
        command.args(["--pid", "--fork", "--mount-proc", "--kill-child=KILL", "chromedriver", "--port=0"]);
        command.env("HOME", home.path()).env_remove("XDG_DATA_HOME").env_remove("XDG_CONFIG_HOME");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut driver = command.spawn().expect("unshare starts");
        let stdout = driver.stdout.take().expect("a pipe was asked for");
        let mut browser = Self { driver, port: 0, session: String::new(), home };
        browser.port = port_in(stdout);
        browser.begin(language);
        browser
    }

    fn begin(&mut self, language: &str) {
        let arguments = [
            "--headless=new",
            // As root, which tests are, Chromium has no sandbox.
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            // It looks for nobody but the box.
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            "--hide-scrollbars",
            "--window-size=1280,900",
        ];
        let options = json!({
            "binary": "/usr/bin/chromium",
            "args": arguments,
            "prefs": { "intl.accept_languages": language, "download.default_directory": self.downloads() },
        });
        let wanted = json!({
            "browserName": "chrome",
            "acceptInsecureCerts": false,
            "goog:chromeOptions": options,
            "goog:loggingPrefs": { "browser": "ALL" },
        });
        let told = self.ask("POST", "/session", &json!({ "capabilities": { "alwaysMatch": wanted } }));
        let told = told.unwrap_or_else(|e| panic!("Chromium does not start: {e}"));
        told["sessionId"].as_str().expect("a session has an id").clone_into(&mut self.session);
        self.devtools("Page.addScriptToEvaluateOnNewDocument", &json!({ "source": LISTEN }));
        self.set_dark(false);
    }

    /// Goes to an address; what the browser says when it does not get there.
    ///
    /// # Errors
    /// The browser's message, such as that it does not know the certificate.
    pub fn try_open(&self, url: &str) -> Result<(), String> {
        self.in_session("POST", "url", &json!({ "url": url }))?;
        // The driver is content with the browser's own page that says why it did not go there.
        let script = "return document.documentURI.startsWith('chrome-error:') ?\
                      (document.body.textContent.match(/ERR_[A-Z_]+/) || ['an unknown error'])[0] : null";
        self.run(script, &[]).as_str().map_or(Ok(()), |told| Err(told.to_owned()))
    }

    /// Goes to an address.
    ///
    /// # Panics
    /// When it does not get there.
    #[track_caller]
    pub fn open(&self, url: &str) {
        self.try_open(url).unwrap_or_else(|e| panic!("{url}: {e}"));
    }

    /// Where it is.
    ///
    /// # Panics
    /// When it does not tell.
    #[track_caller]
    #[must_use]
    pub fn url(&self) -> String {
        self.told("GET", "url", &Value::Null).as_str().unwrap_or_default().to_owned()
    }

    /// Runs a script in the page; a promise is waited for.
    ///
    /// # Panics
    /// When the script fails.
    #[track_caller]
    pub fn run(&self, script: &str, arguments: &[Value]) -> Value {
        self.told("POST", "execute/sync", &json!({ "script": script, "args": arguments }))
    }

    /// A command of Chromium's developer tools.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn devtools(&self, command: &str, parameters: &Value) {
        let _told = self.told("POST", "goog/cdp/execute", &json!({ "cmd": command, "params": parameters }));
    }

    /// Makes the page this wide, in pixels.
    ///
    /// # Panics
    /// When the browser does not.
    #[track_caller]
    pub fn set_width(&self, width: u32) {
        let size = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", &size);
    }

    /// Makes pages dark, or light; nothing moves in them.
    ///
    /// # Panics
    /// When the browser does not.
    #[track_caller]
    pub fn set_dark(&self, is_dark: bool) {
        let value = if is_dark { "dark" } else { "light" };
        let features = json!({ "features": [
            { "name": "prefers-color-scheme", "value": value },
            // Half-way between two colours is no place to look at contrasts.
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ] });
        self.devtools("Emulation.setEmulatedMedia", &features);
    }

    /// The text of the page, as it is seen.
    #[track_caller]
    #[must_use]
    pub fn text(&self) -> String {
        self.run("return document.body?.innerText ?? ''", &[]).as_str().unwrap_or_default().to_owned()
    }

    /// Waits until the page shows `words`.
    ///
    /// # Panics
    /// When it does not in time.
    #[track_caller]
    pub fn see(&self, words: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.text().contains(words) {
            assert!(Instant::now() < deadline, "`{words}` is not shown at {}:\n{}", self.url(), self.text());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits for the element that a script returns.
    ///
    /// # Panics
    /// When there is none in time; `what` says what was looked for.
    #[track_caller]
    pub fn find(&self, what: &str, script: &str, arguments: &[Value]) -> Element<'_> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(id) = self.run(script, arguments)[ELEMENT].as_str() {
                return Element { browser: self, id: id.to_owned() };
            }
            assert!(Instant::now() < deadline, "there is no {what} at {}:\n{}", self.url(), self.text());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The element of a style selector.
    ///
    /// # Panics
    /// When there is none in time.
    #[track_caller]
    #[must_use]
    pub fn select(&self, selector: &str) -> Element<'_> {
        self.find(selector, "return document.querySelector(arguments[0])", &[json!(selector)])
    }

    /// The text of the element of a style selector, whether it is seen or not.
    ///
    /// Found and read in one step: pages renew their parts by themselves, and an element that was found a moment ago
    /// may be gone.
    ///
    /// # Panics
    /// When there is none in time.
    #[track_caller]
    #[must_use]
    pub fn content(&self, selector: &str) -> String {
        let script = "return document.querySelector(arguments[0])?.textContent.trim()";
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(text) = self.run(script, &[json!(selector)]).as_str() {
                return text.to_owned();
            }
            assert!(Instant::now() < deadline, "there is no {selector} at {}:\n{}", self.url(), self.text());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Clicks the button or link with these words. A form that this sends has been answered then: what is seen or
    /// opened next is never the old page, nor is the answer what ends up in place of the next one.
    ///
    /// # Panics
    /// When there is none, or it cannot be clicked, or a form gets no answer.
    #[track_caller]
    pub fn press(&self, words: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let button = self.find(&format!("button `{words}`"), BUTTON, &[json!(words)]);
            match self.in_session("POST", &format!("element/{}/click", button.id), &json!({})) {
                Ok(_) => return self.wait_until_left(words),
                // The page has put a fresh one in its place meanwhile; nothing was clicked.
                Err(told) if told.starts_with("stale element") && Instant::now() < deadline => {}
                Err(told) => panic!("`{words}` cannot be clicked: {told}"),
            }
        }
    }

    #[track_caller]
    fn wait_until_left(&self, words: &str) {
        let deadline = Instant::now() + PATIENCE;
        while self.run("return window.isBeingLeft === true", &[]) == true {
            assert!(Instant::now() < deadline, "the form of `{words}` gets no answer at {}", self.url());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The field with this label.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    #[must_use]
    pub fn field(&self, label: &str) -> Element<'_> {
        self.find(&format!("field `{label}`"), FIELD, &[json!(label)])
    }

    /// Types `text` in place of what is in the field with this label.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    pub fn fill(&self, label: &str, text: &str) {
        let field = self.field(label);
        field.ask("POST", "clear", &json!({}));
        field.ask("POST", "value", &json!({ "text": text }));
    }

    /// Chooses by its words in the list with this label.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    pub fn choose(&self, label: &str, words: &str) {
        let script = format!(
            "const field = (() => {{ {FIELD} }})(); \
             return field && [...field.options].find((option) => option.text === arguments[1]) || null"
        );
        self.find(&format!("choice `{words}` of `{label}`"), &script, &[json!(label), json!(words)]).click();
    }

    /// What the browser's console and the policy of the page have complained about since the last call.
    ///
    /// # Panics
    /// When the browser does not tell.
    #[track_caller]
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        let lines = self.told("POST", "se/log", &json!({ "type": "browser" }));
        let of_console = lines.as_array().into_iter().flatten();
        let of_console = of_console.filter(|line| line["level"] != "DEBUG" && line["level"] != "INFO");
        let mut all: Vec<String> =
            of_console.map(|line| line["message"].as_str().unwrap_or_default().to_owned()).collect();
        let refused = self.run("const all = window.refusedByPolicy; window.refusedByPolicy = []; return all", &[]);
        let refused = refused.as_array().unwrap_or_else(|| panic!("nobody listens to the policy at {}", self.url()));
        all.extend(refused.iter().map(|each| each.as_str().unwrap_or_default().to_owned()));
        all
    }

    /// Sets a cookie of the site that is shown.
    ///
    /// # Panics
    /// When the browser does not take it.
    #[track_caller]
    pub fn set_cookie(&self, name: &str, value: &str) {
        let cookie = json!({ "name": name, "value": value, "path": "/", "secure": true, "httpOnly": true });
        let _set = self.told("POST", "cookie", &json!({ "cookie": cookie }));
    }

    /// Forgets all cookies of the site that is shown.
    ///
    /// # Panics
    /// When the browser does not.
    #[track_caller]
    pub fn forget_cookies(&self) {
        let _done = self.told("DELETE", "cookie", &Value::Null);
    }

    fn downloads(&self) -> PathBuf {
        self.home.path().join("downloads")
    }

    /// What was downloaded under this name.
    ///
    /// # Panics
    /// When it does not come in time.
    #[track_caller]
    #[must_use]
    pub fn downloaded(&self, name: &str) -> Vec<u8> {
        // Until all of it is there, it has another name.
        let file = self.downloads().join(name);
        wait_for(&format!("the download of {name}"), PATIENCE, || std::fs::read(&file).ok())
    }

    /// What is seen, as PNG.
    ///
    /// # Panics
    /// When the browser gives none.
    #[track_caller]
    #[must_use]
    pub fn picture(&self) -> Vec<u8> {
        let told = self.told("GET", "screenshot", &Value::Null);
        data_encoding::BASE64.decode(told.as_str().unwrap_or_default().as_bytes()).expect("a picture in base 64")
    }

    #[track_caller]
    fn told(&self, method: &str, path: &str, body: &Value) -> Value {
        self.in_session(method, path, body).unwrap_or_else(|e| panic!("{method} {path}: {e}"))
    }

    fn in_session(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        self.ask(method, &format!("/session/{}/{path}", self.session), body)
    }

    /// One command of WebDriver: the value that it gives, or what was wrong.
    fn ask(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let asked = if body.is_null() { String::new() } else { body.to_string() };
        let told = exchange(self.port, method, path, &asked).map_err(|e| format!("the driver does not answer: {e}"))?;
        let mut told: Value =
            serde_json::from_str(&told).map_err(|e| format!("the driver does not make sense: {e}"))?;
        let value = told["value"].take();
        match value["error"].as_str() {
            Some(error) => Err(format!("{error}: {}", value["message"].as_str().unwrap_or_default())),
            None => Ok(value),
        }
    }
}

impl Element<'_> {
    /// Clicks it.
    ///
    /// # Panics
    /// When nobody could.
    #[track_caller]
    pub fn click(&self) {
        self.ask("POST", "click", &json!({}));
    }

    /// Whether it is ticked.
    ///
    /// # Panics
    /// When it is gone.
    #[track_caller]
    #[must_use]
    pub fn is_ticked(&self) -> bool {
        self.browser.told("GET", &format!("element/{}/selected", self.id), &Value::Null) == true
    }

    #[track_caller]
    fn ask(&self, method: &str, what: &str, body: &Value) {
        let _done = self.browser.told(method, &format!("element/{}/{what}", self.id), body);
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() {
            // It may be gone already; what is left of it ends below.
            let _ended = self.ask("DELETE", &format!("/session/{}", self.session), &Value::Null);
        }
        let _asked = self.driver.kill();
        wait_until(&mut self.driver, Instant::now() + PATIENCE);
    }
}

/// `ChromeDriver was started successfully on port 40001.`
fn port_in(stdout: impl Read + Send + 'static) -> u16 {
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if let Some((_, port)) = line.split_once("started successfully on port ") {
                // Nobody listens any more when the test has given up.
                let _listening = tell.send(port.trim_end_matches('.').parse::<u16>());
            }
        }
    });
    let port = told.recv_timeout(PATIENCE).expect("chromedriver starts: the Debian package chromium-driver");
    port.expect("chromedriver names its port")
}

/// One request and its answer's body (HTTP/1.1).
fn exchange(port: u16, method: &str, path: &str, body: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(120)))?;
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())?;
    let mut answer = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        answer.read_line(&mut line)?;
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().map_err(std::io::Error::other)?;
        }
    }
    let mut body = vec![0; length];
    answer.read_exact(&mut body)?;
    String::from_utf8(body).map_err(std::io::Error::other)
}

/// Waits until `check` gives something, as long as one waits for a page.
///
/// # Panics
/// When it has given nothing; `what` says what was waited for.
#[track_caller]
pub fn eventually<T>(what: &str, check: impl FnMut() -> Option<T>) -> T {
    wait_for(what, PATIENCE, check)
}
