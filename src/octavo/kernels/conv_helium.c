/* Convolutions by the vector extension: of two pixels' windows, as bytes, and four channels, sixteen depths at a time.
 *
 * Zero points are not taken off; biases make up for them. Weights lie channel by channel, OCTAVO_SIXTEEN.
 */

#if OCTAVO_HELIUM
/* Weights of a channel, of bytes that may hold those of another one in their other half: then sixteen times as much. */
OCTAVO_INLINE int8x16_t octavo_weights_in(int8x16_t bytes, int32_t bits, int upper) {
  return bits == 8 ? bytes : upper ? vandq_s8(bytes, vdupq_n_s8(-16)) : vshlq_n_s8(bytes, 4);
}

/* Sums of two channels, the first or the last of a block, over the windows of two pixels. */
OCTAVO_INLINE void octavo_dot_two(const int8_t *p, const int8_t *q, const int8_t *w, uint32_t depth, int32_t pair,
                                  int32_t bits, int32_t *sums_p, int32_t *sums_q) {
  const int32_t shift = bits == 8 ? 0 : 4, step = bits == 8 ? 16 * pair : 0; /* from channels of the first pair */
  const int upper = pair == 0;
  int32_t p0 = 0, p1 = 0, q0 = 0, q1 = 0;
  uint32_t sixteens = depth / 16;
  for (w += 2 * step; sixteens > 0; sixteens--, p += 16, q += 16, w += 8 * bits) {
    const int8x16_t x = vldrbq_s8(p), y = vldrbq_s8(q);
    const int8x16_t a = octavo_weights_in(vldrbq_s8(w), bits, upper);
    const int8x16_t b = octavo_weights_in(vldrbq_s8(w + 16), bits, upper);
    p0 = vmladavaq_s8(p0, x, a);
    p1 = vmladavaq_s8(p1, x, b);
    q0 = vmladavaq_s8(q0, y, a);
    q1 = vmladavaq_s8(q1, y, b);
  }
  if (depth % 16 != 0) {
    const mve_pred16_t some = 0xFF;
    const int8x16_t x = vldrbq_z_s8(p, some), y = vldrbq_z_s8(q, some);
    const int8x16_t a = octavo_weights_in(vldrbq_z_s8(w - step, some), bits, upper);
    const int8x16_t b = octavo_weights_in(vldrbq_z_s8(w - step + 8, some), bits, upper);
    p0 = vmladavaq_s8(p0, x, a);
    p1 = vmladavaq_s8(p1, x, b);
    q0 = vmladavaq_s8(q0, y, a);
    q1 = vmladavaq_s8(q1, y, b);
  }
  sums_p[2 * pair] = p0 >> shift;
  sums_p[2 * pair + 1] = p1 >> shift;
  sums_q[2 * pair] = q0 >> shift;
  sums_q[2 * pair + 1] = q1 >> shift;
}

/* Sums of all four channels over the window of one pixel. */
OCTAVO_INLINE void octavo_dot_four(const int8_t *p, const int8_t *w, uint32_t depth, int32_t bits, int32_t *sums) {
  const int32_t shift = bits == 8 ? 0 : 4, step = bits == 8 ? 16 : 0; /* half from channel 0 to channel 2 */
  int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
  uint32_t sixteens = depth / 16;
  for (; sixteens > 0; sixteens--, p += 16, w += 8 * bits) {
    const int8x16_t x = vldrbq_s8(p);
    s0 = vmladavaq_s8(s0, x, octavo_weights_in(vldrbq_s8(w), bits, 1));
    s1 = vmladavaq_s8(s1, x, octavo_weights_in(vldrbq_s8(w + 16), bits, 1));
    s2 = vmladavaq_s8(s2, x, octavo_weights_in(vldrbq_s8(w + 2 * step), bits, 0));
    s3 = vmladavaq_s8(s3, x, octavo_weights_in(vldrbq_s8(w + 2 * step + 16), bits, 0));
  }
  if (depth % 16 != 0) {
    const mve_pred16_t some = 0xFF;
    const int8x16_t x = vldrbq_z_s8(p, some);
    s0 = vmladavaq_s8(s0, x, octavo_weights_in(vldrbq_z_s8(w, some), bits, 1));
    s1 = vmladavaq_s8(s1, x, octavo_weights_in(vldrbq_z_s8(w + 8, some), bits, 1));
    s2 = vmladavaq_s8(s2, x, octavo_weights_in(vldrbq_z_s8(w + step, some), bits, 0));
    s3 = vmladavaq_s8(s3, x, octavo_weights_in(vldrbq_z_s8(w + step + 8, some), bits, 0));
  }
  sums[0] = s0 >> shift;
  sums[1] = s1 >> shift;
  sums[2] = s2 >> shift;
  sums[3] = s3 >> shift;
}

OCTAVO_INLINE void octavo_put_lanes(const octavo_conv *conv, const octavo_channels *channels, const octavo_lanes *lanes,
                                    const int32_t *sums, int8_t *out, int32_t count) {
  const int32x4_t all = vaddq_s32(vldrwq_s32(sums), vldrwq_s32(channels->bias));
  const int32x4_t results = octavo_scaled_lanes(all, lanes, channels, conv->wide, conv->low, conv->high);
  if (count >= 4) {
    vstrbq_s32(out, results);
  } else {
    vstrbq_p_s32(out, results, vctp32q((uint32_t)count));
  }
}

/* Results of a group's channels for the windows of two pixels, or of one, q then being p. */
OCTAVO_INLINE void octavo_dots_of(const octavo_conv *conv, const int8_t *p, const int8_t *q, const int8_t *weights,
                                  const octavo_channels *channels, int32_t count, int8_t *out_p, int8_t *out_q,
                                  int32_t bits) {
  const uint32_t depth = (uint32_t)conv->depth;
  for (; count > 0; count -= 4, channels++, weights += depth * (uint32_t)bits / 2, out_p += 4, out_q += 4) {
    const octavo_lanes lanes = octavo_lanes_of(channels);
    int32_t sums_p[4], sums_q[4];
    if (p == q) {
      octavo_dot_four(p, weights, depth, bits, sums_p);
    } else {
      octavo_dot_two(p, q, weights, depth, 0, bits, sums_p, sums_q);
      octavo_dot_two(p, q, weights, depth, 1, bits, sums_p, sums_q);
      octavo_put_lanes(conv, channels, &lanes, sums_q, out_q, count);
    }
    octavo_put_lanes(conv, channels, &lanes, sums_p, out_p, count);
  }
}

OCTAVO_APART void octavo_dots(const octavo_conv *conv, const int8_t *p, const int8_t *q, const int8_t *weights,
                              const octavo_channels *channels, int32_t count, int8_t *out_p, int8_t *out_q) {
  octavo_dots_of(conv, p, q, weights, channels, count, out_p, out_q, 8);
}

OCTAVO_APART void octavo_dots_4(const octavo_conv *conv, const int8_t *p, const int8_t *q, const int8_t *weights,
                                const octavo_channels *channels, int32_t count, int8_t *out_p, int8_t *out_q) {
  octavo_dots_of(conv, p, q, weights, channels, count, out_p, out_q, 4);
}

/* Whether no byte lies in both. */
OCTAVO_INLINE int octavo_apart(const int8_t *a, int32_t a_bytes, const int8_t *b, int32_t b_bytes) {
  const uintptr_t first = (uintptr_t)a, second = (uintptr_t)b;
  return first + (uintptr_t)a_bytes <= second || second + (uintptr_t)b_bytes <= first;
}

/* Rows row_begin .. row_end - 1 of the output, the weights of as many bits; as octavo_conv_rows_of of conv.c. */
OCTAVO_INLINE void octavo_conv_rows_of(const octavo_conv *conv, const int8_t *in, int8_t *out, void *scratch,
                                       int32_t row_begin, int32_t row_end, int32_t bits) {
  const int32_t in_channels = conv->in_channels / conv->groups, out_channels = conv->out_channels / conv->groups;
  const int32_t begin = row_begin * conv->out_width, end = row_end * conv->out_width;
  const int32_t group_bytes = (out_channels + 3) / 4 * (conv->depth * bits / 2);
  const int direct = conv->kernel_height * conv->kernel_width * conv->groups == 1 &&
                     conv->stride_height * conv->stride_width == 1 && in_channels == conv->depth &&
                     octavo_apart(in + begin * in_channels, (end - begin) * in_channels, out + begin * out_channels,
                                  (end - begin) * out_channels);
  int32_t pixel, group, i;
  for (pixel = begin; pixel < end; pixel += 2) {
    const int32_t count = pixel + 1 < end ? 2 : 1;
    int8_t *const out_p = out + pixel * conv->out_channels, *const out_q = out_p + (count - 1) * conv->out_channels;
    for (group = 0; group < conv->groups; group++) {
      const int8_t *windows[2];
      for (i = 0; i < count; i++) {
        int8_t *const bytes = (int8_t *)scratch + i * conv->depth;
        windows[i] = direct ? in + (pixel + i) * in_channels : bytes;
        if (!direct) {
          const int32_t row = (pixel + i) / conv->out_width, column = (pixel + i) % conv->out_width;
          octavo_gather_window(conv, in + group * in_channels, in_channels, row * conv->stride_height - conv->pad_top,
                               column * conv->stride_width - conv->pad_left, bytes);
        }
      }
      (bits == 4 ? octavo_dots_4 : octavo_dots)(conv, windows[0], windows[count - 1], conv->weights + group * group_bytes,
                  conv->channels + group * ((out_channels + 3) / 4), out_channels, out_p + group * out_channels,
                  out_q + group * out_channels);
    }
  }
}
#endif
