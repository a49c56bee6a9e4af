"""repeat: the seed row once more, as oversampling does."""

from __future__ import annotations

from engine.operators.making.protocol import Made, RowFunction

REPEAT = RowFunction(
    name="repeat",
    version=1,
    description="the seed row once more",
    label="keep",
    copies="exact",
    params={},
    make=lambda material: Made(dict(material.seed.inputs)),
)
