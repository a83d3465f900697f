#!/usr/bin/env python3
"""Thins golden vectors to the figures beside this file: make_figures.py GOLDEN_DIR

GOLDEN_DIR holds core.csv, mytt.csv (made with TA-Lib 0.8.2 and MyTT 2.9.3 for Python) and input/*.csv. Needs pandas and MyTT==2.9.3 for
mytt_flat, which GOLDEN_DIR has no vectors for. Two runs give identical bytes.

  bars_SYMBOL.csv.gz   date,open,high,low,close,volume
  core.csv.gz, mytt.csv.gz, mytt_flat.csv.gz
                       symbol,key,output,length,first,runs    runs = START:VALUE VALUE ...|START:VALUE ...
"""
import csv, gzip, os, sys

csv.field_size_limit(1 << 30)
GOLDEN, OUT = sys.argv[1], os.path.dirname(os.path.abspath(__file__))
SYMBOLS = ['sh.600519', 'sh.600705', 'sh.688126']
# Around every suspension of sh.600705, the one of 1,302 days (rows 88..1389) among them; elsewhere every 40th row.
DENSE = [range(0, 135), range(1385, 1425), range(1490, 1560), range(1855, 1880), range(1940, 1975), range(2098, 2150), range(3570, 3600)]


def save(name, lines):
    with open(os.path.join(OUT, name), 'wb') as f, gzip.GzipFile(filename='', fileobj=f, mode='wb', mtime=0, compresslevel=9) as g:
        g.write(''.join(line + '\n' for line in lines).encode())


def number(text):
    """12 significant digits, and no more than 11 decimals: 100 times finer than the tolerance of the tests."""
    x = float(text)
    if x == int(x):
        return str(int(x))
    text = f'{x:.11f}' if abs(x) < 1 else f'{x:.12g}'
    return text.rstrip('0').rstrip('.') if '.' in text and 'e' not in text else text


def runs(first, values, rows):
    out, last = [], None
    for i in rows:
        if not first <= i < first + len(values):
            continue
        out.append(f'{"" if last is None else " " if last == i - 1 else "|"}' + ('' if last == i - 1 else f'{i}:') + number(values[i - first]))
        last = i
    return ''.join(out)


def figure(symbol, key, output, length, first, values, rows):
    return f'{symbol},"{key}",{output},{length},{first},{runs(first, values, rows)}'


def main():
    length, bars = {}, {}
    for symbol in SYMBOLS:
        with open(os.path.join(GOLDEN, 'input', symbol + '.csv')) as f:
            bars[symbol] = list(csv.DictReader(f))
        length[symbol] = len(bars[symbol])
        columns = ['open', 'high', 'low', 'close', 'volume']
        save(f'bars_{symbol}.csv.gz', [','.join(['date'] + columns)] + [','.join([r['date']] + [number(r[c]) if r[c] else '' for c in columns]) for r in bars[symbol]])
    thin = sorted(set(range(0, 3600, 40)).union(*DENSE))
    core = []
    with open(os.path.join(GOLDEN, 'core.csv')) as f:
        for r in csv.DictReader(f):
            rows = thin if r['symbol'] == 'sh.600705' else range(length[r['symbol']])
            core.append(figure(r['symbol'], r['key'], r['output'], length[r['symbol']], int(r['first']), r['values'].split(';'), rows))
    save('core.csv.gz', core)
    mytt = []
    with open(os.path.join(GOLDEN, 'mytt.csv')) as f:
        for r in csv.DictReader(f):
            if r['key'].startswith('KDJ('):
                n = min(600, length[r['symbol']])
                mytt.append(figure(r['symbol'], r['key'], r['output'], n, int(r['first']), r['values'].split(';'), range(n)))
    save('mytt.csv.gz', mytt)
    save('mytt_flat.csv.gz', flat(bars['sh.600705'], thin))


def flat(rows, thin):
    """KDJ over whole suspensions, and of a series that begins inside one (from row 1300)."""
    import MyTT, numpy
    module = sys.modules.get('MyTT.MyTT', MyTT)
    MyTT.RD = module.RD = lambda x, digits=3: x
    out = []
    for key, start, end in [('0..3600', 0, 3600), ('1300..1700', 1300, 1700)]:
        column = {c: numpy.array([float(r[c]) for r in rows[start:end]]) for c in ('close', 'high', 'low')}
        with numpy.errstate(invalid='ignore'):
            lines = MyTT.KDJ(column['close'], column['high'], column['low'])
        for output, line in enumerate(lines):
            first = int(numpy.flatnonzero(~numpy.isnan(line))[0])
            wanted = thin if start == 0 else range(end - start)
            out.append(figure('sh.600705', key, output, end - start, first, [repr(float(v)) for v in line[first:]], wanted))
    return out


if __name__ == '__main__':
    main()
