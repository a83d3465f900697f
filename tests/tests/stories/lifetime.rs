//! L1 never outlives L2, by the server's clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mystocks_testkit::{RedisServer, eventually};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::raw::Raw;
use crate::worker::{Lives, Worker};

const HOUR: Duration = Duration::from_secs(3600);
/// Against hanging.
const DEADLINE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn an_entry_leaves_the_l1_of_every_process_when_redis_expires_it() {
    let server = RedisServer::start().await;
    let url = server.url();
    let lives = Lives { ttl: Duration::from_secs(3), l1_ttl: HOUR };
    let mut maker = Worker::with_cache(&url, lives).await;
    let mut late = Worker::with_cache(&url, lives).await;
    let mut raw = Raw::connect(&url).await;
    // The second process takes an entry over shortly before its end, and must not give it a life of its own. On a
    // machine that is too slow for that, the next entry gets its turn.
    let (names, key, made) = loop {
        let names = [format!("{:06}", raw.ask::<u32>(&["INCR", "turn"]).await)];
        let made = maker.read(&names).await;
        let Some(key) = raw.ask::<Vec<String>>(&["KEYS", &format!("*:{}", names[0])]).await.pop() else {
            continue;
        };
        eventually("the entry is old", DEADLINE, async || raw.ask::<i64>(&["PTTL", &key]).await < 1_200)
            .await;
        let read = late.read(&names).await;
        if read[0].tier == "L2" {
            assert_eq!(read[0].quote, made[0].quote);
            assert!((Duration::from_secs(1)..lives.ttl).contains(&read[0].age), "{:?}", read[0].age);
            break (names, key, made);
        }
    };
    assert_eq!((made[0].tier.as_str(), made[0].quote.maker), ("L3", maker.pid()));

    eventually("Redis expires it", DEADLINE, async || raw.ask::<i64>(&["EXISTS", &key]).await == 0).await;
    // A life of its own would go on for 1.8 s; the estimate of the server's clock is off by a round trip at most.
    let grace = Duration::from_millis(900);
    for worker in [&mut maker, &mut late] {
        eventually("L1 lets go of it", grace, async || worker.peek(&names).await == [None]).await;
    }
    let again = late.read(&names).await;
    assert_eq!((again[0].tier.as_str(), again[0].quote.maker), ("L3", late.pid()));
}

#[tokio::test]
async fn an_entry_past_its_time_is_not_served_though_redis_still_holds_it() {
    let server = RedisServer::start().await;
    let url = server.url();
    let lives = Lives { ttl: Duration::from_millis(300), l1_ttl: HOUR };
    let mut maker = Worker::with_cache(&url, lives).await;
    let mut raw = Raw::connect(&url).await;
    let (names, key) = loop {
        let names = [format!("{:06}", raw.ask::<u32>(&["INCR", "turn"]).await)];
        maker.read(&names).await;
        let Some(key) = raw.ask::<Vec<String>>(&["KEYS", &format!("*:{}", names[0])]).await.pop() else {
            continue;
        };
        if raw.ask::<i64>(&["PERSIST", &key]).await == 1 {
            break (names, key);
        }
    };
    // The envelope says when it ends; after that nobody takes it, whatever Redis was told meanwhile.
    eventually("L1 lets go of it", DEADLINE, async || maker.peek(&names).await == [None]).await;
    assert_eq!(raw.ask::<i64>(&["PTTL", &key]).await, -1, "Redis holds it for ever");
    let mut other = Worker::with_cache(&url, lives).await;
    let read = other.read(&names).await;
    assert_eq!((read[0].tier.as_str(), read[0].quote.maker), ("L3", other.pid()));
}

#[tokio::test]
async fn the_times_in_an_entry_are_the_servers_not_the_hosts() {
    let server = RedisServer::start().await;
    let ahead = Duration::from_secs(5 * 3600);
    let (url, _proxy) = clock_ahead(&server, ahead).await;
    let names = ["600519".to_owned()];
    let lives = Lives { ttl: HOUR, l1_ttl: HOUR };
    let before = host_now() + ahead;
    let mut maker = Worker::with_cache(&url, lives).await;
    maker.read(&names).await;
    let after = host_now() + ahead;

    let mut raw = Raw::connect(&server.url()).await;
    let keys: Vec<String> = raw.ask(&["KEYS", "*"]).await;
    let entry: Vec<u8> = raw.ask(&["GET", &keys[0]]).await;
    let number = |at: usize| u64::from_le_bytes(entry[at..at + 8].try_into().unwrap());
    let (born, expires) = (Duration::from_micros(number(8)), Duration::from_millis(number(16)));
    let second = Duration::from_secs(1);
    assert!(
        before - second <= born && born <= after + second,
        "born {born:?}, server {before:?} to {after:?}"
    );
    assert!(HOUR <= expires - born + second && expires - born <= HOUR + second, "{:?}", expires - born);

    let mut other = Worker::with_cache(&url, lives).await;
    let read = other.read(&names).await;
    assert_eq!(read[0].tier, "L2");
    assert!(read[0].age < DEADLINE, "{:?}", read[0].age);
    assert_eq!(other.peek(&names).await.len(), 1);
}

fn host_now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

/// Stands before `server` and answers `TIME` as if its clock were `ahead`; ends with the returned set.
async fn clock_ahead(server: &RedisServer, ahead: Duration) -> (String, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}/1", listener.local_addr().unwrap());
    let upstream = server.address();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((client, _)) = listener.accept().await {
            connections.spawn(async move {
                let server = TcpStream::connect(upstream).await.unwrap();
                let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
                    (client.into_split(), server.into_split());
                let asks = tokio::io::copy(&mut from_client, &mut to_server);
                let answers = async {
                    let mut buffer = vec![0; 64 * 1024];
                    while let Ok(read @ 1..) = from_server.read(&mut buffer).await {
                        shift(&mut buffer[..read], ahead.as_secs());
                        if to_client.write_all(&buffer[..read]).await.is_err() {
                            return;
                        }
                    }
                };
                tokio::select! { _ = asks => {} () = answers => {} }
            });
        }
    });
    (url, tasks)
}

/// Adds `seconds` to an answer to `TIME`, which is two texts, the first of ten digits.
fn shift(answer: &mut [u8], seconds: u64) {
    const HEAD: &[u8] = b"*2\r\n$10\r\n";
    let Some(at) = answer.windows(HEAD.len()).position(|window| window == HEAD) else { return };
    let digits = &mut answer[at + HEAD.len()..][..10];
    let now: u64 = std::str::from_utf8(digits).unwrap().parse().unwrap();
    digits.copy_from_slice((now + seconds).to_string().as_bytes());
}
