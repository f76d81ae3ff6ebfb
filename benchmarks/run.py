"""One run over one database: seed, start, check, warm, alternate, measure."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from urllib.parse import quote

from benchmarks import load, seeding, servers, workloads
from benchmarks.checks import check
from benchmarks.data import Sizes, customer_id
from benchmarks.report import DatabaseReport, Line
from benchmarks.servers import Launch, Server
from benchmarks.workloads import RECORDS, Workload

DATABASE_NAMES = {"ours": "dougong_bench_ours", "yardstick": "dougong_bench_yardstick"}


@dataclass(frozen=True, slots=True)
class Options:
    """How long and how often."""

    rounds: int
    seconds: float
    sizes: Sizes
    workloads: tuple[str, ...]
    durable: bool
    remember_seconds: float
    postgres: str
    folder: Path


def run(database: str, options: Options) -> DatabaseReport:
    """Measure both targets on one database."""
    say(f"{database}: loading {options.sizes.customers:,} customers and {options.sizes.payments:,} payments twice")
    launches = _prepare(database, options)
    report = DatabaseReport(database)
    try:
        for name, launch in launches.items():
            report.cold_start_seconds[name] = _cold_start(launch)
        targets = {name: Server(launch) for name, launch in launches.items()}
        try:
            _measure(database, targets, options, report)
        finally:
            for target in targets.values():
                target.stop()
    finally:
        if database == "postgresql":
            for name in DATABASE_NAMES.values():
                seeding.drop_postgres_database(options.postgres, name)
    return report


def say(text: str) -> None:
    """Tell how far the run is."""
    print(text, flush=True)


def _prepare(database: str, options: Options) -> dict[str, Launch]:
    urls = {}
    for name, database_name in DATABASE_NAMES.items():
        if database == "sqlite":
            urls[name] = seeding.new_sqlite_file(options.folder / f"{name}.db")
        else:
            urls[name] = seeding.new_postgres_database(options.postgres, database_name)
    tokens = {
        "ours": seeding.seed_ours(urls["ours"], options.sizes),
        "yardstick": seeding.seed_yardstick(urls["yardstick"], options.sizes),
    }
    some = customer_id(1)
    return {
        "ours": servers.ours(urls["ours"], tokens["ours"], f"{RECORDS}/customer/{some}", durable=options.durable),
        "yardstick": servers.yardstick(
            urls["yardstick"],
            tokens["yardstick"],
            f"/customers/{some}",
            remember_seconds=options.remember_seconds,
        ),
    }


def _cold_start(launch: Launch) -> float:
    times = []
    for _ in range(3):
        server = Server(launch)
        times.append(server.cold_start_seconds)
        server.stop()
    return median(times)


def _measure(database: str, targets: dict[str, Server], options: Options, report: DatabaseReport) -> None:
    can_sum = True
    for target in targets.values():
        can_sum = check(target, options.sizes) and can_sum
    say(f"{database}: answers are right")
    for workload in workloads.WORKLOADS:
        if options.workloads and workload.key not in options.workloads:
            continue
        line = Line(workload.key, workload.title, workload.targets[database])
        report.lines.append(line)
        if workload.connections == 1 and not can_sum:
            continue
        if workload is workloads.INDEXED_SUMS:
            seeding.declare_index(targets["ours"].launch.database_url, *workloads.SUMS_INDEX)
        _alternate(database, workload, targets, options, line, report)
        say(f"{database}: {workload.title}: {line.ratio:.1f}")
    if not options.workloads or "import" in options.workloads:
        line = Line("import", "import of 10,000 records, rows/s", workloads.IMPORT_TARGETS[database])
        report.lines.append(line)
        for _ in range(options.rounds):
            line.ours.append(
                load.run_import(targets["ours"], workloads.OURS_BATCH, workloads.batch_body("ours", options.sizes))
            )
            body = workloads.batch_body("yardstick", options.sizes)
            line.yardstick.append(load.run_import(targets["yardstick"], workloads.YARDSTICK_BATCH, body))
        say(f"{database}: {line.title}: {line.ratio:.1f}")
    for name, target in targets.items():
        report.memory_mib[name] = target.memory_mib()
        report.own_memory_mib[name] = target.memory_mib("Pss_Anon")
    if not options.workloads or "scan" in options.workloads:
        _measure_scan(targets["ours"], options, report)


def _alternate(
    database: str,
    workload: Workload,
    targets: dict[str, Server],
    options: Options,
    line: Line,
    report: DatabaseReport,
) -> None:
    lines = {name: workload.lines(name, options.sizes) for name in targets}
    for name, target in targets.items():
        load.run_wrk(target, lines[name], seconds=1, connections=workload.connections)
        if database == "postgresql" and not servers.pin_backends(options.postgres, DATABASE_NAMES[name]):
            note = "PostgreSQL could not be pinned to the server's core (that needs root): its figures flatter both"
            if note not in report.notes:
                report.notes.append(note)
    # one request at a time takes long: a round has to hold a few of them
    seconds = options.seconds if workload.connections > 1 else max(5.0, options.seconds)
    for _ in range(options.rounds):
        for name, target in targets.items():
            helpers = servers.backends_of(options.postgres, DATABASE_NAMES[name]) if database == "postgresql" else []
            before = target.cpu_seconds(helpers)
            found = load.run_wrk(target, lines[name], seconds=seconds, connections=workload.connections)
            used = (target.cpu_seconds(helpers) - before) / max(1, found.requests)
            (line.ours_cpu_ms if name == "ours" else line.yardstick_cpu_ms).append(used * 1000)
            (line.ours if name == "ours" else line.yardstick).append(found.per_second)
            (line.ours_p99_ms if name == "ours" else line.yardstick_p99_ms).append(found.p99_ms)
            line.errors += found.errors


def _measure_scan(server: Server, options: Options, report: DatabaseReport) -> None:
    """p99 of point reads alone, then while one client asks for scans without a pause."""
    lines = workloads.GET.lines("ours", options.sizes)
    seconds = max(2.0, options.seconds)
    report.p99_quiet_ms = load.run_wrk(server, lines, seconds=seconds, connections=16).p99_ms
    over = threading.Event()
    condition = quote('{"note":{"_contains":"11"}}')
    path = f"{RECORDS}/payment?filter={condition}&sort=-amount&limit=50"

    def scan() -> None:
        while not over.is_set():
            server.ask("GET", path)

    scanner = threading.Thread(target=scan)
    scanner.start()
    try:
        report.p99_during_scan_ms = load.run_wrk(server, lines, seconds=seconds, connections=16).p99_ms
    finally:
        over.set()
        scanner.join()
