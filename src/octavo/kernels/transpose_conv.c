/* TRANSPOSE_CONV: each output pixel gathers the input pixels whose windows reach it. */

typedef struct {
  int32_t in_height, in_width, in_channels;
  int32_t out_width, out_channels;
  int32_t kernel_height, kernel_width;
  int32_t stride_height, stride_width;
  int32_t pad_top, pad_left;
  int32_t in_zero_point;
  int32_t wide, low, high;
  const int8_t *weights; /* [out, height, width, in] */
  const octavo_channels *channels;
} octavo_transpose_conv;

OCTAVO_INLINE int32_t octavo_transposed_sum(const octavo_transpose_conv *conv, const int8_t *in, int32_t row,
                                            int32_t column, const int8_t *weights) {
  int32_t i, j, c, sum = 0;
  for (i = 0; i < conv->kernel_height; i++) {
    const int32_t y = row + conv->pad_top - i;
    if (y < 0 || y % conv->stride_height != 0 || y / conv->stride_height >= conv->in_height) {
      continue;
    }
    for (j = 0; j < conv->kernel_width; j++) {
      const int32_t x = column + conv->pad_left - j;
      if (x >= 0 && x % conv->stride_width == 0 && x / conv->stride_width < conv->in_width) {
        const int32_t pixel = y / conv->stride_height * conv->in_width + x / conv->stride_width;
        const int8_t *cells = in + pixel * conv->in_channels;
        const int8_t *taps = weights + (i * conv->kernel_width + j) * conv->in_channels;
        for (c = 0; c < conv->in_channels; c++) {
          sum += (cells[c] - conv->in_zero_point) * taps[c];
        }
      }
    }
  }
  return sum;
}

/* Rows row_begin .. row_end - 1 of the output. */
OCTAVO_KERNEL void octavo_transpose_conv_rows(const octavo_transpose_conv *conv, const int8_t *in, int8_t *out,
                                              int32_t row_begin, int32_t row_end) {
  const int32_t taps = conv->kernel_height * conv->kernel_width * conv->in_channels;
  int32_t row, column, c;
  out += row_begin * conv->out_width * conv->out_channels;
  for (row = row_begin; row < row_end; row++) {
    for (column = 0; column < conv->out_width; column++, out += conv->out_channels) {
      for (c = 0; c < conv->out_channels; c++) {
        const octavo_channels *channels = conv->channels + c / 4;
        const int32_t sum = octavo_transposed_sum(conv, in, row, column, conv->weights + c * taps);
        out[c] = octavo_scaled(channels->bias[c % 4] + sum, channels->scale[c % 4], conv->wide);
      }
      octavo_bound(out, conv->out_channels, conv->low, conv->high);
    }
  }
}
