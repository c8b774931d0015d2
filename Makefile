# Each target installs what it needs first (Debian 12, root).

.PHONY: test lint tools

# Installs the Debian packages that building and testing need; quiet and quick when they are there.
tools:
	@command -v cc >/dev/null && command -v pkg-config >/dev/null || \
	  { apt-get update -qq && apt-get install -y -qq --no-install-recommends gcc libc6-dev pkg-config; }

test: tools
	cargo test --workspace --locked

lint: tools
	cargo fmt --all -- --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
