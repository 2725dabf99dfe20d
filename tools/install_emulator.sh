#!/usr/bin/env bash
# Installs what the tests marked `emulator` and `python -m bench micro` need, on Debian and what descends from it:
# Arm's compiler with its C library, and QEMU; and cppcheck, which a test of the kernels asks. About 1 GB on disk.
set -euo pipefail
if command -v arm-none-eabi-gcc >/dev/null && command -v qemu-system-arm >/dev/null && command -v cppcheck >/dev/null; then
    exit 0
fi
if ! command -v apt-get >/dev/null; then
    echo "no apt-get here: install arm-none-eabi-gcc with newlib, and qemu-system-arm" >&2
    exit 1
fi
apt="apt-get -o Acquire::Retries=1 -o Acquire::http::Timeout=20"
[ "$(id -u)" = 0 ] || apt="sudo -n $apt"
$apt update -qq
$apt install -y -qq --no-install-recommends gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm cppcheck
