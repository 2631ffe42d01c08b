//! The parameters of a connection, by the names that libpq gives them and the variables that set them.
//!
//! What libpq knows and this program does not do is refused by name, never passed over: a parameter that was
//! written to protect a connection must not be lost in silence.

/// A parameter of libpq.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keyword {
    pub(super) name: &'static str,
    /// The environment variable that sets it.
    pub(super) variable: Option<&'static str>,
    pub(super) kind: Kind,
}

/// What this program makes of a parameter.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// It is heeded.
    Used,
    /// These values ask for nothing that is not so anyway; another is refused.
    Only(&'static [&'static str]),
    /// It means nothing here, whatever its value.
    Ignored,
    /// It is refused.
    Refused,
}

use Kind::{Ignored, Only, Refused, Used};

const fn keyword(name: &'static str, variable: &'static str, kind: Kind) -> Keyword {
    let variable = if variable.is_empty() { None } else { Some(variable) };
    Keyword { name, variable, kind }
}

const KEYWORDS: &[Keyword] = &[
    keyword("service", "PGSERVICE", Used),
    keyword("host", "PGHOST", Used),
    keyword("hostaddr", "PGHOSTADDR", Used),
    keyword("port", "PGPORT", Used),
    keyword("dbname", "PGDATABASE", Used),
    keyword("user", "PGUSER", Used),
    keyword("password", "PGPASSWORD", Used),
    keyword("passfile", "PGPASSFILE", Used),
    keyword("connect_timeout", "PGCONNECT_TIMEOUT", Used),
    keyword("application_name", "PGAPPNAME", Used),
    keyword("fallback_application_name", "", Used),
    keyword("options", "PGOPTIONS", Used),
    keyword("target_session_attrs", "PGTARGETSESSIONATTRS", Used),
    keyword("load_balance_hosts", "PGLOADBALANCEHOSTS", Used),
    keyword("keepalives", "", Used),
    keyword("keepalives_idle", "", Used),
    keyword("keepalives_interval", "", Used),
    keyword("keepalives_count", "", Used),
    keyword("tcp_user_timeout", "", Used),
    keyword("sslmode", "PGSSLMODE", Used),
    keyword("sslnegotiation", "PGSSLNEGOTIATION", Used),
    keyword("sslrootcert", "PGSSLROOTCERT", Used),
    keyword("sslcert", "PGSSLCERT", Used),
    keyword("sslkey", "PGSSLKEY", Used),
    keyword("sslsni", "PGSSLSNI", Used),
    keyword("ssl_min_protocol_version", "PGSSLMINPROTOCOLVERSION", Used),
    keyword("channel_binding", "PGCHANNELBINDING", Used),
    // All text here is UTF-8, and the server is told so.
    keyword("client_encoding", "PGCLIENTENCODING", Ignored),
    // No Kerberos: what asks for none, or for none if need be, is content.
    keyword("gssencmode", "PGGSSENCMODE", Only(&["disable", "prefer"])),
    keyword("krbsrvname", "PGKRBSRVNAME", Ignored),
    keyword("gsslib", "PGGSSLIB", Ignored),
    keyword("gssdelegation", "PGGSSDELEGATION", Only(&["0"])),
    keyword("sslcompression", "PGSSLCOMPRESSION", Only(&["0"])),
    keyword("replication", "", Only(&["false", "off", "no", "0"])),
    keyword("requirepeer", "PGREQUIREPEER", Refused),
    keyword("require_auth", "PGREQUIREAUTH", Refused),
    keyword("requiressl", "PGREQUIRESSL", Refused),
    keyword("sslcertmode", "PGSSLCERTMODE", Refused),
    keyword("sslcrl", "PGSSLCRL", Refused),
    keyword("sslcrldir", "PGSSLCRLDIR", Refused),
    keyword("sslpassword", "", Refused),
    keyword("sslkeylogfile", "", Refused),
    keyword("ssl_max_protocol_version", "PGSSLMAXPROTOCOLVERSION", Refused),
    keyword("min_protocol_version", "PGMINPROTOCOLVERSION", Refused),
    keyword("max_protocol_version", "PGMAXPROTOCOLVERSION", Refused),
];

/// The parameter of this name.
pub(super) fn find(name: &str) -> Option<&'static Keyword> {
    KEYWORDS.iter().find(|keyword| keyword.name == name)
}

/// Every parameter that a variable can set.
pub(super) fn with_variables() -> impl Iterator<Item = (&'static Keyword, &'static str)> {
    KEYWORDS.iter().filter_map(|keyword| keyword.variable.map(|variable| (keyword, variable)))
}
