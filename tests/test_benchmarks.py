"""The benchmarks compute their figures correctly, and documents quote the results.

These tests measure no time, and need none of the other clients.
"""

from __future__ import annotations

import asyncio
import re
import xml.etree.ElementTree as ET
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import calls
import compare
import contenders
import environments
import fleet
import instructions
import latency
import plots
import quotes
import results
import scale
import servers
import static_server
import waiters
import workers
from rounds import Spread, interleave, ratios

COSTS = st.lists(st.floats(1e-6, 1e6), min_size=1)


@pytest.fixture
def _without_nginx(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "NGINX", None)


@pytest.mark.parametrize("document", quotes.DOCUMENTS, ids=str)
def test_documents_quote_the_current_tables(document: str) -> None:
    text = (environments.ROOT / document).read_text(encoding="utf-8")
    assert quotes.quoted(text) == text, "run python benchmarks/quotes.py"


async def test_waiters_make_the_calls_that_the_results_count() -> None:
    shown = quotes.find("waiters.md", "Calls of waiters")
    calls = await waiters.count(10, 0, loop=False)
    assert f"| 10 | {calls.total} | {calls.poll} | {calls.finish} |" in shown


def test_a_quote_is_replaced_and_the_text_around_it_stays(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    new = results.table(("client", "CPU, us"), [("ours", "40")])
    (tmp_path / "calls.md").write_text(f"# Calls\n\n## Other\n\nNone.\n\n## TLS\n\nCPU.\n\n{new}\n")
    mark = "Before.\n\n<!-- table: calls.md, TLS -->\n"
    now = f"{mark}\n{new}\n\nAfter.\n"
    for old in ("", "\n", "\n| client |\n| --- |\n| ours |\n\n"):
        assert quotes.quoted(f"{mark}{old}After.\n") == now
    assert quotes.quoted(now) == now
    assert quotes.quoted(mark) == f"{mark}\n{new}\n"
    for heading in ("Other", "No such"):
        with pytest.raises(LookupError, match="has no table"):
            quotes.find("calls.md", heading)


@given(COSTS)
def test_a_spread_is_in_order(values: list[float]) -> None:
    spread = Spread.of(values)
    assert min(values) <= spread.low <= spread.median <= spread.high <= max(values)


def test_a_ratio_is_taken_within_its_round() -> None:
    slow_and_fast = [10.0, 1.0, 10.0]
    assert ratios([2 * cost for cost in slow_and_fast], slow_and_fast) == (2, 2, 2)
    assert ratios([1.0, 2, 4], [1, 1, 1]).show(1) == "2.0 (1.5-3.0)"


def test_each_round_starts_with_another_contender() -> None:
    turns: list[str] = []

    def turn(name: str) -> int:
        turns.append(name)
        return len(turns)

    found = interleave({name: partial(turn, name) for name in "abc"}, 3)
    assert "".join(turns) == "abcbcacab"
    assert found == {"a": [1, 6, 8], "b": [2, 4, 9], "c": [3, 5, 7]}


def test_contenders_are_compared_by_cpu_and_by_wall_time() -> None:
    costs = {
        "ours": [workers.Cost(1, 4)],
        "aiohttp": [workers.Cost(2, 2)],
        "aiobotocore": [workers.Cost(9, 9)],
        "capo": [workers.Cost(4, 4)],
    }
    assert calls.against(costs, "ours", "aiohttp").median == 0.5
    assert calls.against(costs, "ours", "aiohttp", "wall").median == 2
    assert [bar.cells()[1:] for bar in calls.bars(costs, tls=True, uvloop=False)] == [
        ("at most 0.64", "0.50", "yes"),
        ("at least 9", "9.00", "yes"),
        ("at least 5", "4.00", "no"),
    ]


@pytest.mark.parametrize("log", [False, True])
@given(values=st.lists(st.floats(0.01, 1e9), min_size=1))
def test_an_axis_places_all_values_in_order(log: bool, values: list[float]) -> None:
    axis = plots.Axis(values, 0, 100, log=log)
    assert len(axis.ticks) <= 13
    assert all(low < high for low, high in pairwise(axis.ticks))
    places = [axis.place(value) for value in sorted(values)]
    assert 0 <= places[0] <= places[-1] <= 100
    assert places == sorted(places)


def test_a_plot_has_a_line_for_each_series() -> None:
    points = [(1.0, 10.0), (1000.0, 40.0)]
    plot = plots.lines("CPU", "at once", "us", {"a<b": points, "c": points[:1]}, log_x=True)
    root = ET.fromstring(plot)  # noqa: S314 - our own output
    shown = ["".join(element.itertext()) for element in root.iter() if element.tag.endswith("text")]
    assert {"CPU", "at once", "us", "a<b", "c", "1,000"} <= set(shown)
    paths = [element.get("d", "") for element in root.iter() if element.get("stroke-width") == "2"]
    assert paths == ["M70.0 350.0L680.0 64.0", "M70.0 278.5"] or len(paths) == 2


def test_output_without_a_number_counts_as_zero() -> None:
    assert instructions.read("perf", "975160,,instructions:u,1,100.00,,\n") == 975160
    assert instructions.read("perf", "<not supported>,,instructions:u,0,100.00,,\n") == 0
    assert instructions.read("valgrind", "==7== \n==7== I   refs:      1,234,567\n") == 1234567
    assert instructions.read("valgrind", "valgrind: not found") == 0


def test_rows_name_existing_contenders_and_ways() -> None:
    rows = {
        *calls.ROWS.values(),
        *latency.ROWS.values(),
        *scale.GROWING.values(),
        *(row[1:] for row in instructions.ROWS),
    }
    asynchronous = {row for row in rows if row[0] != "boto3"}
    assert {name for name, _ in asynchronous} <= set(contenders.OPEN)
    ways = {way for _, way in rows} | {row[1] for row in compare.ROWS}
    assert ways <= {*contenders.Calls._fields, "tasks"}
    labels = {*calls.ROWS, *latency.ROWS, *scale.GROWING, *(row[0] for row in instructions.ROWS)}
    assert labels <= set(results.LABELS)


@pytest.mark.usefixtures("_without_nginx")
@pytest.mark.parametrize("way", ["get", "lookups", "tasks"])
async def test_our_client_makes_the_measured_calls(way: str) -> None:
    with servers.serving() as server:
        async with contenders.OPEN["ours"](server.url, token=workers.TOKEN) as ours:
            await workers.make_calls(ours, way, 20, 4)


@pytest.mark.usefixtures("_without_nginx")
@pytest.mark.parametrize("contender", ["ours", "aiohttp"])
async def test_a_large_page_is_read(contender: str) -> None:
    with servers.serving(servers.page_of(30)) as server:
        async with contenders.OPEN[contender](server.url) as client:
            await workers.make_calls(client, "page", 3, 2)
            page: Any = await client.page()
    items = page.items if contender == "ours" else page["NetworkConnectors"]
    assert len(items) == 30


class Sink(asyncio.Transport):
    """Notes when something was written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = asyncio.Event()

    def write(self, data: object) -> None:
        self.written.set()


@pytest.mark.usefixtures("leaps")
async def test_the_first_response_of_a_connection_waits_for_the_handshakes_too() -> None:
    loop = asyncio.get_running_loop()
    connection = static_server.Connection(static_server.Counts(None, b"{}"), 30, 2)
    sink = Sink()
    connection.connection_made(sink)
    times = [loop.time()]
    for _ in range(2):
        sink.written.clear()
        connection.data_received(b"GET / HTTP/1.1\r\n\r\n")
        await sink.written.wait()
        times.append(loop.time())
    assert [round(after - before) for before, after in pairwise(times)] == [90, 30]


def test_the_readme_names_every_benchmark() -> None:
    text = (results.FOLDER.parent / "README.md").read_text(encoding="utf-8")
    scripts = [
        path.name
        for path in results.FOLDER.parent.glob("*.py")
        if re.search(r"^    python benchmarks/", path.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    named = re.findall(r"(\w+\.py)", text)
    internal = {"contenders.py", "static_server.py", "workers.py"}
    assert set(scripts) - internal - set(named) == set()


def test_a_sweep_takes_as_long_as_the_limits_and_the_concurrency_allow() -> None:
    whole = fleet.Fleet(accounts=200, regions=5, connectors=50, at_once=200)
    assert len(set(whole.targets)) == 1000
    assert whole.ideal == pytest.approx(5 * (51 - 15) / 15)  # five rounds of 200 targets
    assert fleet.Fleet(3, 1, 14, at_once=2).ideal == 0  # the burst serves all
