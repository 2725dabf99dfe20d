"""An ESP-IDF component, with an application that runs its self-test."""

from __future__ import annotations

from collections.abc import Mapping

from octavo.version import VERSION
from octavo.write.project.packed import Packed, buffers, encoded

_COMPONENT = """\
idf_component_register(SRCS "{name}.c" INCLUDE_DIRS "include")
target_compile_options(${{COMPONENT_LIB}} PRIVATE -O2)
"""

_MANIFEST = """\
version: "{version}"
description: "A neural network in plain C, from a .tflite file of digest {digest}"
"""

_APPLICATION = """\
cmake_minimum_required(VERSION 3.16)
set(EXTRA_COMPONENT_DIRS "${{CMAKE_CURRENT_LIST_DIR}}/../..")
include($ENV{{IDF_PATH}}/tools/cmake/project.cmake)
project({name}_self_test)
"""

_MAIN = """\
idf_component_register(SRCS "main.c" REQUIRES {name} esp_timer)
"""

_PROGRAM = """\
/* Runs the model on the vector it carries, tells whether the board computes what the desk did, and in what time. */
#include <stdio.h>

#include "esp_timer.h"
#include "{name}.h"

{buffers}

void app_main(void) {{
  const int64_t begin = esp_timer_get_time();
  const int different = {name}_self_test(made, arena);
  printf("{name}: %d values differ from the reference; %d microseconds\\n", different,
         (int)(esp_timer_get_time() - begin));
}}
"""


def esp_idf(packed: Packed) -> Mapping[str, bytes]:
    """NAME/: CMakeLists.txt, idf_component.yml, NAME.c, include/NAME.h and examples/self_test.

    Source: the ESP-IDF Programming Guide, "Build System".
    """
    name, sources = packed.name, packed.sources
    files = {
        "CMakeLists.txt": _COMPONENT.format(name=name),
        "idf_component.yml": _MANIFEST.format(version=VERSION, digest=packed.digest),
        f"{name}.c": sources[f"{name}.c"],
        f"include/{name}.h": sources[f"{name}.h"],
        "examples/self_test/CMakeLists.txt": _APPLICATION.format(name=name),
        "examples/self_test/main/CMakeLists.txt": _MAIN.format(name=name),
        "examples/self_test/main/main.c": _PROGRAM.format(name=name, buffers=buffers(packed.graph, name)),
    }
    return encoded({f"{name}/{path}": text for path, text in files.items()})
