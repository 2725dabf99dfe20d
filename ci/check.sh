#!/bin/sh
# Fail a build where a model does not fit its board, or a runtime computes something else of it.
#
#   ci/check.sh MODEL [BOARD [CORES]]
#
# MODEL is a .tflite file; BOARD a name of `octavo fit --boards`, "" for the usual one; CORES emulated cores as
# `octavo verify --cores` takes them, "none" for none. Both checks run; the exit code is 1 if either said no, 2 for bad
# input. OCTAVO names the program.
set -u
program=${OCTAVO:-octavo}
model=${1:?"usage: ci/check.sh MODEL [BOARD [CORES]]"}
board=${2:-}
cores=${3:-none}

worst=0
check() {
  "$program" "$@"
  code=$?
  if [ "$code" -gt "$worst" ]; then worst=$code; fi
}

if [ -n "$board" ]; then check fit "$model" --board "$board"; else check fit "$model"; fi
check verify "$model" --cores "$cores"
exit "$worst"
