#!/usr/bin/env bash
# Puts axe-core, which finds what keeps people out of a page, into the folder $1 as axe.min.js, unless it is there. It
# comes in a wheel that is held by its hash; nothing of that package but this file is used.
set -euo pipefail
version=4.12.1
wheel=axe-playwright-python==0.1.8
wheel_sha256=fdd263c998388f1a8e67cad02677e612d946248bd44d163be5e8650ea31f95f8
folder=$1

head -c 64 "$folder/axe.min.js" 2>/dev/null | grep -qF "axe v$version" && exit 0
[ -x "$folder/bin/pip" ] || python3 -m venv "$folder"
unpacked=$(mktemp -d)
trap 'rm -rf "$unpacked"' EXIT
"$folder/bin/pip" install --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes \
  --target "$unpacked" --requirement <(echo "$wheel --hash=sha256:$wheel_sha256")
head -c 64 "$unpacked/axe_playwright_python/axe.min.js" | grep -qF "axe v$version"
install -m 644 "$unpacked/axe_playwright_python/axe.min.js" "$folder/axe.min.js"
