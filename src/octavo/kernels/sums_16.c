/* Sums of products with values of sixteen bits: up to 64 bits wide, scaled once by a factor of 16 bits. */

/* Of an output channel. wide: total_shift is 15 less the factor's exponent; else they are those of octavo_rescale. */
typedef struct {
  int64_t bias;
  int32_t multiplier, shift;
} octavo_channel_16;

OCTAVO_INLINE int16_t octavo_scaled_16(int64_t sum, int32_t multiplier, int32_t shift, int32_t wide, int32_t low,
                                       int32_t high) {
  if (wide) {
    const int64_t steps = (sum * multiplier + ((int64_t)1 << (shift - 1))) >> shift;
    return (int16_t)(steps < low ? low : steps > high ? high : steps);
  }
  return (int16_t)octavo_clamp(octavo_rescale((int32_t)sum, multiplier, shift), low, high);
}

/* Products of values with weights of eight bits: 256 of them fit 32 bits. */
OCTAVO_INLINE int64_t octavo_sum_of_products(const int16_t *values, const int8_t *weights, int32_t count) {
  int64_t sum = 0;
  int32_t i = 0;
  while (i < count) {
    const int32_t end = count - i > 256 ? i + 256 : count;
    int32_t part = 0;
    for (; i < end; i++) {
      part += values[i] * weights[i];
    }
    sum += part;
  }
  return sum;
}
