#!/usr/bin/env python3
"""Thins the golden vectors of every TA-Lib function to the figures beside this file: make_functions.py GOLDEN_DIR

GOLDEN_DIR holds all_talib.json.gz, cdl.csv and manifest.csv (made with TA-Lib 0.8.2 for Python). Two runs give identical bytes.

  functions.csv.gz     as core.csv.gz: the last 600 bars of each symbol; the first 8 values, every 25th row and the last value
  patterns.csv.gz      symbol,function,hits      hits = BAR:VALUE;BAR:VALUE ..., every bar of the same 600 that is not 0
  manifest.csv.gz      function,group,inputs,parameters,outputs,lookback
"""
import gzip, json, math, os
from make_figures import GOLDEN, SYMBOLS, number, save


def text(value):
    value = math.nan if value is None else float(value)
    return number(value) if math.isfinite(value) else str(value)


def key(name, parameters):
    return name + ('(' + ','.join(f'{k}={v}' for k, v in parameters.items()) + ')' if parameters else '')


def main():
    with gzip.open(os.path.join(GOLDEN, 'all_talib.json.gz')) as f:
        data = json.load(f)['data']
    lines = []
    for symbol in SYMBOLS:
        for name, entry in data[symbol].items():
            for output, series in entry['outputs'].items():
                first, values = series['first'], series['values']
                length = first + len(values)
                rows = sorted({*range(first, first + 8), *range(0, length, 25), length - 1})
                lines.append(line(symbol, key(name, entry['params']), output, length, first, [text(v) for v in values], rows))
    save('functions.csv.gz', lines)
    for name in ['cdl', 'manifest']:
        with open(os.path.join(GOLDEN, name + '.csv')) as f:
            save({'cdl': 'patterns'}.get(name, name) + '.csv.gz', f.read().splitlines())


def line(symbol, key, output, length, first, values, rows):
    """As figure(), for values that are text already."""
    out, last = [], None
    for i in rows:
        if first <= i < length:
            out.append(f'{"" if last is None else " " if last == i - 1 else "|"}' + ('' if last == i - 1 else f'{i}:') + values[i - first])
            last = i
    return f'{symbol},"{key}",{output},{length},{first},{"".join(out)}'


main()
