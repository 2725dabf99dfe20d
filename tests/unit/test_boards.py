"""The data file of boards: whole, plausible, and found by the names people type."""

from __future__ import annotations

import pytest

from octavo.board.boards import USUAL, Board, board_named, board_of, boards
from octavo.board.emulator import CORES
from octavo.errors import ConfigError

ALL = list(boards().values())


@pytest.mark.parametrize("board", ALL, ids=lambda board: board.name)
def test_a_board_is_whole_and_plausible(board: Board) -> None:
    assert board.title
    assert board.source
    assert board.chip
    assert board.flash_bytes is not None
    assert board.ram_bytes is not None
    assert board.ram_bytes >= 16 * 1024
    assert board.flash_bytes >= 64 * 1024
    assert 16 <= board.mhz <= 1000
    core = board.processor
    assert core.arm in {"", *CORES, "cortex-m0"}
    assert set(core.features) <= {"fpu", "dsp", "mve"}
    assert 0.5 <= core.cycles <= 2
    assert 0 < core.error <= 0.5
    assert core.source


def test_the_boards_that_people_start_with_are_there() -> None:
    makers = {title.split()[0] for title in (board.title for board in ALL)}
    assert {"Arduino", "ST", "Espressif", "Raspberry", "Nordic", "Adafruit", "Ambiq"} <= makers
    tutorial = board_named(USUAL)
    assert (tutorial.flash_bytes, tutorial.ram_bytes) == (1 << 20, 256 << 10)


@pytest.mark.parametrize("text", ["nano33ble", "Nano33BLE", "nano-33-ble", "NANO 33 BLE"])
def test_how_a_name_is_written_makes_no_difference(text: str) -> None:
    assert board_named(text).name == "nano33ble"


def test_an_unknown_board_is_told_with_the_closest_one() -> None:
    with pytest.raises(ConfigError, match=r"unknown board 'nano33bel'(.*\n)+.*did you mean 'nano33ble'"):
        board_named("nano33bel")


def test_budgets_stand_alone_or_in_for_the_boards_own() -> None:
    alone = board_of(None, "1MB", "64KB")
    assert (alone.flash_bytes, alone.ram_bytes, alone.processor) == (1 << 20, 64 << 10, board_named(USUAL).processor)
    assert board_of(None, ram="64KB").flash_bytes is None
    shrunk = board_of("pico", ram=1000)
    assert (shrunk.flash_bytes, shrunk.ram_bytes) == (2 << 20, 1000)
    with pytest.raises(ConfigError, match=r"fix: +write it like 256KB"):
        board_of(None, flash="a lot")
