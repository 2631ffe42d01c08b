//! Files that are secrets by their names: never packed unless the user names them exactly.

use std::path::Path;

/// Names that are secrets as they stand.
const NAMES: &[&str] = &[
    ".boto",
    ".dockercfg",
    ".git-credentials",
    ".htpasswd",
    ".my.cnf",
    ".netrc",
    ".pgpass",
    ".pypirc",
    ".s3cfg",
    ".vault-token",
    "_netrc",
    "application_default_credentials.json",
    "client_secret.json",
    "credentials",
    "credentials.csv",
    "credentials.json",
    "credentials.toml",
    "credentials.yaml",
    "credentials.yml",
    "kubeconfig",
    "logins.json",
    "master.key",
    "secrets.json",
    "secrets.toml",
    "secrets.yaml",
    "secrets.yml",
    "terraform.tfstate",
    "terraform.tfstate.backup",
    "vault.db",
    "wallet.dat",
];

/// Ends of names that are keys or key stores.
const EXTENSIONS: &[&str] = &[
    "1pux",
    "agekey",
    "cer",
    "crt",
    "der",
    "gpg",
    "jks",
    "kdb",
    "kdbx",
    "key",
    "keychain",
    "keystore",
    "keytab",
    "mobileprovision",
    "ovpn",
    "p12",
    "p8",
    "pem",
    "pfx",
    "pkcs12",
    "ppk",
    "psafe3",
    "tfvars",
];

/// How the names of private SSH keys begin.
const SSH_KEYS: &[&str] = &["id_dsa", "id_ecdsa", "id_ed25519", "id_rsa"];

/// Words that together with a data format make a password export.
const EXPORT_WORDS: &[&str] =
    &["password", "passwd", "bitwarden", "1password", "lastpass", "keepass", "logins"];

/// Data formats in which passwords are exported.
const EXPORT_FORMATS: &[&str] = &["csv", "json", "txt", "xml", "yaml", "yml"];

/// Whether the file is a secret by its name.
pub(crate) fn is_secret(path: &Path) -> bool {
    let Some(name) = path.file_name() else { return false };
    let name = name.to_string_lossy().to_ascii_lowercase();
    let (stem, extension) = name.rsplit_once('.').unwrap_or((&name, ""));
    is_environment(&name, extension)
        || NAMES.contains(&name.as_str())
        || EXTENSIONS.contains(&extension)
        || extension != "pub" && SSH_KEYS.iter().any(|key| name.starts_with(key))
        || (name.starts_with("service-account") || name.starts_with("service_account"))
            && extension == "json"
        || EXPORT_FORMATS.contains(&extension)
            && EXPORT_WORDS.iter().any(|word| stem.contains(word))
        || is_in_key_folder(path)
}

/// `.env`, `.env.local`, `prod.env`, `.envrc`; not their templates, which hold no values.
fn is_environment(name: &str, extension: &str) -> bool {
    let is_template = ["example", "sample", "template", "dist", "defaults"]
        .iter()
        .any(|word| name.ends_with(word));
    !is_template
        && (name == ".env" || name == ".envrc" || name.starts_with(".env.") || extension == "env")
}

/// Whatever lies in the folders where programs keep keys.
fn is_in_key_folder(path: &Path) -> bool {
    path.parent().is_some_and(|parent| {
        parent.components().any(|part| {
            let part = part.as_os_str();
            part == ".ssh"
                || part == ".gnupg"
                || part == ".aws"
                || part == ".kube"
                || part == ".password-store"
        })
    })
}

#[cfg(test)]
mod tests {
    use super::is_secret;
    use std::path::Path;

    #[test]
    fn secrets_are_known_by_their_names_and_lookalikes_stay() {
        for (name, expect) in [
            (".env", true),
            ("config/.env.production", true),
            ("prod.env", true),
            (".env.example", false),
            ("id_rsa", true),
            ("id_rsa.pub", false),
            ("server.pem", true),
            ("Vault.KDBX", true),
            ("passwords.csv", true),
            ("password_policy.md", false),
            ("src/credentials.rs", false),
            ("src/secrets.py", false),
            (".aws/config", true),
            ("environment.ts", false),
            ("keys.rs", false),
        ] {
            assert_eq!(is_secret(Path::new(name)), expect, "{name}");
        }
    }
}
