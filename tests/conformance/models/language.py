"""Language and speech networks of transformers, two layers each; decoders with the whole text and with one token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from tests.conformance.models import Model, model
from tests.conformance.models.plain import FREE
from tests.conformance.models.vision import torchvision

VOCABULARY = 500
_DECODER = {
    "vocab_size": VOCABULARY,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
}


class Plain(nn.Module):  # type: ignore[misc]  # torch has no types here
    """A network that takes and gives tensors: its logits, or its last hidden state."""

    def __init__(self, network: nn.Module, names: Sequence[str], **fixed: Any) -> None:
        super().__init__()
        self.network, self.names, self.fixed = network, names, fixed

    def forward(self, *args: Tensor) -> Any:
        result = self.network(**dict(zip(self.names, args, strict=True)), **self.fixed)
        return result.logits if getattr(result, "logits", None) is not None else result.last_hidden_state


class OneStep(nn.Module):  # type: ignore[misc]
    """A decoder for one token: keys and values of each layer go in and come out longer by one."""

    def __init__(self, network: nn.Module, layers: int) -> None:
        super().__init__()
        self.network, self.layers = network, layers

    def forward(self, token: Tensor, position: Tensor, *past: Tensor) -> Any:
        from transformers import DynamicCache

        cache = DynamicCache()
        for layer in range(self.layers):
            cache.update(past[2 * layer], past[2 * layer + 1], layer)
        result = self.network(input_ids=token, position_ids=position, past_key_values=cache, use_cache=True)
        grown = [part for layer in cache.layers for part in (layer.keys, layer.values)]
        return (result.logits, *grown)


def tokens(batch: int, length: int) -> Tensor:
    return torch.randint(1, VOCABULARY, (batch, length))


def _step(network: nn.Module, layers: int, heads: int, width: int) -> Model:
    past = [torch.randn(2, heads, 16, width) for _ in range(2 * layers)]
    args = (tokens(2, 1), torch.full((2, 1), 16), *past)
    return Model(OneStep(network, layers), args, ({0: FREE}, {0: FREE}, tuple({0: FREE, 2: FREE} for _ in past)))


def _network(kind: str, configuration: str, options: dict[str, Any]) -> Any:
    from importlib.util import find_spec

    if find_spec("torchvision") is not None:
        torchvision()  # transformers imports it where it is
    import transformers

    return getattr(transformers, kind)(getattr(transformers, configuration)(**options))


def _texts(name: str, kind: str, options: dict[str, Any], **fixed: Any) -> None:
    """A network of token ids [batch, length], both free."""
    configuration = kind.replace("ForCausalLM", "").replace("LMHead", "").replace("Encoder", "")
    configuration = configuration.removesuffix("Model") + "Config"

    @model(name, "transformers")
    def build() -> Model:
        network = Plain(_network(kind, configuration, options), ("input_ids",), **fixed)
        return Model(network, (tokens(2, 16),), (({0: FREE, 1: FREE},),))


_GPT2 = {"vocab_size": VOCABULARY, "n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 128}
_texts("gpt2_prefill", "GPT2LMHeadModel", _GPT2, use_cache=False)
_texts("llama_prefill", "LlamaForCausalLM", _DECODER, use_cache=False)
_texts("qwen3", "Qwen3ForCausalLM", {**_DECODER, "head_dim": 8}, use_cache=False)
_texts(
    "mamba",
    "MambaForCausalLM",
    {"vocab_size": VOCABULARY, "hidden_size": 64, "state_size": 8, "num_hidden_layers": 2},
    use_cache=False,
)
_texts(
    "t5_encoder",
    "T5EncoderModel",
    {"vocab_size": VOCABULARY, "d_model": 64, "d_kv": 16, "d_ff": 128, "num_layers": 2, "num_heads": 4},
)
_texts(
    "clip_text",
    "CLIPTextModel",
    {
        "vocab_size": VOCABULARY,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
    },
)
_texts(
    "distilbert",
    "DistilBertModel",
    {"vocab_size": VOCABULARY, "dim": 64, "n_layers": 2, "n_heads": 4, "hidden_dim": 128},
)
_texts(
    "albert",
    "AlbertModel",
    {
        "vocab_size": VOCABULARY,
        "embedding_size": 32,
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 128,
    },
)
_texts(
    "rwkv",
    "RwkvForCausalLM",
    {"vocab_size": VOCABULARY, "hidden_size": 64, "num_hidden_layers": 2, "attention_hidden_size": 64},
    use_cache=False,
)
_texts(
    "bloom",
    "BloomForCausalLM",
    {"vocab_size": VOCABULARY, "hidden_size": 64, "n_layer": 2, "n_head": 4},
    use_cache=False,
)


@model("bert_base", "transformers")
def bert() -> Model:
    options = {
        "vocab_size": VOCABULARY,
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 128,
    }
    network = Plain(_network("BertModel", "BertConfig", options), ("input_ids", "attention_mask"))
    free = {0: FREE, 1: FREE}
    return Model(network, (tokens(2, 16), torch.ones(2, 16, dtype=torch.long)), ((free, free),))


@model("gpt2_decode", "transformers")
def gpt2_decode() -> Model:
    return _step(_network("GPT2LMHeadModel", "GPT2Config", _GPT2), 2, 4, 16)


@model("llama_decode", "transformers")
def llama_decode() -> Model:
    return _step(_network("LlamaForCausalLM", "LlamaConfig", _DECODER), 2, 2, 8)


@model("whisper_encoder", "transformers")
def whisper() -> Model:
    options = {
        "vocab_size": VOCABULARY,
        "d_model": 64,
        "encoder_layers": 2,
        "decoder_layers": 1,
        "encoder_attention_heads": 4,
        "decoder_attention_heads": 4,
        "encoder_ffn_dim": 128,
        "decoder_ffn_dim": 128,
        "max_source_positions": 100,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "decoder_start_token_id": 1,
    }
    encoder = _network("WhisperModel", "WhisperConfig", options).encoder
    return Model(Plain(encoder, ("input_features",)), (torch.randn(2, 80, 200),), (({0: FREE},),))
