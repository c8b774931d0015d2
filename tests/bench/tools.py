"""The tools that are compared, each behind the same five verbs: begin, backup, restore, check, end."""

import dataclasses
import json
import os
import pathlib
import shutil
import signal
import subprocess
import time

from measure import output_of, run, size_of

PASSWORD = "bench"


class Tool:
    """One tool with one new repository below `home`. Peers work on a local repository, without a server between."""

    name = ""
    program = ""
    can_check = True

    def __init__(self, home, programs):
        self.home = home
        self.repository = home / "repository"
        self.log = home / "log"
        self.bin = programs.get(self.program)
        self.env = {**os.environ, "HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")}

    @classmethod
    def find(cls, folder):
        """The path of the tool's program: in FOLDER/bin (put there by peers.sh) or installed on the system."""
        return shutil.which(cls.program, path=f"{folder / 'bin'}:{os.environ['PATH']}")

    def begin(self):
        """Makes an empty repository. Not measured."""

    def end(self):
        """Lets go of everything. Not measured."""

    def backup(self, path, kind):
        """Backs up PATH as the next state of the same source."""
        raise NotImplementedError

    def restore(self, target):
        """Restores the newest backup into the empty folder TARGET."""
        raise NotImplementedError

    def check(self):
        """Reads and verifies everything that the repository holds."""
        raise NotImplementedError

    def size(self):
        """Bytes on the disk that hold backups."""
        return size_of(self.repository)

    def call(self, *arguments, **options):
        return run([self.bin, *arguments], self.log, env=self.env, **options)


class Restic(Tool):
    name = program = "restic"

    def begin(self):
        self.env |= {"RESTIC_REPOSITORY": str(self.repository), "RESTIC_PASSWORD": PASSWORD}
        self.call("init")

    def backup(self, path, kind):
        return self.call("backup", "--quiet", path)

    def restore(self, target):
        return self.call("restore", "latest", "--quiet", "--target", target)

    def check(self):
        return self.call("check", "--quiet", "--read-data")


class Rustic(Tool):
    name = program = "rustic"

    def begin(self):
        self.env |= {"RUSTIC_REPOSITORY": str(self.repository), "RUSTIC_PASSWORD": PASSWORD, "RUSTIC_NO_PROGRESS": "true"}
        self.call("init")

    def backup(self, path, kind):
        self.path = path
        return self.call("backup", path)

    def restore(self, target):
        return self.call("restore", "latest", target)

    def check(self):
        return self.call("check", "--read-data")


class Borg(Tool):
    """With zstd at level 3, as all the others: borg's own default, lz4, is faster and stores a third more."""

    name = program = "borg"

    def begin(self):
        self.env |= {"BORG_REPO": str(self.repository), "BORG_PASSPHRASE": PASSWORD, "BORG_BASE_DIR": str(self.home)}
        self.count = 0
        self.call("init", "--encryption", "repokey-blake2")

    def backup(self, path, kind):
        self.count += 1
        return self.call("create", "--compression", "zstd,3", f"::{self.count}", path)

    def restore(self, target):
        return self.call("extract", f"::{self.count}", cwd=target)

    def check(self):
        return self.call("check", "--verify-data")


class Bupstash(Tool):
    """Has no check of its own. A single file is one stream to it, which `get` writes to standard output."""

    name = program = "bupstash"
    can_check = False

    def begin(self):
        self.env |= {"BUPSTASH_REPOSITORY": str(self.repository), "BUPSTASH_KEY": str(self.home / "key")}
        self.call("new-key", "-o", self.home / "key")
        self.call("init")

    def backup(self, path, kind):
        self.path = path
        with (self.home / "id").open("wb") as out:
            return self.call("put", "--quiet", path, stdout=out)

    def restore(self, target):
        item = f"id={(self.home / 'id').read_text().strip()}"
        if self.path.is_dir():
            return self.call("restore", "--quiet", "--into", target, item)
        with (target / self.path.name).open("wb") as out:
            return self.call("get", "--quiet", item, stdout=out)


class Datis(Tool):
    """This product, always through the whole way: client, mutual TLS, box. The box sleeps while others are measured."""

    name = program = "datis"
    daemon = None

    @classmethod
    def find(cls, folder):
        release = pathlib.Path(__file__).resolve().parents[2] / "target/release"
        built = all((release / name).is_file() for name in ("datis", "datisd"))
        return str(release / "datis") if built else None

    def begin(self):
        self.box = f"{self.bin}d"
        self.state = ("--state", self.home / "state")
        self.call_box("init")
        # The site is not what is measured.
        (pathlib.Path(self.repository) / "datisd.toml").write_text("[commissioning]\nautomatic = false\n")
        with self.log.open("ab") as messages:
            self.daemon = subprocess.Popen(
                [self.box, "run", "--data", self.repository, *"--listen 127.0.0.1 --machine-port 0 --portal-port 0".split()],
                env=self.env,
                stdout=subprocess.PIPE,
                stderr=messages,
                text=True,
            )
        ready = self.daemon.stdout.readline()
        assert ready.startswith("datisd ready"), f"the box said {ready!r}"
        code = ("enrol-code", "--data", self.repository, "--machine", "bench", "--profile", "server")
        self.call(*self.state, "enrol", output_of([self.box, *code], self.log, self.env).strip())
        self.sleep()

    def end(self):
        if self.daemon and self.daemon.poll() is None:
            self.daemon.send_signal(signal.SIGCONT)
            self.daemon.terminate()
            self.daemon.wait(timeout=60)

    def backup(self, path, kind):
        return self.with_box("backup", path, "--source", path.name, "--kind", kind, "--json")

    def restore(self, target):
        self.daemon.send_signal(signal.SIGCONT)
        snapshots = json.loads(output_of([self.bin, *self.state, "snapshots", "--json"], self.log, self.env))
        newest = max(snapshots, key=lambda snapshot: snapshot["received_at"])
        return self.with_box("restore", newest["id"], "--to", target)

    def check(self):
        """Runs beside the serving box; what it takes is the box's, not the client's."""
        self.daemon.send_signal(signal.SIGCONT)
        sample = self.call_box("verify")
        self.sleep()
        return dataclasses.replace(sample, peak_bytes=0, box_peak_bytes=sample.peak_bytes)

    def size(self):
        """The packs. What else the data folder holds (catalog, identity) is in `size_of_everything`."""
        return size_of(self.repository / "store")

    def size_of_everything(self):
        return size_of(self.repository)

    def call_box(self, verb):
        return run([self.box, verb, "--data", self.repository], self.log, env=self.env)

    def with_box(self, *arguments):
        """Measures one call of the client, together with what the box spends meanwhile."""
        self.daemon.send_signal(signal.SIGCONT)
        proc = pathlib.Path(f"/proc/{self.daemon.pid}")
        (proc / "clear_refs").write_text("5")  # VmHWM starts again from what is resident now
        before = self.box_cpu()
        sample = self.call(*self.state, *arguments)
        peak = next(line for line in (proc / "status").read_text().splitlines() if line.startswith("VmHWM"))
        spent = self.box_cpu() - before
        self.sleep()
        return dataclasses.replace(sample, box_cpu_seconds=spent, box_peak_bytes=int(peak.split()[1]) * 1024)

    def box_cpu(self):
        """Processor seconds that the box has used so far (fields 14 and 15 of its stat)."""
        fields = pathlib.Path(f"/proc/{self.daemon.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def sleep(self, limit=60):
        """Lets the box end its background work, then stops it, so that the other tools have the machine to themselves."""
        deadline = time.monotonic() + limit
        used, before = self.box_cpu(), -1.0
        while used - before > 0.02 and time.monotonic() < deadline:
            time.sleep(1)
            used, before = self.box_cpu(), used
        self.daemon.send_signal(signal.SIGSTOP)


TOOLS = [Datis, Restic, Rustic, Borg, Bupstash]
