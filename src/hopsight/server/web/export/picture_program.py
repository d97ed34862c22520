"""A program of its own: an SVG comes in, a PNG goes out. It knows nothing of the server.

The library holds the interpreter's lock while it draws, so in a thread it would stop the server. As a program
it can be ended when it takes too long, and it is given little memory.
"""

import sys

import resvg_py

MAX_MEMORY_BYTES = 1 << 30
"""Of address space."""


def main(scale: str, *font_files: str) -> None:
    """Draw what is on standard input ``scale`` times as large, in these fonts alone."""
    if sys.platform != "win32":
        import resource  # noqa: PLC0415 - there is none there

        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    svg = sys.stdin.buffer.read().decode()
    png = resvg_py.svg_to_bytes(
        svg_string=svg,
        zoom=float(scale),
        skip_system_fonts=True,
        font_files=list(font_files),
        font_family="DejaVu Sans",
        sans_serif_family="DejaVu Sans",
    )
    sys.stdout.buffer.write(png)


if __name__ == "__main__":
    main(*sys.argv[1:])
