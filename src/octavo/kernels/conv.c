/* CONV_2D, and what is one: FULLY_CONNECTED (rows are pixels), DEPTHWISE_CONV_2D that multiplies its channels.
 *
 * Two pixels and four channels at a time. The windows of two pixels are widened to int16, zero points taken off, and
 * lie interleaved in the scratch: of four depths e0 .. e3 of pixels p and q,
 *     p e0, p e2, q e0, q e2, p e1, p e3, q e1, q e3.
 * Weights of four channels c0 .. c3 lie together, of the two depths in each half of that line
 *     c0 e0, c1 e0, c0 e2, c1 e2, c2 e0, c3 e0, c2 e2, c3 e2,   then the same of e1 and e3.
 * Depths are padded with zeros to a multiple of eight, channels to a multiple of four, in each group.
 */

typedef struct {
  int32_t in_height, in_width, in_channels;
  int32_t out_width, out_channels;
  int32_t kernel_height, kernel_width;
  int32_t stride_height, stride_width;
  int32_t dilation_height, dilation_width;
  int32_t pad_top, pad_left;
  int32_t groups, depth; /* depth: padded */
  int32_t in_zero_point;
  int32_t wide, low, high;
  const int8_t *weights;
  const octavo_channels *channels;
} octavo_conv;

#if OCTAVO_DSP
/* Products of two pixels and `blocks` times four channels; out_p and out_q may be the same.
 *
 * r4 .. r11 are the sums, even ones of p; r0 and r1 run over windows and weights. The stack holds: end of the windows,
 * their begin, the channels' constants, out_p, out_q, blocks. Eight depths are 60 instructions, and 64 products.
 */
__attribute__((naked, noinline, unused)) static void octavo_products(
    const int16_t *windows, const int8_t *weights, const octavo_channels *channels, int32_t depth, int8_t *out_p,
    int8_t *out_q, int32_t blocks) {
  __asm__ volatile(
#define OCTAVO_TWO_DEPTHS              \
  "ldrd r2, r3, [r0], #8\n"            \
  "ldr r12, [r1], #4\n"                \
  "sxtb16 lr, r12\n"                   \
  "smlad r4, r2, lr, r4\n"             \
  "smlad r5, r3, lr, r5\n"             \
  "sxtb16 r12, r12, ror #8\n"          \
  "smlad r6, r2, r12, r6\n"            \
  "smlad r7, r3, r12, r7\n"            \
  "ldr r12, [r1], #4\n"                \
  "sxtb16 lr, r12\n"                   \
  "smlad r8, r2, lr, r8\n"             \
  "smlad r9, r3, lr, r9\n"             \
  "sxtb16 r12, r12, ror #8\n"          \
  "smlad r10, r2, r12, r10\n"          \
  "smlad r11, r3, r12, r11\n"
#define OCTAVO_STORE(p, q)             \
  "ldr r12, [r2], #4\n"                \
  "lsl " p ", " p ", #1\n"             \
  "lsl " q ", " q ", #1\n"             \
  "smmulr " p ", " p ", r12\n"         \
  "smmulr " q ", " q ", r12\n"         \
  "ldrd r12, lr, [r2], #8\n"           \
  "add " p ", " p ", " p ", asr #31\n" \
  "add " q ", " q ", " q ", asr #31\n" \
  "add " p ", " p ", r12\n"            \
  "add " q ", " q ", r12\n"            \
  "asr " p ", " p ", lr\n"             \
  "asr " q ", " q ", lr\n"             \
  "ssat " p ", #8, " p "\n"            \
  "ssat " q ", #8, " q "\n"            \
  "strb " p ", [r0], #1\n"             \
  "strb " q ", [r3], #1\n"
      "push {r4-r11, lr}\n" /* 36 bytes; the caller's out_p, out_q and blocks lie above */
      "add r12, r0, r3, lsl #2\n"
      "mov r3, r0\n"
      "ldr r4, [sp, #36]\n"
      "ldr r5, [sp, #40]\n"
      "ldr r6, [sp, #44]\n"
      "sub sp, #28\n"
      "strd r12, r3, [sp]\n"
      "str r2, [sp, #8]\n"
      "strd r4, r5, [sp, #12]\n"
      "str r6, [sp, #20]\n"
      "1:\n"
      "ldrd r0, r2, [sp, #4]\n"
      "ldm r2!, {r4, r6, r8, r10}\n"
      "str r2, [sp, #8]\n"
      "mov r5, r4\n"
      "mov r7, r6\n"
      "mov r9, r8\n"
      "mov r11, r10\n"
      "2:\n"
      OCTAVO_TWO_DEPTHS OCTAVO_TWO_DEPTHS OCTAVO_TWO_DEPTHS OCTAVO_TWO_DEPTHS
      "ldr r12, [sp]\n"
      "cmp r0, r12\n"
      "bne 2b\n"
      "ldr r2, [sp, #8]\n"
      "ldrd r0, r3, [sp, #12]\n"
      OCTAVO_STORE("r4", "r5") OCTAVO_STORE("r6", "r7") OCTAVO_STORE("r8", "r9") OCTAVO_STORE("r10", "r11")
      "str r2, [sp, #8]\n"
      "ldr r12, [sp, #20]\n"
      "strd r0, r3, [sp, #12]\n"
      "subs r12, #1\n"
      "str r12, [sp, #20]\n"
      "bne 1b\n"
      "add sp, #28\n"
      "pop {r4-r11, pc}\n");
#undef OCTAVO_TWO_DEPTHS
#undef OCTAVO_STORE
}
#endif

/* The same in C; the only way for wide layers. */
OCTAVO_KERNEL void octavo_products_plain(const int16_t *windows, const int8_t *weights,
                                         const octavo_channels *channels, int32_t depth, int8_t *out_p,
                                         int8_t *out_q, int32_t blocks, int32_t wide) {
  int32_t block, i, c;
  for (block = 0; block < blocks; block++, channels++) {
    const int16_t *x = windows;
    int32_t p[4], q[4];
    for (c = 0; c < 4; c++) {
      p[c] = q[c] = channels->bias[c];
    }
    for (i = 0; i < depth; i += 2, x += 4, weights += 8) {
      const int8_t *w = weights;
      for (c = 0; c < 4; c++, w += c == 2 ? 3 : 1) {
        p[c] += x[0] * w[0] + x[1] * w[2];
        q[c] += x[2] * w[0] + x[3] * w[2];
      }
    }
    for (c = 0; c < 4; c++) {
      *out_p++ = octavo_scaled(p[c], channels->scale[c], wide);
      *out_q++ = octavo_scaled(q[c], channels->scale[c], wide);
    }
  }
}

OCTAVO_INLINE void octavo_products_of(const octavo_conv *conv, const int16_t *windows, const int8_t *weights,
                                      const octavo_channels *channels, int8_t *out_p, int8_t *out_q, int32_t blocks) {
#if OCTAVO_DSP
  if (!conv->wide) {
    octavo_products(windows, weights, channels, conv->depth, out_p, out_q, blocks);
    return;
  }
#endif
  octavo_products_plain(windows, weights, channels, conv->depth, out_p, out_q, blocks, conv->wide);
}

/* Widen bytes, a multiple of four, into one pixel's places; returns the place of the next. */
OCTAVO_INLINE int16_t *octavo_widen(int16_t *to, const int8_t *from, int32_t count, int32_t zero_point) {
#if OCTAVO_DSP
  const uint32_t offset = (uint32_t)(-zero_point & 0xFFFF) * 0x10001u;
  uint32_t *words = (uint32_t *)(void *)to;
  const int8_t *end = from + count;
  for (; end - from >= 16; from += 16, words += 16) {
    const uint32_t a = octavo_word(from), b = octavo_word(from + 4);
    const uint32_t c = octavo_word(from + 8), d = octavo_word(from + 12);
    words[0] = octavo_even_bytes(offset, a);
    words[2] = octavo_odd_bytes(offset, a);
    words[4] = octavo_even_bytes(offset, b);
    words[6] = octavo_odd_bytes(offset, b);
    words[8] = octavo_even_bytes(offset, c);
    words[10] = octavo_odd_bytes(offset, c);
    words[12] = octavo_even_bytes(offset, d);
    words[14] = octavo_odd_bytes(offset, d);
  }
  for (; from != end; from += 4, words += 4) {
    const uint32_t a = octavo_word(from);
    words[0] = octavo_even_bytes(offset, a);
    words[2] = octavo_odd_bytes(offset, a);
  }
  return (int16_t *)(void *)words;
#else
  for (; count > 0; count -= 4, from += 4, to += 8) {
    to[0] = (int16_t)(from[0] - zero_point);
    to[1] = (int16_t)(from[2] - zero_point);
    to[4] = (int16_t)(from[1] - zero_point);
    to[5] = (int16_t)(from[3] - zero_point);
  }
  return to;
#endif
}

/* Zeros in one pixel's places: what lies outside of the image. */
OCTAVO_INLINE int16_t *octavo_widen_nothing(int16_t *to, int32_t count) {
  for (; count > 0; count -= 4, to += 8) {
    to[0] = to[1] = to[4] = to[5] = 0;
  }
  return to;
}

/* One pixel's window, of channels that are a multiple of four; taps of one row lie in a row. */
OCTAVO_INLINE void octavo_window(const octavo_conv *conv, const int8_t *in, int32_t channels, int32_t top,
                                 int32_t left, int16_t *to) {
  const int32_t taps = conv->groups == 1 && conv->dilation_width == 1 ? conv->kernel_width : 1;
  int32_t i, j;
  for (i = 0; i < conv->kernel_height; i++) {
    const int32_t y = top + i * conv->dilation_height;
    if (y < 0 || y >= conv->in_height) {
      to = octavo_widen_nothing(to, conv->kernel_width * channels);
      continue;
    }
    for (j = 0; j < conv->kernel_width; j += taps) {
      const int32_t x = left + j * conv->dilation_width;
      const int32_t before = octavo_clamp(-x, 0, taps), after = octavo_clamp(x + taps - conv->in_width, 0, taps);
      const int32_t inside = taps - before - after;
      to = octavo_widen_nothing(to, before * channels);
      if (inside > 0) {
        const int8_t *pixel = in + (y * conv->in_width + x + before) * conv->in_channels;
        to = octavo_widen(to, pixel, inside * channels, conv->in_zero_point);
      }
      to = octavo_widen_nothing(to, after * channels);
    }
  }
}

/* One pixel's window of any number of channels: its bytes are gathered first. */
OCTAVO_INLINE void octavo_window_of_bytes(const octavo_conv *conv, const int8_t *in, int32_t channels, int32_t top,
                                          int32_t left, int16_t *to, int8_t *bytes) {
  int8_t *next = bytes;
  int32_t i, j, c;
  for (i = 0; i < conv->kernel_height; i++) {
    const int32_t y = top + i * conv->dilation_height;
    for (j = 0; j < conv->kernel_width; j++) {
      const int32_t x = left + j * conv->dilation_width;
      const int inside = y >= 0 && y < conv->in_height && x >= 0 && x < conv->in_width;
      const int8_t *pixel = inside ? in + (y * conv->in_width + x) * conv->in_channels : 0;
      for (c = 0; c < channels; c++) {
        *next++ = inside ? pixel[c] : (int8_t)conv->in_zero_point;
      }
    }
  }
  memset(next, conv->in_zero_point, (size_t)(bytes + conv->depth - next));
  (void)octavo_widen(to, bytes, conv->depth, conv->in_zero_point);
}

/* Rows row_begin .. row_end - 1 of the output.
 *
 * scratch: 4 bytes a depth; another one where channels of a group are no multiple of four. Aligned to 4.
 * in and out may be the same where the kernel is a single tap, strides are 1 and there are no more channels out than in.
 */
OCTAVO_KERNEL void octavo_conv_rows(const octavo_conv *conv, const int8_t *in, int8_t *out, void *scratch,
                                    int32_t row_begin, int32_t row_end) {
  int16_t *windows = (int16_t *)scratch;
  int8_t *bytes = (int8_t *)scratch + 4 * conv->depth;
  const int32_t in_channels = conv->in_channels / conv->groups, out_channels = conv->out_channels / conv->groups;
  const int32_t blocks = out_channels / 4, rest = out_channels % 4;
  const int32_t end = row_end * conv->out_width;
  int32_t pixel, group, i;
  memset(windows, 0, 4 * (size_t)conv->depth);
  for (pixel = row_begin * conv->out_width; pixel < end; pixel += 2) {
    const int8_t *weights = conv->weights;
    const octavo_channels *channels = conv->channels;
    const int32_t pair = pixel + 1 < end; /* a last pixel alone is computed twice */
    int8_t *out_p = out + pixel * conv->out_channels, *out_q = out_p + pair * conv->out_channels;
    for (group = 0; group < conv->groups; group++) {
      for (i = 0; i < 2; i++) {
        const int32_t at = pixel + (i & pair);
        const int32_t row = at / conv->out_width, column = at % conv->out_width;
        const int32_t top = row * conv->stride_height - conv->pad_top;
        const int32_t left = column * conv->stride_width - conv->pad_left;
        if (in_channels % 4 == 0) {
          octavo_window(conv, in + group * in_channels, in_channels, top, left, windows + 2 * i);
        } else {
          octavo_window_of_bytes(conv, in + group * in_channels, in_channels, top, left, windows + 2 * i, bytes);
        }
      }
      if (blocks > 0) {
        octavo_products_of(conv, windows, weights, channels, out_p, out_q, blocks);
      }
      weights += 4 * conv->depth * blocks;
      channels += blocks;
      out_p += 4 * blocks;
      out_q += 4 * blocks;
      if (rest > 0) {
        int8_t last_p[4], last_q[4];
        octavo_products_of(conv, windows, weights, channels, last_p, last_q, 1);
        memcpy(out_p, last_p, (size_t)rest);
        memcpy(out_q, last_q, (size_t)rest);
        weights += 4 * conv->depth;
        channels++;
        out_p += rest;
        out_q += rest;
      }
    }
    octavo_bound(out + pixel * conv->out_channels, (1 + pair) * conv->out_channels, conv->low, conv->high);
  }
}
