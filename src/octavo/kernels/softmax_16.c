/* SOFTMAX of sixteen bits along the last axis: exp and 1 / (1 + x) by interpolated tables. */

typedef struct {
  int32_t rows, columns;
  int32_t multiplier, shift;      /* from steps below the row's maximum to 10/65535 */
  const int16_t *exponentials;    /* exp(x) for x in [-10, 0], Q0.15 */
  const int16_t *reciprocals;     /* 1 / (1 + x) for x in [0, 1], Q0.15 */
} octavo_softmax_16;

/* The result may take the operand's place; it holds the exponentials first. */
OCTAVO_KERNEL void octavo_softmax_rows_16(const octavo_softmax_16 *softmax, const int16_t *in, int16_t *out) {
  int32_t row, i;
  for (row = 0; row < softmax->rows; row++, in += softmax->columns, out += softmax->columns) {
    int32_t largest = -32768, sum = 0, headroom, fraction, share, shift;
    for (i = 0; i < softmax->columns; i++) {
      largest = in[i] > largest ? in[i] : largest;
    }
    for (i = 0; i < softmax->columns; i++) {
      const int32_t below = octavo_rescale(in[i] - largest, softmax->multiplier, softmax->shift);
      const int32_t place = octavo_clamp(below, -65535, 0) + 32767;
      out[i] = (int16_t)octavo_between_entries(softmax->exponentials, place);
      sum += out[i];
    }
    headroom = octavo_leading_zeros((uint32_t)sum);
    fraction = (int32_t)((((uint32_t)sum << (headroom - 1)) + ((uint32_t)1 << 13)) >> 14) - (1 << 15) - (1 << 16);
    share = octavo_between_entries(softmax->reciprocals, octavo_clamp(fraction, -32768, 32767));
    shift = 31 - headroom;
    for (i = 0; i < softmax->columns; i++) {
      const int32_t scaled = (out[i] * share + (((int32_t)1 << shift) >> 1)) >> shift;
      out[i] = (int16_t)octavo_clamp(scaled, 0, 32767);
    }
  }
}
