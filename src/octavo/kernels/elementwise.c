/* ADD, SUB, MUL, SQUARED_DIFFERENCE, PRELU, MAXIMUM, MINIMUM: two tensors, one result each place; shapes may broadcast. */

/* Places of the operands: sizes of four dimensions, and each operand's step along them, 0 where it stretches. */
typedef struct {
  int32_t size[4];
  int32_t a_step[4], b_step[4];
} octavo_places;

typedef struct {
  int32_t offset, multiplier, shift; /* the offset is added before to operands, afterwards to results */
} octavo_factor;

typedef struct {
  octavo_places places;
  octavo_factor a, b;
  int32_t b_sign, left_shift; /* terms of sums are taken this much finer */
  octavo_factor out;
  int32_t low, high;
} octavo_elementwise;

#define OCTAVO_EACH_PLACE(type, places, statement)                                     \
  {                                                                                    \
    int32_t i0, i1, i2, i3;                                                            \
    for (i0 = 0; i0 < (places)->size[0]; i0++) {                                       \
      for (i1 = 0; i1 < (places)->size[1]; i1++) {                                     \
        for (i2 = 0; i2 < (places)->size[2]; i2++) {                                   \
          const type *x = a + i0 * (places)->a_step[0] + i1 * (places)->a_step[1] +    \
                          i2 * (places)->a_step[2];                                    \
          const type *y = b + i0 * (places)->b_step[0] + i1 * (places)->b_step[1] +    \
                          i2 * (places)->b_step[2];                                    \
          for (i3 = 0; i3 < (places)->size[3]; i3++) {                                 \
            statement;                                                                 \
            x += (places)->a_step[3];                                                  \
            y += (places)->b_step[3];                                                  \
          }                                                                            \
        }                                                                              \
      }                                                                                \
    }                                                                                  \
  }

OCTAVO_INLINE int32_t octavo_term(int32_t value, const octavo_factor *factor, int32_t left_shift) {
  const int32_t steps = (value + factor->offset) * ((int32_t)1 << left_shift);
  return octavo_rescale(steps, factor->multiplier, factor->shift);
}

OCTAVO_INLINE int32_t octavo_total(const octavo_elementwise *op, int32_t a, int32_t b) {
  return octavo_term(a, &op->a, op->left_shift) + op->b_sign * octavo_term(b, &op->b, op->left_shift);
}

OCTAVO_INLINE int32_t octavo_stored(int32_t value, const octavo_elementwise *op) {
  const int32_t steps = octavo_rescale(value, op->out.multiplier, op->out.shift);
  return octavo_clamp(steps + op->out.offset, op->low, op->high);
}

/* In all of these the result may take the place of an operand of its own shape. */
#define OCTAVO_OF_TWO(name, type, what, result)                                           \
  OCTAVO_KERNEL void name(const what *op, const type *a, const type *b, type *out) {      \
    const octavo_places *places = OCTAVO_PLACES_OF_##what(op);                            \
    OCTAVO_EACH_PLACE(type, places, *out++ = (type)(result))                              \
  }
#define OCTAVO_PLACES_OF_octavo_elementwise(op) (&(op)->places)
#define OCTAVO_PLACES_OF_octavo_places(op) (op)

/* ADD and SUB. */
OCTAVO_OF_TWO(octavo_sum, int8_t, octavo_elementwise, octavo_stored(octavo_total(op, *x, *y), op))
OCTAVO_OF_TWO(octavo_sum_16, int16_t, octavo_elementwise, octavo_stored(octavo_total(op, *x, *y), op))

OCTAVO_OF_TWO(octavo_mul, int8_t, octavo_elementwise, octavo_stored((*x + op->a.offset) * (*y + op->b.offset), op))
OCTAVO_OF_TWO(octavo_mul_16, int16_t, octavo_elementwise, octavo_stored((*x + op->a.offset) * (*y + op->b.offset), op))

OCTAVO_INLINE int32_t octavo_squared(int32_t difference) { return difference * difference; }

OCTAVO_OF_TWO(octavo_squared_difference, int8_t, octavo_elementwise,
              octavo_stored(octavo_squared(octavo_total(op, *x, *y)), op))

/* The factor of a is that of what is not negative, that of b of the product with the slope. */
OCTAVO_INLINE int32_t octavo_bent(const octavo_elementwise *op, int32_t x, int32_t slope) {
  const int32_t value = x + op->a.offset;
  const int32_t product = value < 0 ? value * (slope + op->b.offset) : value;
  const octavo_factor *factor = value < 0 ? &op->b : &op->a;
  const int32_t steps = octavo_rescale(product, factor->multiplier, factor->shift) + op->out.offset;
  return octavo_clamp(steps, op->low, op->high);
}

OCTAVO_OF_TWO(octavo_prelu, int8_t, octavo_elementwise, octavo_bent(op, *x, *y))

OCTAVO_OF_TWO(octavo_maximum, int8_t, octavo_places, *x > *y ? *x : *y)
OCTAVO_OF_TWO(octavo_maximum_16, int16_t, octavo_places, *x > *y ? *x : *y)
OCTAVO_OF_TWO(octavo_minimum, int8_t, octavo_places, *x < *y ? *x : *y)
OCTAVO_OF_TWO(octavo_minimum_16, int16_t, octavo_places, *x < *y ? *x : *y)
