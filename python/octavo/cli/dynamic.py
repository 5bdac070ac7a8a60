"""`octavo quantize --dynamic`: weights now, activations when the network runs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from octavo.cli import output
from octavo.cli.files import check_output, write_bytes


def quantize_weights(
    model: Path,
    calib: Path | None,
    out: Path,
    per_channel: bool,
    per_row: bool,
    exclude: Sequence[str],
    as_json: bool,
) -> None:
    """Quantize dynamically and write the result."""
    import octavo

    if calib is not None:
        raise ValueError("--calib: ranges are found at run time: give no data")
    check_output(out, [model], (".onnx",))
    start = time.perf_counter()
    quantized = octavo.quantize_dynamic(
        model, per_channel=per_channel, per_row=per_row, exclude=exclude
    )
    data = quantized.SerializeToString()
    write_bytes(out, data)
    layers = sum(node.op_type == "MatMulInteger" for node in quantized.graph.node)
    before, after, seconds = model.stat().st_size, len(data), time.perf_counter() - start
    result = {
        "model": str(model),
        "output": str(out),
        "method": "dynamic",
        "layers": layers,
        "model_bytes": before,
        "output_bytes": after,
        "seconds": seconds,
    }
    if as_json:
        output.print_json(result)
        return
    print(
        f"wrote {out}: {output.size(after)} from {output.size(before)}, weights of {layers} layers "
        f"quantized in {output.duration(seconds)}; activations when it runs, one range per "
        f"{'row' if per_row else 'tensor'}"
    )
