"""The evening of a stock market as a plain program does it: symbol by symbol, bars from PostgreSQL, the nine indicators by TA-Lib, each
series as JSON to Redis, the newest values to PostgreSQL.

The symbols are lines of its input; it prints what it did. DATABASE_URL and REDIS_URL say where.
"""

import json
import os
import sys
import time

import numpy
import psycopg
import redis
import talib

TTL = 3600

SELECT = """
SELECT trade_date, high::float8, low::float8, close::float8 FROM daily_kline WHERE symbol = %s ORDER BY trade_date
"""

UPSERT = """
INSERT INTO indicator_data (timestamp, stock_code, indicator_code, value, complex_value, created_at)
VALUES (%s, %s, %s, %s, %s, now())
ON CONFLICT (timestamp, stock_code, indicator_code)
DO UPDATE SET value = excluded.value, complex_value = excluded.complex_value
"""


def ema(values, span):
    """As the Chinese charting programs begin it: with the first value."""
    alpha = 2 / (span + 1)
    result = numpy.full(len(values), numpy.nan)
    held = numpy.nan
    for at, value in enumerate(values.tolist()):
        if value == value:
            held = value if held != held else held + alpha * (value - held)
        result[at] = held
    return result


def kdj(high, low, close):
    lowest, highest = talib.MIN(low, 9), talib.MAX(high, 9)
    with numpy.errstate(divide="ignore", invalid="ignore"):
        rsv = (close - lowest) / (highest - lowest) * 100
    k = ema(rsv, 5)
    d = ema(k, 5)
    return {"k": k, "d": d, "j": 3 * k - 2 * d}


def indicators(high, low, close):
    """Returns the nine, by code."""
    macd, signal, hist = talib.MACD(close)
    upper, middle, lower = talib.BBANDS(close, 20)
    averages = {f"SMA(timeperiod={period})": {"sma": talib.SMA(close, period)} for period in (5, 10, 20, 60)}
    return averages | {
        "MACD": {"macd": macd, "signal": signal, "hist": hist},
        "RSI": {"rsi": talib.RSI(close)},
        "BBANDS": {"upper": upper, "middle": middle, "lower": lower},
        "ATR": {"atr": talib.ATR(high, low, close)},
        "KDJ": kdj(high, low, close),
    }


def main():
    symbols = sys.stdin.read().split()
    series = rows = 0
    sma20 = 0.0
    with psycopg.connect(os.environ["DATABASE_URL"]) as database, redis.Redis.from_url(os.environ["REDIS_URL"]) as cache:
        began = time.perf_counter()
        for symbol in symbols:
            with database.cursor() as cursor:
                bars = cursor.execute(SELECT, (symbol,)).fetchall()
                dates = [bar[0] for bar in bars]
                high, low, close = (numpy.array([bar[at] for bar in bars]) for at in (1, 2, 3))
                days = [date.isoformat() for date in dates]
                newest = []
                for code, outputs in indicators(high, low, close).items():
                    values = {name: array.tolist() for name, array in outputs.items()}
                    cache.setex(f"indicator:{symbol}:{code}", TTL, json.dumps({"dates": days, "values": values}))
                    last = {name: array[-1] for name, array in values.items()}
                    first = next(iter(last.values()))
                    newest.append((dates[-1], symbol, code, first, json.dumps(last) if len(last) > 1 else None))
                    series += 1
                    if code == "SMA(timeperiod=20)":
                        sma20 += first
                cursor.executemany(UPSERT, newest)
                rows += cursor.rowcount
            database.commit()
        seconds = time.perf_counter() - began
    print(json.dumps({"symbols": len(symbols), "series": series, "rows": rows, "sma20": sma20, "seconds": seconds}))


main()
