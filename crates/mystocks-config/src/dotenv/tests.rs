//! Tests of the `.env` grammar.

use super::{Entry, parse, strip_comment};

/// Checks the (line, name, value) of every entry of a text without faults.
fn check(text: &str, wanted: &[(usize, &str, &str)]) {
    let entries: Vec<Entry> = parse(text).into_iter().map(Result::unwrap).collect();
    let given: Vec<(usize, &str, &str)> =
        entries.iter().map(|entry| (entry.line, entry.name.as_str(), entry.value.as_str())).collect();
    assert_eq!(given, wanted, "{text:?}");
}

#[test]
fn lines_comments_and_line_endings() {
    check("", &[]);
    check("\n  \n# x\n\t# y", &[]);
    check("A=1", &[(1, "A", "1")]);
    check("A=1\r\n\r\n# x\r\nB=2\r\n", &[(1, "A", "1"), (4, "B", "2")]);
    check("  export A = 1  \nexport\tB=2", &[(1, "A", "1"), (2, "B", "2")]);
    check("export=1", &[(1, "export", "1")]);
    check("A=1\nA=2", &[(1, "A", "1"), (2, "A", "2")]);
}

#[test]
fn values_without_quotes() {
    check("A=1 # x", &[(1, "A", "1")]);
    check("A=1\t# x # y", &[(1, "A", "1")]);
    check("A=1#x", &[(1, "A", "1#x")]);
    check("A=1#x # y", &[(1, "A", "1#x")]);
    check("A=#x", &[(1, "A", "#x")]);
    check("A= # x", &[(1, "A", "")]);
    check("A=\nB=", &[(1, "A", ""), (2, "B", "")]);
    check("A=b=c\\n 'd'", &[(1, "A", "b=c\\n 'd'")]);
}

#[test]
fn quoted_values() {
    check("A='1 # x' # y", &[(1, "A", "1 # x")]);
    check("A=\"1 # x\"# y", &[(1, "A", "1 # x")]);
    check("A= ' 1 ' ", &[(1, "A", " 1 ")]);
    check("A=''\nB=\"\"", &[(1, "A", ""), (2, "B", "")]);
    check(r#"A="\"\\\n\t\r\'\x""#, &[(1, "A", "\"\\\n\t\r'\\x")]);
    check(r"A='\'\\\n\x'", &[(1, "A", r"'\\n\x")]);
    check("A=\"one\ntwo\" # x\nB=2", &[(1, "A", "one\ntwo"), (3, "B", "2")]);
}

#[test]
fn a_bad_line_hides_none_after_it() {
    let parsed = parse("A=1\nbad\nB=\"open\n=\nC=3");
    let lines: Vec<Result<usize, usize>> =
        parsed.iter().map(|parsed| parsed.as_ref().map(|e| e.line).map_err(|f| f.line)).collect();
    assert_eq!(lines, [Ok(1), Err(2), Err(3), Err(4), Ok(5)]);
}

#[test]
fn comments_need_a_space_before_them() {
    assert_eq!(strip_comment(" a#b #c "), "a#b");
    assert_eq!(strip_comment("é # c"), "é");
    assert_eq!(strip_comment("#"), "#");
    assert_eq!(strip_comment(" #"), "");
}
