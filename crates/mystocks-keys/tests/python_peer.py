"""Builds values from a line each, without reading JSON, and answers with what Python's json and hashlib make of them.

Tokens: n t f, i<decimal>, d<16 hex digits of the float's bits>, s<hex of UTF-16-BE>, [<count>, {<count>.
Answer, tab-separated: dumps, dumps sorted, first 8 digits of its MD5, hex of the UTF-8 of another spelling (or -).
"""

import hashlib
import json
import struct
import sys


def build(tokens):
    token = next(tokens)
    kind, rest = token[0], token[1:]
    if kind == "n":
        return None
    if kind in "tf":
        return kind == "t"
    if kind == "i":
        return int(rest)
    if kind == "d":
        return struct.unpack(">d", bytes.fromhex(rest))[0]
    if kind == "s":
        return bytes.fromhex(rest).decode("utf-16-be", "surrogatepass")
    if kind == "[":
        return [build(tokens) for _ in range(int(rest))]
    if kind == "{":
        return {build(tokens): build(tokens) for _ in range(int(rest))}
    raise ValueError(token)


def answer(line):
    value = build(iter(line.split(" ")))
    ordered = json.dumps(value, sort_keys=True)
    digest = hashlib.md5(ordered.encode()).hexdigest()[:8]
    other = json.dumps(value, ensure_ascii=False, indent=1, separators=(" ,", "\r\n:"))
    try:
        other = other.encode().hex()
    except UnicodeEncodeError:
        other = "-"
    return "\t".join((json.dumps(value), ordered, digest, other))


sys.stdout.write("".join(answer(line.rstrip("\n")) + "\n" for line in sys.stdin))
