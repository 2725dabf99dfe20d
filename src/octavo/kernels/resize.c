/* RESIZE_BILINEAR: positions in 1/1024 of a pixel, one rounding, halves away from zero. */

typedef struct {
  int32_t in_height, in_width, channels;
  int32_t out_width;
  int32_t scale_height, scale_width; /* 1/1024 pixels a step */
  int32_t start_height, start_width;
} octavo_resize;

typedef struct {
  int32_t low, high, weight; /* neighbours; weight of the higher, of 1024 */
} octavo_between;

OCTAVO_INLINE octavo_between octavo_neighbours(int32_t position, int32_t size) {
  const int32_t floor = position >> 10, ceiling = (position + 1023) >> 10;
  octavo_between result;
  result.low = floor < 0 ? 0 : floor;
  result.high = ceiling < size - 1 ? ceiling : size - 1;
  result.weight = position - result.low * 1024;
  return result;
}

/* Rows row_begin .. row_end - 1 of the output, of values of as many bits. */
OCTAVO_INLINE void octavo_resize_bilinear_of(const octavo_resize *resize, const void *in, void *out,
                                             int32_t row_begin, int32_t row_end, int32_t bits) {
  const int32_t line = resize->in_width * resize->channels;
  int32_t row, column, c, place = row_begin * resize->out_width * resize->channels;
  for (row = row_begin; row < row_end; row++) {
    const octavo_between y = octavo_neighbours(resize->start_height + row * resize->scale_height, resize->in_height);
    for (column = 0; column < resize->out_width; column++) {
      const octavo_between x =
          octavo_neighbours(resize->start_width + column * resize->scale_width, resize->in_width);
      for (c = 0; c < resize->channels; c++) {
        const int32_t left = x.low * resize->channels + c, right = x.high * resize->channels + c;
        const int64_t above = (int64_t)octavo_value(in, y.low * line + left, bits) * (1024 - x.weight) +
                              (int64_t)octavo_value(in, y.low * line + right, bits) * x.weight;
        const int64_t below = (int64_t)octavo_value(in, y.high * line + left, bits) * (1024 - x.weight) +
                              (int64_t)octavo_value(in, y.high * line + right, bits) * x.weight;
        const int64_t sum = above * (1024 - y.weight) + below * y.weight;
        const int64_t half = (int64_t)1 << 19, unit = (int64_t)1 << 20;
        octavo_put_value(out, place++, (int32_t)(sum < 0 ? (sum - half) / unit : (sum + half) / unit), bits);
      }
    }
  }
}

OCTAVO_KERNEL void octavo_resize_bilinear_rows(const octavo_resize *resize, const int8_t *in, int8_t *out,
                                               int32_t row_begin, int32_t row_end) {
  octavo_resize_bilinear_of(resize, in, out, row_begin, row_end, 8);
}

OCTAVO_KERNEL void octavo_resize_bilinear_rows_16(const octavo_resize *resize, const int16_t *in, int16_t *out,
                                                  int32_t row_begin, int32_t row_end) {
  octavo_resize_bilinear_of(resize, in, out, row_begin, row_end, 16);
}
