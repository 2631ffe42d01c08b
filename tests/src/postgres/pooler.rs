//! A PgBouncer in transaction mode in front of a server.

use std::fs;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

use crate::postgres::{Cluster, cluster};
use crate::{have, wait_for};

/// A pooler that ends when this is dropped.
pub struct Pooler {
    process: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Pooler {
    /// A pooler that shares `connections` among its clients; `None`, with a word, where PgBouncer is missing.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub fn start(server: &Cluster, connections: u32) -> Option<Self> {
        if !have(&["pgbouncer"]) {
            return None;
        }
        Some(Self::run(server, connections).expect("a pooler starts"))
    }

    fn run(server: &Cluster, connections: u32) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let settings = folder.path().join("pgbouncer.ini");
        let text = format!(
            "[databases]\n\
             * = user={} host=127.0.0.1 port={}\n\
             [pgbouncer]\n\
             listen_addr = 127.0.0.1\n\
             listen_port = {port}\n\
             unix_socket_dir =\n\
             auth_type = any\n\
             pool_mode = transaction\n\
             default_pool_size = {connections}\n\
             max_client_conn = 200\n\
             logfile = {}\n",
            cluster::USER,
            server.port(),
            folder.path().join("log").display(),
        );
        fs::write(&settings, text)?;
        let mut command = Command::new("/usr/sbin/pgbouncer");
        command
            .arg("--quiet")
            .arg(&settings)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0);
        // It refuses to be root, too.
        if let Some((user, group)) = server.owner() {
            chown(folder.path(), Some(user), Some(group))?;
            command.uid(user).gid(group);
        }
        let process = command.spawn()?;
        wait_for("the pooler", || TcpStream::connect(("127.0.0.1", port)).ok());
        Ok(Self { process, port, _folder: folder })
    }

    /// The URL of a database behind the pooler.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{}@127.0.0.1:{}/{database}", cluster::USER, self.port)
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
