"""Integer graph -> C99 that needs nothing but memcpy and memset."""
