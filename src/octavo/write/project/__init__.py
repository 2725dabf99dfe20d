"""A model as what a build system takes: an Arduino library, a CMake project, an ESP-IDF component, TFLM sources."""
