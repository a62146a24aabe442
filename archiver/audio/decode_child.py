"""Runs alone in a process of its own (see ``decoding``): ``decode_child.py CPU_SECONDS MEMORY_BYTES < audio``.

Prints one line of JSON: ``{"seconds": x, "errors": n, "first": "…"}`` or ``{"error": "…"}``. Imports nothing of ours.
"""

import importlib
import io
import json
import resource
import sys


def main() -> None:
    """Decode what stands on stdin."""
    cpu, memory = int(sys.argv[1]), int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    try:
        outcome = decode(sys.stdin.buffer.read())
    except Exception as problem:
        outcome = {"error": type(problem).__name__}
    sys.stdout.write(json.dumps(outcome) + "\n")


def decode(data: bytes) -> dict[str, object]:
    """Decode every packet of the first audio stream, counting those that do not."""
    av = importlib.import_module("av")  # only here: the limits must stand before a foreign library is loaded
    av.logging.set_level(av.logging.PANIC)
    seconds, errors, first = 0.0, 0, ""
    with av.open(io.BytesIO(data)) as container:
        stream = container.streams.audio[0]
        stream.codec_context.options = {"err_detect": "crccheck+bitstream+buffer+explode"}
        for packet in container.demux(stream):
            try:
                for frame in packet.decode():
                    seconds += frame.samples / frame.sample_rate
            except av.error.EOFError:
                break
            except av.error.FFmpegError as problem:
                errors, first = errors + 1, first or type(problem).__name__
    return {"seconds": round(seconds, 6), "errors": errors, "first": first}


if __name__ == "__main__":
    main()
