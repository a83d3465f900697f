"""The lock of the platform's backend: SET NX PX with a UUIDv4, two scripts, polling every 100 ms."""

import random
import time
import uuid

PREFIX = "mystocks:lock:"
POLL = 0.1

RELEASE = """
if redis.call("get", KEYS[1]) == ARGV[1] then return redis.call("del", KEYS[1]) end
return 0
"""

EXTEND = """
if redis.call("get", KEYS[1]) == ARGV[1] then return redis.call("pexpire", KEYS[1], ARGV[2]) end
return 0
"""


class Locks:
    """The verbs about locks; `self.redis` is a client."""

    def lock(self, resource, ttl_ms):
        """Answers the token, or None when somebody holds it."""
        token = str(uuid.uuid4())
        return token if self.redis.set(PREFIX + resource, token, nx=True, px=ttl_ms) else None

    def unlock(self, resource, token):
        return self.redis.eval(RELEASE, 1, PREFIX + resource, token)

    def extend_lock(self, resource, token, ttl_ms):
        return self.redis.eval(EXTEND, 1, PREFIX + resource, token, ttl_ms)

    def holder(self, resource):
        return self.redis.get(PREFIX + resource)

    def lock_ttl_ms(self, resource):
        return self.redis.pttl(PREFIX + resource)

    def contend(self, resource, ledger, milliseconds):
        """Takes turns for so long, each entered in the list `ledger`; answers how long each was waited for, in ms."""
        waits = []
        end = time.monotonic() + milliseconds / 1000
        while time.monotonic() < end:
            begun = time.monotonic()
            while (token := self.lock(resource, 10_000)) is None:
                time.sleep(POLL)
            waits.append((time.monotonic() - begun) * 1000)
            self.redis.rpush(ledger, f"enter python {token}")
            time.sleep(random.uniform(0.005, 0.015))
            self.redis.rpush(ledger, f"leave python {token}")
            if self.unlock(resource, token) != 1:
                raise RuntimeError("a lock was lost while it was held")
            time.sleep(random.uniform(0.010, 0.030))
        return waits
