"""A .tflite file as an array in C or C++, for programs that hold the model in flash."""

from __future__ import annotations

import hashlib
from pathlib import Path

from octavo.config import unknown_name
from octavo.errors import ConfigError
from octavo.write.c.text import identifier, wrapped

HEADERS, SOURCES = (".h", ".hpp"), (".c", ".cc", ".cpp")
FORMS = ("tflite", "array")

_ARRAY = """\
#ifdef __cplusplus
alignas(16) {storage}const unsigned char {name}[] = {{
#else
{storage}const unsigned char {name}[] __attribute__((aligned(16))) = {{
#endif
{values}
}};
{storage}const unsigned int {name}_len = {size};
"""
_HEADER = """\
/* A TensorFlow Lite model, SHA-256 {digest}. */
#ifndef {upper}_H
#define {upper}_H

{array}
#endif
"""
_SOURCE = """\
/* A TensorFlow Lite model, SHA-256 {digest}. To use it in other files, declare there what follows. */
#ifdef __cplusplus
extern "C" {{
#endif
extern const unsigned char {name}[];
extern const unsigned int {name}_len;
#ifdef __cplusplus
}}
#endif

{array}"""


def form_of(path: Path, to: str | None = None) -> str:
    """The form in which a model is written to a file: that of its ending, unless it is said.

    Args:
        path: The file.
        to: A name in `FORMS`, or None.

    Raises:
        ConfigError: for an ending that says nothing, or an unknown form.
    """
    if to is not None and to not in FORMS:
        raise unknown_name("form", to, FORMS)
    if to is None and path.suffix not in (".tflite", *HEADERS, *SOURCES):
        raise ConfigError(
            f"'{path}' does not say in which form to write the model.",
            got=f"the ending '{path.suffix}'" if path.suffix else "no ending",
            expected=f".tflite, or {', '.join((*HEADERS, *SOURCES))} for an array in C",
            fix=f"name it '{path.with_suffix('.tflite')}', or say to='tflite'",
        )
    return to or ("tflite" if path.suffix == ".tflite" else "array")


def c_array(content: bytes, path: Path) -> str:
    """The text of a C99 and C++11 file with the bytes of a model, aligned to 16 as TensorFlow Lite Micro asks.

    Args:
        content: Of the .tflite file.
        path: The file to write: its name is that of the array, NAME and NAME_len; in a header both are static.
    """
    name, header = identifier(path.stem), path.suffix in HEADERS
    array = _ARRAY.format(name=name, storage="static " * header, values=wrapped(content), size=len(content))
    digest = hashlib.sha256(content).hexdigest()
    return (_HEADER if header else _SOURCE).format(digest=digest, upper=name.upper(), name=name, array=array)
