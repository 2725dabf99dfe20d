/* BATCH_MATMUL: products of matrices, either of which may lie transposed; leading dimensions broadcast. */

typedef struct {
  int32_t batch[4], a_step[4], b_step[4]; /* leading dimensions, and each operand's step along them */
  int32_t rows, columns, depth;
  int32_t a_row, a_depth, b_depth, b_column; /* steps in the matrices */
  int32_t a_offset, b_offset;                /* added to the operands */
  int32_t multiplier, shift, wide, zero_point, low, high;
} octavo_batch_matmul;

OCTAVO_INLINE int32_t octavo_dot(const octavo_batch_matmul *op, const int8_t *a, const int8_t *b) {
  int32_t i, sum = 0;
  for (i = 0; i < op->depth; i++, a += op->a_depth, b += op->b_depth) {
    sum += (*a + op->a_offset) * (*b + op->b_offset);
  }
  return octavo_clamp(octavo_rescale(sum, op->multiplier, op->shift) + op->zero_point, op->low, op->high);
}

OCTAVO_INLINE int32_t octavo_dot_16(const octavo_batch_matmul *op, const int16_t *a, const int16_t *b) {
  int64_t sum = 0;
  int32_t i;
  for (i = 0; i < op->depth; i++, a += op->a_depth, b += op->b_depth) {
    sum += (int64_t)*a * *b;
  }
  return octavo_scaled_16(sum, op->multiplier, op->shift, op->wide, op->low, op->high);
}

#define OCTAVO_BATCH_MATMUL(name, type, dot)                                                                          \
  OCTAVO_KERNEL void name(const octavo_batch_matmul *op, const type *a, const type *b, type *out) {                   \
    int32_t i0, i1, i2, i3, row, column;                                                                              \
    for (i0 = 0; i0 < op->batch[0]; i0++) {                                                                           \
      for (i1 = 0; i1 < op->batch[1]; i1++) {                                                                         \
        for (i2 = 0; i2 < op->batch[2]; i2++) {                                                                       \
          for (i3 = 0; i3 < op->batch[3]; i3++) {                                                                     \
            const type *x = a + i0 * op->a_step[0] + i1 * op->a_step[1] + i2 * op->a_step[2] + i3 * op->a_step[3];    \
            const type *y = b + i0 * op->b_step[0] + i1 * op->b_step[1] + i2 * op->b_step[2] + i3 * op->b_step[3];    \
            for (row = 0; row < op->rows; row++) {                                                                    \
              for (column = 0; column < op->columns; column++) {                                                      \
                *out++ = (type)dot(op, x + row * op->a_row, y + column * op->b_column);                               \
              }                                                                                                       \
            }                                                                                                         \
          }                                                                                                           \
        }                                                                                                             \
      }                                                                                                               \
    }                                                                                                                 \
  }

OCTAVO_BATCH_MATMUL(octavo_batch_matmul_8, int8_t, octavo_dot)
OCTAVO_BATCH_MATMUL(octavo_batch_matmul_16, int16_t, octavo_dot_16)
