"""All benches, one after the other: ``python -m benchmarks [name ...]``."""

from typing import Final

from benchmarks import bench_dashboard, bench_depth, bench_footprint, bench_ingest, bench_lists, bench_page
from benchmarks.options import parser, run_all

# Footprint comes before depth: it fills the large store that depth reads.
BENCHES: Final = {
    "page": bench_page.bench,
    "ingest": bench_ingest.bench,
    "footprint": bench_footprint.bench,
    "depth": bench_depth.bench,
    "lists": bench_lists.bench,
    "dashboard": bench_dashboard.bench,
}


def main() -> None:
    """Run those that were named, else all."""
    options = parser("Hopsight's benches; each prints its figures and whether its targets were met.")
    options.add_argument("names", nargs="*", metavar="bench", help=f"of {', '.join(BENCHES)} (default: all)")
    arguments = options.parse_args()
    unknown = set(arguments.names) - set(BENCHES)
    if unknown:
        options.error(f"no such bench: {', '.join(sorted(unknown))}; there are {', '.join(BENCHES)}")
    run_all([BENCHES[name] for name in BENCHES if not arguments.names or name in arguments.names], arguments)


if __name__ == "__main__":
    main()
