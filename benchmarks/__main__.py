"""``make bench``: the table of ratios to the yardstick."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import psycopg

from benchmarks import formulas_speed, formulas_writes, growth, load, process_speed, requests_speed
from benchmarks.data import CUSTOMERS, PAYMENTS, Sizes
from benchmarks.report import DatabaseReport, write_json, write_table
from benchmarks.run import Options, run, say

FOLDER = Path("data") / "bench"
RESULT = FOLDER / "result.json"
POSTGRES = os.environ.get("DOUGONG_BENCH_POSTGRES", "postgresql://postgres@127.0.0.1:5432/postgres")


def main() -> int:
    """Run what the command line asks for."""
    if sys.argv[1:2] == ["process"]:
        process_speed.main(sys.argv[2:])
        return 0
    if sys.argv[1:2] == ["requests"]:
        requests_speed.main(sys.argv[2:])
        return 0
    if sys.argv[1:2] == ["growth"]:
        growth.main(sys.argv[2:])
        return 0
    if sys.argv[1:2] == ["formulas"]:
        return _formulas(sys.argv[2:])
    arguments = _read_arguments()
    missing = load.missing_tools()
    if missing:
        print(
            f"{' and '.join(missing)} not found; on Debian or Ubuntu: apt-get install -y wrk util-linux",
            file=sys.stderr,
        )
        return 2
    FOLDER.mkdir(parents=True, exist_ok=True)
    options = Options(
        rounds=arguments.rounds or (2 if arguments.quick else 3),
        seconds=arguments.seconds or (1 if arguments.quick else 3),
        sizes=Sizes(CUSTOMERS, PAYMENTS),
        workloads=tuple(arguments.only.split(",")) if arguments.only else (),
        durable=not arguments.normal,
        remember_seconds=arguments.remember,
        postgres=POSTGRES,
        folder=FOLDER,
    )
    reports: list[DatabaseReport] = []
    for database in arguments.database or ("sqlite", "postgresql"):
        if database == "postgresql" and (reason := _unreachable()) is not None:
            print(f"PostgreSQL is left out: {reason}", file=sys.stderr)
            continue
        reports.append(run(database, options))
    settings: dict[str, object] = {
        "rounds": options.rounds,
        "seconds": options.seconds,
        "durable": options.durable,
        "remember_seconds": options.remember_seconds,
    }
    write_json(RESULT, reports, settings)
    say(write_table(reports))
    say(f"\nall figures: {RESULT}")
    return 0


def _formulas(databases: list[str]) -> int:
    """The language, then records with computed fields, on the databases that are named, or on both."""
    chosen = tuple(databases) or (("sqlite", "postgresql") if _unreachable() is None else ("sqlite",))
    formulas_speed.measure(chosen)
    for database in chosen:
        formulas_writes.measure_on(database)
    return 0


def _read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make bench", description=__doc__, epilog="`make bench ARGS=formulas`: the formula language"
    )
    parser.add_argument("--quick", action="store_true", help="2 rounds of 1 s: a first impression")
    parser.add_argument("--rounds", type=int, help="rounds per target and workload (3)")
    parser.add_argument("--seconds", type=float, help="length of a round (3)")
    parser.add_argument("--database", action="append", choices=("sqlite", "postgresql"), help="only this one")
    parser.add_argument("--only", help="workloads, with commas: get,list,expand,create,update,sums,import,scan")
    parser.add_argument(
        "--normal", action="store_true", help="SQLite: ours without waiting for the disk at commit, as the yardstick"
    )
    parser.add_argument(
        "--remember", type=float, default=0, help="seconds for which the yardstick believes a token unasked (0)"
    )
    return parser.parse_args()


def _unreachable() -> str | None:
    try:
        psycopg.connect(POSTGRES, connect_timeout=3).close()
    except psycopg.Error as error:
        return str(error).strip()
    return None


if __name__ == "__main__":
    sys.exit(main())
