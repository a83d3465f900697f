//! What a private cluster is to be like.

use std::fmt::Write as _;

use super::PostgresServer;

/// Describes a private PostgreSQL; made by [`PostgresServer::builder`].
#[derive(Debug, Clone, Default)]
pub struct PostgresServerBuilder {
    pub(super) password: Option<String>,
    is_synced: bool,
    tables: Vec<String>,
    lines: Vec<String>,
}

impl PostgresServerBuilder {
    /// Asks clients for a password by SCRAM (letters and digits only: it stands in [`PostgresServer::url`] as it is).
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        assert!(password.chars().all(|c| c.is_ascii_alphanumeric()), "letters and digits only");
        self.password = Some(password.to_owned());
        self
    }

    /// Runs `sql` in the database `postgres` before the server starts: [`PLATFORM_TABLES`](crate::PLATFORM_TABLES), say.
    #[must_use]
    pub fn sql(mut self, sql: &str) -> Self {
        self.tables.push(sql.to_owned());
        self
    }

    /// Syncs every commit to the disk, as a server in production does; without it a commit is as durable as the machine.
    #[must_use]
    pub fn synced(mut self) -> Self {
        self.is_synced = true;
        self
    }

    /// Adds a line of `postgresql.conf`, such as `log_statement = 'all'` or `timezone = 'Asia/Shanghai'`.
    #[must_use]
    pub fn config_line(mut self, line: &str) -> Self {
        self.lines.push(line.to_owned());
        self
    }

    /// Starts the server and waits until it answers.
    ///
    /// # Panics
    ///
    /// When there is no PostgreSQL, with the one line that says how to get it, and when it does not come up, with its log.
    pub async fn start(self) -> PostgresServer {
        PostgresServer::launch(self).await
    }

    /// Returns the text of the settings, which stand above those of `postgresql.conf`.
    pub(super) fn config(&self, port: u16) -> String {
        let mut text = format!("port = {port}\n");
        // No socket: a path under a long temporary folder would not fit. No JIT: its library may not be there.
        text.push_str("listen_addresses = '127.0.0.1'\nunix_socket_directories = ''\njit = off\n");
        text.push_str(
            "timezone = 'UTC'\nlog_timezone = 'UTC'\nshared_buffers = '32MB'\nmax_wal_size = '256MB'\n",
        );
        if !self.is_synced {
            text.push_str("fsync = off\nfull_page_writes = off\n");
        }
        for line in &self.lines {
            let _ = writeln!(text, "{line}");
        }
        text
    }

    /// Returns the text of `pg_hba.conf`.
    pub(super) fn access(&self) -> &'static str {
        match self.password {
            Some(_) => "host all all 127.0.0.1/32 scram-sha-256\n",
            None => "host all all 127.0.0.1/32 trust\n",
        }
    }

    /// Returns what is run before the start; an empty line after a semicolon ends a command there.
    pub(super) fn commands(&self) -> String {
        let password = self.password.iter().map(|text| format!("alter role postgres password '{text}';"));
        password.chain(self.tables.iter().map(|sql| sql.trim_end().to_owned())).fold(
            String::new(),
            |mut text, sql| {
                let _ = write!(text, "{sql}\n\n");
                text
            },
        )
    }
}
