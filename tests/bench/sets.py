"""The data sets: where they lie, how a working copy is made, and what happens to one between two backups."""

import os
import random
import shutil
import subprocess
from dataclasses import dataclass, field
from typing import Callable

PLACE = 64 << 10


@dataclass(frozen=True)
class DataSet:
    """One data set. `kind` is the source kind that Datis is told; `targets` replaces entries of bench.TARGETS."""

    name: str
    title: str
    kind: str
    original: str
    change: Callable
    targets: dict = field(default_factory=dict)

    def copy_to(self, folder, data):
        """Lays a working copy of the data set in DATA into the empty FOLDER and returns its path."""
        copy = folder / self.original.replace("-1.", ".")
        subprocess.run(["cp", "-a", "--sparse=auto", data / self.original, copy], check=True)
        return copy


def one_in_a_hundred(root):
    """Every hundredth regular file below ROOT in path order, from a fixed start."""
    files = []
    for folder, folders, names in os.walk(root):
        folders.sort()
        paths = (os.path.join(folder, name) for name in sorted(names))
        files.extend(path for path in paths if os.path.isfile(path) and not os.path.islink(path))
    return files[37::100]


def edit_a_line(copy, data):
    """Source tree: one line in 1 % of the files gets another text."""
    chance = random.Random(11)
    for path in one_in_a_hundred(copy):
        with open(path, "rb") as file:
            lines = file.read().split(b"\n")
        lines[chance.randrange(len(lines))] = b"/* reviewed, case %d */" % chance.randrange(10**6)
        with open(path, "wb") as file:
            file.write(b"\n".join(lines))


def rewrite_files(copy, data):
    """Tiny files: 1 % of them get another content of the same size."""
    chance = random.Random(12)
    for path in one_in_a_hundred(copy):
        size = os.path.getsize(path)
        text = " ".join(f"entry {chance.randrange(10**9)} closed" for _ in range(size // 20 + 1))
        with open(path, "w") as file:
            file.write(text[:size])


def overwrite_places(copy, data):
    """Incompressible file: 1 % of it is overwritten in place, in random pieces of 64 KiB."""
    chance = random.Random(13)
    size = os.path.getsize(copy)
    with open(copy, "r+b") as file:
        for _ in range(size // PLACE // 100):
            file.seek(chance.randrange(size // PLACE) * PLACE)
            file.write(chance.randbytes(PLACE))


def second_version(original):
    """Dump and image: the next version of the file takes the place of the first."""

    def change(copy, data):
        shutil.copyfile(data / original, copy)

    return change


DATA_SETS = [
    DataSet("source", "Linux source tree", "files", "source", edit_a_line),
    DataSet(
        "dump", "dump of a database", "database", "dump-1.sql", second_version("dump-2.sql"), {"changed bytes": 0.20}
    ),
    DataSet("image", "file system image", "image", "image-1.ext4", second_version("image-2.ext4")),
    DataSet(
        "random",
        "1 GiB incompressible",
        "image",
        "random.bin",
        overwrite_places,
        {"first": 1.0, "repository": 1.01},
    ),
    DataSet("tiny", "200 000 tiny files", "files", "tiny", rewrite_files),
]
