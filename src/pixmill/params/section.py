"""What all sections of ``params.yaml`` are made of."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

__all__ = ["ClassName", "Count", "Section", "Share"]

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
ClassName = Annotated[str, StringConstraints(pattern=r"^[^\W_][\w .&'+-]*$", max_length=64)]


class Section(BaseModel):
    """One section: every key typed, none unknown, nothing coerced."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
