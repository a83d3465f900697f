//! Text that is no Redis URL.

use mystocks_config::ErrorKind::InvalidValue;
use mystocks_config::RedisSettings;

use crate::{check, listed};

#[test]
fn urls() {
    let form = "redis://, rediss:// or redis+unix://, then [user[:password]@]host[:port][/database]";
    let host = "a host name after :// (for example localhost)";
    let port = "a port number from 1 to 65535 after the host";
    let db = "a database number of digits only after the host, such as /1";
    let percent = "a % to be followed by two hex digits and the result to be UTF-8 (write % itself as %25)";
    let socket = "the absolute path of a socket, such as redis+unix:///run/redis.sock?db=1";
    let parameter = "no other parameters after ? than db, username and password";
    let cases = [
        ("localhost", form),
        ("http://localhost", form),
        ("redis:localhost", form),
        ("://", form),
        ("redis://", host),
        ("redis:///1", host),
        ("redis://:6379", host),
        ("redis://user@", &format!("{host} (in redis://***)")),
        ("redis://h,i:1", host),
        ("redis://h:", port),
        ("redis://h:0", port),
        ("redis://h:70000", port),
        ("redis://h:1:2", port),
        ("redis://[::1", "a ] after the IPv6 address of the host"),
        ("redis://[::x]", "an IPv6 address between [ and ]"),
        ("redis://[::1]x", "nothing but :port after the host"),
        ("redis://h/x", "a database number of digits only after the host, such as /1 (in redis://h/***)"),
        ("redis://h/-1", "a database number of digits only after the host, such as /1 (in redis://h/***)"),
        (
            "redis://u:p@h:5/1/2",
            "a database number of digits only after the host, such as /1 (in redis://***)",
        ),
        (
            "redis://u:p@h/4294967296",
            "a database number of digits only after the host, such as /1 (in redis://***)",
        ),
        ("redis://u:%zz@h", &format!("{percent} (in redis://***)")),
        ("redis://u:%2@h", &format!("{percent} (in redis://***)")),
        ("redis://u:%ff@h", &format!("{percent} (in redis://***)")),
        ("redis://u:a/b@h", &format!("{port} (in redis://***)")),
        ("redis://:1/b@h", &format!("{host} (in redis://***)")),
        ("redis://u:1/b@h", &format!("{db} (in redis://***)")),
        ("redis://h?db=x", "a database number of digits only after db= (in redis://h/***)"),
        ("redis://h?ssl=no", &format!("{parameter} (in redis://h/***)")),
        (
            "redis://user:4911/x",
            "a database number of digits only after the host, such as /1 (in redis://user:***/***)",
        ),
        ("redis://h/1#2", "a URL without # (write it as %23) (in redis://h/***)"),
        ("redis+unix://", socket),
        ("redis+unix:///", socket),
        ("unix://host/run/s", socket),
        ("unix:///run/%00", socket),
    ];
    for (url, expected) in cases {
        let error = RedisSettings::from_url(url).unwrap_err();
        let wanted = (InvalidValue, "-".into(), "the given URL".into(), expected.to_string());
        assert_eq!(listed(&error, ""), [wanted], "{url}");
        let text = format!("\nREDIS_URL={url}\n");
        check(".env", text.as_bytes(), 2, InvalidValue, "REDIS_URL", expected);
    }
    let spaced = "a URL without spaces and control characters (percent-encode them)";
    check(".env", b"REDIS_URL='redis:// h'", 1, InvalidValue, "REDIS_URL", spaced);
}
