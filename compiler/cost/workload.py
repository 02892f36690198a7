"""What a model does, as one device of a tensor-parallel group sees it: operations on local shapes, and exchanges.

A workload is a chain of equal blocks (layers) between a head and a tail. Backward passes are derived: a product
becomes two products, elementwise work reads the gradients and what it kept, an exchange becomes its mirror image.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Product:
    """`batch` products of [rows, depth] and [depth, columns].

    Attributes:
        weights: whether one operand is a parameter. beside: bytes that what is fused behind it moves. saved: bytes
        kept for the backward pass. core: whether it belongs to what selective recomputation does again (the core of
        attention: much memory, little work). on_chip: elements of operands and result, of each of the batch, that
        never reach main memory, because what makes or takes them is fused with the product.
    """

    name: str
    batch: int
    rows: int
    columns: int
    depth: int
    weights: bool = False
    saved: float = 0.0
    core: bool = False
    beside: float = 0.0
    on_chip: float = 0.0


@dataclass(frozen=True)
class Stream:
    """Elementwise work, reductions and copies in one pass over memory.

    Attributes:
        moved: bytes read and written forward; backward: bytes read and written backward (0: no backward pass).
        simple, special: additions and the like, exponentials and the like, forward; backward does as many.
        saved: bytes kept for the backward pass. core: as for products.
    """

    name: str
    moved: float
    backward: float
    simple: float = 0.0
    special: float = 0.0
    saved: float = 0.0
    core: bool = False


@dataclass(frozen=True)
class Exchange:
    """A collective in the tensor-parallel group.

    Attributes:
        size: bytes of the whole vector. mirror: what the backward pass does in its place. hidden: whether the backward
        one can run beside the gradient of the weights.
    """

    primitive: str
    size: float
    mirror: str
    hidden: bool = True


Step = Product | Stream | Exchange


@dataclass(frozen=True)
class Block:
    """Part of a model on one device of a tensor-parallel group, for one microbatch.

    Attributes:
        steps: in order. parameters: how many this device holds. boundary: bytes that go on to the next block, and that
        full recomputation keeps. state: bytes that inference keeps from pass to pass (keys and values).
        share: what part of all this is meant, where steps cannot be told apart but in their sum.
    """

    steps: tuple[Step, ...]
    parameters: float
    boundary: float
    state: float = 0.0
    share: float = 1.0


@dataclass(frozen=True)
class Cut:
    """How a block is cut: over `tensor` ranks, `sequence` whether what is not cut by tensors is cut by rows (sequence
    parallelism, Korthikanti et al. 2022), `samples` of the microbatch."""

    samples: int
    tensor: int = 1
    sequence: bool = False


@dataclass(eq=False)
class Workload(ABC):
    """A model to be costed.

    Attributes:
        name: as reported. dtype: of the computation. layers: how many equal blocks. parameters: in the whole model.
        elements: of one sample (tokens), for rates. tied: parameters that head and tail share. samples: the least that
        a microbatch can be.
    """

    name: str
    dtype: str
    layers: int
    parameters: float
    elements: int
    tied: float = 0.0
    samples: int = 1
    blocks: dict[Cut, tuple[Block, Block, Block]] = field(default_factory=dict, init=False, repr=False)
    used: dict[tuple[Cut, bool], frozenset[str]] = field(default_factory=dict, init=False, repr=False)

    def cut(self, cut: Cut) -> tuple[Block, Block, Block]:
        """Head, one layer and tail on one device."""
        found = self.blocks.get(cut)
        if found is None:
            found = self.blocks[cut] = self.make(cut)
        return found

    @abstractmethod
    def make(self, cut: Cut) -> tuple[Block, Block, Block]:
        """Builds head, layer and tail for `cut`."""

    @abstractmethod
    def refusal(self, cut: Cut) -> str:
        """Why the model cannot be cut like that; empty when it can."""

    def primitives(self, cut: Cut, training: bool) -> frozenset[str]:
        """Collectives that tensor ranks use, forward and, in training, backward."""
        key = (cut, training)
        found = self.used.get(key)
        if found is None:
            steps = [step for block in self.cut(cut) for step in block.steps if isinstance(step, Exchange)]
            names = {
                name for step in steps for name in ((step.primitive, step.mirror) if training else (step.primitive,))
            }
            found = self.used[key] = frozenset(names - {""})
        return found

    @property
    def flops(self) -> float:
        """Operations of the products of one sample's forward pass on one device that does it all."""
        head, layer, tail = self.cut(Cut(self.samples))
        whole = product_flops(head) + self.layers * product_flops(layer) + product_flops(tail)
        return whole / self.samples


def product_flops(block: Block) -> float:
    """Operations of a block's products."""
    return sum(2.0 * s.batch * s.rows * s.columns * s.depth for s in block.steps if isinstance(s, Product))
