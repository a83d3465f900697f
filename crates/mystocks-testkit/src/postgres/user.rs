//! The user that a server runs as where the tests run as root.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;

/// A user of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct User {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

impl User {
    /// Returns `postgres` or `nobody` when this process is root, which shows in `made_here`, a folder it has made; it gets
    /// the folder.
    ///
    /// # Panics
    ///
    /// When root has neither of them.
    pub(super) fn other_than_root(made_here: &Path) -> Option<Self> {
        if fs::metadata(made_here).expect("the folder was made").uid() != 0 {
            return None;
        }
        let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let user = ["postgres", "nobody"].into_iter().find_map(|name| Self::named(name, &users));
        let user =
            user.expect("PostgreSQL does not run as root, and there is neither a user postgres nor nobody");
        user.own(made_here);
        Some(user)
    }

    /// Makes `path` the user's own.
    pub(super) fn own(self, path: &Path) {
        chown(path, Some(self.uid), Some(self.gid))
            .unwrap_or_else(|error| panic!("chown {}: {error}", path.display()));
    }

    fn named(name: &str, users: &str) -> Option<Self> {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some(Self { uid: fields.next()?.parse().ok()?, gid: fields.next()?.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_the_whole_name() {
        let users = "root:x:0:0::/root:/bin/sh\nnobody2:x:7:7::/:/\nnobody:x:65534:65533:nobody:/:/nologin\n";
        assert_eq!(User::named("nobody", users), Some(User { uid: 65534, gid: 65533 }));
        assert_eq!(User::named("postgres", users), None);
    }
}
