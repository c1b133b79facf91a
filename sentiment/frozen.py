"""The base of every config model: frozen, and an unknown key is an error."""

from pydantic import BaseModel, ConfigDict


class Config(BaseModel):
    """A frozen pydantic model that refuses unknown keys, so that a misspelt option cannot be ignored silently."""

    model_config = ConfigDict(extra="forbid", frozen=True)
