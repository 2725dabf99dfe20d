"""What a model takes, as values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field

from octavo.board.boards import Board
from octavo.board.plan_memory import MemoryPlan


@dataclass(frozen=True, slots=True)
class OperatorCost:
    """One operator of a model.

    Attributes:
        op: TensorFlow Lite name.
        layer: The user's name.
        products: Multiply-accumulates.
        weight_bytes: Of its constants in the file.
        live_bytes: Activations and scratch that hold values while it runs.
    """

    op: str
    layer: str
    products: int
    weight_bytes: int
    live_bytes: int


@dataclass(frozen=True, slots=True)
class Way:
    """One way to run a model on a board.

    Attributes:
        name: "generated C" or "TFLM with CMSIS-NN" (TensorFlow Lite Micro).
        obstacle: Why it cannot be gone; "" where it can. There are no figures then.
        flash: Bytes by what takes them.
        ram: Likewise.
        instructions: Of one inference, by operator; empty where there are no figures of such kernels.
        cycles: Clock cycles an instruction takes on the board's core.
        mhz: Its clock.
        error: By how much the time may be off, as a share.
        operators: (operator, what becomes of it) by distinct operator.
        notes: What the figures rest on.
    """

    name: str
    obstacle: str = ""
    flash: Mapping[str, int] = field(default_factory=dict)
    ram: Mapping[str, int] = field(default_factory=dict)
    instructions: tuple[float, ...] = ()
    cycles: float = 1.0
    mhz: float = 1.0
    error: float = 0.0
    operators: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def flash_bytes(self) -> int:
        """All of the flash."""
        return sum(self.flash.values())

    @property
    def ram_bytes(self) -> int:
        """All of the RAM."""
        return sum(self.ram.values())

    @property
    def milliseconds(self) -> float:
        """Estimated time of an inference."""
        return sum(self.instructions) * self.cycles / (self.mhz * 1000)

    def over(self, board: Board) -> dict[str, int]:
        """Bytes missing on a board, of "flash" and "RAM"; empty where it fits."""
        rooms = {"flash": (self.flash_bytes, board.flash_bytes), "RAM": (self.ram_bytes, board.ram_bytes)}
        return {name: taken - room for name, (taken, room) in rooms.items() if room is not None and taken > room}

    def fits(self, board: Board) -> bool:
        """Whether it can be gone on a board."""
        return not self.obstacle and not self.over(board)


@dataclass(frozen=True, slots=True)
class Mend:
    """Something that would make a model fit, or bring it closer.

    Attributes:
        what: A sentence that says what to do, and what it would come to.
        fits: Whether it is enough.
    """

    what: str
    fits: bool


@dataclass(frozen=True, slots=True)
class Footprint:
    """A model on a board.

    Attributes:
        name: The model's.
        board: The board.
        file_bytes: Size of its .tflite file.
        operators: In execution order.
        plan: Of its activations, for generated C; None where there is none.
        ways: Generated C first.
        mends: What would make it fit, where no way does; those that are enough first.
    """

    name: str
    board: Board
    file_bytes: int
    operators: tuple[OperatorCost, ...]
    plan: MemoryPlan | None
    ways: tuple[Way, ...]
    mends: tuple[Mend, ...] = ()

    @property
    def fits(self) -> bool:
        """Whether there is a way to run it on the board."""
        return any(way.fits(self.board) for way in self.ways)

    @property
    def peak(self) -> OperatorCost | None:
        """The operator that sets the peak of the RAM."""
        return max(self.operators, key=lambda each: each.live_bytes, default=None)

    @property
    def products(self) -> int:
        """Multiply-accumulates of an inference."""
        return sum(each.products for each in self.operators)

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return {
            "name": self.name,
            "board": asdict(self.board),
            "fits": self.fits,
            "file_bytes": self.file_bytes,
            "multiply_accumulates": self.products,
            "peak": None if self.peak is None else asdict(self.peak),
            "operators": [asdict(each) for each in self.operators],
            "arena": None if self.plan is None else _plan_values(self.plan),
            "ways": [_way_values(way, self.board) for way in self.ways],
            "mends": [asdict(mend) for mend in self.mends],
        }


def _plan_values(plan: MemoryPlan) -> dict[str, object]:
    buffers: Iterable[dict[str, object]] = ({**asdict(b), "offset": plan.offsets[b.name]} for b in plan.buffers)
    return {"bytes": plan.arena_bytes, "lower_bound_bytes": plan.lower_bound_bytes, "buffers": list(buffers)}


def _way_values(way: Way, board: Board) -> dict[str, object]:
    if way.obstacle:
        return {"name": way.name, "obstacle": way.obstacle, "fits": False}
    return {
        **asdict(way),
        "fits": way.fits(board),
        "flash_bytes": way.flash_bytes,
        "ram_bytes": way.ram_bytes,
        "million_instructions": sum(way.instructions) / 1e6,
        "milliseconds": way.milliseconds,
    }
