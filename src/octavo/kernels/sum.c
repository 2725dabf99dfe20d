/* ADD and SUB of equal shapes, where 32 bits are enough. */

/* An integer shifted left by `left`, `before` added; then octavo_scale_doubled. */
typedef struct {
  int32_t left, before, multiplier, offset, right;
} octavo_narrow_factor;

typedef struct {
  int32_t b_sign;
  octavo_narrow_factor a, b, out;
  int32_t low, high;
} octavo_narrow_sum;

OCTAVO_INLINE int32_t octavo_scaled_term(int32_t value, octavo_narrow_factor factor) {
  const int32_t twice = value * ((int32_t)1 << factor.left) + factor.before;
  return octavo_scale_doubled(twice, factor.multiplier, factor.offset, factor.right);
}

/* The result may take the place of an operand. */
OCTAVO_KERNEL void octavo_sum_narrow(const octavo_narrow_sum *op, const int8_t *a, const int8_t *b, int8_t *out,
                                     int32_t count) {
  const octavo_narrow_factor of_a = op->a, of_b = op->b, of_out = op->out;
  const int32_t sign = op->b_sign;
  int32_t i;
  for (i = 0; i < count; i++) {
    const int32_t total = octavo_scaled_term(a[i], of_a) + sign * octavo_scaled_term(b[i], of_b);
    out[i] = octavo_saturate_fast(octavo_scaled_term(total, of_out));
  }
  octavo_bound(out, count, op->low, op->high);
}
