"""Measure the benchmarks and write docs/benchmarks.md.

python -m benchmarks                      every benchmark but the long ones
python -m benchmarks --full               the long ones too
python -m benchmarks --only semicircles   one of them again; the others' figures stay
python -m benchmarks --render             only write the document, from what was measured before
"""

import argparse
import sys
import time
import traceback
from collections.abc import Sequence

NAMES = (
    "network_seeds",
    "active",
    "semicircles",
    "quantiles",
    "quantiles_etth2",
    "two_moons",
    "two_hyperparameters",
    "recommend",
    "high_dimension",
    "cost_fit",
    "cost_memory",
    "cost_serving",
    "cost_pyfunc",
    "cost_orchestration",
)
LONG = ("high_dimension_64", "anchor_files", "ablations", "policies")


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out the command line; 1 where a benchmark failed, which keeps none of the others from being measured."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", action="append", choices=[*NAMES, *LONG], help="may be given several times")
    parser.add_argument("--full", action="store_true", help="the long benchmarks too")
    parser.add_argument("--seeds", type=int, help="seeds of every fit, where it is not 5 (20 for anchor_files)")
    parser.add_argument("--processes", type=int, default=2, help="fits side by side, where nothing is timed")
    parser.add_argument("--resume", action="store_true", help="measure only what the records lack")
    parser.add_argument("--render", action="store_true", help="measure nothing")
    options = parser.parse_args(arguments)
    from benchmarks.document import benchmark, write
    from benchmarks.record import Record

    chosen = options.only or [*NAMES, *(LONG if options.full else ())]
    failed = []
    for name in [] if options.render else chosen:
        module = benchmark(name)
        begun = time.perf_counter()
        print(f"{name}: {module.TITLE}", flush=True)
        record = Record.begin(name, options.resume)
        try:
            module.measure(record, options.seeds or module.SEEDS, options.processes)
        except Exception:  # noqa: BLE001 what the other benchmarks measure is worth having; the exit status says it
            traceback.print_exc()
            failed.append(name)
        print(f"{name}: {time.perf_counter() - begun:.0f} s", flush=True)
    print(write([*NAMES, *LONG]))
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
