"""A CMake project: the model as a library, its self-test as a program, and a toolchain file for Arm's compiler."""

from __future__ import annotations

from collections.abc import Mapping

from octavo.write.c.cmsis_nn import CMSIS_NN
from octavo.write.project.packed import Packed, buffers, encoded

_LISTS = """\
cmake_minimum_required(VERSION 3.13)
project({name} C)

add_library({name} STATIC {name}.c)
target_include_directories({name} PUBLIC ${{CMAKE_CURRENT_SOURCE_DIR}})
set_target_properties({name} PROPERTIES C_STANDARD 99 C_STANDARD_REQUIRED ON)
if(NOT CMAKE_BUILD_TYPE)
  target_compile_options({name} PRIVATE -O2)
endif()
{cmsis_nn}
# A program for machines with an operating system; a board's own main calls {name}_self_test likewise.
if(NOT CMAKE_CROSSCOMPILING)
  add_executable({name}_self_test self_test.c)
  target_link_libraries({name}_self_test PRIVATE {name})
  enable_testing()
  add_test(NAME {name}_self_test COMMAND {name}_self_test)
endif()
"""

_CMSIS_NN = """
# cmake -B build -DCMSIS_NN=folder: its kernels instead of Octavo's, with the same results.
set(CMSIS_NN "" CACHE PATH "A checkout of github.com/ARM-software/CMSIS-NN, version 7 or later; empty for none")
if(CMSIS_NN)
  if(NOT EXISTS "${{CMSIS_NN}}/Include/arm_nnfunctions.h")
    message(FATAL_ERROR "CMSIS_NN is '${{CMSIS_NN}}', where there is no Include/arm_nnfunctions.h")
  endif()
  file(GLOB CMSIS_NN_SOURCES "${{CMSIS_NN}}/Source/*Functions/*.c")
  list(FILTER CMSIS_NN_SOURCES EXCLUDE REGEX "_(f16|f32|flt)[.]c$")
  add_library({name}_cmsis_nn STATIC ${{CMSIS_NN_SOURCES}})
  target_include_directories({name}_cmsis_nn SYSTEM PUBLIC "${{CMSIS_NN}}/Include")
  target_compile_options({name}_cmsis_nn PRIVATE -w -O2)
  target_link_libraries({name} PRIVATE {name}_cmsis_nn)
  target_compile_definitions({name} PRIVATE OCTAVO_CMSIS_NN)
endif()
"""

_TOOLCHAIN = """\
# cmake -B build -DCMAKE_TOOLCHAIN_FILE=arm-none-eabi.cmake -DOCTAVO_CPU=cortex-m4
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR arm)
set(CMAKE_C_COMPILER arm-none-eabi-gcc)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
set(OCTAVO_CPU cortex-m4 CACHE STRING "The core: cortex-m0plus, cortex-m3, cortex-m4, cortex-m7, cortex-m33, ...")
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES OCTAVO_CPU)
set(CMAKE_C_FLAGS_INIT "-mthumb -mcpu=${OCTAVO_CPU} -ffunction-sections -fdata-sections")
"""

SELF_TEST = """\
/* Runs the model on the vector it carries; the exit code is 0 where it computes what the desk did. */
#include <stdio.h>

#include "{name}.h"

{buffers}

int main(void) {{
  const int different = {name}_self_test(made, arena);
  printf("{name}: %d values differ from the reference\\n", different);
  return different == 0 ? 0 : 1;
}}
"""


def cmake(packed: Packed) -> Mapping[str, bytes]:
    """CMakeLists.txt, arm-none-eabi.cmake, self_test.c, NAME.h and NAME.c."""
    name = packed.name
    chosen = packed.written is not None and CMSIS_NN in packed.written.kernels
    cmsis_nn = _CMSIS_NN.format(name=name) if chosen else ""
    return encoded(
        {
            **packed.sources,
            "self_test.c": SELF_TEST.format(name=name, buffers=buffers(packed.graph, name)),
            "CMakeLists.txt": _LISTS.format(name=name, cmsis_nn=cmsis_nn),
            "arm-none-eabi.cmake": _TOOLCHAIN,
        }
    )
