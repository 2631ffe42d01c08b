//! The page of `report --html`: what is in it, and how a real browser shows it.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::sandbox::Sandbox;

#[test]
fn the_report_is_one_page_without_network_or_script_and_nothing_of_a_job_is_markup() {
    let sandbox = Sandbox::new();
    sandbox.settings("[job.hourly]\nevery = \"1h\"\n");
    let hostile = "<script>alert(1)</script>\"'";
    sandbox.exec(hostile, "true").silent(0);
    sandbox.fail("hourly", 3);
    sandbox.exec("hourly", "true").silent(75);
    sandbox.guard("report --html report.html").silent(0);
    let page = std::fs::read_to_string(sandbox.path("report.html")).unwrap();
    for absent in ["<script", "http:", "https:", "url(", "@import", "src=", "href="] {
        assert!(!page.contains(absent), "{absent}");
    }
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;"));
    assert!(page.contains("prefers-color-scheme:dark") && page.contains("name=\"viewport\""));
    assert!(page.contains("1 job is blocked"), "{page}");
    let json = sandbox.guard("report --json").code(0).json();
    let hourly =
        json["jobs"].as_array().unwrap().iter().find(|job| job["job"] == "hourly").unwrap();
    assert_eq!((&hourly["failed"], &hourly["blocked"]), (&3.into(), &1.into()));
    assert!(sandbox.guard("report").code(0).stdout.contains("hourly"));
}

/// What the page measures of itself; the frame around it has the width of a screen.
const PROBE: &str = r#"<script>
const luminance = color => {
  const [r, g, b] = color.match(/[\d.]+/g).map(c => c / 255)
    .map(c => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const ground = luminance(getComputedStyle(document.body).backgroundColor);
const contrast = element => {
  const ink = luminance(getComputedStyle(element).color);
  return (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05);
};
const texts = [...document.querySelectorAll("h1,h2,p,th,td,.tag,li")];
parent.postMessage(JSON.stringify({
  width: innerWidth,
  content: document.documentElement.scrollWidth,
  dark: ground < 0.2,
  contrast: Math.min(...texts.map(contrast)),
  small: Math.min(...texts.map(e => parseFloat(getComputedStyle(e).fontSize))),
}), "*");
</script>"#;

/// How the page looks in Chromium on a screen of this width.
fn measured(sandbox: &Sandbox, page: &str, width: u32, is_dark: bool) -> Value {
    sandbox.write("page.html", page.replace("</body>", &format!("{PROBE}</body>")));
    let frame = sandbox.write(
        "frame.html",
        format!(
            "<!doctype html><body><script>onmessage = event => {{ document.title = event.data }}</script>\
             <iframe src=\"page.html\" width=\"{width}\" height=\"800\"></iframe></body>"
        ),
    );
    let output = Command::new("/usr/bin/chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--window-size=1600,1000"])
        .args(["--virtual-time-budget=10000", "--timeout=120000"])
        .arg(format!("--blink-settings=preferredColorScheme={}", u8::from(!is_dark)))
        .arg(format!("--user-data-dir={}", sandbox.path("chromium").display()))
        .args(["--dump-dom", &format!("file://{}", frame.display())])
        .env_clear()
        .env("HOME", sandbox.home())
        .env("PATH", "/usr/bin:/bin")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .unwrap();
    let dom = String::from_utf8_lossy(&output.stdout);
    let title = dom.split("<title>").nth(1).and_then(|rest| rest.split("</title>").next());
    serde_json::from_str(title.unwrap_or_default()).unwrap_or_else(|error| panic!("{error}: {dom}"))
}

#[test]
fn a_browser_shows_the_page_on_a_desk_and_on_a_phone_by_day_and_by_night() {
    if !Path::new("/usr/bin/chromium").exists() {
        #[expect(clippy::disallowed_methods, reason = "a test asks where it runs")]
        let is_ci = std::env::var_os("CI").is_some();
        assert!(!is_ci, "chromium is needed in CI");
        #[expect(clippy::print_stderr, reason = "a skipped test must not look like a passed one")]
        {
            eprintln!("skipped: the page in a browser needs /usr/bin/chromium");
        }
        return;
    }
    let sandbox = Sandbox::new();
    sandbox.settings("[job.hourly]\nevery = \"1h\"\n");
    let long = "a-job-with-a-name-that-goes-on-".repeat(6);
    sandbox.fail(&long, 3);
    sandbox.exec("hourly", "true").silent(0);
    sandbox.run(["hold", "hourly", "--reason", &"why".repeat(80)]).silent(0);
    sandbox.guard("report --html report.html").silent(0);
    let page = std::fs::read_to_string(sandbox.path("report.html")).unwrap();
    for width in [1440, 390] {
        for is_dark in [false, true] {
            let seen = measured(&sandbox, &page, width, is_dark);
            assert_eq!(seen["width"], width, "{seen}");
            assert_eq!(seen["dark"], is_dark, "{seen}");
            assert!(seen["content"].as_u64() <= Some(width.into()), "it scrolls sideways: {seen}");
            assert!(seen["contrast"].as_f64() >= Some(4.5), "hard to read: {seen}");
            assert!(seen["small"].as_f64() >= Some(11.0), "small print: {seen}");
        }
    }
}

#[test]
fn the_report_expects_nothing_that_is_still_to_come_and_a_blocked_tick_is_not_missed() {
    let mut sandbox = Sandbox::new();
    // Ten hours after the Unix time of a full hour, so that the rest of the hour is to come.
    sandbox.clock("@1767261600000");
    sandbox.settings("[job.often]\nevery = \"1m\"\n[job.quick]\nevery = \"2s\"\ngrace = 0\n[job.cron]\nschedule = \"* * * * *\"\ntz = \"UTC\"\n");
    sandbox.run(["--quiet"]).silent(0);
    sandbox.guard("hold --all --reason outage").silent(0);
    for minute in 1..=3 {
        sandbox.clock(&format!("@{}", 1_767_261_600_000_i64 + minute * 60_000 + 500));
        sandbox.exec("often", "true").silent(75);
        sandbox.exec("cron", "true").silent(75);
    }
    sandbox.exec("quick", "true").silent(75);
    let report = sandbox.guard("report --json").code(0).json();
    let counts: Vec<_> = report["jobs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|job| {
            (job["job"].as_str().unwrap(), &job["expected"], &job["blocked"], &job["missed"])
        })
        .collect();
    let number = |n: i32| serde_json::Value::from(n);
    assert_eq!(
        counts,
        [
            ("cron", &number(4), &number(3), &number(0)),
            ("often", &number(3), &number(3), &number(0)),
            ("quick", &number(90), &number(1), &number(89)),
        ]
    );
}
