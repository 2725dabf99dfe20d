/* SOFTMAX along the last axis, in the reference's fixed point. */

/* exponentials[d] is exp of d steps below the row's maximum, as Q0.31; beyond `reach` they count as zero. */
typedef struct {
  int32_t rows, columns, reach;
  const int32_t *exponentials;
} octavo_softmax;

/* A product of Q0.31 numbers, and a value times a power of two that saturates. */
OCTAVO_INLINE int32_t octavo_product(int32_t a, int32_t b) {
  const int64_t product = (int64_t)a * b + ((int64_t)1 << 30);
  return (int32_t)(product >> 31);
}

OCTAVO_INLINE int32_t octavo_doubled(int32_t value, int32_t bits) {
  const int64_t grown = (int64_t)value * ((int64_t)1 << bits);
  return grown > INT32_MAX ? INT32_MAX : grown < INT32_MIN ? INT32_MIN : (int32_t)grown;
}

/* 1 / (1 + x) for x in [0, 1], Q0.31, by three steps of Newton and Raphson on 48/17 - 32/17 d. */
OCTAVO_INLINE int32_t octavo_one_over_one_plus(int32_t x) {
  const int32_t half_denominator = (int32_t)(((int64_t)x + INT32_MAX + 1) >> 1);
  int32_t i, result = 1515870810 + octavo_product(half_denominator, -1010580540);
  for (i = 0; i < 3; i++) {
    const int32_t error = ((int32_t)1 << 29) - octavo_product(half_denominator, result);
    result += octavo_doubled(octavo_product(result, error), 2);
  }
  return octavo_doubled(result, 1);
}

OCTAVO_KERNEL void octavo_softmax_rows(const octavo_softmax *softmax, const int8_t *in, int8_t *out) {
  int32_t row, i;
  for (row = 0; row < softmax->rows; row++, in += softmax->columns, out += softmax->columns) {
    int32_t largest = -128, sum = 0, headroom = 0, share;
    for (i = 0; i < softmax->columns; i++) {
      largest = in[i] > largest ? in[i] : largest;
    }
    for (i = 0; i < softmax->columns; i++) {
      const int32_t below = largest - in[i];
      sum += below < softmax->reach ? octavo_divide(softmax->exponentials[below], 12) : 0;
    }
    while (((uint32_t)sum << headroom) < (uint32_t)1 << 31) {
      headroom++;
    }
    share = octavo_one_over_one_plus((int32_t)(((uint32_t)sum << headroom) - ((uint32_t)1 << 31)));
    for (i = 0; i < softmax->columns; i++) {
      const int32_t below = largest - in[i];
      const int32_t exponential = below < softmax->reach ? softmax->exponentials[below] : 0;
      const int32_t bits = 12 - headroom + 31 - 8;
      /* Below half a step there is no bit left to shift to. */
      const int32_t steps = bits > 31 ? 0 : octavo_divide(octavo_product(share, exponential), bits);
      out[i] = octavo_saturate(steps - 128);
    }
  }
}
