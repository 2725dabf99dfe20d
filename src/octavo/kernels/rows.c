/* Images that are computed row by row: only the rows that are still needed are held. */

/* Some rows of one of the model's operators. */
typedef struct {
  uint8_t operation, rows;
} octavo_turn;

/* A buffer that slides over an image. */
typedef struct {
  int8_t *rows;
  int32_t bytes, capacity; /* of a row; rows that the buffer takes */
  int32_t first;           /* the row at its beginning */
} octavo_held;

/* Make room for the rows in front of `end`; those that fall out are not needed any more. */
OCTAVO_KERNEL void octavo_slide(octavo_held *held, int32_t end) {
  const int32_t gone = end - held->capacity - held->first;
  int8_t *to = held->rows;
  int32_t row;
  if (gone <= 0) {
    return;
  }
  for (row = gone; row < held->capacity; row++, to += held->bytes) {
    memcpy(to, to + gone * held->bytes, (size_t)held->bytes);
  }
  held->first += gone;
}

/* Where row 0 of the image would lie, by which the kernels find the rows that are there. */
OCTAVO_KERNEL int8_t *octavo_row_zero(const octavo_held *held) {
  return (int8_t *)((uintptr_t)held->rows - (uintptr_t)held->first * (uintptr_t)held->bytes);
}
