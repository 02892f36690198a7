"""The arithmetic on measured times: ratios, the best peer, what does not count, means, and the text of tables."""

from __future__ import annotations

import json
import math

import pytest

from stratagem.api.measure.figures import Contender, Row, geomean, row_from_json, summary, without_ratio
from stratagem.api.measure.subject import Work
from stratagem.api.measure.tables import aligned, contenders_table, costs_table, failures, markdown, times_table


def contender(peer: str, *rounds: float, variant: str = "default", failed: str = "", **more: float) -> Contender:
    made = Contender(peer, variant, failed, rounds=list(rounds), minimum=min(rounds, default=0.0))
    for name, value in more.items():
        setattr(made, name, value)
    return made


def row(*contenders: Contender, name: str = "one", kind: str = "kernels", work: Work | None = None) -> Row:
    return Row(name, kind, 2, list(contenders), work)


def test_the_ratio_is_the_median_over_rounds() -> None:
    # In the second round the machine was ten times as slow, for both.
    found = row(contender("stratagem", 1, 10, 2), contender("a", 2, 20, 2.2), contender("b", 4, 40, 4.4))
    assert found.best is not None and found.best.peer == "a" and found.ratio == 2


def test_the_best_peer_is_the_one_with_right_results() -> None:
    wrong = contender("fast", 0.1, 0.1, 0.1, failed="WRONG: result 0 is off by 2 of its scale, allowed 0.0005")
    dead = contender("dead", failed="the process ended: killed by SIGSEGV.")
    found = row(contender("stratagem", 1, 1, 1), wrong, dead, contender("slow", 3, 3, 3))
    assert found.best is not None and found.best.peer == "slow" and found.ratio == 3
    assert found.of("fast") is None and found.of("dead") is None
    table = times_table([found], ["fast", "dead", "slow", "absent"])
    assert table[1] == ["one", "2", "1000.0", "wrong", "failed", "3000.0", "-", "slow", "3.00", "3.00", "-"]
    assert len(failures([found])) == 2 and "SIGSEGV" in failures([found])[1]


def test_our_own_wrong_result_is_no_figure() -> None:
    found = row(contender("stratagem", 0.1, 0.1, failed="WRONG: result 1 differs"), contender("a", 1, 1))
    assert found.ours is None and math.isnan(found.ratio)
    assert without_ratio([found]) == ["one, 2 threads: stratagem: WRONG: result 1 differs"]
    assert summary([found]).startswith("bench: kernels geomean - min -")


def test_a_row_without_peers_is_left_out_of_the_means() -> None:
    found = row(contender("stratagem", 1, 1))
    assert without_ratio([found]) == ["one, 2 threads: no peer ran it"]


def test_minima_are_compared_whoever_they_are_of() -> None:
    found = row(contender("stratagem", 4, 2), contender("a", 3, 3), contender("b", 9, 1))
    assert found.best is not None and found.best.peer == "a" and found.ratio_of_minima == 0.5
    assert math.isnan(row(contender("stratagem", 1)).ratio_of_minima)


def test_the_fastest_variant_counts() -> None:
    found = row(contender("a", 3, 3, variant="x"), contender("a", 2, 2, variant="y"), contender("a", variant="z"))
    fastest = found.of("a")
    assert fastest is not None and fastest.variant == "y"


def test_the_last_line() -> None:
    rows = [
        row(contender("stratagem", 1, 1), contender("a", 2, 2)),
        row(contender("stratagem", 2, 2), contender("a", 1, 1)),
        row(contender("stratagem", 1, 1), contender("a", 1.5, 1.5), kind="models"),
    ]
    assert summary(rows) == (
        "bench: kernels geomean 1.00 min 0.50, models geomean 1.50 min 1.50, against the best peer of each row"
    )


@pytest.mark.parametrize(("values", "expected"), [([2.0, 8.0], 4.0), ([3.0], 3.0)])
def test_geomean(values: list[float], expected: float) -> None:
    assert geomean(values) == pytest.approx(expected)


def test_geomean_of_nothing_is_no_number() -> None:
    assert math.isnan(geomean([])) and math.isnan(geomean([1.0, math.nan]))


def test_rounds_are_compared_one_by_one() -> None:
    with pytest.raises(ValueError, match="zip"):
        _ = row(contender("stratagem", 1, 1), contender("a", 1)).ratio


def test_memory_is_compared_with_what_a_run_needs() -> None:
    work = Work(flops=1e9, moved=10, weights=600, live=400)
    ours = contender("stratagem", 1, bytes_before=5000, bytes_serving=6300)
    assert row(ours, work=work).memory_ratio == 1.3
    assert math.isnan(row(ours).memory_ratio) and math.isnan(row(work=work).memory_ratio)


def test_a_row_survives_json() -> None:
    found = row(contender("stratagem", 1, 2), contender("a", 2, 2), work=Work(1.0, 2, 3, 4))
    again = row_from_json(json.loads(json.dumps(found.to_json())))
    assert again == found


def test_compile_seconds_are_what_the_peer_says() -> None:
    told = Contender("iree", "plain", load_s=0.1, first_s=0.5, facts={"ready_s": 7.0})
    assert told.compile_s == 7.5
    assert Contender("xla", "default", load_s=0.1, first_s=0.5).compile_s == 0.6


def test_tables_show_bounds_and_costs() -> None:
    ours = contender("stratagem", 0.002, load_s=1.0, first_s=0.25, bytes_before=1_000_000, bytes_serving=5_000_000)
    ours.facts["warm_compile_s"] = 0.5
    found = row(ours, contender("a", 0.0005), work=Work(0.0, 0, 3_000_000, 1_000_000))
    assert times_table([found], ["a"], lambda r: 0.001)[1] == [
        "one",
        "2",
        "2.000",
        "0.5000",
        "a",
        "0.25",
        "0.25",
        "50%",
    ]
    assert costs_table([found], ["a"])[1][:5] == ["one", "2", "1.2", "0.50", "0.0"]
    assert costs_table([found], [])[1][-2:] == ["4", "1.00"]
    shown = contenders_table(found)
    assert [line[0] for line in shown] == ["", "stratagem", "a"] and shown[2][3] == "0.25"


def test_text_of_tables() -> None:
    cells = [["row", "ms"], ["a", "1.5"], ["longer", "10"]]
    assert aligned(cells) == "row      ms\na       1.5\nlonger   10"
    assert markdown(cells).splitlines()[1] == "| --- | ---: |"
