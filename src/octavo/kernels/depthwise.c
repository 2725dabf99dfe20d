/* Depthwise convolutions, four channels at a time.
 *
 * The rows that the window covers are copied, each channel's to a line of its own: widened to int16, the zero point
 * taken off, zeros before and behind where the window leaves the image. The line of the window's top row becomes that of
 * its next bottom row: lines are a ring. As a row is copied before any of its place is written, the result may lie over
 * the input where both are of one size.
 */

#if OCTAVO_DSP
/* Copy a pixel of four channels. */
OCTAVO_INLINE void octavo_copy_pixel(int16_t *to, const int8_t *in, uint32_t offset, int32_t apart) {
  const uint32_t p = octavo_word(in), p02 = octavo_even_bytes(offset, p), p13 = octavo_odd_bytes(offset, p);
  to[0] = (int16_t)p02;
  to[apart] = (int16_t)p13;
  to[2 * apart] = (int16_t)(p02 >> 16);
  to[3 * apart] = (int16_t)(p13 >> 16);
}
#endif

/* Copy pixels of up to four channels into lines that lie `apart` elements from each other. */
OCTAVO_INLINE void octavo_copy_row(const octavo_depthwise *conv, const int8_t *in, int32_t channels, int16_t *line,
                                   int32_t apart) {
  const int32_t step = conv->channels_count, zero_point = conv->in_zero_point;
  int16_t *to = line + conv->pad_left, *const end = to + conv->in_width;
  int32_t k;
#if OCTAVO_DSP
  if (channels == 4) {
    const uint32_t offset = (uint32_t)(-zero_point & 0xFFFF) * 0x10001u;
    if (conv->pad_left & 1) { /* pairs begin at even places */
      octavo_copy_pixel(to, in, offset, apart);
      to++;
      in += step;
    }
    for (; to + 2 <= end; to += 2, in += 2 * step) {
      const uint32_t p = octavo_word(in), q = octavo_word(in + step);
      const uint32_t p02 = octavo_even_bytes(offset, p), p13 = octavo_odd_bytes(offset, p);
      const uint32_t q02 = octavo_even_bytes(offset, q), q13 = octavo_odd_bytes(offset, q);
      octavo_put_word(to, octavo_low_halves(p02, q02));
      octavo_put_word(to + apart, octavo_low_halves(p13, q13));
      octavo_put_word(to + 2 * apart, octavo_high_halves(p02, q02));
      octavo_put_word(to + 3 * apart, octavo_high_halves(p13, q13));
    }
    if (to < end) {
      octavo_copy_pixel(to, in, offset, apart);
    }
    return;
  }
#endif
  for (; to < end; to++, in += step) {
    for (k = 0; k < channels; k++) {
      to[k * apart] = (int16_t)(in[k] - zero_point);
    }
  }
}

/* Rows of a window inside of the image, and the line of its topmost row, inside or not. */
typedef struct {
  int32_t first, last, line;
} octavo_window_rows;

OCTAVO_INLINE octavo_window_rows octavo_rows_inside(const octavo_depthwise *conv, int32_t top, int32_t line) {
  const int32_t dilation = conv->dilation_height, below = conv->in_height - top;
  const int32_t last = below <= 0 ? 0 : (below + dilation - 1) / dilation;
  octavo_window_rows rows;
  rows.first = top < 0 ? (dilation - 1 - top) / dilation : 0;
  rows.last = last < conv->kernel_height ? last : conv->kernel_height;
  rows.line = line;
  return rows;
}

/* Where a row of the window lies. */
OCTAVO_INLINE const int16_t *octavo_line_of(const octavo_depthwise *conv, const int16_t *lines,
                                            const octavo_window_rows *rows, int32_t row) {
  const int32_t line = rows->line + row * conv->dilation_height;
  return lines + (line < conv->lines ? line : line - conv->lines) * conv->line;
}

/* A row of one channel in C, from a column on. */
OCTAVO_INLINE void octavo_depthwise_line(const octavo_depthwise *conv, const int16_t *lines,
                                         const octavo_window_rows *rows, int32_t channel, int32_t bits, int32_t bias,
                                         const int32_t *scale, int8_t *out, int32_t column) {
  for (; column < conv->out_width; column++) {
    int32_t sum = bias, i, j;
    for (i = rows->first; i < rows->last; i++) {
      const int16_t *x = octavo_line_of(conv, lines, rows, i) + column * conv->stride_width;
      const int32_t w = (channel * conv->kernel_height + i) * conv->kernel_width;
      for (j = 0; j < conv->kernel_width; j++, x += conv->dilation_width) {
        sum += *x * octavo_weight(conv->weights, w + j, bits);
      }
    }
    out[column * conv->channels_count] = octavo_scaled(sum, scale, conv->wide);
  }
}

#if OCTAVO_DSP
/* What octavo_depthwise_by_one and _two need of a channel. */
typedef struct {
  uint32_t weights[6]; /* w0 w1 and w1 w2 of each row */
  int32_t bias, multiplier, offset, shift;
} octavo_three_taps;

/* What they need of a row, the same for its channels but for steps; the order is what the assembler loads by. */
typedef struct {
  const int16_t *lines[3]; /* under the window, of the first channel */
  int8_t *out;
  int32_t apart;        /* bytes from a channel's line to the next channel's */
  int32_t pairs, alone; /* bytes of a line that full pairs of columns take, and a last column alone */
  int32_t step;         /* bytes from one column of the output to the next */
  int32_t channels;
} octavo_three_row;

/* A row of some channels, the window three by three, two columns p and q at a time; of an odd number the last alone.
 *
 * r0 .. r2 run over the lines, r3 over the output; r4 .. r9 are the weights, r10 and r11 the sums. The stack holds, of
 * a channel: bias, multiplier, offset, shift, step, end of pairs, end; then the row; then the channel's taps.
 */
#define OCTAVO_THREE_ROWS(name, row)                                                                                  \
  __attribute__((naked, noinline, unused)) static void name(OCTAVO_IN_A_REGISTER const octavo_three_row *of, \
                                                            OCTAVO_IN_A_REGISTER const octavo_three_taps *taps) { \
    __asm__ volatile(                                                                                                 \
        "push {r4-r11, lr}\n"                                                                                         \
        "sub sp, #68\n"                                                                                               \
        "ldm r0, {r2-r10}\n"                                                                                          \
        "add r0, sp, #28\n"                                                                                           \
        "stm r0, {r2-r10}\n"                                                                                          \
        "str r1, [sp, #64]\n"                                                                                         \
        "4:\n"                                                                                                        \
        "ldr r12, [sp, #64]\n"                                                                                        \
        "ldm r12!, {r4-r9}\n"                                                                                         \
        "ldm r12!, {r0-r3}\n"                                                                                         \
        "stm sp, {r0-r3}\n"                                                                                           \
        "str r12, [sp, #64]\n"                                                                                        \
        "add r12, sp, #28\n"                                                                                          \
        "ldm r12, {r0-r3, r10}\n"                                                                                     \
        "add r11, r0, r10\n"                                                                                          \
        "add r12, r1, r10\n"                                                                                          \
        "strd r11, r12, [sp, #28]\n"                                                                                  \
        "add r11, r2, r10\n"                                                                                          \
        "add r12, r3, #1\n"                                                                                           \
        "strd r11, r12, [sp, #36]\n"                                                                                  \
        "ldrd r10, r11, [sp, #48]\n"                                                                                  \
        "ldr r12, [sp, #56]\n"                                                                                        \
        "add lr, r0, r10\n"                                                                                           \
        "strd r12, lr, [sp, #16]\n"                                                                                   \
        "add r12, lr, r11\n"                                                                                          \
        "str r12, [sp, #24]\n"                                                                                        \
        "cmp r0, lr\n"                                                                                                \
        "beq 2f\n"                                                                                                    \
        "1:\n"                                                                                                        \
        "ldr r10, [sp]\n"                                                                                             \
        "mov r11, r10\n"                                                                                              \
        row("r0", "r4", "r5") row("r1", "r6", "r7") row("r2", "r8", "r9")                                             \
        "ldr r12, [sp, #4]\n"                                                                                         \
        "smmlar r10, r10, r12, r10\n"                                                                                 \
        "smmlar r11, r11, r12, r11\n"                                                                                 \
        "ldrd r12, lr, [sp, #8]\n"                                                                                    \
        "add r10, r10, r10, asr #31\n"                                                                                \
        "add r11, r11, r11, asr #31\n"                                                                                \
        "add r10, r12\n"                                                                                              \
        "add r11, r12\n"                                                                                              \
        "asr r10, lr\n"                                                                                               \
        "asr r11, lr\n"                                                                                               \
        "ssat r10, #8, r10\n"                                                                                         \
        "ssat r11, #8, r11\n"                                                                                         \
        "ldrd r12, lr, [sp, #16]\n"                                                                                   \
        "strb r11, [r3, r12]\n"                                                                                       \
        "strb r10, [r3]\n"                                                                                            \
        "add r3, r3, r12, lsl #1\n"                                                                                   \
        "cmp r0, lr\n"                                                                                                \
        "bne 1b\n"                                                                                                    \
        "2:\n"                                                                                                        \
        "ldr r12, [sp, #24]\n"                                                                                        \
        "cmp r12, lr\n"                                                                                               \
        "beq 3f\n"                                                                                                    \
        "mov r11, #0\n" /* q, which is none, is written where p will be */                                            \
        "strd r11, r12, [sp, #16]\n"                                                                                  \
        "b 1b\n"                                                                                                      \
        "3:\n"                                                                                                        \
        "ldr r12, [sp, #60]\n"                                                                                        \
        "subs r12, #1\n"                                                                                              \
        "str r12, [sp, #60]\n"                                                                                        \
        "bne 4b\n"                                                                                                    \
        "add sp, #68\n"                                                                                               \
        "pop {r4-r11, pc}\n");                                                                                        \
  }

/* p is x0 w0 + x1 w1 + x2 w2; q is x1 w0 + x2 w1 + x3 w2, or from x2 on where the stride is 2. */
#define OCTAVO_ROW_BY_ONE(x, w01, w12) \
  "ldrd r12, lr, [" x "], #4\n"        \
  "smlad r10, r12, " w01 ", r10\n"     \
  "smlatb r11, r12, " w01 ", r11\n"    \
  "smlabt r10, lr, " w12 ", r10\n"     \
  "smlad r11, lr, " w12 ", r11\n"
#define OCTAVO_ROW_BY_TWO(x, w01, w12) \
  "ldrd r12, lr, [" x "], #8\n"        \
  "smlad r10, r12, " w01 ", r10\n"     \
  "ldr r12, [" x "]\n"                 \
  "smlabt r10, lr, " w12 ", r10\n"     \
  "smlad r11, lr, " w01 ", r11\n"      \
  "smlabt r11, r12, " w12 ", r11\n"

OCTAVO_THREE_ROWS(octavo_depthwise_by_one, OCTAVO_ROW_BY_ONE)
OCTAVO_THREE_ROWS(octavo_depthwise_by_two, OCTAVO_ROW_BY_TWO)

OCTAVO_INLINE octavo_three_taps octavo_three_of(const octavo_depthwise *conv, int32_t channel, int32_t bits,
                                                int32_t bias, const int32_t *scale) {
  octavo_three_taps taps;
  int32_t i, w = 9 * channel;
  for (i = 0; i < 6; i += 2, w += 3) {
    const uint32_t middle = (uint32_t)octavo_weight(conv->weights, w + 1, bits);
    taps.weights[i] = octavo_low_halves((uint32_t)octavo_weight(conv->weights, w, bits), middle);
    taps.weights[i + 1] = octavo_low_halves(middle, (uint32_t)octavo_weight(conv->weights, w + 2, bits));
  }
  taps.bias = bias;
  taps.multiplier = scale[0];
  taps.offset = scale[1];
  taps.shift = scale[2];
  return taps;
}

/* Places that the weights of a pair of columns reach, an even number. */
OCTAVO_INLINE int32_t octavo_pair_reach(const octavo_depthwise *conv) {
  return ((conv->kernel_width - 1) * conv->dilation_width + conv->stride_width + 2) / 2 * 2;
}

/* Weights of one channel for octavo_depthwise_pairs: for each two places of a line a word of p's and one of its right
 * neighbour's, q's, which are p's moved by the stride: both read the same words. */
OCTAVO_INLINE void octavo_pair_weights(const octavo_depthwise *conv, int32_t channel, int32_t bits, uint32_t *taps) {
  const int32_t reach = octavo_pair_reach(conv);
  int32_t i, j, w = channel * conv->kernel_height * conv->kernel_width;
  memset(taps, 0, 4 * (size_t)reach * (size_t)conv->kernel_height);
  for (i = 0; i < conv->kernel_height; i++, taps += reach) {
    for (j = 0; j < conv->kernel_width; j++) {
      const uint32_t weight = (uint32_t)octavo_weight(conv->weights, w++, bits) & 0xFFFFu;
      const int32_t p = j * conv->dilation_width, q = p + conv->stride_width;
      taps[p / 2 * 2] |= weight << (p % 2 * 16);
      taps[q / 2 * 2 + 1] |= weight << (q % 2 * 16);
    }
  }
}

/* Full pairs of a row of one channel, of any window. */
OCTAVO_KERNEL void octavo_depthwise_pairs(const octavo_depthwise *conv, const int16_t *lines,
                                          const octavo_window_rows *rows, const uint32_t *weights, int32_t bias,
                                          const int32_t *scale, int8_t *out) {
  const int32_t step = conv->channels_count, reach = octavo_pair_reach(conv);
  int32_t column;
  for (column = 0; column + 2 <= conv->out_width; column += 2, out += 2 * step) {
    int32_t p = bias, q = bias, i;
    for (i = rows->first; i < rows->last; i++) {
      const int16_t *x = octavo_line_of(conv, lines, rows, i) + column * conv->stride_width;
      const uint32_t *w = weights + i * reach, *const end = w + reach;
      for (; w != end; w += 2, x += 2) {
        const uint32_t two = octavo_word(x);
        p = octavo_add_products(two, w[0], p);
        q = octavo_add_products(two, w[1], q);
      }
    }
    out[0] = octavo_scaled(p, scale, 0);
    out[step] = octavo_scaled(q, scale, 0);
  }
}
#endif

/* Rows row_begin .. row_end - 1 of the output, the weights of as many bits.
 *
 * scratch: aligned to 4. Of four channels the lines and one of zeros, and 4 bytes for each place that the weights of a
 * pair reach, in each row of the kernel.
 */
OCTAVO_INLINE void octavo_depthwise_rows_of(const octavo_depthwise *conv, const int8_t *in, int8_t *out, void *scratch,
                                            int32_t row_begin, int32_t row_end, int32_t bits) {
  const int32_t count = conv->channels_count;
  const int32_t apart = (conv->lines + 1) * conv->line;
  int16_t *const lines = (int16_t *)scratch;
  int32_t first, row, c;
#if OCTAVO_DSP
  uint32_t *const pairs = (uint32_t *)(void *)(lines + 4 * apart);
  const int32_t apart_pairs = conv->kernel_height * octavo_pair_reach(conv);
  const int three = conv->lines == 3 && conv->kernel_height == 3 && conv->kernel_width == 3 &&
                    conv->dilation_width == 1 && conv->stride_width <= 2 && !conv->wide;
  const int paired = !three && !conv->wide && conv->out_width >= 4; /* below that the weights' order costs more */
  octavo_three_taps taps_of[4];
  octavo_three_row row_of;
  row_of.apart = 2 * apart;
  row_of.pairs = 4 * (conv->out_width / 2 * conv->stride_width);
  row_of.alone = 4 * (conv->out_width % 2 * conv->stride_width);
  row_of.step = count;
#endif
#if OCTAVO_HELIUM
  if (octavo_depthwise_fits(conv)) {
    octavo_depthwise_rows_helium(conv, in, out, scratch, row_begin, row_end, bits);
    return;
  }
#endif
  memset(lines, 0, 8 * (size_t)apart);
  for (first = 0; first < count; first += 4) {
    const octavo_channels *channels = conv->channels + first / 4;
    const int32_t now = count - first < 4 ? count - first : 4;
    int32_t next = row_begin * conv->stride_height - conv->pad_top; /* the row to be copied */
    int32_t line = 0;                                               /* its line */
#if OCTAVO_DSP
    for (c = 0; c < now; c++) {
      if (three) {
        taps_of[c] = octavo_three_of(conv, first + c, bits, channels->bias[c], channels->scale[c]);
      } else if (paired) {
        octavo_pair_weights(conv, first + c, bits, pairs + c * apart_pairs);
      }
    }
#endif
    for (row = row_begin; row < row_end; row++) {
      const int32_t top = row * conv->stride_height - conv->pad_top;
      octavo_window_rows rows;
      int8_t *to = out + row * conv->out_width * count + first;
      for (; next < top + conv->lines; next++, line = line + 1 < conv->lines ? line + 1 : 0) {
        if (next >= 0 && next < conv->in_height) {
          octavo_copy_row(conv, in + next * conv->in_width * count + first, now, lines + line * conv->line, apart);
        }
      }
#if OCTAVO_DSP
      if (three) { /* so lines are the window's rows */
        const int16_t *const under = lines + line * conv->line, *const nothing = lines + 3 * conv->line;
        row_of.lines[0] = top < 0 || top >= conv->in_height ? nothing : under;
        row_of.lines[1] = top < -1 || top + 1 >= conv->in_height ? nothing : line == 2 ? lines : under + conv->line;
        row_of.lines[2] = top < -2 || top + 2 >= conv->in_height ? nothing : line == 0 ? under + 2 * conv->line : under - conv->line;
        row_of.out = to;
        row_of.channels = now;
        if (conv->stride_width == 1) {
          octavo_depthwise_by_one(&row_of, taps_of);
        } else {
          octavo_depthwise_by_two(&row_of, taps_of);
        }
        continue;
      }
#endif
      rows = octavo_rows_inside(conv, top, line);
      for (c = 0; c < now; c++) {
        const int16_t *mine = lines + c * apart;
        int32_t done = 0;
#if OCTAVO_DSP
        if (paired) {
          octavo_depthwise_pairs(conv, mine, &rows, pairs + c * apart_pairs, channels->bias[c], channels->scale[c],
                                 to + c);
          done = conv->out_width / 2 * 2;
        }
#endif
        octavo_depthwise_line(conv, mine, &rows, first + c, bits, channels->bias[c], channels->scale[c], to + c, done);
      }
    }
  }
  row = row_begin * conv->out_width * count;
  octavo_bound(out + row, row_end * conv->out_width * count - row, conv->low, conv->high);
}

/* Weights of eight bits. */
OCTAVO_KERNEL void octavo_depthwise_rows(const octavo_depthwise *conv, const int8_t *in, int8_t *out, void *scratch,
                                         int32_t row_begin, int32_t row_end) {
  octavo_depthwise_rows_of(conv, in, out, scratch, row_begin, row_end, 8);
}

/* Weights of four bits, two in a byte, the first in its upper half. */
OCTAVO_KERNEL void octavo_depthwise_rows_4(const octavo_depthwise *conv, const int8_t *in, int8_t *out, void *scratch,
                                           int32_t row_begin, int32_t row_end) {
  octavo_depthwise_rows_of(conv, in, out, scratch, row_begin, row_end, 4);
}
