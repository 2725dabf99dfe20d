/* ADD and SUB of equal shapes, where 32 bits are enough. */

/* An integer times `steps`, `before` added; then octavo_scale_doubled. */
typedef struct {
  int32_t steps, before, multiplier, offset, right;
} octavo_narrow_factor;

typedef struct {
  int32_t b_sign;
  octavo_narrow_factor a, b, out;
  int32_t low, high;
} octavo_narrow_sum;

OCTAVO_INLINE int32_t octavo_scaled_term(int32_t value, octavo_narrow_factor factor) {
  return octavo_scale_doubled(value * factor.steps + factor.before, factor.multiplier, factor.offset, factor.right);
}

/* So far and no further: what comes behind is not computed before these, and reads memory then. */
#if defined(__GNUC__)
#define OCTAVO_NOW(a, b, c, d) __asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d) : : "memory")
#else
#define OCTAVO_NOW(a, b, c, d)
#endif

/* The result may take the place of an operand. Of four values the same is done to all before the next: the registers hold
 * one factor's numbers then. */
OCTAVO_KERNEL void octavo_sum_narrow(const octavo_narrow_sum *op, const int8_t *a, const int8_t *b, int8_t *out,
                                     int32_t count) {
  int32_t i = 0;
  for (; i + 4 <= count; i += 4) {
    int32_t p = octavo_scaled_term(a[i], op->a), q = octavo_scaled_term(a[i + 1], op->a);
    int32_t r = octavo_scaled_term(a[i + 2], op->a), s = octavo_scaled_term(a[i + 3], op->a);
    OCTAVO_NOW(p, q, r, s);
    p += op->b_sign * octavo_scaled_term(b[i], op->b);
    q += op->b_sign * octavo_scaled_term(b[i + 1], op->b);
    r += op->b_sign * octavo_scaled_term(b[i + 2], op->b);
    s += op->b_sign * octavo_scaled_term(b[i + 3], op->b);
    OCTAVO_NOW(p, q, r, s);
    p = octavo_scaled_term(p, op->out);
    q = octavo_scaled_term(q, op->out);
    r = octavo_scaled_term(r, op->out);
    s = octavo_scaled_term(s, op->out);
    out[i] = octavo_saturate_fast(p);
    out[i + 1] = octavo_saturate_fast(q);
    out[i + 2] = octavo_saturate_fast(r);
    out[i + 3] = octavo_saturate_fast(s);
  }
  for (; i < count; i++) {
    const int32_t total = octavo_scaled_term(a[i], op->a) + op->b_sign * octavo_scaled_term(b[i], op->b);
    out[i] = octavo_saturate_fast(octavo_scaled_term(total, op->out));
  }
  octavo_bound(out, count, op->low, op->high);
}
