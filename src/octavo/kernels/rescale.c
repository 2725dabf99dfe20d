/* RELU, RELU6, LEAKY_RELU, ABS and QUANTIZE of sixteen bits: a straight line on either side of zero. */

/* A number of steps above zero, or below: multiplied by `before`, rescaled, and multiplied by `after`, each 1 or -1. */
typedef struct {
  int32_t before, multiplier, shift, after;
} octavo_slope;

typedef struct {
  int32_t offset; /* added to the input */
  octavo_slope above, below;
  int32_t zero_point, low, high; /* of the output */
} octavo_line;

OCTAVO_INLINE int32_t octavo_on_line(const octavo_line *line, int32_t value) {
  const int32_t steps = value + line->offset;
  const octavo_slope *slope = steps < 0 ? &line->below : &line->above;
  const int32_t scaled = slope->after * octavo_rescale(slope->before * steps, slope->multiplier, slope->shift);
  return octavo_clamp(scaled + line->zero_point, line->low, line->high);
}

/* The result may take the operand's place. */
OCTAVO_KERNEL void octavo_rescale_16(const octavo_line *line, const int16_t *in, int16_t *out, int32_t count) {
  int32_t i;
  for (i = 0; i < count; i++) {
    out[i] = (int16_t)octavo_on_line(line, in[i]);
  }
}

/* To eight bits, with a sign or without. */
OCTAVO_KERNEL void octavo_rescale_16_to_8(const octavo_line *line, const int16_t *in, void *out, int32_t count) {
  int32_t i;
  for (i = 0; i < count; i++) {
    ((uint8_t *)out)[i] = (uint8_t)octavo_on_line(line, in[i]);
  }
}
