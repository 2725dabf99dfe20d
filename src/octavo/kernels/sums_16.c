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

/* The same of layers whose sums are proven to stay in 32 bits: the factor is shifted by as much as its shift was less
 * than 32, so that the upper half of the rounded product is the result.
 */
OCTAVO_INLINE int16_t octavo_scaled_narrow_16(int32_t sum, int32_t multiplier, int32_t low, int32_t high) {
  int32_t steps;
#if OCTAVO_DSP
  __asm__("smmulr %0, %1, %2" : "=r"(steps) : "r"(sum), "r"(multiplier));
#else
  steps = (int32_t)(((int64_t)sum * multiplier + ((int64_t)1 << 31)) >> 32);
#endif
  return (int16_t)octavo_clamp(steps, low, high);
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

/* Adds products of the pixels p and q with the weights of two channels to sums: p first, p second, q first, q second.
 *
 * count: a multiple of four; 256 products fit 32 bits. Weights are four of the one channel, then four of the other, and
 * so on; of each four the third stands before the second, as SXTB16 takes bytes apart.
 */
OCTAVO_APART void octavo_pair_sums_16(const int16_t *p, const int16_t *q, const int8_t *weights, int32_t count,
                                     int32_t *sums) {
  const int16_t *const end = p + count;
  int32_t p0 = sums[0], p1 = sums[1], q0 = sums[2], q1 = sums[3];
  for (; p != end; weights += 8, p += 4, q += 4) {
#if OCTAVO_DSP
    const uint32_t four = octavo_word(weights), other = octavo_word(weights + 4);
    const uint32_t a = octavo_even_bytes_alone(four), b = octavo_odd_bytes_alone(four);
    const uint32_t c = octavo_even_bytes_alone(other), d = octavo_odd_bytes_alone(other);
    uint32_t x = octavo_word(p);
    p0 = octavo_add_products(x, a, p0);
    p1 = octavo_add_products(x, c, p1);
    x = octavo_word(p + 2);
    p0 = octavo_add_products(x, b, p0);
    p1 = octavo_add_products(x, d, p1);
    x = octavo_word(q);
    q0 = octavo_add_products(x, a, q0);
    q1 = octavo_add_products(x, c, q1);
    x = octavo_word(q + 2);
    q0 = octavo_add_products(x, b, q0);
    q1 = octavo_add_products(x, d, q1);
#else
    p0 += p[0] * weights[0] + p[1] * weights[2] + p[2] * weights[1] + p[3] * weights[3];
    p1 += p[0] * weights[4] + p[1] * weights[6] + p[2] * weights[5] + p[3] * weights[7];
    q0 += q[0] * weights[0] + q[1] * weights[2] + q[2] * weights[1] + q[3] * weights[3];
    q1 += q[0] * weights[4] + q[1] * weights[6] + q[2] * weights[5] + q[3] * weights[7];
#endif
  }
  sums[0] = p0;
  sums[1] = p1;
  sums[2] = q0;
  sums[3] = q1;
}

/* The same of p alone. */
OCTAVO_APART void octavo_pair_sums_of_one_16(const int16_t *p, const int8_t *weights, int32_t count, int32_t *sums) {
  const int16_t *const end = p + count;
  int32_t p0 = sums[0], p1 = sums[1];
  for (; p != end; weights += 8, p += 4) {
#if OCTAVO_DSP
    const uint32_t four = octavo_word(weights), other = octavo_word(weights + 4);
    const uint32_t x = octavo_word(p), y = octavo_word(p + 2);
    p0 = octavo_add_products(x, octavo_even_bytes_alone(four), p0);
    p1 = octavo_add_products(x, octavo_even_bytes_alone(other), p1);
    p0 = octavo_add_products(y, octavo_odd_bytes_alone(four), p0);
    p1 = octavo_add_products(y, octavo_odd_bytes_alone(other), p1);
#else
    p0 += p[0] * weights[0] + p[1] * weights[2] + p[2] * weights[1] + p[3] * weights[3];
    p1 += p[0] * weights[4] + p[1] * weights[6] + p[2] * weights[5] + p[3] * weights[7];
#endif
  }
  sums[0] = p0;
  sums[1] = p1;
}
