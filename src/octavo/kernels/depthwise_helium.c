/* Depthwise convolutions by the vector extension, four channels at a time.
 *
 * Of each channel the rows under the window lie column by column, as bytes, the rows of a column one behind another: a
 * window is then bytes in a row, and its sum one instruction for each sixteen of them. Zero points are not taken off; a
 * bias makes up for them, as what lies outside of the image is filled with them. The line of the window's top row becomes
 * that of its next bottom row: which weight meets which byte turns with it, for which there is a table of places.
 */

#if OCTAVO_HELIUM
/* Where parts of the scratch lie, in bytes from its beginning. */
typedef struct {
  int32_t bytes;   /* of a window, in whole sixteens */
  int32_t channel; /* from one channel's bytes to the next one's */
  int32_t places, weights, end;
} octavo_depthwise_parts;

OCTAVO_INLINE octavo_depthwise_parts octavo_parts_of(const octavo_depthwise *conv) {
  octavo_depthwise_parts parts;
  parts.bytes = (((conv->kernel_width - 1) * conv->dilation_width + 1) * conv->lines + 15) / 16 * 16;
  parts.channel = conv->lines * conv->line;
  parts.places = (4 * parts.channel + 15 + 3) / 4 * 4; /* the last window is read in whole sixteens, too */
  parts.weights = parts.places + conv->lines * parts.bytes;
  parts.end = parts.weights + 4 * parts.bytes;
  return parts;
}

/* Whether the scratch, which the other way's needs decide on, has room for this one, and places for a byte each. */
OCTAVO_INLINE int octavo_depthwise_fits(const octavo_depthwise *conv) {
  const int32_t reach = ((conv->kernel_width - 1) * conv->dilation_width + conv->stride_width + 2) / 2 * 2;
  return octavo_parts_of(conv).end <= 8 * (conv->lines + 1) * conv->line + 16 * conv->kernel_height * reach &&
         conv->kernel_height * conv->kernel_width < 255;
}

/* For each line that the top row may have: which of the kernel's taps a byte of the window meets, 255 where none. */
OCTAVO_INLINE void octavo_depthwise_places(const octavo_depthwise *conv, int32_t bytes, uint8_t *places) {
  int32_t top, i, j;
  memset(places, 255, (size_t)(conv->lines * bytes));
  for (top = 0; top < conv->lines; top++, places += bytes) {
    for (i = 0; i < conv->kernel_height; i++) {
      const int32_t line = top + i * conv->dilation_height;
      for (j = 0; j < conv->kernel_width; j++) {
        places[j * conv->dilation_width * conv->lines + (line < conv->lines ? line : line - conv->lines)] =
            (uint8_t)(i * conv->kernel_width + j);
      }
    }
  }
}

/* Copy a row of up to four channels into its line; one outside of the image is zero points. */
OCTAVO_INLINE void octavo_depthwise_copy(const octavo_depthwise *conv, const int8_t *in, int inside, int32_t channels,
                                         int32_t apart, int8_t *line) {
  const int32_t step = conv->channels_count;
  const uint32x4_t place = vmulq_n_u32(vidupq_n_u32(0, 1), (uint32_t)apart);
  const mve_pred16_t some = vctp32q((uint32_t)channels);
  int8_t *to = line + conv->pad_left * conv->lines, *const end = to + conv->in_width * conv->lines;
  if (inside) {
    for (; to != end; to += conv->lines, in += step) {
      vstrbq_scatter_offset_p_s32(to, place, vldrbq_z_s32(in, some), some);
    }
  } else {
    const int32x4_t nothing = vdupq_n_s32(conv->in_zero_point);
    for (; to != end; to += conv->lines) {
      vstrbq_scatter_offset_p_s32(to, place, nothing, some);
    }
  }
}

/* Sixteen weights from `base` on, by their places behind it. */
OCTAVO_INLINE int8x16_t octavo_weights_at(const int8_t *weights, int32_t base, uint8x16_t place, mve_pred16_t some,
                                          int32_t bits) {
  if (bits == 4) {
    const uint8x16_t half = vaddq_n_u8(place, (uint8_t)(base % 2));
    const int8x16_t pair = vldrbq_gather_offset_z_s8(weights + base / 2, vshrq_n_u8(half, 1), some);
    const mve_pred16_t upper = vcmpeqq_n_u8(vandq_u8(half, vdupq_n_u8(1)), 0);
    return vshrq_n_s8(vpselq_s8(pair, vshlq_n_s8(pair, 4), upper), 4);
  }
  return vldrbq_gather_offset_z_s8(weights + base, place, some);
}

/* Weights of up to four channels in the order that the window has, zeros where it has none; and their biases. */
OCTAVO_INLINE void octavo_depthwise_turn(const octavo_depthwise *conv, const octavo_channels *channels, int32_t first,
                                         int32_t channels_now, int32_t bytes, const uint8_t *places, int8_t *weights,
                                         int32_t *bias, int32_t bits) {
  const int32_t taps = conv->kernel_height * conv->kernel_width;
  int32_t c, i;
  for (c = 0; c < channels_now; c++, weights += bytes) {
    int32_t sum = 0;
    for (i = 0; i < bytes; i += 16) {
      const uint8x16_t place = vldrbq_u8(places + i);
      const mve_pred16_t some = vcmpneq_u8(place, vdupq_n_u8(255));
      const int8x16_t w = octavo_weights_at(conv->weights, (first + c) * taps, place, some, bits);
      vstrbq_s8(weights + i, w);
      sum = vaddvaq_s8(sum, w);
    }
    bias[c] = channels->bias[c] - conv->in_zero_point * sum;
  }
}

/* Sums of the window of one channel, of whole sixteens. */
OCTAVO_INLINE int32_t octavo_depthwise_dot(const int8_t *x, const int8_t *w, int32_t bytes, int32_t sum) {
  int32_t i;
  for (i = 0; i < bytes; i += 16) {
    sum = vmladavaq_s8(sum, vldrbq_s8(x + i), vldrbq_s8(w + i));
  }
  return sum;
}

/* A row of four channels, or fewer. */
OCTAVO_APART void octavo_depthwise_row(const octavo_depthwise *conv, const octavo_channels *channels, const int8_t *x,
                                       const octavo_depthwise_parts *parts, const int8_t *weights, const int32_t *bias,
                                       int8_t *out, int32_t count) {
  const int32_t bytes = parts->bytes, apart = parts->channel, step = conv->stride_width * conv->lines;
  const octavo_lanes lanes = octavo_lanes_of(channels);
  const mve_pred16_t some = vctp32q((uint32_t)count);
  int32_t column;
  if (bytes == 16) { /* of most windows the weights stay in registers */
    const int8x16_t w0 = vldrbq_s8(weights), w1 = vldrbq_s8(weights + 16);
    const int8x16_t w2 = vldrbq_s8(weights + 32), w3 = vldrbq_s8(weights + 48);
    for (column = conv->out_width; column > 0; column--, x += step, out += conv->channels_count) {
      int32_t sums[4];
      sums[0] = vmladavaq_s8(bias[0], vldrbq_s8(x), w0);
      sums[1] = vmladavaq_s8(bias[1], vldrbq_s8(x + apart), w1);
      sums[2] = vmladavaq_s8(bias[2], vldrbq_s8(x + 2 * apart), w2);
      sums[3] = vmladavaq_s8(bias[3], vldrbq_s8(x + 3 * apart), w3);
      vstrbq_p_s32(out, octavo_scaled_lanes(vldrwq_s32(sums), &lanes, channels, conv->wide, conv->low, conv->high),
                   some);
    }
    return;
  }
  for (column = conv->out_width; column > 0; column--, x += step, out += conv->channels_count) {
    int32_t sums[4], c;
    for (c = 0; c < 4; c++) {
      sums[c] = octavo_depthwise_dot(x + c * apart, weights + c * bytes, bytes, bias[c]);
    }
    vstrbq_p_s32(out, octavo_scaled_lanes(vldrwq_s32(sums), &lanes, channels, conv->wide, conv->low, conv->high), some);
  }
}

/* As octavo_depthwise_rows_of, where octavo_depthwise_fits. */
OCTAVO_INLINE void octavo_depthwise_rows_helium(const octavo_depthwise *conv, const int8_t *in, int8_t *out,
                                                void *scratch, int32_t row_begin, int32_t row_end, int32_t bits) {
  const octavo_depthwise_parts parts = octavo_parts_of(conv);
  const int32_t count = conv->channels_count;
  int8_t *const bytes = (int8_t *)scratch, *const weights = bytes + parts.weights;
  uint8_t *const places = (uint8_t *)scratch + parts.places;
  int32_t first, row;
  octavo_depthwise_places(conv, parts.bytes, places);
  memset(bytes, conv->in_zero_point, (size_t)parts.places);
  for (first = 0; first < count; first += 4) {
    const octavo_channels *const channels = conv->channels + first / 4;
    const int32_t now = count - first < 4 ? count - first : 4;
    int32_t next = row_begin * conv->stride_height - conv->pad_top, line = 0, bias[4] = {0, 0, 0, 0};
    for (row = row_begin; row < row_end; row++) {
      const int32_t top = row * conv->stride_height - conv->pad_top;
      for (; next < top + conv->lines; next++, line = line + 1 < conv->lines ? line + 1 : 0) {
        octavo_depthwise_copy(conv, in + next * conv->in_width * count + first, next >= 0 && next < conv->in_height,
                              now, parts.channel, bytes + line);
      }
      octavo_depthwise_turn(conv, channels, first, now, parts.bytes, places + line * parts.bytes, weights, bias, bits);
      octavo_depthwise_row(conv, channels, bytes, &parts, weights, bias, out + row * conv->out_width * count + first,
                           now);
    }
  }
}
#endif
