//! Rust that is hard to take apart.

use super::*;

#[test]
fn comments_strings_and_tests_are_no_code() {
    let text = "let a = 'x'; // one \"no\"\nlet b = \"two\\\"\"; /* three\n */ f::<'a>(r#\"four\"#);\n#[cfg(test)]\nmod tests {\n  five(\"six\");\n}\nseven(\"8\");\n";
    let rust = Rust::parse(text);
    assert_eq!(rust.code[0].trim(), "let a =    ;");
    assert_eq!(rust.lines_with("f").collect::<Vec<_>>(), [3]);
    assert_eq!(rust.lines_with("five").count(), 0);
    assert_eq!(rust.lines_with("seven").collect::<Vec<_>>(), [8]);
    assert_eq!(rust.lines_with("even").count(), 0);
    assert_eq!(rust.literals, [(2, "two\\\"".to_owned()), (3, "four".to_owned()), (8, "8".to_owned())]);
}

#[test]
fn an_unfinished_file_is_read_to_its_end() {
    for text in ["\"open", "/* open", "r#\"open", "'\\", "#[cfg(test)] mod t {", "r", ""] {
        assert!(Rust::parse(text).code.len() <= 1, "{text}");
    }
}
