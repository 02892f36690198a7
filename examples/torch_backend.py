"""`torch.compile` with Stratagem as its backend: a small transformer block, compared with eager PyTorch."""

from __future__ import annotations

import torch
from torch import nn

import stratagem as sg


class Block(nn.Module):  # type: ignore[misc]  # torch has no types here
    """Attention over a sequence, then a feed-forward network, both with residual connections."""

    def __init__(self, width: int = 64, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.feed = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, length, width = x.shape
        parts = self.qkv(self.norm1(x)).view(batch, length, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        mixed = nn.functional.scaled_dot_product_attention(query, key, value)
        x = x + self.out(mixed.transpose(1, 2).reshape(batch, length, width))
        return x + self.feed(self.norm2(x))


def main() -> None:
    """Compiles the block, compares, and prints the largest difference."""
    sg.register_torch_backend()
    torch.manual_seed(0)
    model = Block().eval()
    compiled = torch.compile(model, backend="stratagem")
    with torch.no_grad():
        for batch, length in ((1, 7), (2, 33)):
            x = torch.randn(batch, length, 64)
            difference = (compiled(x) - model(x)).abs().max().item()
            print(f"x {list(x.shape)}: largest difference from eager {difference:.1e}")
            assert difference < 1e-4


if __name__ == "__main__":
    main()
