"""The Python side of the shared keys, locks and events, as the platform's backend talks to Redis.

Started with the URL of a Redis. Reads one request per line, a JSON array [verb, argument, ...], and answers
each with one line of JSON. Keys are made here, with hashlib, not taken from the other side.
"""

import hashlib
import json
import sys

import redis
from events import Events
from locks import Locks

PREFIX = "mystocks:"

# Values as Python code makes them; the other side knows what each must read as.
SAMPLES = {
    "nan": float("nan"),
    "infinities": [float("inf"), float("-inf")],
    "falsy": [0, 0.0, "", [], {}, False, None],
    "tuple": (1, 2.5, "x"),
    "big": 2**80,
    "tiny": 1e-05,
    "text": "\u8d35\u5dde\u8305\u53f0 \U0001f4c8 \x7f\n\"\\",
    "nested": {"b": [{"a": None, "A": [1, [2, [3]]]}], "a": {"\u952e": -0.0}},
}


def digest(params):
    return hashlib.md5(json.dumps(params, sort_keys=True).encode()).hexdigest()[:8]


class Peer(Locks, Events):
    def __init__(self, url):
        self.redis = redis.Redis.from_url(url, decode_responses=True)

    def key(self, name):
        return PREFIX + name

    def indicator_key(self, stock, indicator, params):
        return f"{PREFIX}indicator:{stock}:{indicator}:{digest(params)}"

    def api_key(self, endpoint, params):
        return f"{PREFIX}api:{endpoint}:{digest(params)}"

    def write_text(self, key, text, ttl):
        """Writes what `text` says, as json.dumps writes it."""
        return self.redis.setex(key, ttl, json.dumps(json.loads(text)))

    def write_sample(self, key, sample, ttl):
        return self.redis.setex(key, ttl, json.dumps(SAMPLES[sample]))

    def read(self, key):
        """Answers the stored text, and what json.loads makes of it, dumped again."""
        text = self.redis.get(key)
        return None if text is None else [text, json.dumps(json.loads(text))]

    def delete(self, key):
        return self.redis.delete(key)

    def exists(self, key):
        return self.redis.exists(key)

    def ttl_ms(self, key):
        return self.redis.pttl(key)

    def expire(self, key, seconds):
        return self.redis.expire(key, seconds)


def main():
    peer = Peer(sys.argv[1])
    for line in sys.stdin:
        verb, *arguments = json.loads(line)
        print(json.dumps(getattr(peer, verb)(*arguments)), flush=True)


if __name__ == "__main__":
    main()
