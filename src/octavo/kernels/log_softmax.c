/* LOG_SOFTMAX along the last axis, in the reference's fixed point. */

/* exponentials as in octavo_softmax; multiplier and shift take steps to Q5.26, the inverse ones back. */
typedef struct {
  int32_t rows, columns, reach;
  int32_t multiplier, shift;
  int32_t inverse_multiplier, inverse_shift;
  const int32_t *exponentials;
} octavo_log_softmax;

/* log(r / c) in Q6.25, as a fraction of polynomials in r - c, where c is 2^(-1/4); of Q0.31 numbers. */
OCTAVO_INLINE int32_t octavo_log_near_one(int32_t r) {
  const int32_t centre = 1805811301;
  const int32_t half_sum = (int32_t)(((int64_t)r + centre + 1) >> 1), q = 2 * (r - centre);
  const int32_t square = octavo_product(q, q);
  const int32_t cubic = octavo_product(octavo_product(q, square), 117049297 /* 11/240 * 2^(1/4) */);
  const int32_t numerator = octavo_product(q, r) + cubic;
  const int32_t slope = 1057819769 /* 2^(3/4) - 2^(1/4) */ + q + octavo_product(127690142 /* 2^(1/4) / 20 */, square);
  const int32_t denominator = octavo_product(half_sum, slope) + octavo_product(638450708 /* 2^(1/4) / 4 */, q);
  return octavo_product(octavo_divide(numerator, 6), octavo_one_over_one_plus(denominator));
}

/* log(x) in Q5.26 of x from 1 on in Q12.19: x is r * 2^n, with r close 2^(-1/4). */
OCTAVO_INLINE int32_t octavo_log(int32_t x) {
  const int32_t root_half = 1518500250, quarter = (int32_t)1 << 23;
  const int32_t zeros = octavo_leading_zeros((uint32_t)x);
  const int32_t close = octavo_doubled(octavo_product(octavo_doubled(x, zeros - 1), root_half), 1);
  const int32_t apart_zeros = octavo_leading_zeros((uint32_t)octavo_product(x, root_half)) - 1;
  const int32_t apart = octavo_doubled(x, apart_zeros);
  const int32_t close_power = (12 - zeros) * ((int32_t)1 << 25) + quarter;
  const int32_t apart_power = (12 - apart_zeros) * ((int32_t)1 << 25) - quarter;
  const int32_t power = octavo_product(close_power > apart_power ? close_power : apart_power, 1488522236 /* log 2 */);
  return octavo_doubled(power + octavo_log_near_one(close < apart ? close : apart), 1);
}

/* The result may take the operand's place. */
OCTAVO_KERNEL void octavo_log_softmax_rows(const octavo_log_softmax *op, const int8_t *in, int8_t *out) {
  int32_t row, i;
  for (row = 0; row < op->rows; row++, in += op->columns, out += op->columns) {
    int32_t largest = -128, sum = 0, logarithm, lowest;
    for (i = 0; i < op->columns; i++) {
      largest = in[i] > largest ? in[i] : largest;
    }
    for (i = 0; i < op->columns; i++) {
      const int32_t below = largest - in[i];
      sum += below < op->reach ? octavo_divide(op->exponentials[below], 12) : 0;
    }
    logarithm = octavo_log(sum);
    lowest = octavo_rescale(logarithm + INT32_MIN, op->inverse_multiplier, op->inverse_shift);
    for (i = 0; i < op->columns; i++) {
      const int32_t steps = in[i] - largest;
      if (-steps < op->reach && steps > lowest) {
        const int64_t result = (int64_t)octavo_rescale(steps, op->multiplier, op->shift) - logarithm;
        const int64_t rounded = (result + ((int64_t)1 << 21) - (result < 0)) >> 22;
        out[i] = octavo_saturate((int32_t)rounded + 127);
      } else {
        out[i] = -128;
      }
    }
  }
}
