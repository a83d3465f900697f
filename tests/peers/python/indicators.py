"""TA-Lib C on the arrays it is sent: a line with the number of bars, then open, high, low, close and volume as little-endian doubles;
then a line `FUNCTION parameter=value ...` for each call, answered by the nanoseconds it took. First of all it names its functions.
"""

import sys
import time

import numpy
import talib
import talib.abstract

NAMES = ["open", "high", "low", "close", "volume"]


def arrays_of(columns, name):
    wanted = []
    for given in talib.abstract.Function(name).input_names.values():
        wanted.extend([given] if isinstance(given, str) else given)
    return [columns[one] for one in wanted]


def main():
    stdin = sys.stdin.buffer
    length = int(stdin.readline())
    columns = {name: numpy.frombuffer(stdin.read(8 * length), dtype="<f8") for name in NAMES}
    columns["periods"] = numpy.full(length, 14.0)
    print(*talib.get_functions(), flush=True)
    for line in stdin:
        name, *pairs = line.decode().split()
        parameters = {}
        for pair in pairs:
            key, value = pair.split("=")
            parameters[key] = float(value) if "." in value or "e" in value else int(value)
        function, arrays = getattr(talib, name), arrays_of(columns, name)
        began = time.thread_time_ns()
        result = function(*arrays, **parameters)
        del result
        print(time.thread_time_ns() - began, flush=True)


main()
