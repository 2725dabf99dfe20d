/* SOFTMAX along the last axis, in the reference's fixed point. */

/* exponentials[d] is exp of d steps below the row's maximum, as Q0.31; beyond `reach` they count as zero. */
typedef struct {
  int32_t rows, columns, reach;
  const int32_t *exponentials;
} octavo_softmax;

OCTAVO_KERNEL void octavo_softmax_rows(const octavo_softmax *softmax, const int8_t *in, int8_t *out) {
  int32_t row, i;
  for (row = 0; row < softmax->rows; row++, in += softmax->columns, out += softmax->columns) {
    int32_t largest = -128, sum = 0, headroom, share;
    for (i = 0; i < softmax->columns; i++) {
      largest = in[i] > largest ? in[i] : largest;
    }
    for (i = 0; i < softmax->columns; i++) {
      const int32_t below = largest - in[i];
      sum += below < softmax->reach ? octavo_divide(softmax->exponentials[below], 12) : 0;
    }
    headroom = octavo_leading_zeros((uint32_t)sum);
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
