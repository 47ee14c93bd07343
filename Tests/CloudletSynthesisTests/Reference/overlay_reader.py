#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 the authors of Cloudlet
# SPDX-License-Identifier: Apache-2.0

"""Rebuilds disk and memory from a base and an overlay, written from the description of the original's format alone
(MessagePack old raw form, xz blobs, 11-byte item headers, six kinds). Shares no code with the program; patches are
applied by xdelta3.

usage: overlay_reader.py META BASE_DISK BASE_MEMORY OUT_DISK OUT_MEMORY
"""

import lzma
import os
import struct
import subprocess
import sys
import tempfile


def unpack(b, p):
    """One MessagePack value of the old form; newer forms (str8, bin) are an error, as in 2013."""
    t = b[p]
    p += 1
    if t <= 0x7F:
        return t, p
    if t & 0xF0 == 0x80 or t in (0xDE, 0xDF):
        if t & 0xF0 == 0x80:
            n = t & 15
        else:
            w = 2 if t == 0xDE else 4
            n = int.from_bytes(b[p : p + w], "big")
            p += w
        m = {}
        for _ in range(n):
            k, p = unpack(b, p)
            m[k], p = unpack(b, p)
        return m, p
    if t & 0xF0 == 0x90 or t in (0xDC, 0xDD):
        if t & 0xF0 == 0x90:
            n = t & 15
        else:
            w = 2 if t == 0xDC else 4
            n = int.from_bytes(b[p : p + w], "big")
            p += w
        a = []
        for _ in range(n):
            v, p = unpack(b, p)
            a.append(v)
        return a, p
    if t & 0xE0 == 0xA0 or t in (0xDA, 0xDB):
        if t & 0xE0 == 0xA0:
            n = t & 31
        else:
            w = 2 if t == 0xDA else 4
            n = int.from_bytes(b[p : p + w], "big")
            p += w
        return b[p : p + n], p + n
    if 0xCC <= t <= 0xCF:
        w = 1 << (t - 0xCC)
        return int.from_bytes(b[p : p + w], "big"), p + w
    raise SystemExit(f"marker {t:#x} is not of the old form")


def patched(source, patch):
    with tempfile.TemporaryDirectory() as d:
        names = [os.path.join(d, n) for n in ("source", "patch", "out")]
        for name, data in zip(names, (source, patch), strict=False):
            with open(name, "wb") as f:
                f.write(data)
        subprocess.run(["xdelta3", "-d", "-s", names[0], names[1], names[2]], check=True)
        with open(names[2], "rb") as f:
            return f.read()


def main(meta_path, base_disk, base_memory, out_disk, out_memory):
    with open(meta_path, "rb") as f:
        meta, _ = unpack(f.read(), 0)
    base = {1: open(base_memory, "rb").read(), 2: open(base_disk, "rb").read()}
    size = {1: meta[b"resumed_vm_memory_size"], 2: meta[b"resumed_vm_disk_size"]}
    out = {k: bytearray(base[k][: size[k]].ljust(size[k], b"\0")) for k in base}
    for blob in meta[b"overlay_files"]:
        name = os.path.join(os.path.dirname(meta_path), blob[b"overlay_name"].decode())
        with open(name, "rb") as f:
            packed = f.read()
        if len(packed) != blob[b"overlay_size"]:
            raise SystemExit(f"{name} has another size than the meta says")
        data = lzma.decompress(packed)
        p = 0
        done = {}
        order = {1: [], 2: []}
        while p < len(data):
            offset, length, kind = struct.unpack_from(">QHB", data, p)
            p += 11
            image, kind = kind & 15, kind & 0xF0
            if kind == 0x60:
                page = bytes(4096)
            else:
                (n,) = struct.unpack_from(">Q", data, p)
                p += 8
                if kind == 0x10:
                    page = data[p : p + n]
                    p += n
                elif kind == 0x20:
                    page = patched(base[image][offset : offset + length], data[p : p + n])
                    p += n
                elif kind == 0x30:
                    page = done[n]
                elif kind == 0x40:
                    page = base[2][n : n + 4096]
                elif kind == 0x50:
                    page = base[1][n : n + 4096]
                else:
                    raise SystemExit(f"kind {kind:#x}")
            if len(page) != length:
                raise SystemExit("item at %d gives %d bytes, not %d" % (offset, len(page), length))
            done[offset << 1 | image] = page
            order[image].append(offset // 4096)
            out[image][offset : offset + length] = page
        if order[2] != blob[b"disk_chunk"] or order[1] != blob[b"memory_chunk"]:
            raise SystemExit(f"{name}: the meta lists other chunks than the blob holds")
    for path, image in ((out_disk, 2), (out_memory, 1)):
        with open(path, "wb") as f:
            f.write(out[image])


main(*sys.argv[1:])
