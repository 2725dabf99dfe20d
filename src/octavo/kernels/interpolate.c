/* A function of sixteen bits as a table of 513 entries with straight lines between them. */

OCTAVO_INLINE int32_t octavo_wrap_16(int32_t value) { return (int16_t)(uint16_t)((uint32_t)value & 0xFFFFu); }

/* The upper nine bits choose the entry, the lower seven the place behind it; steps wrap as the reference's do. */
OCTAVO_INLINE int32_t octavo_between_entries(const int16_t *table, int32_t value) {
  const int32_t index = 256 + (value >> 7);
  const int32_t slope = octavo_wrap_16(table[index + 1] - table[index]);
  return octavo_wrap_16(table[index] + ((slope * (value & 0x7F) + 64) >> 7));
}

/* The result may take the operand's place. */
OCTAVO_KERNEL void octavo_interpolate(const int16_t *table, const int16_t *in, int16_t *out, int32_t count) {
  int32_t i;
  for (i = 0; i < count; i++) {
    out[i] = (int16_t)octavo_between_entries(table, in[i]);
  }
}
