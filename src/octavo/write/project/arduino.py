"""An Arduino library in a .zip file, as the IDE installs it, with an example sketch."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

from octavo.version import VERSION
from octavo.write.project.packed import Packed, buffers, encoded

# The first moment a .zip file can state: the same model gives the same bytes.
_EPOCH = (1980, 1, 1, 0, 0, 0)

_PROPERTIES = """\
name={name}
version={version}
author=Octavo
maintainer=Octavo
sentence=A neural network in plain C, exact to the bit with TensorFlow Lite Micro.
paragraph=Written from a .tflite file of digest {digest}. Needs no other library.
category=Data Processing
url=https://docs.arduino.cc/arduino-cli/library-specification
architectures=*
includes={name}.h
"""

_SKETCH = """\
// Runs the model on the vector it carries, tells whether the board computes what the desk did, and how long it takes.
#include <{name}.h>

{buffers}

void setup() {{
  Serial.begin(115200);
  while (!Serial && millis() < 3000) {{
  }}
}}

void loop() {{
  const unsigned long begin = micros();
  const int different = {name}_self_test(made, arena);
  const unsigned long took = micros() - begin;
  Serial.print(different == 0 ? "exact, " : "WRONG, ");
  Serial.print(different);
  Serial.print(" values differ; microseconds: ");
  Serial.println(took);
  // Own data: fill an array of {upper}_{first_input}_BYTES with {name}_quantize(value, {upper}_{first_input}_SCALE,
  // {upper}_{first_input}_ZERO_POINT) and call {name}_invoke(in, made, arena).
  delay(2000);
}}
"""


def arduino(packed: Packed) -> Mapping[str, bytes]:
    """NAME.zip: library.properties, src/NAME.h and NAME.c, and examples/self_test.

    Source: the Arduino library specification, revision 1.5 and later.
    """
    name = packed.name
    first_input = "INPUT" if len(packed.graph.inputs) == 1 else "INPUT_0"
    sketch = _SKETCH.format(name=name, upper=name.upper(), buffers=buffers(packed.graph, name), first_input=first_input)
    files = {
        "library.properties": _PROPERTIES.format(name=name, version=VERSION, digest=packed.digest),
        **{f"src/{file}": text for file, text in packed.sources.items()},
        f"examples/{name}_self_test/{name}_self_test.ino": sketch,
    }
    return {f"{name}.zip": _zipped({f"{name}/{path}": text for path, text in encoded(files).items()})}


def _zipped(files: Mapping[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in files.items():
            entry = zipfile.ZipInfo(path, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data)
    return content.getvalue()
