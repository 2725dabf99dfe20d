/* What only moves values: TRANSPOSE, slices, paddings, joins, nearest neighbours and the rest of that kind. */

/* Blocks of `block` bytes on a grid of up to five dimensions, with steps of bytes on both sides. */
typedef struct {
  int32_t block;
  int32_t size[5];
  int32_t in_step[5], out_step[5];
  int32_t in_start, out_start;
} octavo_grid;

OCTAVO_KERNEL void octavo_copy_grid(const octavo_grid *grid, const void *values, void *copies) {
  const int8_t *const in = (const int8_t *)values;
  int8_t *const out = (int8_t *)copies;
  int32_t i0, i1, i2, i3, i4;
  for (i0 = 0; i0 < grid->size[0]; i0++) {
    for (i1 = 0; i1 < grid->size[1]; i1++) {
      for (i2 = 0; i2 < grid->size[2]; i2++) {
        for (i3 = 0; i3 < grid->size[3]; i3++) {
          const int8_t *from = in + grid->in_start + i0 * grid->in_step[0] + i1 * grid->in_step[1] +
                               i2 * grid->in_step[2] + i3 * grid->in_step[3];
          int8_t *to = out + grid->out_start + i0 * grid->out_step[0] + i1 * grid->out_step[1] +
                       i2 * grid->out_step[2] + i3 * grid->out_step[3];
          for (i4 = 0; i4 < grid->size[4]; i4++) {
            memcpy(to, from, (size_t)grid->block);
            from += grid->in_step[4];
            to += grid->out_step[4];
          }
        }
      }
    }
  }
}

/* A run of bytes. */
typedef struct {
  int32_t from, to, count;
} octavo_run;

OCTAVO_KERNEL void octavo_copy_runs(const octavo_run *runs, int32_t count, const void *values, void *copies) {
  const int8_t *const in = (const int8_t *)values;
  int8_t *const out = (int8_t *)copies;
  int32_t i;
  for (i = 0; i < count; i++) {
    memcpy(out + runs[i].to, in + runs[i].from, (size_t)runs[i].count);
  }
}

/* What padding is filled with, of sixteen bits. */
OCTAVO_KERNEL void octavo_fill_16(int16_t *values, int16_t value, int32_t count) {
  int32_t i;
  for (i = 0; i < count; i++) {
    values[i] = value;
  }
}
