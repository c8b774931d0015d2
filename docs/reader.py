#!/usr/bin/env python3
"""Lists and restores Datis snapshots with a store folder and the recovery kit alone: no box, no catalog, no Datis.

    reader.py STORE KIT list
    reader.py STORE KIT restore SNAPSHOT DIR

KIT is the kit's text, or two of its three sheets in one file with their last lines. Written after FORMAT.md, whose sections the comments name: the second implementation, which proves that document. Needs
Linux, Python 3.11, the stock `age` tool, and the packages cryptography, zstandard, blake3 and cbor2. It restores only
into an empty folder, never follows a symbolic link, never writes outside of that folder, never changes the store.
Exit code: 0 all done; 1 something is damaged or missing and was named, the rest is done; 2 refused.
"""

import argparse
import base64
import os
import stat
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from functools import lru_cache
from itertools import islice
from pathlib import Path

import blake3
import cbor2
import zstandard
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

VERSION, NAME_LEN, MIB = 1, 16, 1 << 20
CHUNK_MAX, SEGMENT_PLAIN_MAX, DIRECTORY_MAX = 1 * MIB, 4 * MIB, (1 << 18) * (NAME_LEN + 5) + (1 << 14) * 12 + 64
NO_OWNER = (1 << 32) - 1
PATH_MAX, LEAF_PATHS_MAX = 32 << 10, 4 * MIB
KINDS = ["files", "database", "image"]
DIRECTORY, FILE, SYMLINK, BLOCK, CHAR, FIFO, SOCKET = range(7)
NODE_TYPES = {BLOCK: stat.S_IFBLK, CHAR: stat.S_IFCHR, FIFO: stat.S_IFIFO, SOCKET: stat.S_IFSOCK}


class Refused(Exception):
    """Something is not as FORMAT.md says; the text is one sentence for a person."""


PROBLEMS = (Refused, OSError, OverflowError, ValueError)  # what bad bytes and bad disks lead to

def need(condition, what, reason):
    if not condition:
        raise Refused(f"damaged {what}: {reason}")


def check_version(what, found):
    if found != VERSION:
        raise Refused(f"{what} has format version {found}, this program reads version {VERSION}; get a newer one")


def show(text):
    """Names come from other machines: nothing in them may reach the terminal as a control character."""
    text = text.decode(errors="backslashreplace") if isinstance(text, bytes) else str(text)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


# --- Section "Notation": CBOR, with every type checked ---------------------------------------------------------------


def record(what, data, count, more=False):
    """The `count` fields after the version; where `more` may follow, they are skipped."""
    try:
        value = cbor2.loads(data)
        need(cbor2.dumps(value) == data, what, "it is not one CBOR value in deterministic form")
    except (cbor2.CBORError, OverflowError, RecursionError, TypeError, ValueError) as error:
        raise Refused(f"damaged {what}: {error}") from error
    need(type(value) is list and value and type(value[0]) is int, what, "it does not start with a version")
    check_version(what, value[0])
    need(len(value) == count + 1 or more and len(value) > count, what, "it has another number of fields")
    return value[1 : count + 1]


def fields(value, what, count=None):
    need(type(value) is list and count in (None, len(value)), what, f"a list of {count or 'any'} fields is expected")
    return value


def octets(value, what, length=None):
    need(type(value) is bytes and length in (None, len(value)), what, f"{length or 'some'} bytes are expected")
    return value


def number(value, what, top=1 << 64):
    need(type(value) is int and 0 <= value < top, what, "a number is expected")
    return value


def numbers(value, what, count=None):
    return [number(n, what) for n in fields(value, what, count)]


def verify(key, context, message, signature, complaint):
    try:
        key = Ed25519PublicKey.from_public_bytes(octets(key, "key", 32))
        key.verify(octets(signature, "signature"), context + b"\0" + message)
    except InvalidSignature as error:
        raise Refused(complaint) from error


def join_sheets(text, kit):
    """The key that two sheets make up. Section "Sheets of a kit"."""
    shares = {}
    for sheet in text.split("# DATIS RECOVERY SHEET 1")[1:]:
        lines = [line.strip() for line in sheet.splitlines()]
        code = "".join(line for line in lines if line and not line.startswith(("#", "Words"))).upper()
        need(code.startswith("DATIS-KIT-SHEET-1"), kit, "a sheet has no line that begins with DATIS-KIT-SHEET-1")
        letters = "".join(code.removeprefix("DATIS-KIT-SHEET-1").split())
        share = base64.b32decode(letters) if len(letters) == 136 else b""
        said, told = share[:-6], share[-6:]
        fits = told == blake3.blake3(said, derive_key_context="datis 2026 v1 kit sheet").digest(length=6)
        need(share and fits and 1 <= said[0] <= 3, kit, "the last line of a sheet is mistyped")
        shares.setdefault(said[1:5], {})[said[0]] = (said[5:42], said[42:])
    if len(shares) != 1 or len(of_set := next(iter(shares.values()))) < 2:
        raise Refused(f"{kit} has to have two different sheets of one set")
    parts = {}
    for number, two in of_set.items():
        for name, part in zip("ABC".replace("ABC"[number - 1], ""), two):
            need(parts.setdefault(name, part) == part, kit, "the sheets do not fit together")
    bits = "".join(f"{a ^ b ^ c:08b}" for a, b, c in zip(*parts.values()))
    values = [int(bits[at : at + 5], 2) for at in range(0, 58 * 5, 5)]
    return "AGE-SECRET-KEY-1" + "".join("QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L"[value] for value in values)


class Store:
    """A store folder, opened with the kit's key. Sections "Store", "Recovery kit", "Vault file"."""

    def __init__(self, folder, kit, receipt_key):
        self.folder, self.kit, self.receipt_key = folder, kit, receipt_key
        self.complaints, self.places = 0, {}  # chunk name -> [(pack, segment, offset, length)]
        self.last = []  # components of the last path of the listing that is being read
        text = kit.read_text()
        lines = [line.strip() for line in text.splitlines()]
        if "# DATIS RECOVERY SHEET 1" in lines:
            self.kit = os.memfd_create("kit")  # never on a disk
            os.write(self.kit, join_sheets(text, kit).encode())
        elif "# DATIS RECOVERY KIT 1" not in lines:
            raise Refused(f"{kit} is not a Datis recovery kit of version 1")
        vault, secret, _ = record("vault file", self.open_age("vault file", folder / "vault.age"), 3, more=True)
        if f"# Vault: {octets(vault, 'vault file', 16).hex()}" not in lines:
            raise Refused(f"{kit} belongs to another vault than this store, or is not copied whole")
        secret = octets(secret, "vault file", 32)
        self.naming = blake3.blake3(secret, derive_key_context="datis 2026 v1 chunk name").digest()

    def complain(self, text):
        self.complaints += 1
        print(f"reader.py: {text}", file=sys.stderr)

    def open_age(self, what, sealed):
        """Opens an age file (path or bytes); the kit as it stands is an identity file of the stock tool."""
        sealed = sealed.read_bytes() if isinstance(sealed, Path) else sealed
        inherited = (self.kit,) if isinstance(self.kit, int) else ()
        identity = f"/proc/self/fd/{self.kit}" if inherited else self.kit
        age = ["age", "--decrypt", "--identity", identity]
        done = subprocess.run(age, input=sealed, capture_output=True, pass_fds=inherited)
        need(done.returncode == 0, what, "it cannot be opened with this kit, or was altered")
        return done.stdout

    def each(self, pattern, read):
        """Reads what fits the pattern; what cannot be read is reported and left out."""
        for path in sorted(self.folder.glob(pattern)):
            try:
                yield read(self, path)
            except PROBLEMS as error:
                self.complain(f"{path.name}: {error}")

    def index(self):
        for pack in self.each("packs/*/*.pack", Pack):
            for chunk, *place in pack.chunks:
                self.places.setdefault(chunk, []).append((pack, *place))

    def chunk(self, name, length=None):
        """The plain bytes of a chunk, from the first pack that has them. Section "Chunk"."""
        problem = Refused(f"chunk {name.hex()[:16]} is in no pack")
        for pack, segment, offset, there in self.places.get(name, []):
            try:
                plain = pack.segment(segment)[offset : offset + there]
                named = blake3.blake3(plain, key=self.naming).digest(length=NAME_LEN)
                need(named == name, f"pack {pack.path.name}", "it holds other bytes under a chunk's name")
                need(length in (None, len(plain)), "reference", "the chunk has another length")
                return plain
            except PROBLEMS as error:
                problem = error
        raise problem

    def content(self, level, lengths, names, what="content"):
        """Yields the data that the references stand for, in order. Section "Content"."""
        octets(names, what, NAME_LEN * len(numbers(lengths, what)))
        need(0 not in lengths and sum(lengths) < 1 << 63, what, "a reference has an impossible length")
        for at, length in enumerate(lengths):
            name = names[NAME_LEN * at : NAME_LEN * (at + 1)]
            if number(level, what, 9) == 0:
                yield self.chunk(name, length)
                continue
            node_level, node_lengths, node_names = record("content node", self.chunk(name), 3)
            need(node_level == level and sum(numbers(node_lengths, what)) == length, what, "a node is out of place")
            yield from self.content(level - 1, node_lengths, node_names)

    def entries(self, name, level, length, first=b"", what="listing node"):
        """Yields (path, Entry) in the order of a walk. A damaged node is reported, the rest goes on. "Listing"."""
        number(level, what, 13)
        node_level, items = record(what, self.chunk(octets(name, what, NAME_LEN), number(length, what)), 2)
        need(node_level == level, what, "it stands at another level")
        path, path_bytes = b"", 0
        for index, item in enumerate(fields(items, what)):
            if level == 0:
                shared, rest, body = fields(item, what, 3)
                need(number(shared, what) <= len(path), what, "a path shares more than there is")
                path = path[:shared] + octets(rest, what)
                path_bytes += len(path)
                need(len(path) <= PATH_MAX and path_bytes <= LEAF_PATHS_MAX, what, "its paths are too long")
                names_fit = all(0 < len(part) < 256 and part not in (b".", b"..") for part in path.split(b"/"))
                need(names_fit and b"\0" not in path, what, f"{show(path)} is no path")
            else:
                path, child, child_length, totals = fields(item, what, 4)
            # Over the whole listing, not within this node alone: or a few nodes could name each other's for ever.
            need(octets(path, what).split(b"/") > self.last, what, "paths are out of order")
            need(index > 0 or first in (b"", path), what, "it starts at another path than its parent says")
            if level == 0:
                self.last = path.split(b"/")
                yield path, Entry(body)
                continue
            try:
                yield from self.entries(child, level - 1, child_length, path)
            except Refused as error:
                self.complain(f"{numbers(totals, what, 2)[0]} entries from {show(path)} on: {error}")


class Pack:
    """One pack, its key and directory opened. Sections "Pack", "Directory", "Frame"."""

    def __init__(self, store, path):
        self.path, self.is_checked = path, False
        with path.open("rb") as file:
            start = file.read(12)
            need(len(start) == 12 and start[:7] == b"DATISPK", "pack", "it does not start like a pack")
            check_version("pack", start[7])
            age_length = int.from_bytes(start[8:], "little")
            need(0 < age_length <= 16 << 10, "pack", "its age file is too long")
            self.cipher = AESGCM(octets(store.open_age("pack", file.read(age_length)), "pack key", 32))
            end = file.seek(0, os.SEEK_END) - 24
            need(end >= 12 + age_length, "pack", "it is cut short")
            file.seek(end)
            trailer = file.read(24)
            need(trailer[16:] == b"DATISEND", "pack", "it does not end like a pack")
            at, sealed, plain = (int.from_bytes(trailer[a:b], "little") for a, b in ((0, 8), (8, 12), (12, 16)))
            need(at + sealed == end and plain <= DIRECTORY_MAX, "pack", "its trailer contradicts its length")
            file.seek(at)
            directory = self.open(b"\1", 0, file.read(sealed), plain)
        self._read_directory(record("directory", directory, 6), 12 + age_length, at)

    def _read_directory(self, columns, start, end, what="directory"):
        (offset, *columns, names) = columns
        sealed, plains, counts, lengths = (numbers(column, what) for column in columns)
        need(offset == start and len(sealed) == len(plains) == len(counts), what, "its columns do not fit together")
        need(start + sum(sealed) == end and sum(counts) == len(lengths), what, "it does not add up")
        names, rows = octets(names, what, NAME_LEN * len(lengths)), iter(enumerate(lengths))
        self.segments, self.chunks = [], []  # (offset in the pack, lengths sealed and plain); (name, place of a chunk)
        for segment, (sealed_length, plain_length, count) in enumerate(zip(sealed, plains, counts)):
            within = 0
            for row, length in islice(rows, count):
                self.chunks.append((names[NAME_LEN * row : NAME_LEN * (row + 1)], segment, within, length))
                need(length <= CHUNK_MAX, what, "a chunk is too long")
                within += length
            need(0 < count and within == plain_length <= SEGMENT_PLAIN_MAX, what, "a segment does not add up")
            self.segments.append((offset, sealed_length, plain_length))
            offset += sealed_length

    @lru_cache(maxsize=16)  # of all packs together
    def segment(self, number):
        offset, sealed, plain = self.segments[number]
        with self.path.open("rb") as file:
            if not self.is_checked:
                name = blake3.blake3()
                while piece := file.read(MIB):
                    name.update(piece)
                need(name.hexdigest() == self.path.stem, f"pack {self.path.name}", "its bytes do not fit its name")
                self.is_checked = True
            file.seek(offset)
            return self.open(b"\0", number, file.read(sealed), plain)

    def open(self, sort, place, sealed, length):
        """Unseals a frame and decodes it to exactly `length` bytes."""
        try:
            frame = self.cipher.decrypt(sort + bytes(7) + place.to_bytes(4, "big"), sealed, None)
            coding, plain = frame[:1], frame[1:]
            if coding == b"\1":
                need(zstandard.frame_content_size(plain) == length, "frame", "it says another length")
                plain = zstandard.ZstdDecompressor(max_window_size=8 * MIB).decompress(plain, allow_extra_data=False)
        except (InvalidTag, ValueError, zstandard.ZstdError) as error:
            raise Refused("damaged pack: sealed bytes were altered") from error
        if coding not in (b"\0", b"\1"):
            raise Refused(f"frame has coding {coding.hex()}, which this program does not know; get a newer one")
        need(len(plain) == length, "frame", "it has another length")
        return plain


class Snapshot:
    """One snapshot file, its signatures checked. Sections "Snapshot file", "Snapshot record", "Receipt"."""

    def __init__(self, store, path):
        signed, key, receipt = record("snapshot file", store.open_age("snapshot file", path), 3, more=True)
        data, signature = fields(signed, "signed record", 2)
        self.id = blake3.blake3(octets(data, "signed record")).digest()
        need(self.id.hex() == path.stem, "snapshot file", "its record does not fit its name")
        verify(key, b"datis v1 snapshot record", data, signature, "the record is not signed by its machine")
        values = record("snapshot record", data, 12, more=True)
        self.machine, self.source, self.kind, _, _, self.roots, self.listing, self.totals = values[1:9]
        self.problem_count, self.problems, _ = values[9:]
        number(self.kind, "snapshot record", len(KINDS))
        version, named, self.received_at, signature = fields(receipt, "receipt", 4)
        need(version == VERSION and named == self.id, "receipt", "it is about another snapshot")
        if store.receipt_key:
            said = cbor2.dumps([version, named, self.received_at, b""])
            verify(store.receipt_key, b"datis v1 receipt", said, signature, "the receipt is not signed by the box")

    def line(self):
        at = time.strftime("%FT%TZ", time.gmtime(self.received_at // 1000))
        what = (self.machine, self.source, KINDS[self.kind], "incomplete" if self.problem_count else "complete")
        return "\t".join(show(column) for column in (self.id.hex(), at, *what, *self.totals))


class Entry:
    """The body of a listing's entry. Section "Entry"."""

    def __init__(self, body, what="listing entry"):
        self.sort, mode, uid, gid, seconds, nanoseconds, xattrs, link, detail = fields(body, what, 9)
        need(type(seconds) is int and len(fields(xattrs, what)) % 2 == 0, what, "its time or attributes are impossible")
        self.mode, self.owner = number(mode, what, 0o10000), (number(uid, what, NO_OWNER), number(gid, what, NO_OWNER))
        self.time = seconds * 1_000_000_000 + number(nanoseconds, what, 1_000_000_000)
        self.xattrs = [(octets(name, what), octets(value, what)) for name, value in zip(xattrs[::2], xattrs[1::2])]
        self.link = None if link is None else tuple(numbers(link, what, 2))
        self.size = self.device = 0
        if number(self.sort, what, 7) == FILE:
            self.size, extents, self.content = fields(detail, what, 3)
            extents = [0, self.size] if extents is None else numbers(extents, what)
            self.extents, end = list(zip(extents[::2], extents[1::2])), 0
            for at, length in self.extents:
                need(at >= end and at + length <= number(self.size, what), what, "an extent is out of place")
                end = at + length
            lengths = numbers(fields(self.content, what, 3)[1], what)
            need(sum(lengths) == sum(extents[1::2]), what, "size, extents and content do not fit together")
        elif self.sort == SYMLINK:
            self.target = octets(detail, what)
            need(0 < len(self.target) <= 4096, what, "its target is impossible")
        elif self.sort in (BLOCK, CHAR):
            self.device = os.makedev(*numbers(detail, what, 2))


class Target:
    """The folder that is restored into. Every name is opened from its parent's handle, without following links."""

    def __init__(self, store, folder):
        self.store, self.directories, self.first_of_link = store, [], {}
        os.makedirs(folder, exist_ok=True)
        self.root = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        if os.listdir(self.root):
            raise Refused(f"{show(folder)} is not empty; name an empty or a new folder")
        os.umask(0)

    @contextmanager
    def parent(self, path):
        """A handle on the folder that `path` is in, and the last component. Folders without an entry are made."""
        *parts, name = path.split(b"/")
        handles = [os.dup(self.root)]
        try:
            for part in parts:
                with suppress(FileExistsError):
                    os.mkdir(part, 0o700, dir_fd=handles[-1])
                handles.append(os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=handles[-1]))
            yield handles[-1], name
        finally:
            for handle in handles:
                os.close(handle)

    def add(self, path, entry):
        with self.parent(path) as (handle, name):
            if entry.sort == DIRECTORY:
                os.mkdir(name, 0o700, dir_fd=handle)
                self.directories.append((path, entry))  # its mode and time come when its content is there
                return
            if first := self.first_of_link.get(entry.link):
                with self.parent(first) as (other, other_name):
                    os.link(other_name, name, src_dir_fd=other, dst_dir_fd=handle, follow_symlinks=False)
                return
            if entry.sort == FILE:
                self._write(handle, name, entry)
            elif entry.sort == SYMLINK:
                os.symlink(entry.target, name, dir_fd=handle)
            else:
                os.mknod(name, NODE_TYPES[entry.sort] | 0o600, entry.device, dir_fd=handle)
            if entry.link:
                self.first_of_link[entry.link] = path
            self._dress(path, handle, name, entry)

    def finish(self):
        for path, entry in reversed(self.directories):
            with self.parent(path) as (handle, name):
                self._dress(path, handle, name, entry)

    def _write(self, handle, name, entry):
        extents, left = iter(entry.extents), 0
        try:
            new = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=handle)
            with os.fdopen(new, "wb") as file:
                for data in self.store.content(*entry.content):
                    while data:
                        if left == 0:
                            at, left = next(extents)
                            file.seek(at)
                        written = file.write(data[:left])
                        data, left = data[written:], left - written
                file.truncate(entry.size)
        except Refused:
            os.unlink(name, dir_fd=handle)  # better no file than one that lacks bytes
            raise

    def _dress(self, path, handle, name, entry):
        """Owner, attributes, mode, time, in this order: each may reset the ones after it."""
        this = os.open(name, os.O_PATH | os.O_NOFOLLOW, dir_fd=handle)
        place = f"/proc/self/fd/{this}"  # stands for the very object, also when that is a symbolic link
        steps = [(os.chown, *entry.owner)] if os.geteuid() == 0 else []
        steps += [(os.setxattr, *attribute) for attribute in entry.xattrs]
        steps += [(os.chmod, entry.mode)] if entry.sort != SYMLINK else []
        for step, *arguments in steps + [(lambda where, time: os.utime(where, ns=(time, time)), entry.time)]:
            try:
                step(place, *arguments)
            except PROBLEMS as error:
                self.store.complain(f"{show(path)}: not all of its metadata is restored: {error}")
        os.close(this)


def restore(store, first_digits, folder):
    if len(first_digits) < 4 or set(first_digits) - set("0123456789abcdef"):
        raise Refused(f"`{show(first_digits)}` is no snapshot id; give at least 4 of its digits, as in the list")
    found = list(store.each(f"snapshots/*/{first_digits}*.age", Snapshot))
    if len(found) != 1:
        raise Refused(f"{len(found)} snapshots can be read whose id starts with {first_digits}; see the list")
    snapshot, target, count, size = found[0], Target(store, folder), 0, 0
    store.index()
    try:
        for path, entry in store.entries(*fields(snapshot.listing, "listing root", 3)):
            try:
                target.add(path, entry)
                count, size = count + 1, size + entry.size
            except PROBLEMS as error:
                store.complain(f"{show(path)} is not restored: {error}")
    except Refused as error:
        store.complain(f"the rest of the listing cannot be read: {error}")
    target.finish()
    if snapshot.problems:
        lines = b"".join(store.content(*fields(snapshot.problems, "problem list", 3))).split(b"\n")
        print("not in this snapshot:", *[show(line.replace(b"\t", b": ", 1)) for line in lines], sep="\n  ", file=sys.stderr)
    if [count, size] != snapshot.totals:
        store.complain(f"{count} entries of {snapshot.totals[0]} and {size} bytes of {snapshot.totals[1]} are restored")
    print(f"{count} entries, {size} bytes")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--receipt-key", metavar="HEX", type=bytes.fromhex, help="the box's key, to check receipts")
    parser.add_argument("store", type=Path)
    parser.add_argument("kit", type=Path)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("list", help="lists all snapshots, newest first")
    verb = verbs.add_parser("restore", help="restores one snapshot")
    verb.add_argument("snapshot", help="its id, or the first digits of it")
    verb.add_argument("dir", help="an empty folder, or one that is not there yet")
    given = parser.parse_args()
    try:
        store = Store(given.store, given.kit, given.receipt_key)
        if given.verb == "restore":
            restore(store, given.snapshot, given.dir)
        else:
            snapshots = store.each("snapshots/*/*.age", Snapshot)
            print(*[s.line() for s in sorted(snapshots, key=lambda s: (-s.received_at, s.id))], sep="\n")
    except PROBLEMS as error:
        print(f"reader.py: {error}", file=sys.stderr)
        return 2
    return 1 if store.complaints else 0


if __name__ == "__main__":
    sys.exit(main())
