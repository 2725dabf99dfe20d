"""One page in one file: text, tables and charts, made of plain values."""
