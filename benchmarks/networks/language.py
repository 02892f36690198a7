"""Networks for language: encoders, and decoders with a cache of keys and values."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


class EncoderLayer(nn.Module):  # type: ignore[misc]  # torch has no types here
    """Attention and a feed-forward network, each added to its input and normalised after it."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))
        self.feed = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.norm1, self.norm2 = nn.LayerNorm(width, 1e-12), nn.LayerNorm(width, 1e-12)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, length, width = x.shape
        parts = (project(x) for project in (self.query, self.key, self.value))
        heads = [part.view(batch, length, self.heads, -1).transpose(1, 2) for part in parts]
        mixed = functional.scaled_dot_product_attention(*heads)
        x = self.norm1(x + self.out(mixed.transpose(1, 2).reshape(batch, length, width)))
        return self.norm2(x + self.feed(x))


class Bert(nn.Module):  # type: ignore[misc]  # torch has no types here
    """The encoder of BERT-base: 12 layers of width 768 (Devlin et al., arXiv:1810.04805)."""

    def __init__(self, layers: int = 12, width: int = 768, heads: int = 12, words: int = 30522) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(words, width), nn.Embedding(512, width)
        self.norm = nn.LayerNorm(width, 1e-12)
        self.layers = nn.Sequential(*(EncoderLayer(width, heads) for _ in range(layers)))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        places = self.places(torch.arange(tokens.shape[1]))
        result: torch.Tensor = self.layers(self.norm(self.words(tokens) + places))
        return result


class PreNormLayer(nn.Module):  # type: ignore[misc]  # torch has no types here
    """Attention and a feed-forward network, each normalised before it and added to its input."""

    def __init__(self, width: int, heads: int, epsilon: float, approximate: str = "none") -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width, epsilon), nn.LayerNorm(width, epsilon)
        self.project, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.feed = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(approximate=approximate), nn.Linear(4 * width, width)
        )

    def heads_of(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Queries, keys and values, each [batch, heads, length, width of a head]."""
        batch, length, _ = x.shape
        parts = self.project(self.norm1(x)).chunk(3, -1)
        return [part.view(batch, length, self.heads, -1).transpose(1, 2) for part in parts]

    def finish(self, x: torch.Tensor, mixed: torch.Tensor) -> torch.Tensor:
        """What follows attention."""
        x = x + self.out(mixed.transpose(1, 2).flatten(2))
        result: torch.Tensor = x + self.feed(self.norm2(x))
        return result

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.finish(x, functional.scaled_dot_product_attention(*self.heads_of(x)))


class Gpt2(nn.Module):  # type: ignore[misc]  # torch has no types here
    """GPT-2 small: 12 layers of width 768 (Radford et al., 2019).

    Takes tokens [1, n] and, where `past` is not 0, keys and values of every layer [1, 12, past, 64]; gives the last
    token's logits, then the new keys and values of every layer.
    """

    def __init__(self, past: int = 0, layers: int = 12, width: int = 768, heads: int = 12, words: int = 50257) -> None:
        super().__init__()
        self.past = past
        self.words, self.places = nn.Embedding(words, width), nn.Embedding(1024, width)
        nn.init.normal_(self.words.weight, 0.0, 0.05)
        self.layers = nn.ModuleList(PreNormLayer(width, heads, 1e-5, "tanh") for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: torch.Tensor, *cache: torch.Tensor) -> tuple[torch.Tensor, ...]:
        x = self.words(tokens) + self.places.weight[self.past : self.past + tokens.shape[1]]
        new: list[torch.Tensor] = []
        for i, layer in enumerate(self.layers):
            query, key, value = layer.heads_of(x)
            new += [key, value]
            if self.past:
                key, value = torch.cat([cache[2 * i], key], 2), torch.cat([cache[2 * i + 1], value], 2)
            mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=not self.past)
            x = layer.finish(x, mixed)
        return functional.linear(self.norm(x[:, -1]), self.words.weight), *new


class RootMeanSquareNorm(nn.Module):  # type: ignore[misc]  # torch has no types here
    """Division by the root of the mean square (Zhang and Sennrich, arXiv:1910.07467)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(1 + 0.1 * torch.randn(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-5) * self.weight


class LlamaBlock(nn.Module):  # type: ignore[misc]  # torch has no types here
    """A decoder block that decodes one token: rotary positions, several query heads for each head of the cache, SwiGLU
    (Touvron et al., arXiv:2302.13971; sizes of the 1B model of version 3.2).

    Takes the token's activations [1, 1, width], its position [1], keys and values [1, groups, past, 64].
    """

    def __init__(self, width: int = 2048, heads: int = 32, groups: int = 8, inner: int = 8192) -> None:
        super().__init__()
        self.heads, self.groups, self.size = heads, groups, width // heads
        self.norm1, self.norm2 = RootMeanSquareNorm(width), RootMeanSquareNorm(width)
        self.query = nn.Linear(width, width, bias=False)
        self.key, self.value = (nn.Linear(width, groups * self.size, bias=False) for _ in range(2))
        self.out = nn.Linear(width, width, bias=False)
        self.gate, self.up = (nn.Linear(width, inner, bias=False) for _ in range(2))
        self.down = nn.Linear(inner, width, bias=False)
        rates = 500000.0 ** (-torch.arange(0, self.size, 2, dtype=torch.float64) / self.size)
        angles = torch.arange(1024, dtype=torch.float64)[:, None] * torch.cat([rates, rates])
        self.register_buffer("cosines", angles.cos().float())
        self.register_buffer("sines", angles.sin().float())

    def turned(self, x: torch.Tensor, position: torch.Tensor) -> torch.Tensor:
        """Each pair of elements turned by its position's angle (Su et al., arXiv:2104.09864)."""
        first, second = x.chunk(2, -1)
        return x * self.cosines[position] + torch.cat([-second, first], -1) * self.sines[position]

    def forward(
        self, x: torch.Tensor, position: torch.Tensor, keys: torch.Tensor, values: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        y = self.norm1(x)
        query = self.turned(self.query(y).view(1, self.heads, 1, self.size), position)
        key = self.turned(self.key(y).view(1, self.groups, 1, self.size), position)
        value = self.value(y).view(1, self.groups, 1, self.size)
        keys, values = torch.cat([keys, key], 2), torch.cat([values, value], 2)
        # The queries of a group side by side, so that the cache need not be repeated.
        grouped = query.view(1, self.groups, self.heads // self.groups, self.size)
        weights = torch.softmax(grouped @ keys.transpose(2, 3) * self.size**-0.5, -1)
        x = x + self.out((weights @ values).view(1, 1, -1))
        y = self.norm2(x)
        return x + self.down(functional.silu(self.gate(y)) * self.up(y)), key, value
