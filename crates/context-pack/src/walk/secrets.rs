//! Files that are secrets by their names: never packed unless the user names them exactly.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use crate::parts;

/// Names that are secrets as they stand.
const NAMES: &[&str] = &[
    ".authinfo",
    ".boto",
    ".credentials",
    ".dockercfg",
    ".git-credentials",
    ".histfile",
    ".htpasswd",
    ".my.cnf",
    ".mylogin.cnf",
    ".netrc",
    ".pgpass",
    ".pypirc",
    ".s3cfg",
    ".secret",
    ".secrets",
    ".terraformrc",
    ".vault-token",
    ".vault_pass",
    ".vault_pass.txt",
    "_netrc",
    "application_default_credentials.json",
    "client_secret.json",
    "credentials",
    "credentials.csv",
    "credentials.json",
    "credentials.toml",
    "credentials.yaml",
    "credentials.yml",
    "env.dev",
    "env.development",
    "env.local",
    "env.prod",
    "env.production",
    "env.staging",
    "kubeconfig",
    "logins.json",
    "master.key",
    "rclone.conf",
    "secret.txt",
    "secrets.json",
    "secrets.toml",
    "secrets.txt",
    "secrets.yaml",
    "secrets.yml",
    "terraform.rc",
    "terraform.tfstate",
    "terraform.tfstate.backup",
    "vault.db",
    "vault.yaml",
    "vault.yml",
    "wallet.dat",
    "wp-config.php",
];

/// Names that are secrets in the folder of one program.
const IN_FOLDERS: &[&str] = &[".composer/auth.json", ".docker/config.json", "gh/hosts.yml"];

/// Folders in which programs keep keys.
const FOLDERS: &[&str] = &[".aws", ".env.d", ".gnupg", ".kube", ".password-store", ".ssh"];

/// How the names of copies end that editors and people leave.
const COPIES: &[&str] = &["~", "#", ".backup", ".bak", ".old", ".orig", ".save", ".swo", ".swp"];

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
    "tfstate",
    "tfvars",
];

/// How the names of private SSH keys begin.
const SSH_KEYS: &[&str] = &["id_dsa", "id_ecdsa", "id_ed25519", "id_rsa"];

/// Words that together with a data format make a password export.
const EXPORT_WORDS: &[&str] =
    &["password", "passwd", "bitwarden", "1password", "lastpass", "keepass", "logins"];

/// How the names of files begin that in a data format, or in none, hold one key.
const KEY_WORDS: &[&str] =
    &["api-key", "api_key", "apikey", "private-key", "private_key", "privatekey"];

/// Data formats in which passwords are exported.
const EXPORT_FORMATS: &[&str] = &["csv", "json", "txt", "xml", "yaml", "yml"];

/// Whether the file is a secret by its name, or the copy of one.
pub(crate) fn is_secret(path: &Path) -> bool {
    let name = parts::lower_name(path);
    is_secret_name(&name)
        || original(&name).is_some_and(is_secret_name)
        || IN_FOLDERS.iter().any(|end| ends(path, end))
        || is_in_key_folder(path)
}

/// Whether the file at `path` under a root is a secret by its name and by that of the root.
pub(super) fn is_secret_in(root: &Path, path: &Path) -> bool {
    // Only one of a file directly in the root is told by the name of that.
    let is_of_root = |name| {
        FOLDERS.iter().any(|folder| name == *folder)
            || path.parent() == Some(Path::new("")) && is_secret(&Path::new(name).join(path))
    };
    is_secret(path) || root.file_name().is_some_and(is_of_root)
}

fn is_secret_name(name: &str) -> bool {
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    let is_data = EXPORT_FORMATS.contains(&extension);
    let begins = |words: &[&str]| words.iter().any(|word| name.starts_with(word));
    is_environment(name, extension)
        || NAMES.contains(&name)
        || EXTENSIONS.contains(&extension)
        || extension != "pub" && begins(SSH_KEYS)
        || begins(&["service-account", "service_account"]) && extension == "json"
        || is_data && EXPORT_WORDS.iter().any(|word| stem.contains(word))
        || (is_data || extension.is_empty()) && begins(KEY_WORDS)
        || name.starts_with("wg") && extension == "conf"
        || name.starts_with('.') && name.ends_with("_history")
}

/// What the file is a copy of: `.env~` and `#.env#` of `.env`, `.server.key.swp` of `server.key`.
fn original(name: &str) -> Option<&str> {
    let end = COPIES.iter().find(|end| name.ends_with(**end))?;
    let start = match *end {
        "#" => "#",
        ".swo" | ".swp" => ".",
        _ => "",
    };
    name.strip_suffix(end)?.strip_prefix(start)
}

/// `.env`, `.env.local`, `.env-prod`, `prod.env`, `.envrc`; not their templates, which hold no values.
fn is_environment(name: &str, extension: &str) -> bool {
    let is_template = ["example", "sample", "template", "dist", "defaults"]
        .iter()
        .any(|word| name.ends_with(word));
    let is_own = name
        .strip_prefix(".env")
        .is_some_and(|rest| rest.is_empty() || rest == "rc" || rest.starts_with(['.', '-', '_']));
    !is_template && (is_own || extension == "env")
}

/// Whether a path ends with these parts.
fn ends(path: &Path, parts: &str) -> bool {
    path.as_os_str().as_bytes().ends_with(parts.as_bytes()) && path.ends_with(parts)
}

/// Whatever lies in the folders where programs keep keys.
fn is_in_key_folder(path: &Path) -> bool {
    let is_one = |part: &[u8]| FOLDERS.iter().any(|folder| part == folder.as_bytes());
    parts::folders(path).any(|part| part.starts_with(b".") && is_one(part))
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
            (".env~", true),
            ("#.env#", true),
            (".env-production", true),
            (".env_old", true),
            ("env.local", true),
            (".env.d/10-db", true),
            ("server.key.bak", true),
            (".server.key.swp", true),
            (".id_rsa.swp", true),
            ("..netrc.swo", true),
            ("credentials.json.old", true),
            ("secrets.yml.orig", true),
            (".authinfo", true),
            (".credentials", true),
            (".secrets", true),
            ("group_vars/vault.yml", true),
            (".terraformrc", true),
            ("prod.tfstate", true),
            (".docker/config.json", true),
            (".config/gh/hosts.yml", true),
            ("wg0.conf", true),
            (".bash_history", true),
            (".rediscli_history", true),
            ("private_key_2.txt", true),
            ("apikey", true),
            ("api_keys.json", true),
            ("secret.txt", true),
            ("wp-config.php", true),
            (".env.sample", false),
            (".env.template", false),
            (".env.dist", false),
            (".env-example", false),
            ("env.py", false),
            ("env.d.ts", false),
            ("src/api_key.py", false),
            ("docs/private_key.md", false),
            ("config.json", false),
            ("hosts.yml", false),
            ("wgpu.rs", false),
            ("undo_history", false),
            ("README.md~", false),
            (".npmrc", false),
        ] {
            assert_eq!(is_secret(Path::new(name)), expect, "{name}");
        }
    }
}
