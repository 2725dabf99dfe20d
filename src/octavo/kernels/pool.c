/* MAX_POOL_2D and AVERAGE_POOL_2D; the output has the input's parameters. */

typedef struct {
  int32_t in_height, in_width, channels;
  int32_t out_width;
  int32_t kernel_height, kernel_width;
  int32_t stride_height, stride_width;
  int32_t pad_top, pad_left;
  int32_t low, high;
} octavo_pool;

/* The part of a window that lies in the image. */
typedef struct {
  int32_t first, rows, columns; /* first: of its cells, in the image */
} octavo_pool_window;

OCTAVO_INLINE octavo_pool_window octavo_pool_window_at(const octavo_pool *pool, int32_t row, int32_t column) {
  const int32_t top = row * pool->stride_height - pool->pad_top, left = column * pool->stride_width - pool->pad_left;
  const int32_t y = top < 0 ? 0 : top, x = left < 0 ? 0 : left;
  const int32_t bottom = top + pool->kernel_height, right = left + pool->kernel_width;
  octavo_pool_window window;
  window.first = (y * pool->in_width + x) * pool->channels;
  window.rows = (bottom < pool->in_height ? bottom : pool->in_height) - y;
  window.columns = (right < pool->in_width ? right : pool->in_width) - x;
  return window;
}

/* Rows row_begin .. row_end - 1 of the output, of values of as many bits. */
OCTAVO_INLINE void octavo_max_pool_of(const octavo_pool *pool, const void *in, void *out, int32_t row_begin,
                                      int32_t row_end, int32_t bits) {
  int32_t row, column, channel, i, j, place = row_begin * pool->out_width * pool->channels;
  for (row = row_begin; row < row_end; row++) {
    for (column = 0; column < pool->out_width; column++) {
      const octavo_pool_window window = octavo_pool_window_at(pool, row, column);
      for (channel = 0; channel < pool->channels; channel++) {
        int32_t cells = window.first + channel, largest = bits == 16 ? -32768 : -128;
        for (i = 0; i < window.rows; i++, cells += pool->in_width * pool->channels) {
          for (j = 0; j < window.columns; j++) {
            const int32_t cell = octavo_value(in, cells + j * pool->channels, bits);
            largest = cell > largest ? cell : largest;
          }
        }
        octavo_put_value(out, place++, octavo_clamp(largest, pool->low, pool->high), bits);
      }
    }
  }
}

/* The rounded mean of the cells inside, halves away from zero. */
OCTAVO_INLINE void octavo_average_pool_of(const octavo_pool *pool, const void *in, void *out, int32_t row_begin,
                                          int32_t row_end, int32_t bits) {
  int32_t row, column, channel, i, j, place = row_begin * pool->out_width * pool->channels;
  for (row = row_begin; row < row_end; row++) {
    for (column = 0; column < pool->out_width; column++) {
      const octavo_pool_window window = octavo_pool_window_at(pool, row, column);
      const int32_t count = window.rows * window.columns;
      for (channel = 0; channel < pool->channels; channel++) {
        int32_t cells = window.first + channel, sum = 0;
        for (i = 0; i < window.rows; i++, cells += pool->in_width * pool->channels) {
          for (j = 0; j < window.columns; j++) {
            sum += octavo_value(in, cells + j * pool->channels, bits);
          }
        }
        sum = sum > 0 ? (sum + count / 2) / count : (sum - count / 2) / count;
        octavo_put_value(out, place++, octavo_clamp(sum, pool->low, pool->high), bits);
      }
    }
  }
}

OCTAVO_KERNEL void octavo_max_pool_rows(const octavo_pool *pool, const int8_t *in, int8_t *out, int32_t row_begin,
                                        int32_t row_end) {
  octavo_max_pool_of(pool, in, out, row_begin, row_end, 8);
}

OCTAVO_KERNEL void octavo_max_pool_rows_16(const octavo_pool *pool, const int16_t *in, int16_t *out,
                                           int32_t row_begin, int32_t row_end) {
  octavo_max_pool_of(pool, in, out, row_begin, row_end, 16);
}

OCTAVO_KERNEL void octavo_average_pool_rows(const octavo_pool *pool, const int8_t *in, int8_t *out,
                                            int32_t row_begin, int32_t row_end) {
  octavo_average_pool_of(pool, in, out, row_begin, row_end, 8);
}

OCTAVO_KERNEL void octavo_average_pool_rows_16(const octavo_pool *pool, const int16_t *in, int16_t *out,
                                               int32_t row_begin, int32_t row_end) {
  octavo_average_pool_of(pool, in, out, row_begin, row_end, 16);
}
