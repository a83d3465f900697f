//! The words behind `cargo xtask`.

use anyhow::{Context, Result, bail};

/// The words that are still to be understood.
#[derive(Debug, Default)]
pub(crate) struct Args(Vec<String>);

impl Args {
    pub(crate) fn from_process() -> Self {
        Self(std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect())
    }

    /// Takes the first word when it is none of the options.
    pub(crate) fn word(&mut self) -> Option<String> {
        let is_word = self.0.first().is_some_and(|word| is_help(word) || !word.starts_with('-'));
        is_word.then(|| self.0.remove(0))
    }

    /// Takes every `name VALUE` and `name=VALUE`.
    pub(crate) fn values(&mut self, name: &str) -> Result<Vec<String>> {
        let mut values = Vec::new();
        let mut left = Vec::new();
        let mut words = std::mem::take(&mut self.0).into_iter();
        while let Some(word) = words.next() {
            if word == name {
                values.push(words.next().with_context(|| format!("{name} needs a value"))?);
            } else if let Some(value) = word.strip_prefix(name).and_then(|rest| rest.strip_prefix('=')) {
                values.push(value.to_owned());
            } else {
                left.push(word);
            }
        }
        self.0 = left;
        Ok(values)
    }

    /// Takes `name` with a value, with none (`Some(None)`), or finds it absent (`None`).
    pub(crate) fn optional_value(&mut self, name: &str) -> Option<Option<String>> {
        if let Some(at) = self.0.iter().position(|word| word == name) {
            self.0.remove(at);
            let has_value = self.0.get(at).is_some_and(|next| !next.starts_with('-'));
            return Some(has_value.then(|| self.0.remove(at)));
        }
        let prefix = format!("{name}=");
        let at = self.0.iter().position(|word| word.starts_with(&prefix))?;
        Some(self.0.remove(at).strip_prefix(&prefix).map(str::to_owned))
    }

    /// Takes all that is left, for the program that understands it.
    pub(crate) fn rest(self) -> Vec<String> {
        self.0
    }

    /// Refuses what no one understood.
    pub(crate) fn finish(self) -> Result<()> {
        match self.0.first() {
            None => Ok(()),
            Some(word) => {
                bail!("`{word}` means nothing here; `cargo xtask` lists the commands and their options")
            }
        }
    }
}

fn is_help(word: &str) -> bool {
    matches!(word, "-h" | "--help")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(line: &str) -> Args {
        Args(line.split_whitespace().map(str::to_owned).collect())
    }

    #[test]
    fn options_are_taken_wherever_they_stand() {
        let mut given = args("test -p a --only=x -p b");
        assert_eq!(given.word().as_deref(), Some("test"));
        assert_eq!(given.values("-p").unwrap(), ["a", "b"]);
        assert_eq!(given.values("--only").unwrap(), ["x"]);
        assert!(given.finish().is_ok());
    }

    #[test]
    fn an_optional_value_is_the_next_word_unless_it_is_an_option() {
        assert_eq!(args("--redis --json").optional_value("--redis"), Some(None));
        assert_eq!(args("--redis").optional_value("--redis"), Some(None));
        assert_eq!(args("--json").optional_value("--redis"), None);
        for line in ["--json --redis redis://h:1/1", "--redis=redis://h:1/1 --json"] {
            let mut given = args(line);
            let url = given.optional_value("--redis");
            assert_eq!(url, Some(Some("redis://h:1/1".to_owned())), "{line}");
            assert_eq!(given.rest(), ["--json"], "{line}");
        }
    }

    #[test]
    fn what_no_one_understands_is_refused() {
        assert!(args("-p").values("-p").is_err());
        let error = args("--jsn").finish().unwrap_err().to_string();
        assert!(error.contains("`--jsn`"), "{error}");
    }
}
