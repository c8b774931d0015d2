"""The data sets that are made rather than found: each is the same bytes on every machine.

    generate.py random FILE     1 GiB that does not compress
    generate.py tiny DIR        200 000 text files of 100 B to 4 KiB in 2 000 directories
    generate.py log FILE        4 MiB of a web server's access log
"""

import os
import random
import sys

MIB = 1 << 20
WORDS = (
    "invoice order table guest menu price tax total change cash card receipt kitchen printer shift waiter stock delivery "
    "supplier margin discount refund opening closing report backup server update version database journal record field"
).split()


def write_random(path):
    source = random.Random(1)
    with open(path, "wb") as out:
        for _ in range(1024):
            out.write(source.randbytes(MIB))


def write_tiny(root, directories=2000, per_directory=100):
    """Two levels of folders as an application's data has them; sizes spread evenly on a logarithmic scale."""
    source = random.Random(2)
    os.mkdir(root)
    for number in range(directories):
        folder = os.path.join(root, f"{number // 50:02d}", f"{number:04d}")
        os.makedirs(folder)
        for name in range(per_directory):
            size = int(100 * 40.96 ** source.random())
            with open(os.path.join(folder, f"{name:03d}.txt"), "w") as out:
                out.write(tiny_text(source, size))


def tiny_text(source, size):
    """SIZE characters of records: words that repeat, numbers that do not."""
    lines = []
    length = 0
    while length < size:
        words = " ".join(source.choices(WORDS, k=6))
        line = f"{source.randrange(10**9):09d} {words} {source.randrange(10**5) / 100:.2f}\n"
        lines.append(line)
        length += len(line)
    return "".join(lines)[:size]


def write_log(path):
    source = random.Random(3)
    with open(path, "a") as out:
        while out.tell() < 4 * MIB:
            out.write(
                f"192.0.2.{source.randrange(256)} - - [01/Mar/2026:{source.randrange(24):02d}:00:00 +0000] "
                f'"GET /{source.choice(WORDS)}/{source.randrange(10**6)} HTTP/1.1" 200 {source.randrange(10**5)}\n'
            )


if __name__ == "__main__":
    {"random": write_random, "tiny": write_tiny, "log": write_log}[sys.argv[1]](sys.argv[2])
