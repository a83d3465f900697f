"""The bus of the platform's backend: dicts, json.dumps'd onto prefix + name; what is heard is json.loads'ed."""

import datetime
import json
import time

PREFIX = "mystocks:"
LIMIT = 20.0

MOMENT = datetime.datetime(2026, 1, 5, 9, 30, 0, 125000)


def typed(event_type, **fields):
    return {"event_type": event_type, "timestamp": MOMENT.isoformat(), "version": "1.0", **fields}


def calculation(event_type, **fields):
    return typed(
        event_type,
        stock_code="600519.SH",
        indicator_code="SMA",
        parameters={"timeperiod": 20},
        **fields,
    )


# Channel and event, as the backend makes them; the plain four carry the monotonic clock of this host.
EVENTS = {
    "indicator.calculated": lambda: (
        "indicator:calculated",
        {
            "stock_code": "600519.SH",
            "indicator_code": "BBANDS",
            "params": {"timeperiod": 20, "nbdev": 2.0, "big": 2**80},
            "success": True,
            "timestamp": time.monotonic(),
        },
    ),
    "price.update": lambda: (
        "price:update",
        {
            "stock_code": "\u8d35\u5dde\u8305\u53f0 \U0001f4c8",
            "price": 1688,
            "change": -0.0,
            "change_pct": float("nan"),
            "timestamp": time.monotonic(),
        },
    ),
    "task.updated": lambda: (
        "task:updated",
        {"task_id": "t-1", "status": "running", "progress": 50, "result": None, "timestamp": time.monotonic()},
    ),
    "config.reloaded": lambda: ("config:reloaded", {"config_type": "risk", "timestamp": time.monotonic()}),
    "task.progress": lambda: (
        "events:task:t-1",
        typed(
            "task.progress",
            task_id="t-1",
            task_type="batch",
            status="running",
            progress=12.5,
            message="\u7b2c1\u53ea",
            metadata={"step": (1, 2)},
            processed=1,
            total=8,
            failed=0,
        ),
    ),
    "task.completed": lambda: (
        "events:tasks",
        typed(
            "task.completed",
            task_id="t-1",
            task_type="batch",
            status="completed",
            duration_seconds=3,
            result={"success": 7, "failed": 1},
        ),
    ),
    "stock.indicators.completed": lambda: (
        "events:indicators",
        typed(
            "stock.indicators.completed",
            stock_code="600519.SH",
            indicators=["SMA", "MACD"],
            success_count=2,
            failed_count=0,
            calculation_time_ms=0.25,
            from_cache_count=1,
        ),
    ),
    "indicator.calculation.started": lambda: ("events:indicators", calculation("indicator.calculation.started")),
    "indicator.calculation.completed": lambda: (
        "events:indicators",
        calculation(
            "indicator.calculation.completed",
            success=True,
            calculation_time_ms=2,
            from_cache=True,
            error_message=None,
        ),
    ),
    "indicator.calculation.failed": lambda: (
        "events:indicators",
        calculation(
            "indicator.calculation.failed",
            success=False,
            calculation_time_ms=None,
            from_cache=False,
            error_message="\u6570\u636e\u4e0d\u8db3",
        ),
    ),
    "market.data.update": lambda: (
        "events:market:600519.SH",
        typed(
            "market.data.update",
            stock_code="600519.SH",
            data_type="quote",
            data={"name": "\u8305\u53f0", "price": 1688.0, "pe": float("nan"), "volume": 2**64, "halted": False},
        ),
    ),
    "system.heartbeat": lambda: (
        "events:system",
        typed("system.heartbeat", service="scheduler", status="healthy", metrics={"queue": 0, "lag": float("inf")}),
    ),
}


def types(value):
    """Answers the names of the types in the place of the values."""
    if isinstance(value, dict):
        return {name: types(item) for name, item in value.items()}
    if isinstance(value, list):
        return [types(item) for item in value]
    return type(value).__name__


class Events:
    """The verbs about events; `self.redis` is a client."""

    heard = None

    def publish_event(self, name):
        """Publishes an event; answers how many heard it, and its `timestamp`."""
        channel, event = EVENTS[name]()
        return [self.redis.publish(PREFIX + channel, json.dumps(event)), event["timestamp"]]

    def publish_text(self, channel, text):
        """Publishes `text` as it is."""
        return self.redis.publish(PREFIX + channel, text)

    def subscribe(self, *channels):
        """Listens to these only; answers to how many."""
        self.listen_anew().subscribe(*(PREFIX + channel for channel in channels))
        return [self.message("subscribe")["data"] for _ in channels][-1]

    def psubscribe(self, pattern):
        """Listens to what matches only; answers to how many patterns."""
        self.listen_anew().psubscribe(PREFIX + pattern)
        return self.message("psubscribe")["data"]

    def listen_anew(self):
        if self.heard is not None:
            self.heard.close()
        self.heard = self.redis.pubsub()
        return self.heard

    def hear(self):
        """Waits for a message; answers channel, pattern, what json.loads makes of it, the types in it, and whether that
        dumped again is the text."""
        message = self.message("message", "pmessage")
        event = json.loads(message["data"])
        is_same = json.dumps(event) == message["data"]
        return [message["channel"], message["pattern"], event, types(event), is_same]

    def message(self, *wanted):
        end = time.monotonic() + LIMIT
        while (message := self.heard.get_message(timeout=1.0)) is None:
            if time.monotonic() > end:
                raise TimeoutError("nothing is heard")
        if message["type"] not in wanted:
            raise RuntimeError(f"{message['type']} instead of {wanted}")
        return message
