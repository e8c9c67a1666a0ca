#!/usr/bin/env python3
"""Writes AMF values encoded by Py3AMF, and what they are as JSON, to stdout: name, AMF version, hex, JSON.

    pip install Py3AMF==0.9.1
    amf_py3amf.py > testdata/amf/py3amf.tsv

The JSON is written here from the Python values, in the form that src/amf/json.rs describes; nothing of the decoder
under test takes part.
"""

import datetime
import json

import pyamf
from pyamf import amf3, xml
from pyamf.flex import ArrayCollection, ObjectProxy

import xml.etree.ElementTree as ElementTree


class Point:
    def __init__(self, x=0, y=0):
        self.x, self.y = x, y


class Sealed:
    class __amf__:
        static = ("a", "b")
        dynamic = False

    def __init__(self, a=None, b=None):
        self.a, self.b = a, b


class Both:
    class __amf__:
        static = ("fixed",)
        dynamic = True


pyamf.register_class(Point, "geometry.Point")
pyamf.register_class(Sealed, "Sealed")
pyamf.register_class(Both, "Both")

both = Both()
both.fixed, both.extra = 1, "more"

shared_list = [1, 2]
shared_object = {"k": "v"}
loop = {}
loop["self"] = loop
epoch = datetime.datetime(1970, 1, 1)


def typed(name, **properties):
    return {"$typed": name, "properties": properties}


def date(moment):
    return round((moment - epoch).total_seconds() * 1000)


def mixed(pairs):
    result = pyamf.MixedArray()
    for key, value in pairs:
        result[key] = value
    return result


moments = [datetime.datetime(2020, 9, 13, 12, 26, 40), datetime.datetime(1969, 12, 31, 23, 59, 59), epoch]
texts = {
    "empty": "", "ascii": "live", "latin": "naïve café", "japanese": "日本語のタイトル", "emoji": "☕🙂", "nul": "a\0b",
    "long": "x" * 300, "127": "y" * 127, "128": "z" * 128, "control": "a\n\t\x7f",
}
BOTH = [
    *((f"string {name}", text, text) for name, text in texts.items()),
    *((f"number {number}", number, number)
      for number in (0.5, -0.25, 1e300, 2.0 ** 53, -(2.0 ** 40) - 0.5, 3.141592653589793, 29.97, 5e-324)),
    ("infinity", float("inf"), {"$number": "inf"}),
    ("minus infinity", float("-inf"), {"$number": "-inf"}),
    ("not a number", float("nan"), {"$number": "NaN"}),
    ("true", True, True),
    ("false", False, False),
    ("null", None, None),
    ("undefined", pyamf.Undefined, {"$undefined": True}),
    ("object", {"app": "live", "flag": True, "n": None}, {"app": "live", "flag": True, "n": None}),
    ("object in object", {"a": {"b": {"c": {"d": [1, {"e": "f"}]}}}}, {"a": {"b": {"c": {"d": [1, {"e": "f"}]}}}}),
    ("object empty", {}, {}),
    ("names in unicode", {"キー": 1, "ключ": 2}, {"キー": 1, "ключ": 2}),
    ("array", [1, "two", None, [3]], [1, "two", None, [3]]),
    ("array empty", [], []),
    ("array long", list(range(200)), list(range(200))),
    ("class", Point(1, 2), typed("geometry.Point", x=1, y=2)),
    ("classes", [Point(1, 2), Point(3, 4), Point(5, 6)],
     [typed("geometry.Point", x=1, y=2), typed("geometry.Point", x=3, y=4), typed("geometry.Point", x=5, y=6)]),
    ("class sealed", [Sealed(1, "x"), Sealed(2, "x")], [typed("Sealed", a=1, b="x"), typed("Sealed", a=2, b="x")]),
    ("class sealed and dynamic", both, typed("Both", fixed=1, extra="more")),
    ("strings again", ["live", "live", "app", "live"], ["live", "live", "app", "live"]),
]
AMF0 = [
    *((f"integer {number}", number, number) for number in (0, 1, -1, 128, 2 ** 31, -(2 ** 31))),
    *((f"date {moment}", moment, {"$date": date(moment), "timezone": 0}) for moment in moments),
    ("mixed array", mixed([("width", 640), ("height", 360)]), {"width": 640, "height": 360}),
    ("reference to an array", [shared_list, shared_list], [[1, 2], {"$reference": 1}]),
    ("reference to an object", [shared_object, shared_object], [{"k": "v"}, {"$reference": 1}]),
    ("object that holds itself", loop, {"self": {"$reference": 0}}),
    ("string over 65535", "L" * 65536, "L" * 65536),
    ("xml", ElementTree.fromstring("<a><b>c</b></a>"), {"$xml": "<a><b>c</b></a>"}),
]
U29 = [0, 1, 0x7E, 0x7F, 0x80, 0x81, 0x3FFF, 0x4000, 0x1FFFFF, 0x200000, 0xFFFFFFF, -1, -2, -128, -0x200000, -0x10000000]
AMF3 = [
    *((f"integer {number}", number, number) for number in U29),
    ("integer above 29 bits", 0x10000000, 0x10000000),
    ("integer below 29 bits", -0x10000001, -0x10000001),
    *((f"date {moment}", moment, {"$date": date(moment)}) for moment in moments),
    ("dates again", [moments[0], moments[0]], [{"$date": date(moments[0])}, {"$reference": 1}]),
    ("mixed array", mixed([(0, "zero"), (1, "one"), ("name", "n")]), {"$array": ["zero", "one"], "properties": {"name": "n"}}),
    ("reference to an array", [shared_list, shared_list], [[1, 2], {"$reference": 1}]),
    ("reference to an object", [shared_object, shared_object], [{"k": "v"}, {"$reference": 1}]),
    ("object that holds itself", loop, {"self": {"$reference": 0}}),
    ("byte array", amf3.ByteArray(b"\x00\x01\xff"), {"$byte_array": "0001ff"}),
    ("byte array empty", amf3.ByteArray(b""), {"$byte_array": ""}),
    ("byte array 200", amf3.ByteArray(bytes(200)), {"$byte_array": "00" * 200}),
    ("xml", ElementTree.fromstring("<a><b>c</b></a>"), {"$xml": "<a><b>c</b></a>"}),
    ("array collection", ArrayCollection([1, 2, 3]),
     {"$externalizable": "flex.messaging.io.ArrayCollection", "value": [1, 2, 3]}),
    ("object proxy", ObjectProxy({"a": 1}), {"$externalizable": "flex.messaging.io.ObjectProxy", "value": {"a": 1}}),
    ("1000 names", {f"name{n}": n for n in range(1000)}, {f"name{n}": n for n in range(1000)}),
    ("strings in objects", [{"name": "a", "kind": "name"}, {"kind": "a", "name": "kind"}],
     [{"name": "a", "kind": "name"}, {"kind": "a", "name": "kind"}]),
]


def main():
    for version, encoding, values in (("0", pyamf.AMF0, BOTH + AMF0), ("3", pyamf.AMF3, BOTH + AMF3)):
        for name, value, expected in values:
            data = pyamf.encode(value, encoding=encoding).read()
            print(name, version, data.hex(), json.dumps([expected], ensure_ascii=True), sep="\t")


if __name__ == "__main__":
    main()
