# Shared by the scripts beside it; sourced, with the repository's root as $root. Bash.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# What a build needs beside Swift itself: a C library to link with, git for the package dependencies, and the C
# libraries of the system layer (Package.swift).
build_packages=(
    git ca-certificates binutils libc6-dev libstdc++-12-dev pkg-config
    libmicrohttpd-dev libjson-c-dev libssl-dev libsqlite3-dev libwslay-dev libzydis-dev liburing-dev
)
# What scripts/run needs beside the build.
run_packages=(curl)
# What networks with DHCP and NAT, and those of user mode, need where the server runs; without them it says so.
network_packages=(iproute2 nftables dnsmasq-base passt)
# What the tests need beside the build: the test host (QEMU, busybox, and tools to unpack and shrink its kernel),
# iasl to read our ACPI tables back, and python3 for the scripts.
test_packages=(
    curl python3 python3-yaml qemu-system-x86 busybox-static lz4 xz-utils zstd acpica-tools e2fsprogs qemu-utils
    genisoimage fio socat "${network_packages[@]}"
)

# What the longest jobs of the test host (scripts/test --all) need: an image of Debian with cloud-init.
long_test_packages=(mmdebstrap fdisk)

say() { printf '%s\n' "$*"; }
die() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; exit 1; }

# as_root COMMAND...: runs it as root where that is possible without a question; 126 where it is not.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        env "$@"
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        sudo -n env "$@"
    else
        return 126
    fi
}

is_installed() {
    # One word for each architecture; "not-installed" is one too, of a package that dpkg has only heard of.
    case " $(dpkg-query -W -f '${db:Status-Status} ' "$1" 2>/dev/null) " in *' installed '*) return 0 ;; esac
    return 1
}

# need PACKAGE...: installs those Debian packages that are missing. Quiet, and needs no root, when none is.
need() {
    local package missing=()
    for package in "$@"; do
        is_installed "$package" || missing+=("$package")
    done
    [ ${#missing[@]} = 0 ] && return 0
    if ! as_root true; then
        {
            say "These Debian packages are missing, and only an administrator can install them:"
            say "    apt-get update && apt-get install --no-install-recommends ${missing[*]}"
        } >&2
        exit 1
    fi
    say "Installing: ${missing[*]}"
    update_package_lists
    as_root DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends "${missing[@]}" >/dev/null ||
        die "apt-get could not install: ${missing[*]}"
}

update_package_lists() {
    [ -n "${package_lists_updated:-}" ] && return 0
    as_root apt-get -q update >/dev/null || die "apt-get update failed"
    package_lists_updated=yes
}

# need_prometheus: puts `prometheus` and `promtool` on PATH. Debian's package is unpacked into the cache, not
# installed: installing it would start a Prometheus on this machine.
need_prometheus() {
    command -v prometheus >/dev/null && command -v promtool >/dev/null && return 0
    local cache=$root/.cache/prometheus
    if [ ! -x "$cache/usr/bin/promtool" ]; then
        say "Fetching Debian's prometheus into .cache"
        mkdir -p "$cache"
        (
            cd "$cache"
            apt-get -q download prometheus >/dev/null 2>&1 || {
                update_package_lists
                apt-get -q download prometheus >/dev/null
            }
            dpkg -x prometheus_*.deb . && rm prometheus_*.deb
        ) || die "Debian's package prometheus could not be fetched (apt-get download prometheus)"
    fi
    PATH=$cache/usr/bin:$PATH
}

# find_swift: puts `swift` on PATH.
find_swift() {
    command -v swift >/dev/null && return 0
    if [ -x /opt/swift/usr/bin/swift ]; then
        PATH=/opt/swift/usr/bin:$PATH
        return 0
    fi
    die "no Swift found: put the toolchain (6.1 or later, https://www.swift.org/install/linux/) on PATH or in /opt/swift"
}

# swift_build ARGUMENT...: `swift build` that fails on an import of a target that is not declared as a dependency.
# The output is watched beside the exit status, because such a build still says "Build complete!".
swift_build() {
    local log status=0
    log=$(mktemp)
    (cd "$root" && swift build --explicit-target-dependency-import-check error "$@") 2>&1 | tee "$log" ||
        status=${PIPESTATUS[0]}
    if grep -q 'imports another target .* without declaring it' "$log"; then
        say "scripts: a target imports another that Package.swift does not list among its dependencies (above)." >&2
        status=1
    fi
    rm -f "$log"
    return "$status"
}

# Where the server keeps things: an environment variable, else the system's places for root and the user's own.
server_places() {
    if [ "$(id -u)" = 0 ]; then
        state_dir=${HVROOT_STATE_DIR:-/var/lib/hvroot}
        run_dir=${HVROOT_RUN_DIR:-/run/hvroot}
    else
        state_dir=${HVROOT_STATE_DIR:-${XDG_STATE_HOME:-$HOME/.local/state}/hvroot}
        run_dir=${HVROOT_RUN_DIR:-${XDG_RUNTIME_DIR:+$XDG_RUNTIME_DIR/hvroot}}
        run_dir=${run_dir:-$state_dir/run}
    fi
    listen=${HVROOT_LISTEN:-http://127.0.0.1:7480}
    pid_file=$run_dir/hvrootd.pid
}

# running_server: the process id that scripts/run noted, if that process is still a hvrootd.
running_server() {
    local pid
    pid=$(cat "$pid_file" 2>/dev/null) || return 1
    [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = hvrootd ] && say "$pid"
}
