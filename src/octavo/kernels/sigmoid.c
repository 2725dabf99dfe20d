/* The logistic function and tanh, Q0.15, of positions: arguments in 1/12288, 512 of which are an entry of the table.
 *
 * table: the logistic function at i / 24, i = 0 .. 255, in 1/65536.
 */

OCTAVO_INLINE int32_t octavo_upper_half(const uint16_t *table, int32_t position, int32_t bits, int32_t limit) {
  const int32_t magnitude = position < 0 ? -position : position;
  const int32_t index = magnitude >> bits, fraction = magnitude & ((1 << bits) - 1);
  return index >= 255 ? limit : table[index] * (1 << bits) + fraction * (table[index + 1] - table[index]);
}

OCTAVO_INLINE int32_t octavo_logistic_at(const uint16_t *table, int32_t position) {
  const int32_t upper = octavo_upper_half(table, position, 9, 0x7FFF << 10);
  return (position >= 0 ? upper + 512 : (1 << 25) - upper + 511) >> 10;
}

/* 2 logistic(2 x) - 1. */
OCTAVO_INLINE int32_t octavo_tanh_at(const uint16_t *table, int32_t position) {
  const int32_t upper = octavo_upper_half(table, position, 8, 0xFFFF << 8);
  return (position >= 0 ? upper - (1 << 23) + 128 : (1 << 23) - upper + 127) >> 8;
}

/* From an integer to its position: times multiplier / 2^shift, rounded. */
typedef struct {
  int32_t multiplier, shift;
  const uint16_t *table;
} octavo_sigmoid;

OCTAVO_INLINE int32_t octavo_position(const octavo_sigmoid *op, int32_t value) {
  return (value * op->multiplier + (((int32_t)1 << op->shift) >> 1)) >> op->shift;
}

/* The results may take the operand's place. */
OCTAVO_KERNEL void octavo_logistic_16(const octavo_sigmoid *op, const int16_t *in, int16_t *out, int32_t count) {
  int32_t i;
  for (i = 0; i < count; i++) {
    out[i] = (int16_t)octavo_logistic_at(op->table, octavo_position(op, in[i]));
  }
}

OCTAVO_KERNEL void octavo_tanh_16(const octavo_sigmoid *op, const int16_t *in, int16_t *out, int32_t count) {
  int32_t i;
  for (i = 0; i < count; i++) {
    out[i] = (int16_t)octavo_tanh_at(op->table, octavo_position(op, in[i]));
  }
}
