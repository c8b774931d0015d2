#!/bin/bash
# Installs the tools that bench.py compares with: restic and borg from Debian, rustic and bupstash from crates.io into the
# folder given. Safe to run again; a tool that cannot be installed is named and left out of the comparison.
set -uo pipefail

tools=${1:?the folder for rustic and bupstash}

debian() {
    dpkg-query -W -f '${Status}\n' "$@" 2>/dev/null | grep -c 'ok installed' | grep -qx $# && return
    apt-get update -q >/dev/null
    DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "$@" >/dev/null
}

crate() {
    [ -x "$tools/bin/$2" ] && return
    cargo install --quiet --locked --root "$tools" "$1"
}

debian restic borgbackup pkg-config libsodium-dev e2fsprogs || echo "restic or borg could not be installed" >&2
crate rustic-rs rustic || echo "rustic could not be installed" >&2
crate bupstash bupstash || echo "bupstash could not be installed" >&2
