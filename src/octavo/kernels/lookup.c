/* Any function of eight bits: activations, QUANTIZE, and the rest of that kind. */

/* The entry of q is at q + 128; the result may take the operand's place. */
OCTAVO_KERNEL void octavo_look_up(const int8_t *table, const int8_t *in, int8_t *out, int32_t count) {
  int32_t i;
  for (i = 0; i < count; i++) {
    out[i] = table[in[i] + 128];
  }
}

/* A result of sixteen bits. */
OCTAVO_KERNEL void octavo_look_up_wide(const int16_t *table, const int8_t *in, int16_t *out, int32_t count) {
  int32_t i;
  for (i = 0; i < count; i++) {
    out[i] = table[in[i] + 128];
  }
}
