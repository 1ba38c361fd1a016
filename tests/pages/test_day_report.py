"""The report of a day: its sums against those of trades written by hand, and that it says what it is made of."""

import msgspec
import plotly.graph_objects as go

from tests.reports import day_log as day
from trading_bot.domain.orders import Side
from trading_bot.pages.day_document import day_document
from trading_bot.pages.day_inputs import read_inputs
from trading_bot.pages.page import Chart, Table, Value

_COLOUR = "#123456"


def blocks(page, kind):
    return [block for section in page.sections for block in section.blocks if isinstance(block, kind)]


def table(page, title):
    return next(block for block in blocks(page, Table) if block.title == title)


def painted(value, key=""):
    """As the browser paints it: names of colours become colours."""
    if isinstance(value, dict):
        return {name: painted(item, name) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [painted(item, key) for item in value]
    return _COLOUR if isinstance(value, str) and value.startswith("@") else value


def test_the_sums_are_those_of_the_trades(three, page_of):
    """Gross 12.50 − 15.00 + 1.25 = −1.25, commission 2.50 + 5.00 + 2.50 = 10.00, net −11.25; one of three won."""
    page = page_of(three)
    tiles = {tile.label: tile.value.text for tile in page.tiles}
    assert page.headline.value.text == "−11.25"
    assert page.headline.label == "Net, HYPOTHETICAL"
    assert tiles["Trades"] == "3"
    assert tiles["Gross"] == "−1.25"
    assert tiles["Win rate"] == "33 %"
    assert tiles["Profit factor"] == "0.47"  # 10.00 over 21.25
    assert tiles["Expectancy"] == "−3.75"
    assert tiles["Drawdown"] == "21.25"  # from +10.00 to −11.25


def test_each_breakdown_sums_to_the_account(three, page_of):
    page = page_of(three)
    by_template = table(page, "By template")
    rows = {row.cells[0]: row.cells[3].text for row in by_template.rows}
    assert rows == {"S1": "+8.75", "K1": "−20.00"}  # 10.00 − 1.25, and −20.00
    for title in (
        "By template",
        "By regime",
        "By hour (New York)",
        "By side",
        "By what ended them",
        "By part of the day",
    ):
        found = table(page, title)
        assert found.total.cells[3].text == "−11.25"
        assert sum(int(row.cells[1].text) for row in found.rows) == 3


def test_a_number_leads_to_the_records_it_is_made_of(three, page_of):
    """Two records, a hundred quotes, then the three trades: 103 to 105; S1 made the first and the last."""
    page = page_of(three)
    spans = {row.ref: (row.log, row.spans, row.count) for row in page.sources}
    assert spans[page.headline.value.ref] == ("run-1/20261125", "103-105", 3)
    by_template = {row.cells[0]: spans[row.cells[3].ref] for row in table(page, "By template").rows}
    assert by_template["S1"] == ("run-1/20261125", "103, 105", 2)
    assert by_template["K1"] == ("run-1/20261125", "104", 1)


def test_the_document_has_the_same_sums(three):
    document = day_document(read_inputs([three], trade_date=None, build=""))
    found = msgspec.json.decode(msgspec.json.encode(document))
    assert found["hypothetical"]["net_uusd"] == -11_250_000
    assert found["hypothetical"]["fees_uusd"] == 10_000_000
    assert found["real"]["trades"] == 0
    assert [row["trade_id"] for row in found["analysis"]["books"][0]["trades"]] == ["1-0", "2-0", "3-0"]


def test_each_trade_names_its_records_and_its_command(three, page_of):
    page = page_of(three)
    rows = table(page, "3 trades, HYPOTHETICAL: filled by the simulator").rows
    assert [row.command for row in rows] == [f"trading-bot explain run-1/20261125 {n}-0" for n in (1, 2, 3)]
    spans = {row.ref: row.spans for row in page.sources}
    assert all(spans[dict(row.details)["records"].ref] for row in rows)


def test_no_folder_of_this_machine_is_named(three, page_of, tmp_path):
    assert str(tmp_path) not in str(msgspec.to_builtins(page_of(three)))


def test_real_and_simulated_money_are_never_one_sum(tmp_path, page_of):
    rows = [
        *day.three_trades(),
        day.closed(4, "S1", Side.BUY, 1, (1_400, 1_430), (24_000, 24_008), "TARGET", 10.0, hypothetical=False),
    ]
    log = day.write(
        tmp_path / "run-1" / "20261125",
        [day.started(hypothetical=False, mode="PAPER"), day.carried(), *day.waves(0, 3_000), *rows],
    )
    page = page_of(log)
    assert page.headline.value.text == "+7.50"  # 10.00 less 2.50, the real trade alone
    tiles = {tile.label: tile.value.text for tile in page.tiles}
    assert tiles["Trades"] == "1"
    assert tiles["Net, HYPOTHETICAL"] == "−11.25"
    assert [section.title for section in page.sections if section.anchor.startswith("money")] == [
        "Money",
        "Money, HYPOTHETICAL",
    ]


def test_every_figure_is_one_that_plotly_knows(evil, three, page_of):
    """`go.Figure` refuses a property or a value that Plotly does not have."""
    for log in (three, evil):
        charts = blocks(page_of(log), Chart)
        assert len(charts) >= 7
        assert len({chart.anchor for chart in charts}) == len(charts)
        for chart in charts:
            layout = painted(chart.layout)
            go.Figure(data=painted(chart.data), layout=layout)
            go.Figure(layout=painted(chart.narrow))


def test_a_day_without_trades_says_so(tmp_path, page_of):
    log = day.write(
        tmp_path / "run-1" / "20261125", [day.started(), day.carried(), day.skip(100, "EUC_LOW"), *day.waves(0, 600)]
    )
    page = page_of(log)
    assert page.lead.startswith("No trades. 1 decisions")
    assert page.headline.value.text == "0.00"
    assert table(page, "0 trades").rows == ()
    assert table(page, "Skips by the first reason").rows[0].cells[0] == "euc low"


def test_a_log_without_a_quote_says_so(tmp_path, page_of):
    log = day.write(tmp_path / "run-1" / "20261125", [day.started(), day.carried()])
    said = [getattr(block, "text", "") for section in page_of(log).sections for block in section.blocks]
    assert "The log holds no quote of the instrument." in said


def test_a_day_of_many_quotes_is_thinned(tmp_path, page_of):
    quotes = [day.quote(day.at(k / 4), 24_000 + k % 97, 24_001 + k % 97) for k in range(40_000)]
    log = day.write(tmp_path / "run-1" / "20261125", [day.started(), day.carried(), *quotes])
    chart = next(block for block in blocks(page_of(log), Chart) if block.anchor == "day-chart")
    price = chart.data[0]
    assert 1_000 < len(price["x"]) <= 4_100
    assert min(y for y in price["y"] if y is not None) == (24_000 + 0.5) / 4
    assert max(y for y in price["y"] if y is not None) == (24_000 + 96.5) / 4


def test_numbers_without_records_are_none_of_the_money(three, page_of):
    """Every amount in the first numbers and in the breakdowns leads to records."""
    page = page_of(three)
    cells = [page.headline.value, *(tile.value for tile in page.tiles[:6])]
    cells += [row.cells[3] for found in blocks(page, Table) if found.title.startswith("By ") for row in found.rows]
    money = [cell for cell in cells if isinstance(cell, Value) and any(letter.isdigit() for letter in cell.text)]
    assert len(money) > 15
    refs = {row.ref for row in page.sources}
    assert all(cell.ref in refs for cell in money if cell.tone)
