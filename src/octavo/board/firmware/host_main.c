/* Runs a model on vectors from standard input; writes outputs to standard output. Arguments: none.
 *
 * Buffers are of their exact sizes on the heap, so that the sanitizer sees every step beyond them; the arena is filled
 * with garbage before each call. A value behind each output vector says what the call returned.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "octavo_harness.h"

int main(void) {
  static const size_t in_bytes[] = HARNESS_IN_SIZES, out_bytes[] = HARNESS_OUT_SIZES;
  int8_t *ins[HARNESS_INS], *outs[HARNESS_OUTS];
  uint32_t *arena = (uint32_t *)malloc(HARNESS_ARENA_BYTES);
  int i;
  for (i = 0; i < HARNESS_INS; i++) {
    ins[i] = (int8_t *)malloc(in_bytes[i]);
  }
  for (i = 0; i < HARNESS_OUTS; i++) {
    outs[i] = (int8_t *)malloc(out_bytes[i]);
  }
  for (;;) {
    int8_t returned;
    size_t got = 0, wanted = 0;
    for (i = 0; i < HARNESS_INS; i++) {
      got += fread(ins[i], 1, in_bytes[i], stdin);
      wanted += in_bytes[i];
    }
    if (got != wanted) {
      break;
    }
    memset(arena, 0xA5, HARNESS_ARENA_BYTES);
#if HARNESS_INS == 1
    const void *const given = ins[0];
#else
    const void *const given = ins;
#endif
#if HARNESS_OUTS == 1
    void *const made = outs[0];
#else
    void *const made = outs;
#endif
    returned = (int8_t)HARNESS_INVOKE(given, made, arena);
    for (i = 0; i < HARNESS_OUTS; i++) {
      fwrite(outs[i], 1, out_bytes[i], stdout);
    }
    returned = (int8_t)(returned != 0 ? returned : HARNESS_SELF_TEST_RUN(made, arena));
    fwrite(&returned, 1, 1, stdout);
  }
  for (i = 0; i < HARNESS_INS; i++) {
    free(ins[i]);
  }
  for (i = 0; i < HARNESS_OUTS; i++) {
    free(outs[i]);
  }
  free(arena);
  return 0;
}
