#!/usr/bin/env bash
# What pip cannot install: Python 3.11+, Java 17+ (Spark), a C++ compiler (DeepSpeed builds a small op); for the
# tests a headless Chromium. Installed with apt-get where that is allowed, asked for in one line where it is not.
set -euo pipefail

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; elif sudo -n true 2>/dev/null; then sudo "$@"; else return 1; fi
}

apt_install() {
    command -v apt-get >/dev/null || return 1
    as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq >/dev/null 2>&1 || true
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$@" >/dev/null 2>&1
}

java_version() {
    local java=java
    [ -n "${JAVA_HOME:-}" ] && [ -x "$JAVA_HOME/bin/java" ] && java="$JAVA_HOME/bin/java"
    "$java" -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1
}

# need WHAT PACKAGE...: install, or say in one line what to install.
need() {
    local what=$1
    shift
    echo "installing $what ..."
    apt_install "$@" || {
        echo "error: $what is missing. Install it (Debian, Ubuntu: sudo apt-get install $*) and run make again." >&2
        exit 1
    }
}

base() {
    local python=${PYTHON:-python3}
    command -v "$python" >/dev/null || need "Python" python3 python3-venv
    "$python" -c 'import sys; sys.exit(sys.version_info[:2] < (3, 11) or sys.version_info[:2] > (3, 13))' || {
        echo "error: $("$python" --version) does not fit: Python 3.11 to 3.13 is needed. Name one: make PYTHON=python3.12" >&2
        exit 1
    }
    "$python" -c 'import ensurepip' 2>/dev/null || need "Python's venv" python3-venv
    local java
    java=$(java_version || true)
    [ "${java:-0}" -ge 17 ] || need "Java 17" openjdk-17-jre-headless
    command -v g++ >/dev/null || need "a C++ compiler" g++
}

browser() {
    # The test that wants it says so and skips where it cannot be had.
    command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null ||
        apt_install chromium || echo "no Chromium: the test of the report's page will be skipped"
}

"$1"
