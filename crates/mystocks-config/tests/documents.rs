//! `.env.example` and docs/configuration.md say what the code does.

use std::path::{Path, PathBuf};

use mystocks_config::{KEYS, Loader, Settings};

fn in_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

#[test]
fn the_example_holds_every_key_with_its_default_and_meaning_and_nothing_else() {
    let text = std::fs::read_to_string(in_repository(".env.example")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let given: Vec<(&str, &str, &str)> = lines
        .windows(2)
        .filter_map(|pair| {
            let (name, value) = pair[1].split_once('=').filter(|_| !pair[1].starts_with('#'))?;
            Some((name, value, pair[0].trim_start_matches("# ")))
        })
        .collect();
    let wanted: Vec<(&str, &str, &str)> =
        KEYS.iter().map(|key| (key.name, key.default, key.meaning)).collect();
    assert_eq!(given, wanted);
}

#[test]
fn the_example_loads_as_the_defaults() {
    let settings = Loader::new().dotenv_file(in_repository(".env.example")).load().unwrap();
    assert_eq!(settings, Settings::default());
}

#[test]
fn nothing_given_is_the_defaults() {
    assert_eq!(Loader::new().load().unwrap(), Settings::default());
    let empty = tempfile::tempdir().unwrap();
    let settings = Loader::in_folder(empty.path()).load().unwrap();
    assert_eq!(settings, Settings::default());
}

#[test]
fn the_guide_has_a_row_for_every_key_and_no_other() {
    let text = std::fs::read_to_string(in_repository("docs/configuration.md")).unwrap();
    let rows: Vec<&str> = text
        .lines()
        .skip_while(|line| !line.starts_with("| key | default"))
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .collect();
    let wanted: Vec<String> = KEYS
        .iter()
        .map(|key| {
            let alias = key.alias.map(|alias| format!(" (alias `{alias}`)"));
            let alias = alias.unwrap_or_default();
            let default = match key.default {
                "" => "none".to_string(),
                default => format!("`{default}`"),
            };
            format!("| `{}`{alias} | {default} | {} |", key.name, key.meaning)
        })
        .collect();
    assert_eq!(rows, wanted);
}
