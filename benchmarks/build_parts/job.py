"""One build as a worker does it: `python -m benchmarks.build_parts.job PROJECT` prints JSON. Settings say where."""

import json
import sys
from time import perf_counter, process_time

from benchmarks.convert_parts.jobs import peak_gb

from unspoken import jobs
from unspoken_workers import pairs
from unspoken_workers.lease import Lease, engine


class Told(Lease):
    """Remembers when what began."""

    since: list[tuple[float, str, float]]

    def progress(self, share: float, note: str) -> None:
        """Each note once, under its first words."""
        name = note.split(":", maxsplit=1)[0] if note[:1].isalpha() else "saving"
        if not self.since or self.since[-1][1] != name:
            self.since.append((perf_counter(), name, peak_gb()))


def main() -> None:
    """Seconds of the whole and of each step, and the greatest memory of the process."""
    job = jobs.Job("bench", "pairs.build", sys.argv[1], {}, "bench", 1, None)
    lease = Told(engine(), job)
    started, worked = perf_counter(), process_time()
    lease.since = [(started, "start", peak_gb())]
    made = pairs._build(job, lease)
    ended = perf_counter()
    steps: dict[str, float] = {}
    for (begun, name, _), after in zip(lease.since, [*(each[0] for each in lease.since[1:]), ended], strict=True):
        steps[name] = round(steps.get(name, 0.0) + after - begun, 3)
    peaks = {name: peak for _, name, peak in lease.since}
    told = {"seconds": round(ended - started, 2), "cpu_s": round(process_time() - worked, 2), "peak_gb": peak_gb()}
    print(json.dumps(told | {"steps": steps, "peaks": peaks, "made": made}))


if __name__ == "__main__":
    main()
