//! Random JSON values with everything that is hard: astral text, huge integers, every exponent.

use fastrand::Rng;
use mystocks_keys::Json;

/// Makes a value nested up to `depth` levels; with `lone`, strings may hold lone surrogates.
pub(crate) fn value(rng: &mut Rng, depth: u32, lone: bool) -> Json {
    match rng.u32(0..if depth == 0 { 7 } else { 10 }) {
        0 => Json::Null,
        1 => Json::Bool(rng.bool()),
        2 => Json::Int(integer(rng).parse().expect("decimal digits")),
        3 | 4 => Json::Float(float(rng)),
        5 => Json::Str(text(rng)),
        6 if lone => lone_text(rng),
        6 => Json::from(rng.i64(..)),
        7 | 8 => object(rng, depth, lone),
        _ => Json::Array((0..rng.usize(0..5)).map(|_| value(rng, depth - 1, lone)).collect()),
    }
}

fn object(rng: &mut Rng, depth: u32, lone: bool) -> Json {
    let mut fields: Vec<(String, Json)> = Vec::new();
    for _ in 0..rng.usize(0..6) {
        let name = text(rng);
        if fields.iter().all(|(other, _)| *other != name) {
            fields.push((name, value(rng, depth - 1, lone)));
        }
    }
    Json::Object(fields)
}

fn integer(rng: &mut Rng) -> String {
    let sign = if rng.bool() { "-" } else { "" };
    let digits: String = (1..rng.u32(1..42)).map(|_| rng.digit(10)).collect();
    match digits.trim_start_matches('0') {
        "" => "0".to_owned(),
        digits => format!("{sign}{digits}"),
    }
}

fn float(rng: &mut Rng) -> f64 {
    match rng.u32(0..8) {
        0 => [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0][rng.usize(0..5)],
        // Powers of two and their neighbours: the gap below is half the gap above.
        1 => f64::from_bits((rng.u64(1..2047) << 52).wrapping_add_signed(rng.i64(-1..=1))),
        // A quarter beyond 15 digits: two shortest forms are equally near.
        2 => (rng.u64(1 << 49..1 << 53) as f64 / [2.0, 4.0, 8.0, 16.0][rng.usize(0..4)])
            .copysign(rng.f64() - 0.5),
        3 => rng.u64(..) as f64,
        // The borders of the exponent form.
        4 => 10_f64.powi(rng.i32(-7..19)) * rng.f64(),
        5 => 10_f64.powi(rng.i32(-7..19)),
        6 => f64::from(rng.i32(-100_000..100_000)) / 100.0,
        _ => f64::from_bits(rng.u64(..)),
    }
}

fn text(rng: &mut Rng) -> String {
    (0..rng.usize(0..8)).map(|_| character(rng)).collect()
}

fn character(rng: &mut Rng) -> char {
    match rng.u32(0..8) {
        0 => char::from(rng.u8(0..0x20)),
        1 => *rng
            .choice(&['"', '\\', '/', '\u{7f}', '\u{80}', '\u{2028}', '\u{feff}', '\u{ffff}'])
            .expect("there are eight"),
        2 => rng.char('\u{10000}'..='\u{10ffff}'),
        3 => rng.char('\u{a0}'..='\u{d7ff}'),
        4 => rng.char('\u{e000}'..='\u{ffff}'),
        _ => rng.char(' '..='~'),
    }
}

fn lone_text(rng: &mut Rng) -> Json {
    let units: Vec<u16> = (0..rng.usize(1..5))
        .map(|_| if rng.bool() { rng.u16(0xD800..0xE000) } else { rng.u16(0x20..0x80) })
        .collect();
    Json::from_utf16(&units)
}

/// Returns the seed of this run: `MYSTOCKS_SEED`, else a new one. It is printed, and shown when the test fails.
#[expect(clippy::print_stderr, reason = "a failure must tell how to repeat it")]
pub(crate) fn seed() -> u64 {
    let given = std::env::var_os("MYSTOCKS_SEED").map(|seed| {
        let seed = seed.into_string().expect("MYSTOCKS_SEED is text");
        seed.parse().expect("MYSTOCKS_SEED is a decimal number")
    });
    let seed = given.unwrap_or_else(|| fastrand::u64(..));
    eprintln!("repeat with MYSTOCKS_SEED={seed}");
    seed
}
