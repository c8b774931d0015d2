#!/bin/bash
# Installs Tahoe-LAFS, which datis-bench-peers compares with, into a Python environment of its own in the folder given. Safe to
# run again; if it cannot be installed that is said, and the comparison is left out.
set -uo pipefail

environment=${1:?the folder for the environment}

[ -x "$environment/bin/tahoe" ] && exit
python3 -m venv "$environment" &&
    "$environment/bin/pip" install --quiet --disable-pip-version-check tahoe-lafs==1.20.0 ||
    echo "Tahoe-LAFS could not be installed" >&2
