/* TRANSPOSE_CONV of sixteen bits: each output pixel gathers the input pixels whose windows reach it.
 *
 * Zero points are 0. Weights are [out, height, width, in].
 */

typedef struct {
  int32_t in_height, in_width, in_channels;
  int32_t out_width, out_channels;
  int32_t kernel_height, kernel_width;
  int32_t stride_height, stride_width;
  int32_t pad_top, pad_left;
  int32_t wide, low, high;
  const int8_t *weights;
  const octavo_channel_16 *channels;
} octavo_transpose_conv_16;

OCTAVO_INLINE int64_t octavo_transposed_sum_16(const octavo_transpose_conv_16 *conv, const int16_t *in, int32_t row,
                                               int32_t column, const int8_t *weights) {
  int64_t sum = 0;
  int32_t i, j;
  for (i = 0; i < conv->kernel_height; i++) {
    const int32_t y = row + conv->pad_top - i;
    for (j = 0; j < conv->kernel_width; j++, weights += conv->in_channels) {
      const int32_t x = column + conv->pad_left - j;
      if (y >= 0 && y % conv->stride_height == 0 && y / conv->stride_height < conv->in_height && x >= 0 &&
          x % conv->stride_width == 0 && x / conv->stride_width < conv->in_width) {
        const int32_t pixel = y / conv->stride_height * conv->in_width + x / conv->stride_width;
        sum += octavo_sum_of_products(in + pixel * conv->in_channels, weights, conv->in_channels);
      }
    }
  }
  return sum;
}

/* Rows row_begin .. row_end - 1 of the output. */
OCTAVO_KERNEL void octavo_transpose_conv_rows_16(const octavo_transpose_conv_16 *conv, const int16_t *in, int16_t *out,
                                                 int32_t row_begin, int32_t row_end) {
  const int32_t taps = conv->kernel_height * conv->kernel_width * conv->in_channels;
  int32_t row, column, c;
  out += row_begin * conv->out_width * conv->out_channels;
  for (row = row_begin; row < row_end; row++) {
    for (column = 0; column < conv->out_width; column++) {
      for (c = 0; c < conv->out_channels; c++) {
        const octavo_channel_16 *channel = conv->channels + c;
        const int64_t sum = octavo_transposed_sum_16(conv, in, row, column, conv->weights + c * taps);
        *out++ = octavo_scaled_16(channel->bias + sum, channel->multiplier, channel->shift, conv->wide, conv->low,
                                  conv->high);
      }
    }
  }
}
