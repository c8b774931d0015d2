#!/usr/bin/env bash
# Builds all fuzz targets and runs each for FUZZ_SECONDS (default 30); stops at the first that fails and shows its input.
#
# `run.sh TARGET…` runs only these. What was found goes to tests/fuzz/artifacts, what is worth keeping for the next run to
# tests/fuzz/corpus; both stay out of the repository. A finding becomes a unit test beside the code it is about.
set -euo pipefail
cd "$(dirname "$0")"
seconds=${FUZZ_SECONDS:-30}
host=$(rustc --version --verbose | sed -n 's/^host: //p')

# Coverage instruments everything, the sanitizer counts allocations: both need flags that a stable compiler keeps shut.
coverage="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
  -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares"
export RUSTC_BOOTSTRAP=1 RUSTFLAGS="--cfg fuzzing -Zsanitizer=address -Ccodegen-units=1 $coverage"
export CARGO_TARGET_DIR=$PWD/target
cargo build --release --locked --target "$host" --bins
(unset RUSTC_BOOTSTRAP RUSTFLAGS CARGO_TARGET_DIR
 cd ../.. && cargo run --quiet --locked -p datis-engine --example fuzz_seeds -- tests/fuzz/corpus)

targets=("$@")
[ $# -gt 0 ] || targets=($(cd src/bin && ls ./*.rs | sed 's#^\./##; s#\.rs$##'))
for target in "${targets[@]}"; do
  echo "fuzz $target for $seconds s"
  mkdir -p "corpus/$target" artifacts
  "target/$host/release/$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -malloc_limit_mb=256 \
    -max_len=65536 -use_value_profile=1 -print_final_stats=1 -artifact_prefix="artifacts/$target-" "corpus/$target" \
    >"artifacts/$target.log" 2>&1 || { tail -40 "artifacts/$target.log"; echo "fuzz $target: FAILED"; exit 1; }
  awk '/stat::number_of_executed_units/ {units = $2} /cov: / {split($0, parts, "cov: "); split(parts[2], cov, " ")}
       END {printf "  %s inputs, %s edges, nothing found\n", units, cov[1]}' "artifacts/$target.log"
done
