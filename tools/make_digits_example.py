"""Write the network and the images of the C example: examples/c/digits.octavo and digits.h.

    python tools/make_digits_example.py

quantizes and compiles the digits network of `octavo demo`; needs the packages of the extra `demo`.
The images are the first held-out one of each digit, with the scores that Python gets for them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

import octavo
from octavo.demo import digits

FOLDER = Path(__file__).resolve().parents[1] / "examples/c"
HEADER = """\
/* Held-out digits and the scores of digits.octavo for them: written by
 * tools/make_digits_example.py. One image each of 0 to 9. */
#ifndef OCTAVO_EXAMPLES_DIGITS_H_
#define OCTAVO_EXAMPLES_DIGITS_H_

enum {{ kDigits = 10, kPixels = 64 }};

/* Brightness, 0..16. */
static const unsigned char digit_images[kDigits][kPixels] = {{
{images}
}};

/* Exact: every CPU gets these. */
static const float digit_scores[kDigits][kDigits] = {{
{scores}
}};

#endif /* OCTAVO_EXAMPLES_DIGITS_H_ */
"""


def rows(values: list[list[str]]) -> str:
    """Return the initialisers of an array of arrays, at most 12 values a line."""
    lines = []
    for row in values:
        parts = [", ".join(row[i : i + 12]) for i in range(0, len(row), 12)]
        lines.append("    {" + ",\n     ".join(parts) + "},")
    return "\n".join(lines)


def header(images: NDArray[np.float32], scores: NDArray[np.float32], brightest: float) -> str:
    """Return digits.h."""
    pixels = np.rint(images.reshape(len(images), -1) * brightest).astype(int)
    # Hexadecimal floats are exact.
    exact = [[f"{float(v).hex()}f" for v in row] for row in scores]
    return HEADER.format(images=rows([[str(v) for v in row] for row in pixels]), scores=rows(exact))


def main() -> None:
    """Write both files."""
    model = onnx.load_from_string(digits.float_model_bytes())
    data = digits.load_digits(model)
    brightest = next(float(p.value) for p in model.metadata_props if p.key == "input_divisor")
    program = FOLDER / "digits.octavo"
    program.unlink(missing_ok=True)
    octavo.compile_model(digits.quantize_digits(model, data), program)
    first = [int(np.flatnonzero(data.labels == digit)[0]) for digit in range(10)]
    images = data.images[first]
    (scores,) = octavo.Session(program).run(None, {"input": images})
    (FOLDER / "digits.h").write_text(header(images, scores, brightest), encoding="utf-8")


if __name__ == "__main__":
    main()
