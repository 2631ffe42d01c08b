//! What a credential is called: the host of its URL, or its name where there is no URL.
//!
//! Lower case, without `www.`, with a port that is not the scheme's own. Lookups are exact: the
//! text as given, then its normal form; unattended software must not guess.

/// The parts of a URL that identify a site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    /// `https`, in lower case.
    pub(crate) scheme: String,
    /// The host in lower case, and the port when it is not the scheme's own.
    pub(crate) host: String,
    /// The path without the first slash, the query and the fragment.
    pub(crate) path: String,
}

impl Origin {
    /// Reads `scheme://[user@]host[:port]/path`; `None` for anything else.
    pub(crate) fn of(url: &str) -> Option<Self> {
        let (scheme, rest) = url.trim().split_once("://")?;
        let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
        if !is_scheme {
            return None;
        }
        let scheme = scheme.to_ascii_lowercase();
        let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(end);
        let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let host = without_default_port(&authority.to_lowercase(), &scheme).to_owned();
        if host.is_empty() || host.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return None;
        }
        let path = tail.split(['?', '#']).next().unwrap_or_default();
        Some(Self { scheme, host, path: path.trim_matches('/').to_owned() })
    }
}

fn without_default_port<'a>(host: &'a str, scheme: &str) -> &'a str {
    let default = match scheme {
        "https" => ":443",
        "http" => ":80",
        "ssh" => ":22",
        "ftp" => ":21",
        _ => ":",
    };
    host.strip_suffix(default).unwrap_or(host)
}

/// The service of a credential with this URL and this name; `None` when both say nothing.
pub(crate) fn of(url: &str, name: &str) -> Option<String> {
    if let Some(origin) = Origin::of(url) {
        return Some(without_www(&origin.host).to_owned());
    }
    let url = url.trim();
    // KeePassXC and others keep `example.com/login` without a scheme.
    if let Some(origin) = Origin::of(&format!("https://{url}"))
        && is_host(&origin.host)
    {
        return Some(without_www(&origin.host).to_owned());
    }
    [name.trim(), url].into_iter().find(|text| !text.is_empty()).map(str::to_owned)
}

/// The normal form of what somebody typed: a URL becomes its host, a host loses `www.` and capitals.
pub(crate) fn normal(text: &str) -> String {
    if let Some(origin) = Origin::of(text) {
        return without_www(&origin.host).to_owned();
    }
    let text = text.trim();
    let lower = text.to_ascii_lowercase();
    if is_host(&lower) { without_www(&lower).to_owned() } else { text.to_owned() }
}

/// The normal form of a pattern of services, in which `*` and `?` stand for others: as of a service.
pub(crate) fn normal_pattern(text: &str) -> String {
    if !text.contains(['*', '?']) {
        return normal(text);
    }
    if let Some(origin) = Origin::of(text) {
        return without_www(&origin.host).to_owned();
    }
    let lower = text.trim().to_ascii_lowercase();
    if is_host(&lower.replace(['*', '?'], "x")) {
        without_www(&lower).to_owned()
    } else {
        text.trim().to_owned()
    }
}

fn is_host(text: &str) -> bool {
    let (host, port) = text.rsplit_once(':').unwrap_or((text, "0"));
    !port.is_empty()
        && port.bytes().all(|b| b.is_ascii_digit())
        && (host.contains('.') || host == "localhost")
        && host.split('.').all(|label| {
            !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || "-_".contains(c))
        })
}

fn without_www(host: &str) -> &str {
    // `www.com` is a site of its own, not the empty host below `com`.
    host.strip_prefix("www.").filter(|rest| rest.contains('.')).unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_is_the_host_of_the_url_or_else_the_name() {
        for (url, name, service) in [
            ("https://www.GitHub.com/login?x=1", "GitHub", Some("github.com")),
            ("https://github.com:443/", "", Some("github.com")),
            ("http://localhost:3000/a", "", Some("localhost:3000")),
            ("https://user:pw@example.org/x", "", Some("example.org")),
            ("android://abc==@com.example.app/", "App", Some("com.example.app")),
            ("http://[::1]:8080/", "", Some("[::1]:8080")),
            ("example.com/login", "Example", Some("example.com")),
            ("https://www.com/", "", Some("www.com")),
            ("", "My Wi-Fi", Some("My Wi-Fi")),
            ("not a url", "Name", Some("Name")),
            ("not a url", "", Some("not a url")),
            ("", "  ", None),
            ("https://", "x", Some("x")),
        ] {
            assert_eq!(of(url, name).as_deref(), service, "{url:?} {name:?}");
        }
    }

    #[test]
    fn what_was_typed_is_brought_into_its_normal_form() {
        for (typed, service) in [
            ("https://www.GitHub.com/x", "github.com"),
            ("WWW.Example.com", "example.com"),
            ("OpenAI", "OpenAI"),
            ("HF_TOKEN", "HF_TOKEN"),
            ("localhost:3000", "localhost:3000"),
        ] {
            assert_eq!(normal(typed), service);
            assert_eq!(normal_pattern(typed), service);
        }
        for (typed, pattern) in [
            ("*", "*"),
            ("*.Internal", "*.internal"),
            ("https://*.Example.com/", "*.example.com"),
            ("HF_*", "HF_*"),
            ("GitHub*", "GitHub*"),
            ("WWW.Git?.com", "git?.com"),
        ] {
            assert_eq!(normal_pattern(typed), pattern);
        }
    }
}
