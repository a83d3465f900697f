#!/usr/bin/env python3
"""Figures of the Tongdaxin family: make_tdx_figures.py GOLDEN_DIR

GOLDEN_DIR holds mytt.csv (made with MyTT 2.9.3 for Python, rounding switched off) and input/*.csv. Needs MyTT==2.9.3 and pandas. Two runs
give identical bytes.

  tdx.csv.gz            159 series of mytt.csv, the last 600 bars of every symbol: the first 6 values, every 25th row, the last 2
  tdx_whole.csv.gz      every indicator over all 3,600 bars of sh.600705, its suspension of 1,302 bars included, in every 120th row and around suspensions;
                        CR and XSII, which MyTT has since version 3 only, over every symbol. Values that are no number are nan.
                        symbol,key,output,length,first,runs    runs = START:VALUE VALUE ...|START:VALUE ...
  tdx_functions.csv.gz  functions of level 0 and 1 over series with missing values: function,n,m,values
"""
import csv, gzip, inspect, os, sys, warnings
import numpy as np, pandas as pd
import MyTT
warnings.simplefilter('ignore')
csv.field_size_limit(1 << 30)
MODULE = sys.modules.get('MyTT.MyTT', MyTT)
MyTT.RD = MODULE.RD = lambda x, digits=3: x
GOLDEN, OUT = sys.argv[1], os.path.dirname(os.path.abspath(__file__))
SYMBOLS = ['sh.600519', 'sh.600705', 'sh.688126']
# Into the suspension of 1,302 days (rows 88..1389), out of it, and around shorter ones; elsewhere every 120th row.
WHOLE = sorted(set(range(0, 3600, 120)) | set(range(84, 128, 3)) | set(range(1386, 1450, 4)) | set(range(1490, 1560, 7)) | set(range(2098, 2150, 7)))
NAMES = dict(CLOSE='close', OPEN='open', HIGH='high', LOW='low', VOL='volume')
INDICATORS = 'MACD KDJ RSI WR BIAS BOLL PSY CCI ATR BBI DMI TAQ KTN TRIX VR EMV DPO BRAR DFMA MTM MASS ROC EXPMA OBV MFI ASI'.split()


def save(name, lines):
    with open(os.path.join(OUT, name), 'wb') as f, gzip.GzipFile(filename='', fileobj=f, mode='wb', mtime=0, compresslevel=9) as g:
        g.write(''.join(line + '\n' for line in lines).encode())


def number(x):
    x = float(x)
    if x != x or abs(x) == float('inf'):
        return 'nan'
    if x == int(x):
        return str(int(x))
    text = f'{x:.11f}' if abs(x) < 1 else f'{x:.12g}'
    return text.rstrip('0').rstrip('.') if '.' in text and 'e' not in text else text


def runs(first, values, rows):
    out, last = [], None
    for i in rows:
        if first <= i < first + len(values):
            out.append(f'{"" if last is None else " " if last == i - 1 else "|"}' + ('' if last == i - 1 else f'{i}:') + number(values[i - first]))
            last = i
    return ''.join(out)


def figure(symbol, key, output, length, values, rows):
    known = np.flatnonzero(~np.isnan(values))
    first = int(known[0])
    return f'{symbol},"{key}",{output},{length},{first},{runs(first, values[first:], rows)}'


def dma(s, a):
    a = np.where(np.isnan(a), 1.0, a)
    y = np.zeros(len(s))
    y[0] = s[0]
    for i in range(1, len(s)):
        y[i] = a[i] * s[i] + (1 - a[i]) * y[i - 1]
    return y


def cr(d, n=20):
    mid = MyTT.REF(d['high'] + d['low'] + d['close'], 1) / 3
    return [MyTT.SUM(MyTT.MAX(0, d['high'] - mid), n) / MyTT.SUM(MyTT.MAX(0, mid - d['low']), n) * 100]


def xsii(d, n=102, m=7):
    p, far = (2 * d['close'] + d['high'] + d['low']) / 4, MyTT.MA(d['close'], 20)
    aa, dd = MyTT.MA(p, 5), dma(d['close'], np.abs(p - far) / far)
    return [aa * n / 100, aa * (200 - n) / 100, (1 + m / 100) * dd, (1 - m / 100) * dd]


def call(name, d):
    f, given, shown = getattr(MyTT, name), {}, []
    for q in inspect.signature(f).parameters.values():
        if q.name in NAMES:
            given[q.name] = d[NAMES[q.name]].copy()
        else:
            given[q.name] = 20 if q.default is inspect._empty else q.default
            shown.append(f'{q.name}={given[q.name]}')
    r = f(**given)
    return f'{name}({",".join(shown)})', r if isinstance(r, tuple) else (r,)


def functions():
    """Series with missing values at both ends, in the middle and in a row, and with equal neighbours."""
    rng = np.random.default_rng(7)
    a = np.round(10 + rng.standard_normal(60).cumsum() * 0.3, 2)
    b = np.round(10 + rng.standard_normal(60).cumsum() * 0.3, 2)
    a[30:38] = a[29]
    missing = a.copy()
    missing[[0, 17, 18, 44]] = np.nan
    held = rng.random(60) < 0.35
    rare = np.zeros(60, bool)
    rare[[11, 12, 40]] = True
    out = []

    def put(name, n, m, values):
        out.append(f'{name},{n},{m},' + ' '.join('nan' if v != v else repr(float(v)) for v in values))

    for name, series in [('a', a), ('b', b), ('missing', missing), ('held', held), ('rare', rare)]:
        put('=' + name, '', '', series)
    for which, s in [('a', a), ('missing', missing)]:
        # Not 3: pandas 3.0 and 3.1 weigh a missing value otherwise in EMA(S, 3) than in every other EMA (pandas issue 66521).
        for n in (1, 4, 9):
            for name in 'REF DIFF STD SUM HHV LLV HHVBARS LLVBARS MA EMA WMA AVEDEV SLOPE FORCAST'.split():
                if (name, n) == ('SLOPE', 1) or (name, n) == ('FORCAST', 1):
                    continue
                put(f'{name} {which}', n, '', getattr(MyTT, name)(s, n))
        for n, m in [(3, 1), (12, 5), (4, 4)]:
            put(f'SMA {which}', n, m, MyTT.SMA(s, n, m))
        put(f'SUM {which}', 0, '', MyTT.SUM(s, 0))
        put(f'CROSS {which} b', '', '', MyTT.CROSS(s, b))
        put(f'CROSS b {which}', '', '', MyTT.CROSS(b, s))
        for n in (1, 3):
            put(f'LONGCROSS {which} b', n, '', MyTT.LONGCROSS(s, b, n))
    put('CONST a', '', '', MyTT.CONST(a))
    put('DMA a', '', '', MyTT.DMA(a, 0.25))
    for which, c in [('held', held), ('rare', rare)]:
        for n in (1, 3, 7):
            for name in 'COUNT EVERY EXIST BARSSINCEN'.split():
                put(f'{name} {which}', n, '', getattr(MyTT, name)(c, n))
            put(f'FILTER {which}', n, '', MyTT.FILTER(c.copy(), n))
        for n, m in [(3, 1), (5, 2), (1, 0)]:
            put(f'LAST {which}', n, m, MyTT.LAST(c, n, m))
        put(f'BARSLAST {which}', '', '', MyTT.BARSLAST(c))
        put(f'BARSLASTCOUNT {which}', '', '', MyTT.BARSLASTCOUNT(c))
        put(f'VALUEWHEN {which} missing', '', '', MyTT.VALUEWHEN(c, missing))
    # Version 3 only; as its definitions say.
    for which, s in [('a', a), ('missing', missing)]:
        put(f'BETWEEN {which} b', '', '', ((9.5 < s) & (s < b)) | ((9.5 > s) & (s > b)))
        put(f'TOPRANGE {which}', '', '', [0] + [int(np.argmin(np.flipud(s[:i] < s[i]))) for i in range(1, 60)])
        put(f'LOWRANGE {which}', '', '', [0] + [int(np.argmin(np.flipud(s[:i] > s[i]))) for i in range(1, 60)])
    return out


def main():
    bars = {}
    for symbol in SYMBOLS:
        with open(os.path.join(GOLDEN, 'input', symbol + '.csv')) as f:
            rows = list(csv.DictReader(f))
        bars[symbol] = {c: np.array([float(r[c] or 0) for r in rows]) for c in NAMES.values()}
    thin = []
    with open(os.path.join(GOLDEN, 'mytt.csv')) as f:
        for r in csv.DictReader(f):
            values, first = r['values'].split(';'), int(r['first'])
            n = first + len(values)
            rows = sorted(set(range(first, first + 6)) | set(range(0, n, 25)) | {n - 2, n - 1})
            thin.append(f'{r["symbol"]},"{r["key"]}",{r["output"]},{n},{first},{runs(first, values, rows)}')
    save('tdx.csv.gz', thin)
    whole, d = [], bars['sh.600705']
    for name in INDICATORS:
        key, lines = call(name, d)
        whole += [figure('sh.600705', key, i, 3600, np.asarray(x, float), WHOLE) for i, x in enumerate(lines)]
    for symbol, d in bars.items():
        n = len(d['close'])
        rows = WHOLE if n == 3600 else range(0, n, 24)
        for key, lines in [('CR(N=20)', cr(d)), ('XSII(N=102,M=7)', xsii(d))]:
            whole += [figure(symbol, key, i, n, np.asarray(x, float), rows) for i, x in enumerate(lines)]
    save('tdx_whole.csv.gz', whole)
    save('tdx_functions.csv.gz', functions())


main()
