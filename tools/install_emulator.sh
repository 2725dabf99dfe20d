#!/usr/bin/env bash
# Installs what the tests marked `emulator` and `python -m bench micro` need, on Debian and what descends from it:
# Arm's compiler with its C library, and QEMU; and cppcheck, which a test of the kernels asks. About 1 GB on disk.
# With the argument `riscv` also a compiler, a C library and an emulator of RISC-V: half as much again.
set -euo pipefail
commands="arm-none-eabi-gcc qemu-system-arm cppcheck"
packages="gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm cppcheck"
if [ "${1:-}" = riscv ]; then
    commands="$commands riscv64-unknown-elf-gcc qemu-system-riscv32"
    packages="$packages gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf qemu-system-misc"
fi
missing=
for command in $commands; do
    command -v "$command" >/dev/null || missing="$missing $command"
done
[ -n "$missing" ] || exit 0
if ! command -v apt-get >/dev/null; then
    echo "no apt-get here: install$missing, with their C libraries" >&2
    exit 1
fi
apt="apt-get -o Acquire::Retries=1 -o Acquire::http::Timeout=20"
[ "$(id -u)" = 0 ] || apt="sudo -n $apt"
$apt update -qq
# shellcheck disable=SC2086
$apt install -y -qq --no-install-recommends $packages
