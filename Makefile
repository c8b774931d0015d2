# Each target installs what it needs first (Debian 12, root) and says in one line each what it does: `make help`.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

TOOLS := $(CURDIR)/target/tools
PROGRAMS := $(CURDIR)/target/programs
PLANT := datis-appliance/plant,datis-client/plant

# What tests are told: which programs to test, which have bugs planted, a Python for docs/reader.py, and axe-core for pages.
TEST_ENVIRONMENT = DATIS_BIN_DIR=$(PROGRAMS)/plain DATIS_PLANTED_BIN_DIR=$(PROGRAMS)/planted \
	DATIS_PYTHON=$(TOOLS)/bin/python DATIS_AXE=$(TOOLS)/axe.min.js

# Power cuts, kills and other random faults of each kind that one run makes (tests/crash).
CYCLES ?= 2000
# Seconds for each decoder.
FUZZ_SECONDS ?= 30
# The folder that the demonstration backs up; KEEP=0 ends the boxes afterwards.
DEMO_SOURCE ?= /usr/share
KEEP ?= 1
# Data for the benchmark of mutual backup, and where all its boxes lie: in life each has a disk of its own.
PEERS_MIB ?= 2048
PEERS_DIR ?= /dev/shm

.PHONY: help components demo test lint format-and-clippy deny programs programs-release soak bench fuzz tools-build tools-test tools-python

help: ## shows this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 24

components: tools-build ## writes the list of components with their licences anew, after a change of dependencies
	DATIS_WRITE_COMPONENTS=1 cargo test --locked -p datis-tests --test tidy components

demo: tools-build ## backs a real folder up to a box, gets it back, then loses that box and two of six others, and recovers it from the kit (DEMO_SOURCE=, KEEP=0)
	@echo "Building datisd and datis (the first time this takes some minutes) ..."
	@cargo build --quiet --release --locked --workspace --bins
	@DEMO_SOURCE='$(DEMO_SOURCE)' KEEP='$(KEEP)' DATIS_BIN_DIR=target/release target/release/datis-demo

test: tools-test lint programs ## installs what the tests need, and runs them all
	$(TEST_ENVIRONMENT) cargo test --locked --workspace
	cargo test --locked --package datis-engine --features plant --test simulation planted

lint: format-and-clippy deny ## formatting, clippy with warnings as errors, licences and sources of all dependencies

format-and-clippy: tools-build
	cargo fmt --all -- --check
	cargo clippy --locked --workspace --all-targets -- -D warnings

deny: tools-python
	tests/tools/install-cargo-deny.sh $(TOOLS)
	PATH="$(TOOLS)/bin:$$PATH" cargo deny --locked check bans licenses sources

# The same target folder for both, so that dependencies are compiled once; copied away, so that building again while tests
# run does not change what they test.
programs: tools-build ## builds the programs under test, as they are shipped and with planted bugs
	cargo build --locked --workspace --bins --features $(PLANT)
	install -D -t $(PROGRAMS)/planted target/debug/datisd target/debug/datis-probe target/debug/datis-hand target/debug/datis
	cargo build --locked --workspace --bins
	install -D -t $(PROGRAMS)/plain target/debug/datisd target/debug/datis-probe target/debug/datis-hand target/debug/datis

programs-release: tools-build
	cargo build --release --locked --workspace --bins --features $(PLANT)
	install -D -t $(PROGRAMS)/planted target/release/datisd target/release/datis-probe target/release/datis-hand target/release/datis
	cargo build --release --locked --workspace --bins
	install -D -t $(PROGRAMS)/plain target/release/datisd target/release/datis-probe target/release/datis-hand target/release/datis

soak: tools-test programs-release ## archives of many GiB, a million names; communities of up to 49 boxes; thousands of crashes and power cuts (CYCLES=); hours
	$(TEST_ENVIRONMENT) cargo test --release --locked --package datis-appliance --lib -- --ignored --nocapture
	$(TEST_ENVIRONMENT) cargo test --release --locked --package datis-tests --test system -- --ignored --nocapture
	$(TEST_ENVIRONMENT) DATIS_CYCLES=$(CYCLES) cargo test --release --locked --package datis-tests --test crash -- --nocapture

bench: tools-test ## a catalog of 16 Mi chunks, the pages of a large box, backups beside restic, rustic, borg and bupstash, mutual backup beside Tahoe-LAFS; two hours, 25 GB
	cargo run --release --locked --package datis-appliance --features bench --example big_catalog
	cargo build --release --locked --package datis-appliance --features bench --example busy_box
	cargo build --release --locked --workspace --bins
	DATIS_BIN_DIR=target/release target/release/datis-bench-portal target/release/examples/busy_box
	python3 tests/bench/bench.py
	tests/bench/tahoe.sh target/tahoe
	DATIS_BIN_DIR=target/release target/release/datis-bench-peers $(PEERS_MIB) $(PEERS_DIR) target/tahoe/bin/tahoe

fuzz: tools-build ## feeds every decoder with mutated input (FUZZ_SECONDS= for each)
	$(call install-packages,g++)
	FUZZ_SECONDS=$(FUZZ_SECONDS) tests/fuzz/run.sh

# Nothing is asked of the network when everything is there already.
define install-packages
	@missing=$$({ dpkg-query -W -f '$${db:Status-Status} $${Package}\n' $(1) 2>&1 || true; } | sed -nE '/^installed /!{s/^dpkg-query: no packages found matching //; s/^[a-z-]+ //; p}'); \
	if [ -n "$$missing" ]; then apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; fi
endef

tools-build:
	$(call install-packages,gcc libc6-dev)

tools-python:
	$(call install-packages,gcc libc6-dev python3 python3-venv python3-pip)

tools-test: tools-build tools-python
	$(call install-packages,acl age attr busybox chromium chromium-driver dbus dnsmasq-base e2fsprogs faketime fonts-dejavu-core fuse3 iproute2 libnss3-tools miniupnpd-nftables mount nftables nut-client nut-server procps rclone rsync slapd systemd util-linux xfsprogs)
	@[ -x $(TOOLS)/bin/pip ] || python3 -m venv $(TOOLS)
	@$(TOOLS)/bin/pip install --quiet --disable-pip-version-check --requirement tests/tools/requirements.txt
	@tests/tools/install-axe.sh $(TOOLS)
