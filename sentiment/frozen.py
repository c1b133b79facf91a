"""The base of every pydantic model that must not change: what YAML may say, and the parts of reports."""

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """Immutable, and an unknown key is an error: a misspelt option cannot be ignored in silence."""

    model_config = ConfigDict(extra="forbid", frozen=True)
