//! Is there a server that answers us?

use std::io;
use std::time::Duration;

use mystocks_config::Endpoint;
use mystocks_redis_core::redis::cmd;
use mystocks_redis_core::{Call, Error, ErrorKind};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, timeout};

use super::links::Links;
use super::{ANSWER, Found, Outcome, advice};

/// How long it is tried whether anybody listens there.
const REACH: Duration = Duration::from_secs(1);

/// Sends a text and gets it back, on both connections.
pub(super) async fn check(links: &Links) -> Outcome {
    let mut latencies = Vec::new();
    for (name, link) in [("ping", &links.one), ("second connection", &links.other)] {
        let began = Instant::now();
        let asked = link.query::<String>(cmd("PING").arg(&links.nonce), Call::once().timeout(ANSWER)).await;
        let heard = match asked {
            Ok(heard) => heard,
            Err(error) => return Err(why(links, &error).await),
        };
        latencies.push((name, began.elapsed()));
        if heard != links.nonce {
            return Err(format!(
                "{} answered a ping with another text: something between changes answers",
                links.place
            ));
        }
    }
    let about = links.one.query::<String>(cmd("INFO").arg("server"), Call::once().timeout(ANSWER)).await;
    let version = about
        .ok()
        .and_then(|text| Some(text.lines().find_map(|line| line.strip_prefix("redis_version:"))?.to_owned()));
    let version = version.map_or_else(String::new, |version| format!(", Redis {version}"));
    Ok(Found { detail: format!("{}{version}", links.place), latencies })
}

/// Finds out why there is no connection.
async fn why(links: &Links, error: &Error) -> String {
    let (place, redis) = (&links.place, &links.settings.redis);
    if error.kind() == ErrorKind::Auth {
        return match &redis.password {
            None => format!("{place} asks for a password and none is set: set REDIS_PASSWORD"),
            Some(_) => format!(
                "{place} refuses the login: the password{} is wrong; set REDIS_PASSWORD, or the \
                 user and password in REDIS_URL",
                redis.username.as_ref().map_or_else(String::new, |user| format!(" of the user {user}"))
            ),
        };
    }
    // The manager knows that it is not connected; how far one gets says why.
    match reach(&redis.endpoint).await {
        Err(reason) => format!(
            "nothing answers at {place} ({reason}): start the server there, or set REDIS_HOST and \
             REDIS_PORT or REDIS_URL to where it is"
        ),
        Ok(()) if error.is_retryable() && !error.to_string().contains("LOADING") => format!(
            "{place} takes connections and does not answer within {} s: it hangs, is stopped, or is \
             no Redis ({error})",
            ANSWER.as_secs()
        ),
        Ok(()) => advice::sentence(links, "there is no connection", error),
    }
}

/// Says whether somebody listens there.
async fn reach(endpoint: &Endpoint) -> Result<(), String> {
    let connecting = async {
        match endpoint {
            Endpoint::Tcp { host, port, .. } => TcpStream::connect((host.as_str(), *port)).await.map(drop),
            Endpoint::Unix { path } => UnixStream::connect(path).await.map(drop),
        }
    };
    let reached = timeout(REACH, connecting).await;
    reached
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        .map_err(|error: io::Error| error.to_string())
}
