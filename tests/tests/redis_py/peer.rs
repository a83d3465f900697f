//! The Python process at the other end.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use mystocks_keys::Json;

/// `tests/peers/python/peer.py`, asked line by line.
#[derive(Debug)]
pub(crate) struct Peer {
    child: Child,
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Peer {
    /// Starts the interpreter that `cargo xtask integration` has made, or fails saying so.
    pub(crate) fn start(url: &str) -> Self {
        let python = std::env::var_os("MYSTOCKS_PEER_PYTHON")
            .expect("MYSTOCKS_PEER_PYTHON is not set: run `cargo xtask integration --only redis-py`");
        let mut child = Command::new(python)
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/python/peer.py"))
            .arg(url)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the Python peer starts");
        let requests = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().expect("its stdout is piped"));
        Self { child, requests, answers }
    }

    /// Sends `[verb, words…, number]` and returns the answer.
    pub(crate) fn ask(&mut self, verb: &str, words: &[&str], number: Option<i64>) -> Json {
        let words = words.iter().map(|word| Json::from(*word));
        self.send(verb, words.chain(number.map(Json::from)))
    }

    /// Asks for the key that Python makes of `words` and `params`.
    pub(crate) fn make_key(&mut self, verb: &str, words: &[&str], params: &Json) -> String {
        let words = words.iter().map(|word| Json::from(*word));
        let key = self.send(verb, words.chain([params.clone()]));
        key.to_deserialize().unwrap()
    }

    pub(crate) fn text(&mut self, verb: &str, words: &[&str]) -> String {
        self.ask(verb, words, None).to_deserialize().unwrap()
    }

    pub(crate) fn number(&mut self, verb: &str, words: &[&str]) -> i64 {
        self.ask(verb, words, None).to_deserialize().unwrap()
    }

    /// Ends the process as a crash does: nothing of its own is given back.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("the peer is ours to kill");
    }

    fn send(&mut self, verb: &str, arguments: impl Iterator<Item = Json>) -> Json {
        let request = Json::Array([Json::from(verb)].into_iter().chain(arguments).collect());
        let requests = self.requests.as_mut().expect("the peer is asked while it is held");
        writeln!(requests, "{}", request.dumps()).expect("the peer listens");
        let mut answer = Vec::new();
        self.answers.read_until(b'\n', &mut answer).expect("the peer answers");
        Json::parse(answer.trim_ascii()).expect("the peer answers in JSON; its complaint stands above")
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It ends when nobody can ask it any more.
        drop(self.requests.take());
        let _ = self.child.wait();
    }
}
