/* Runs a model on every vector of a file of the host, and writes its results and what they cost to another.
 *
 * octavo_harness.h, which is written for each model, says its sizes. Inputs and outputs lie one behind another, each
 * padded to four bytes, so that values of any type can be read there. A record of results holds the outputs, then the
 * ticks that one call took and what it returned.
 */
#include <stdint.h>
#include <string.h>

#include "octavo_harness.h"

int32_t octavo_call_host(int32_t operation, const void *arguments);

#define SYSTICK ((volatile uint32_t *)0xE000E010u)

static union {
  int8_t bytes[HARNESS_IN_BYTES];
  uint32_t words;
} in;
static struct {
  int8_t out[HARNESS_OUT_BYTES];
  uint32_t ticks;
  int32_t returned;
} record;
static uint32_t arena[(HARNESS_ARENA_BYTES + 3) / 4];

static uint32_t opened(const char *name, uint32_t mode) {
  const uint32_t arguments[3] = {(uint32_t)name, mode, (uint32_t)strlen(name)};
  return (uint32_t)octavo_call_host(1 /* SYS_OPEN */, arguments);
}

/* Bytes that were not read or written. */
static int32_t moved(int32_t operation, uint32_t file, const void *bytes, uint32_t count) {
  const uint32_t arguments[3] = {file, (uint32_t)bytes, count};
  return octavo_call_host(operation, arguments);
}

static int call(void) {
#if HARNESS_INS == 1
  const void *const given = in.bytes;
#else
  static const int32_t in_places[] = HARNESS_IN_PLACES;
  const void *given[HARNESS_INS];
  int i;
  for (i = 0; i < HARNESS_INS; i++) {
    given[i] = in.bytes + in_places[i];
  }
#endif
#if HARNESS_OUTS == 1
  void *const made = record.out;
#else
  static const int32_t out_places[] = HARNESS_OUT_PLACES;
  void *made[HARNESS_OUTS];
  int j;
  for (j = 0; j < HARNESS_OUTS; j++) {
    made[j] = record.out + out_places[j];
  }
#endif
  return HARNESS_INVOKE(given, made, arena);
}

int main(void) {
  const uint32_t vectors = opened("vectors.bin", 1 /* rb */), results = opened("results.bin", 5 /* wb */);
  while (moved(6 /* SYS_READ */, vectors, &in, sizeof in) == 0) {
    uint32_t begin;
    SYSTICK[1] = 0xFFFFFFu;
    SYSTICK[2] = 0;
    SYSTICK[0] = 5; /* counts the core's clock, and does not interrupt */
    begin = SYSTICK[2];
    record.returned = call();
    record.ticks = (begin - SYSTICK[2]) & 0xFFFFFFu;
    if (moved(5 /* SYS_WRITE */, results, &record, sizeof record) != 0) {
      return 1;
    }
  }
  return 0;
}
