"""Running one command and saying what it cost, under conditions that are the same for every tool."""

import contextlib
import os
import pathlib
import subprocess
import time
from dataclasses import dataclass

MIB = 1 << 20


class ToolFailed(Exception):
    """A measured command did not end well; the text says which and ends with what it printed."""


@dataclass(frozen=True)
class Sample:
    """What one step cost. `box_*` is the daemon's share, zero for tools that have none."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int
    box_cpu_seconds: float = 0.0
    box_peak_bytes: int = 0


def run(command, log, cwd=None, env=None, stdin=None, stdout=None):
    """Runs COMMAND to its end, with its output in the file LOG (standard output in STDOUT, if given).

    The peak is the largest resident set of the command or of any process it waited for. A new process starts out with the
    figure of the one that made it, so nothing below this script's own 20 MiB can be seen.
    """
    with open(log, "ab") as messages:
        messages.write(f"\n$ {' '.join(map(str, command))}\n".encode())
        messages.flush()
        started = time.monotonic()
        process = subprocess.Popen(
            command, cwd=cwd, env=env, stdin=stdin or subprocess.DEVNULL, stdout=stdout or messages, stderr=messages
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        tail = pathlib.Path(log).read_bytes()[-600:].decode(errors="replace")
        raise ToolFailed(f"{command[0]} ended with {process.returncode}; its last words:\n{tail}")
    return Sample(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def output_of(command, log, env=None):
    """Runs COMMAND and returns what it printed."""
    capture = pathlib.Path(f"{log}.out")
    with capture.open("wb") as out:
        run(command, log, env=env, stdout=out)
    return capture.read_text()


def settle():
    """Waits until nothing is left to be written back, so that no tool pays for the one before it."""
    os.sync()
    time.sleep(1)


def warm(path):
    """Reads PATH once, so that every tool finds its input in memory: a virtual machine's host may have paged it out."""
    subprocess.run(
        ["sh", "-c", 'find "$1" -type f -print0 | xargs -0 -r cat >/dev/null', "sh", str(path)], check=True
    )


def size_of(path):
    """Bytes in all files below PATH. Folders are not counted, their size depends on the file system alone."""
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            with contextlib.suppress(FileNotFoundError):  # a daemon may drop a temporary file while we look
                total += os.lstat(os.path.join(folder, name)).st_size
    return total


@contextlib.contextmanager
def fresh_file_system(folder, name, size=4 << 30, inodes=500_000):
    """A newly made ext4, mounted at FOLDER/NAME: a used one gets slower at making files with every mass deletion."""
    image, mount = folder / f"{name}.img", folder / name
    mount.mkdir(exist_ok=True)
    if mount.is_mount():  # a run that was killed left it
        subprocess.run(["umount", mount], check=True)
    image.unlink(missing_ok=True)
    with image.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, size)
    options = "lazy_itable_init=0,lazy_journal_init=0"
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-m", "0", "-N", str(inodes), "-E", options, image], check=True)
    subprocess.run(["mount", "-o", "loop", image, mount], check=True)
    try:
        (mount / "files").mkdir()
        yield mount / "files"
    finally:
        subprocess.run(["umount", mount], check=True)
        image.unlink()
