#!/bin/bash
# Prepares the five data sets that bench.py measures, below the folder given (default: /var/tmp/datis-bench/data):
#
#   source/          the Linux source tree of Debian's linux-source-6.1, unpacked
#   dump-1.sql, -2   two pg_dump files of one pgbench database, 4 000 transactions apart
#   image-1.ext4, -2 a Debian root file system in an ext4 image of 1 GiB, before and after an upgrade in place
#   random.bin       1 GiB that does not compress
#   tiny/            200 000 small text files in 2 000 directories
#
# Each set is built under another name and renamed when whole, so the script can be stopped and run again: it makes what is
# missing. Needs root and Debian 12; installs what it needs. About 7 GB and some ten minutes.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
data=${1:-/var/tmp/datis-bench/data}
mkdir -p "$data"
data=$(cd "$data" && pwd)

scratch=$(mktemp -d -p "${TMPDIR:-/tmp}" datis-bench.XXXXXX)
pg_bin=
mounted=
cleanup() {
    if [ -n "$mounted" ]; then umount "$mounted" || true; fi
    if [ -n "$pg_bin" ]; then as_postgres "$pg_bin/pg_ctl" -D "$scratch/cluster" -m immediate stop >/dev/null 2>&1 || true; fi
    rm -rf "$scratch"
}
trap cleanup EXIT

say() { printf '%s  %s\n' "$(date +%T)" "$*" >&2; }

# install PACKAGE…: installs those that are not there yet.
install() {
    local missing=()
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done
    if [ ${#missing[@]} -eq 0 ]; then return; fi
    say "installing ${missing[*]}"
    apt-get update -q >/dev/null
    DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "${missing[@]}" >/dev/null
}

as_postgres() { (cd / && runuser -u postgres -- "$@"); }

source_tree() {
    install linux-source-6.1 xz-utils
    rm -rf "$data/source.part"
    mkdir "$data/source.part"
    tar -xf /usr/src/linux-source-6.1.tar.xz -C "$data/source.part" --strip-components=1
    mv "$data/source.part" "$data/source"
}

# A pgbench database of scale 50 (5 million accounts) in a cluster of its own that listens on a unix socket only, dumped
# before and after 4 000 transactions of one client with a fixed seed. A new pgbench database holds nothing but zeros and
# shrinks to a hundredth, which no database in use does: so every account gets a balance first.
dumps() {
    install postgresql postgresql-contrib
    pg_bin=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -1)
    chmod 755 "$scratch"
    mkdir "$scratch/cluster"
    chown postgres: "$scratch/cluster"
    as_postgres "$pg_bin/initdb" -D "$scratch/cluster" -A trust -E UTF8 --locale=C >/dev/null
    as_postgres "$pg_bin/pg_ctl" -D "$scratch/cluster" -l "$scratch/cluster/log" -w start >/dev/null \
        -o "-k $scratch/cluster -c listen_addresses= -c fsync=off -c synchronous_commit=off -c max_wal_size=4GB"
    local at=(-h "$scratch/cluster" -U postgres)
    as_postgres "$pg_bin/createdb" "${at[@]}" shop
    as_postgres "$pg_bin/pgbench" "${at[@]}" -q -i -s 50 shop >/dev/null 2>&1
    as_postgres "$pg_bin/psql" "${at[@]}" -q shop -c 'SELECT setseed(0.42)' \
        -c 'UPDATE pgbench_accounts SET abalance = (random() * 200000 - 100000)::int' \
        -c 'VACUUM FULL ANALYZE pgbench_accounts' >/dev/null
    as_postgres "$pg_bin/pg_dump" "${at[@]}" shop >"$data/dump-1.part"
    as_postgres "$pg_bin/pgbench" "${at[@]}" -n -c 1 -t 4000 --random-seed=42 shop >/dev/null 2>&1
    as_postgres "$pg_bin/pg_dump" "${at[@]}" shop >"$data/dump-2.part"
    as_postgres "$pg_bin/pg_ctl" -D "$scratch/cluster" -m fast stop >/dev/null
    rm -rf "$scratch/cluster"
    pg_bin=
    mv "$data/dump-1.part" "$data/dump-1.sql"
    mv "$data/dump-2.part" "$data/dump-2.sql"
}

# The second version is the first one after a morning of administration: packages added, configuration edited, logs grown.
images() {
    install mmdebstrap e2fsprogs
    local first=$data/image-1.part second=$data/image-2.part root=$scratch/root
    mmdebstrap --quiet --variant=important \
        --include=openssh-server,nginx,python3,git,vim,build-essential,postgresql-client \
        bookworm "$root" </dev/null
    rm -f "$first" "$second"
    truncate -s 1G "$first"
    mke2fs -q -t ext4 -U 6f0c1c1e-0d53-4b57-9a53-5f3b6c1d0a01 -E hash_seed=6f0c1c1e-0d53-4b57-9a53-5f3b6c1d0a02 \
        -d "$root" "$first"
    cp --sparse=always "$first" "$second"

    mkdir "$scratch/image"
    mount -o loop "$second" "$scratch/image"
    mounted=$scratch/image
    apt-get -qq -y -o "Dir::State::status=$mounted/var/lib/dpkg/status" -o "Dir::Cache::archives=$mounted/var/cache/apt/archives" \
        --no-install-recommends --download-only install tmux redis-server rsync >/dev/null
    printf '#!/bin/sh\nexit 101\n' >"$mounted/usr/sbin/policy-rc.d"
    chmod 755 "$mounted/usr/sbin/policy-rc.d"
    chroot "$mounted" sh -c 'DEBIAN_FRONTEND=noninteractive dpkg -i /var/cache/apt/archives/*.deb' >/dev/null
    rm -f "$mounted"/var/cache/apt/archives/*.deb "$mounted/usr/sbin/policy-rc.d"
    echo 'client_max_body_size 64m;' >"$mounted/etc/nginx/conf.d/upload.conf"
    python3 "$here/generate.py" log "$mounted/var/log/nginx/access.log"
    umount "$mounted"
    mounted=
    rm -rf "$root"
    mv "$first" "$data/image-1.ext4"
    mv "$second" "$data/image-2.ext4"
}

random_file() {
    python3 "$here/generate.py" random "$data/random.part"
    mv "$data/random.part" "$data/random.bin"
}

tiny_files() {
    rm -rf "$data/tiny.part"
    python3 "$here/generate.py" tiny "$data/tiny.part"
    mv "$data/tiny.part" "$data/tiny"
}

# make WHAT FUNCTION: runs FUNCTION unless WHAT, its last product, is there.
make() {
    if [ -e "$data/$1" ]; then return; fi
    say "making $1"
    "$2"
}

install python3
make source source_tree
make dump-2.sql dumps
make image-2.ext4 images
make random.bin random_file
make tiny tiny_files
say "data sets are in $data"
