//! HTTP POST to an address of the settings. The address can hold a token, so no error repeats it.

use crate::settings::WebhookTable;
use crate::store::alerts::Alert;

/// Sends the alert in the form that the receiver understands.
#[cfg(feature = "webhook")]
pub(super) fn send(table: &WebhookTable, alert: &Alert) -> Result<(), String> {
    use crate::settings::Template;

    let config = ureq::Agent::config_builder()
        .timeout_global(Some(table.timeout.map_or(super::channel::TIMEOUT, |limit| limit.0)))
        .max_redirects(5)
        .http_status_as_error(false)
        .user_agent(format!("{}/{}", crate::TOOL, env!("CARGO_PKG_VERSION")))
        .build();
    let agent = ureq::Agent::new_with_config(config);
    let mut request = agent.post(&table.url).header("Idempotency-Key", &alert.id);
    for (name, value) in &table.headers {
        request = request.header(name, value);
    }
    let ascii = |text: &str| -> String {
        text.chars().map(|c| if c.is_ascii() && !c.is_ascii_control() { c } else { '?' }).collect()
    };
    let response = match table.template {
        Template::Ntfy => request
            .header("Title", ascii(&alert.text("title")))
            .header("Priority", if alert.is_bad_news() { "high" } else { "default" })
            .header("Tags", if alert.is_bad_news() { "rotating_light" } else { "white_check_mark" })
            .send(alert.text("text")),
        Template::Slack => {
            // In Slack's text only these three characters have a meaning that could be misused.
            let text = alert.text("text").replace('&', "&amp;").replace('<', "&lt;");
            let text = text.replace('>', "&gt;");
            request
                .content_type("application/json")
                .send(serde_json::json!({ "text": text }).to_string())
        }
        Template::Json => request.content_type("application/json").send(alert.body.to_string()),
    };
    let response = response.map_err(|error| describe(&error))?;
    let status = response.status();
    if status.is_success() { Ok(()) } else { Err(format!("the webhook answered {status}")) }
}

/// Why no alert can ever go there; the address itself can hold a token and is not repeated.
#[cfg(feature = "webhook")]
pub(crate) fn obstacle(table: &WebhookTable) -> Option<String> {
    let is_address = table.url.parse::<ureq::http::Uri>().is_ok_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.host().is_some_and(|host| !host.is_empty())
    });
    (!is_address).then(|| "the address of the webhook is not one of http or https".to_owned())
}

/// What went wrong, in words that hold nothing of the address.
#[cfg(feature = "webhook")]
fn describe(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Timeout(_) => "the webhook did not answer in time".to_owned(),
        ureq::Error::TooManyRedirects => "the webhook redirects without end".to_owned(),
        ureq::Error::HostNotFound => "the host of the webhook is not known".to_owned(),
        ureq::Error::Io(error) => format!("cannot reach the webhook: {}", error.kind()),
        ureq::Error::BadUri(_) => "the address of the webhook is not one".to_owned(),
        ureq::Error::Tls(_) | ureq::Error::Rustls(_) => {
            "the certificate of the webhook was refused".to_owned()
        }
        _ => "cannot reach the webhook".to_owned(),
    }
}

/// A build without HTTP says so instead of being silent.
#[cfg(not(feature = "webhook"))]
const ABSENT: &str = "this build has no webhooks; build it with the feature `webhook`";

#[cfg(not(feature = "webhook"))]
pub(super) fn send(_table: &WebhookTable, _alert: &Alert) -> Result<(), String> {
    Err(ABSENT.to_owned())
}

#[cfg(not(feature = "webhook"))]
pub(crate) fn obstacle(_table: &WebhookTable) -> Option<String> {
    Some(ABSENT.to_owned())
}
