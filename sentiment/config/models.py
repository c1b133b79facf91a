"""The candidates a config can name: one model per kind of configs/models/*.yaml."""

from typing import Annotated

from pydantic import Field

from sentiment.kinds.linear import LinearConfig
from sentiment.kinds.transformer import TransformerConfig

ModelConfig = Annotated[LinearConfig | TransformerConfig, Field(discriminator="kind")]
