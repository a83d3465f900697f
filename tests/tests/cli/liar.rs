//! A proxy before Redis that passes on other commands than it was given: what a client sees when something between loses or changes them.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use mystocks_tests::spawn;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

/// A command, word by word.
pub(crate) type Words = Vec<Vec<u8>>;

/// What becomes of a command.
pub(crate) enum Fate {
    /// It goes on as it is.
    Pass,
    /// This goes on in its place; the server answers it as if it were the command.
    Instead(Words),
    /// From here on nothing goes on, on this connection.
    Swallow,
}

pub(crate) struct Liar {
    address: SocketAddr,
    _accepting: AbortOnDropHandle<()>,
}

impl Liar {
    pub(crate) async fn start(
        server: SocketAddr,
        fate: impl Fn(&Words) -> Fate + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (address, fate) = (listener.local_addr().unwrap(), Arc::new(fate));
        let accepting = spawn(async move {
            let mut serving = Vec::new();
            while let Ok((client, _)) = listener.accept().await {
                let fate = Arc::clone(&fate);
                serving.push(spawn(async move { serve(client, server, &*fate).await }));
            }
        });
        Self { address, _accepting: accepting }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}/1", self.address)
    }
}

async fn serve(client: TcpStream, server: SocketAddr, fate: &(impl Fn(&Words) -> Fate + ?Sized)) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
        (client.into_split(), server.into_split());
    let answers = async { drop(copy(&mut from_server, &mut to_client).await) };
    let requests = async {
        let mut buffer = Vec::new();
        loop {
            while let Some((words, length)) = first(&buffer) {
                let passed = match fate(&words) {
                    Fate::Pass => buffer[..length].to_vec(),
                    Fate::Instead(words) => written(&words),
                    Fate::Swallow => std::future::pending().await,
                };
                buffer.drain(..length);
                if to_server.write_all(&passed).await.is_err() {
                    return;
                }
            }
            if !matches!(from_client.read_buf(&mut buffer).await, Ok(count) if count > 0) {
                return;
            }
        }
    };
    tokio::select! {
        () = answers => {}
        () = requests => {}
    }
}

/// Returns the first command, if it is there as a whole, and how long it is.
fn first(bytes: &[u8]) -> Option<(Words, usize)> {
    let mut at = 0;
    let count = number(bytes, &mut at, b'*')?;
    let mut words = Vec::new();
    for _ in 0..count {
        let length = number(bytes, &mut at, b'$')?;
        words.push(bytes.get(at..at + length)?.to_vec());
        at += length + 2;
        bytes.get(..at)?;
    }
    Some((words, at))
}

fn number(bytes: &[u8], at: &mut usize, mark: u8) -> Option<usize> {
    let rest = bytes.get(*at..)?;
    let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
    assert_eq!(rest.first(), Some(&mark), "clients send arrays of texts");
    *at += end + 2;
    Some(std::str::from_utf8(&rest[1..end]).unwrap().parse().unwrap())
}

fn written(words: &Words) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend(format!("${}\r\n", word.len()).into_bytes());
        bytes.extend(word);
        bytes.extend(b"\r\n");
    }
    bytes
}

/// Makes a command of texts.
pub(crate) fn words(texts: &[&str]) -> Words {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

pub(crate) fn is(command: &Words, name: &str) -> bool {
    command.first().is_some_and(|word| word.eq_ignore_ascii_case(name.as_bytes()))
}
