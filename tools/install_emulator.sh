#!/usr/bin/env bash
# Installs what the tests marked `emulator` and `python -m bench micro` need, on Debian and what descends from it:
# Arm's compiler with its C library, and QEMU. About 1 GB on disk.
set -euo pipefail
packages="gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm"
if [ "$(id -u)" = 0 ]; then
    apt-get install -y --no-install-recommends $packages
else
    sudo apt-get install -y --no-install-recommends $packages
fi
